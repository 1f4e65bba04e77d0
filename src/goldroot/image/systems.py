"""The maintenance and the test system of an image: machines that own all their disks, read-write.

In the site::

    images/debian/
    ├── layout.toml               the layout that the image was imported with
    ├── maintenance/1B5.manifest  what the last scan of each disk saw: unchanged files are not read again
    ├── test/1B5.manifest         the same for the test system
    ├── test/tested/1B5.manifest  the test system right after its tests: what differs since was done by a person
    └── gold/1/ ...               see :mod:`goldroot.image.gold_version`

New contents come to new disks in set 5, which are exchanged with the live ones in one step; what was live goes then.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from goldroot import crash, files
from goldroot.catalog import entries
from goldroot.errors import BadPolicy, GoldrootError, NoSpace, NotFound, Refused
from goldroot.hosts import (
    LIVE,
    PREPARED,
    Access,
    Entry,
    Host,
    Mark,
    Opened,
    State,
    Use,
    View,
    applied,
    exchange,
    find_entry,
    is_live,
    new_disk_id,
    own_disks,
    place_of,
    utc_now,
    with_mark,
)
from goldroot.ids import new_id
from goldroot.site import DiskRegister, Layout, Site, load_layout, make_bootable, without_boot_map
from goldroot.tree import FILE, WITHOUT_SET_ID, Manifest, Note, Progress, owners_not_kept, scan_tree
from goldroot.tree import Entry as Row

Role = Literal["maintenance", "test"]
MAINTENANCE: Role = "maintenance"
TEST: Role = "test"

_NOT_KEPT = "owner-not-kept"


@dataclass(frozen=True)
class System:
    """The maintenance or the test system of an image."""

    site: Site
    image: str
    role: Role

    @cached_property
    def machine(self) -> str:
        """The machine's name by the catalog: S10RWMNT, S10RWTST. :raises NotFound: there is no such image."""
        if (known := self._known()) is not None:
            return known.name
        raise NotFound(f"there is no image {self.image!r}")

    @cached_property
    def host(self) -> Host:
        """Where it lives: the image's home. :raises NotFound: there is no such image."""
        if (known := self._known()) is not None:
            return self.site.host_named(known.host)
        raise NotFound(f"there is no image {self.image!r}")

    def _known(self) -> entries.Entry | None:
        with self.site.catalog.read() as tx:
            return entries.of_system(tx, self.image, self.role)

    @cached_property
    def layout(self) -> Layout:
        return image_layout(self.site, self.image)

    @contextmanager
    def open(
        self, access: Access = "ro", *, use: Use = "files", view: View = "still"
    ) -> Iterator[Mapping[str, Opened]]:
        """Its disks by address, open for the block."""
        ids = self.disks
        with self.host.open_disks(dict.fromkeys(ids.values(), access), use=use, view=view) as opened:
            yield {address: opened[id] for address, id in ids.items()}

    @property
    def disks(self) -> dict[str, str]:
        """The ids of its disks, by address."""
        return own_disks(find_entry(self.host, self.machine))

    def manifest_file(self, address: str, *, of: str = "") -> str:
        return self.site.image_path(self.image, self.role, of, f"{address}.manifest")

    def known(self, address: str, *, of: str = "") -> Manifest | None:
        """What the last scan saw; ``of="tested"``: what was there right after the tests."""
        file = self.manifest_file(address, of=of)
        return Manifest.load(file) if os.path.exists(file) else None

    def scan(
        self, opened: Mapping[str, Opened], *, progress: Progress | None = None, keep: bool = True
    ) -> dict[str, Manifest]:
        """Every disk as it is now, by address.

        :param opened: its disks.
        :param keep: remember it for the next scan, where it says more than what is known.
        """
        found = {}
        for disk in self.layout.disks:
            known = self.known(disk.address)
            manifest = scan_tree(opened[disk.address].path, known=known, progress=progress).manifest
            now = found[disk.address] = as_recorded(manifest, known)
            if keep and (known is None or (now.columns, now.squashed) != (known.columns, known.squashed)):
                with suppress(NoSpace):  # one who looks for what could go should find it
                    self.remember({disk.address: now})
        return found

    def remember(self, manifests: Mapping[str, Manifest], *, of: str = "") -> None:
        """Save manifests for :meth:`known`."""
        for address, manifest in manifests.items():
            file = self.manifest_file(address, of=of)
            files.make_directory(os.path.dirname(file))
            manifest.save(file)

    def forget(self, *, of: str) -> None:
        """Remove what :meth:`remember` saved."""
        for disk in self.layout.disks:
            if os.path.exists(file := self.manifest_file(disk.address, of=of)):
                os.unlink(file)

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Alone with the image, and the machine counts as running: nothing copies it while something writes it."""
        with ExitStack() as stack:
            stack.enter_context(self.site.lock(f"image-{self.image}", doing=doing))
            stack.enter_context(self.host.hold(self.machine, runs=True))
            yield

    def exists(self) -> bool:
        """Whether it was made: to its end, which is when it can be started."""
        known = self._known()
        entry = None if known is None else self.host.find(known.name)
        return entry is not None and entry.startable

    def __str__(self) -> str:
        return f"the {self.role} system of image {self.image}"

    # -- disks

    def begin(self) -> None:
        """See that it has an entry, which stands on nothing yet where it is new."""
        host = self.host
        entry = host.find(self.machine)
        if entry is None:
            host.define(Entry(self.machine, "machine", marks={LIVE: self._mark("live")}))
            crash.point("system-defined")
        elif entry.role != "machine":
            raise _foreign(entry, str(self))

    @contextmanager
    def replaced(self, addresses: Collection[str] | None = None) -> Iterator[Mapping[str, Opened]]:
        """New, empty disks (for these addresses; all without) to be filled in the block; they are live after it.

        The others stay as they are.  When the block fails, the new ones go at once: a full file system must not stay
        full.  What a killed command left goes before.  The caller holds the machine.
        """
        self.sweep()
        host = self.host
        entry = find_entry(host, self.machine)
        refuse_foreign_disks(entry, self.image, str(self))
        wanted = [disk.address for disk in self.layout.disks if addresses is None or disk.address in addresses]
        digit = PREPARED if entry.startable else LIVE
        if digit == PREPARED:
            applied(host, with_mark(entry, PREPARED, self._mark("preparing")))
        try:
            made = {address: new_disk_id(self.machine, address) for address in wanted}
            work = find_entry(host, self.machine).marks[digit].by
            self._disk_register.make({digit + place_of(address): id for address, id in made.items()}, work)
            with host.open_disks(dict.fromkeys(made.values(), "rw")) as opened:
                outs = {address: opened[id] for address, id in made.items()}
                yield outs
                make_bootable(host, self.machine, self.layout, outs)
            self._go_live(digit)
        except BaseException:
            with suppress(GoldrootError, OSError):
                self.sweep()
            raise
        crash.point("system-in-place")
        self.sweep()

    def _go_live(self, digit: str) -> None:
        host = self.host
        entry = find_entry(host, self.machine)
        if digit == LIVE:
            applied(host, replace(entry, startable=True))
        else:
            applied(host, exchange(entry, PREPARED, entry.marks[PREPARED].by, "set-aside", since=utc_now()))

    def sweep(self) -> None:
        """Remove what the machine does not stand on: what was prepared, or was live before; all, where it is not made."""
        host = self.host
        self._disk_register.tidy()
        entry = host.find(self.machine)
        if entry is None:
            return
        self._disk_register.remove(
            [disk.id for address, disk in entry.disks.items() if not is_live(address) or not entry.startable]
        )
        if entry.marks.keys() - {LIVE}:
            entry = find_entry(host, self.machine)
            applied(host, replace(entry, marks={LIVE: entry.marks[LIVE]}))

    def remove(self) -> None:
        """Remove a system that was never made to its end, with its entry."""
        entry = self.host.find(self.machine)
        if entry is not None and not entry.startable:
            self.sweep()
            self.host.undefine(self.machine)

    @property
    def _disk_register(self) -> DiskRegister:
        return DiskRegister(self.site, self.host, self.machine, "system")

    def _mark(self, state: State) -> Mark:
        return Mark(state, new_id(), self.image, "", 0, utc_now())


def image_layout(site: Site, image: str) -> Layout:
    """The layout that the image was imported with; ``NotFound`` where its file is gone."""
    file = site.image_path(image, "layout.toml")
    if not os.path.exists(file):
        raise NotFound(
            f"the layout of image {image!r}, {file}, is missing",
            meaning="Which of its disks holds which paths is not known.",
            todo="Put the image's directory back from a backup.",
        )
    try:
        return load_layout(file)
    except BadPolicy as error:
        error.todo = (
            error.todo or "It is kept as the image was imported with it: put it back from a backup (goldroot restore)."
        )
        raise


def refuse_unknown_machine(host: Host, name: str) -> None:
    """:raises Refused: the host has a machine of this name, which is nobody's in the catalog."""
    if host.find(name) is not None:
        raise Refused(
            f"the host has a machine {name} already, and this site's catalog does not know it",
            meaning="Whose disks it has is not known. Nothing was made.",
            todo="Take another name; or look at it, and remove its definition and disks if nobody needs them.",
        )


def refuse_foreign_disks(entry: Entry, image: str, whose: str) -> None:
    """See that an entry is that of an image's system or slot.

    :raises Refused: it is not; to put other disks in the place of its own would leave these to nobody.
    """
    mark = entry.marks.get(LIVE)
    if mark is None or mark.image != image or mark.server:
        raise _foreign(entry, whose)


def _foreign(entry: Entry, whose: str) -> Refused:
    return Refused(
        f"{entry.name} is {whose}, and the host has it as something else: "
        + (", ".join(sorted(disk.id for disk in entry.disks.values())[:3]) or "without disks"),
        meaning="Its disks are somebody else's. Nothing was changed.",
        todo="Find out whose they are (goldroot clone list), and delete or move that.",
    )


def fingerprint(layout: Layout, manifests: Mapping[str, Manifest]) -> str:
    """Hex SHA-256 of a whole system: equal for equal systems, whatever their disks are called."""
    digest = hashlib.sha256(layout.hash.encode())
    for address, manifest in sorted(manifests.items()):
        digest.update(f"{address} {manifest.digest()}\n".encode())
    return digest.hexdigest()


def said_once(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Notes of several disks, with one word for all about owners that could not be kept."""
    every = list(notes)
    count = sum(int(str(note.data.get("count", 1))) for note in every if note.kind == _NOT_KEPT)
    kept = [note for note in every if note.kind != _NOT_KEPT]
    if count:
        kept.append(owners_not_kept(count))
    return tuple(kept)


def as_recorded(manifest: Manifest, known: Manifest | None) -> Manifest:
    """A disk as images are recorded: without what its host writes there by itself, and with owners as they should be.

    Where a tree was written without the right to give files away, every file belongs to the caller, and none has the set-id
    bits that would lend it the caller's rights; known paths have the owner and mode that are recorded of them, and new ones
    were made by the root of a user namespace, who is nobody else.
    """
    manifest = without_boot_map(manifest)
    if known is None or known.squashed is None:
        return manifest
    owner = (known.squashed.uid, known.squashed.gid)
    recorded = {row[0]: row[2:5] for row in known.rows()}

    def own(path: bytes, kind: str, mode: int) -> tuple[int, int, int]:
        should, uid, gid = recorded.get(path, (mode, 0, 0))
        return should if kind == FILE and mode == should & WITHOUT_SET_ID else mode, uid, gid

    rows = ((*row[:2], *own(*row[:3]), *row[5:]) if row[3:5] == owner else row for row in manifest.rows())
    return Manifest.from_rows((Row._make(row) for row in rows), known.squashed)


def tests_cut_off(system: System) -> NotFound:
    """What was changed on a test system is told from what its tests left; these have not ended."""
    return NotFound(
        f"the tests of {system.machine} were cut off, so it is not known what is a fix",
        todo=f"Run the tests again: goldroot maintain test {system.image}",
    )
