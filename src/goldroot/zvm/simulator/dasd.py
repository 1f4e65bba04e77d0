"""Volumes, extents and pools: where minidisks lie, and where there is room for another.

A 3390 cylinder has 15 tracks of twelve 4 KiB blocks: 180 blocks, 737,280 bytes.  An FBA block has 512 bytes.
Cylinder 0 of a volume holds its label and is never given away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from goldroot.zvm.simulator.directory import Directory
from goldroot.zvm.simulator.statements import Statement, vdev

CYLINDER_BYTES = 180 * 4096
BLOCK_BYTES = 512

#: Cylinders of the 3390 models 3, 9, 27 and 54, and of the largest extended address volume.
MODELS = (3339, 10017, 32760, 65520, 262668)

#: Device types that are counted in blocks of 512 bytes.
FBA_TYPES = ("3310", "3370", "9332", "9335", "9336", "FB-512", "FBA")

#: Kinds of minidisk that lie on no volume.
NO_VOLUME = ("T-DISK", "V-DISK")


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of a volume, in cylinders (or blocks, for FBA)."""

    volser: str
    start: int
    size: int
    devtype: str = "3390"

    @property
    def end(self) -> int:
        """The last cylinder."""
        return self.start + self.size - 1

    @property
    def bytes(self) -> int:
        """Bytes of data that it holds."""
        return self.size * (BLOCK_BYTES if is_fba(self.devtype) else CYLINDER_BYTES)

    def overlaps(self, other: Extent) -> bool:
        return self.volser == other.volser and self.start <= other.end and other.start <= self.end


def is_fba(devtype: str) -> bool:
    return devtype in FBA_TYPES


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a volume from which space is given."""

    name: str
    extent: Extent


@dataclass(frozen=True, slots=True)
class Placed:
    """A minidisk of the directory and the extent that it has."""

    entry: str
    address: str
    extent: Extent


class NoSpace(Exception):
    """No gap is large enough."""


class NoSuchArea(Exception):
    """No group, region or volume of this name."""


@dataclass
class Dasd:
    """Volumes and what is on them; the minidisks themselves stand in the directory.

    :param volumes: volser -> size in cylinders.
    :param groups: group -> names of its regions.
    :param reserved: extents that are given away and stand in no entry yet.
    """

    volumes: dict[str, int] = field(default_factory=dict)
    regions: dict[str, Region] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    reserved: list[Extent] = field(default_factory=list)

    def add_volume(self, volser: str, cylinders: int = MODELS[2]) -> None:
        self.volumes[volser] = max(cylinders, self.volumes.get(volser, 0))

    def add_group(self, group: str, volsers: Iterable[str]) -> None:
        """A group whose regions are whole volumes."""
        for volser in volsers:
            if volser not in self.volumes:
                self.add_volume(volser)
            self.regions.setdefault(volser, Region(volser, Extent(volser, 1, self.volumes[volser] - 1)))
            self.groups.setdefault(group, []).append(volser)

    def learn(self, directory: Directory) -> None:
        """Add the volumes on which the directory has minidisks, each as the smallest model that holds them."""
        for placed in placed_in(directory):
            extent = placed.extent
            if extent.volser not in self.volumes or self.volumes[extent.volser] <= extent.end:
                self.volumes[extent.volser] = next((size for size in MODELS if size > extent.end), extent.end + 1)

    def allocate(self, directory: Directory, kind: str, area: str, size: int, devtype: str) -> Extent:
        """Find room.

        :param kind: AUTOG (a group), AUTOR (a region), AUTOV (a volume), or the first cylinder as a number.
        :param area: name of the group, region or volume.
        :raises NoSuchArea: nothing of that name.
        :raises NoSpace: no gap, or the place asked for is taken.
        """
        taken = [*self.reserved, *(placed.extent for placed in placed_in(directory))]
        if kind.isdigit():
            return self._exactly(Extent(area, int(kind), size, devtype), taken)
        for room in self._rooms(kind, area):
            if (found := gap(room, size, taken, devtype)) is not None:
                return found
        raise NoSpace(area)

    def _exactly(self, wanted: Extent, taken: list[Extent]) -> Extent:
        if wanted.volser not in self.volumes:
            raise NoSuchArea(wanted.volser)
        if wanted.end >= self.volumes[wanted.volser] or any(wanted.overlaps(one) for one in blocking(taken)):
            raise NoSpace(wanted.volser)
        return wanted

    def _rooms(self, kind: str, area: str) -> list[Extent]:
        if kind == "AUTOG" and area in self.groups:
            return [self.regions[name].extent for name in self.groups[area] if name in self.regions]
        if kind == "AUTOR" and area in self.regions:
            return [self.regions[area].extent]
        if kind == "AUTOV" and area in self.volumes:
            return [Extent(area, 1, self.volumes[area] - 1)]
        raise NoSuchArea(area)

    def free(self, directory: Directory, volser: str) -> list[Extent]:
        """The gaps of a volume."""
        taken = sorted(
            (one.extent for one in placed_in(directory) if one.extent.volser == volser), key=lambda one: one.start
        )
        at, gaps = 1, []
        for extent in blocking(taken):
            if extent.start > at:
                gaps.append(Extent(volser, at, extent.start - at))
            at = max(at, extent.end + 1)
        if at < self.volumes.get(volser, 0):
            gaps.append(Extent(volser, at, self.volumes[volser] - at))
        return gaps


def blocking(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Extents that keep others away: a full-pack minidisk over a whole volume does not."""
    return (extent for extent in extents if extent.start > 0)


def gap(room: Extent, size: int, taken: Iterable[Extent], devtype: str) -> Extent | None:
    """The first gap of ``size`` in a room."""
    at = room.start
    for extent in sorted((one for one in blocking(taken) if one.overlaps(room)), key=lambda one: one.start):
        if extent.start - at >= size:
            break
        at = max(at, extent.end + 1)
    wanted = Extent(room.volser, at, size, devtype)
    return wanted if wanted.end <= room.end else None


def extent_of(statement: Statement, volumes: dict[str, int] | None = None) -> Extent | None:
    """The extent that an MDISK statement names; nothing for temporary, virtual and unallocated disks."""
    devtype, start, size, volser = (statement.operand(number) for number in range(1, 5))
    if start == "DEVNO":
        return Extent(size, 0, 1, devtype)
    if not start.isdigit() or not volser:
        return None
    if size == "END":
        return Extent(volser, int(start), max((volumes or {}).get(volser, MODELS[0]) - int(start), 1), devtype)
    return Extent(volser, int(start), int(size), devtype) if size.isdigit() else None


def placed_in(directory: Directory) -> Iterator[Placed]:
    """Every minidisk of the directory that lies on a volume."""
    for entry in directory.entries.values():
        for statement in entry.find("MDISK"):
            if (extent := extent_of(statement)) is not None:
                yield Placed(entry.name, vdev(statement.operand(0)), extent)
