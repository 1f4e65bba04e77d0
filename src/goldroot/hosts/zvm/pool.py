"""Where new minidisks come from, and how large they are in the units of z/VM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.hosts.sets import place_of

#: Bytes of a cylinder of a 3390 in blocks of 4 KiB: 15 tracks of 12 blocks.
CYLINDER = 15 * 12 * 4096
#: Bytes of the first two tracks, in which labels are and no partition is.
LABELS = 2 * 12 * 4096


@dataclass(frozen=True, slots=True)
class Geometry:
    """What minidisks of a type are counted in.

    :param device: the type, as the directory manager is told it.
    :param unit: what they are counted in, as SMAPI is told it: 1 cylinders, 2 blocks of 512 bytes.
    :param size: bytes in one.
    :param labels: bytes at the beginning that do not belong to a file system.
    :param temporary: the type of a temporary one, and what it is counted in, as CP's DEFINE is told it.
    :param word: what they are counted in, for people.
    """

    device: str
    unit: int
    size: int
    labels: int
    temporary: tuple[str, str]
    word: str

    def units(self, size: int) -> int:
        """How many hold so many bytes, and the labels."""
        return -(-(size + self.labels) // self.size)

    def room(self, units: int) -> int:
        """Bytes of a file system that so many hold."""
        return units * self.size - self.labels


#: Count-key-data disks, and those of fixed blocks: FBA minidisks, of which CP also makes SCSI disks (EDEVs).
ECKD = Geometry("3390", 1, CYLINDER, LABELS, ("T3390", "CYL"), "cylinders")
FBA = Geometry("9336", 2, 512, 2 * 512, ("TFB-512", "BLK"), "blocks")
GEOMETRIES = {"ECKD": ECKD, "FBA": FBA}


@dataclass(frozen=True, slots=True)
class Pool:
    """Where new minidisks come from.

    :param group: the directory manager's group of volumes.
    :param mode: of live disks.
    :param usual: bytes of a disk of which nobody says them.
    :param sizes: the same for a place, the last two digits of an address.
    :param geometry: of the disks on these volumes.
    """

    group: str
    mode: str = "MR"
    usual: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    geometry: Geometry = ECKD

    def size_at(self, address: str) -> int:
        """Bytes of a new disk at an address, where nothing says more."""
        return self.sizes.get(place_of(address), self.usual)


def fits(sizes: Sequence[int], gaps: Iterable[int], geometry: Geometry = ECKD) -> int | None:
    """The first of these sizes (bytes) that has no place in gaps of so many cylinders or blocks, or ``None``; the largest
    goes first, each into the largest gap."""
    left = sorted(gaps)
    for size in sorted(sizes, reverse=True):
        if not left or left[-1] < geometry.units(size):
            return size
        left[-1] -= geometry.units(size)
        left.sort()
    return None
