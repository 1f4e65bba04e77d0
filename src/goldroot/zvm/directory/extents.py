"""Minidisk extents on volumes: which overlap, and which overlap on purpose.

Only fixed extents are compared: T-DISK, V-DISK and DEVNO have none, AUTOG, AUTOR and AUTOV get theirs from the
directory manager, and the label ``$$$$$$`` is DirMaint's for a disk that only holds a place.  An extent that starts
at 0 and covers the volume is a full-volume minidisk, the usual way to reach a whole volume; that it overlaps the
others is a note and no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from goldroot.zvm.directory.findings import ERROR, NOTE, WARNING, Finding, finding
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.statement import Statement
from goldroot.zvm.directory.views import Mdisk, disks

#: The cylinders of each model of a device type; the space of a whole volume.
CYLINDERS: dict[str, tuple[int, ...]] = {
    "2305": (48, 96),
    "2314": (200, 203),
    "2319": (200, 203),
    "3330": (404, 411, 808, 815),
    "3340": (348, 696),
    "3350": (555, 560),
    "3375": (959,),
    "3380": (885, 1770, 2655),
    "3390": (1113, 2226, 3339, 10017, 32760, 65520),
    "9345": (1440, 2156),
}
#: Larger than any volume: what END means.
BEYOND = 1 << 62


class Extent(NamedTuple):
    volume: str
    start: int
    #: The first cylinder or block behind the extent.
    end: int
    disk: Mdisk
    entry: Entry
    statement: Statement

    @property
    def whole_volume(self) -> bool:
        """A full-volume minidisk: from 0 to END, or as many cylinders as a model of the device has."""
        sizes = CYLINDERS.get(self.disk.devtype[:4], ())
        return self.start == 0 and (self.end == BEYOND or self.end in sizes or self.end > max(sizes, default=BEYOND))

    def label(self) -> str:
        return f"{self.entry.name} {self.disk.address}"

    def space(self) -> str:
        last = "END" if self.end == BEYOND else str(self.end - 1)
        return f"{self.start}-{last}"


def extents(directory: Directory) -> Iterator[Extent]:
    """All fixed extents."""
    for entry in directory.entries:
        for disk, statement in disks(entry):
            start, count = _number(disk.start), BEYOND if disk.size == "END" else _number(disk.size)
            real = disk.disktype == "PERM" and disk.volume.strip("$") != ""
            if real and start is not None and count:
                yield Extent(disk.volume, start, min(start + count, BEYOND), disk, entry, statement)


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 16 else None


def overlaps(directory: Directory) -> Iterator[Finding]:
    """Findings about overlapping extents, volume by volume."""
    by_volume: dict[str, list[Extent]] = {}
    for extent in extents(directory):
        by_volume.setdefault(extent.volume, []).append(extent)
    for volume, found in by_volume.items():
        whole = [extent for extent in found if extent.whole_volume]
        parts = [extent for extent in found if not extent.whole_volume]
        yield from _whole(volume, whole, parts)
        yield from _among(volume, sorted(parts, key=lambda extent: (extent.start, extent.statement.line)))


def at_the_label(directory: Directory) -> Iterator[Finding]:
    """Minidisks that begin at cylinder (or block) 0 and are not a whole volume: the volume's label stands there.

    Entries that keep others from a place, as ``$ALLOC$``, have dollar signs around their name (captured).
    """
    for extent in extents(directory):
        keeper = extent.entry.name[:1] == extent.entry.name[-1:] == "$"
        if extent.start == 0 and not extent.whole_volume and not keeper:
            text = f"{extent.label()} begins at 0 of {extent.volume}, where the label of the volume stands"
            yield finding(WARNING, "volume-label", extent.statement, extent.entry, text)


def _whole(volume: str, whole: list[Extent], parts: list[Extent]) -> Iterable[Finding]:
    for extent in whole:
        others = len(whole) + len(parts) - 1
        if others:
            text = f"{extent.label()} is the whole volume {volume} and overlaps {others} other minidisks on purpose"
            yield finding(NOTE, "full-volume", extent.statement, extent.entry, text)


def _among(volume: str, parts: list[Extent]) -> Iterator[Finding]:
    """Overlaps of sorted extents; each extent is told once, with the first that it runs into."""
    reach: Extent | None = None
    for extent in parts:
        if reach is not None and extent.start < reach.end:
            same = (extent.start, extent.end) == (reach.start, reach.end)
            text = (
                f"{extent.label()} ({volume} {extent.space()}) "
                f"{'is the same space as' if same else 'overlaps'} {reach.label()} ({reach.space()}) "
                f"of line {reach.statement.line}"
            )
            code, severity = ("same-extent", WARNING) if same else ("overlap", ERROR)
            yield finding(severity, code, extent.statement, extent.entry, text)
        if reach is None or extent.end > reach.end:
            reach = extent
