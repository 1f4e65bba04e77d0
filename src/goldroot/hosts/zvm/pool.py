"""Where new minidisks come from, and how large they are in the units of z/VM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.hosts.addresses import place_of

#: Bytes of a cylinder of a 3390 in blocks of 4 KiB: 15 tracks of 12 blocks.
CYLINDER = 15 * 12 * 4096
#: Bytes of the first two tracks, in which labels are and no partition is.
LABELS = 2 * 12 * 4096


@dataclass(frozen=True, slots=True)
class Pool:
    """Where new minidisks come from.

    :param group: the directory manager's group of volumes.
    :param mode: of live disks.
    :param usual: bytes of a disk of which nobody says them.
    :param sizes: the same for a place, the last two digits of an address.
    """

    group: str
    mode: str = "MR"
    usual: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)

    def size_at(self, address: str) -> int:
        """Bytes of a new disk at an address, where nothing says more."""
        return self.sizes.get(place_of(address), self.usual)


def cylinders(size: int) -> int:
    """How many cylinders of a 3390 hold so many bytes, and the labels."""
    return -(-(size + LABELS) // CYLINDER)


def fits(sizes: Sequence[int], gaps: Iterable[int]) -> int | None:
    """The first of these sizes (bytes) that has no place in gaps of so many cylinders, or ``None``; the largest goes
    first, each into the largest gap."""
    left = sorted(gaps)
    for size in sorted(sizes, reverse=True):
        if not left or left[-1] < cylinders(size):
            return size
        left[-1] -= cylinders(size)
        left.sort()
    return None
