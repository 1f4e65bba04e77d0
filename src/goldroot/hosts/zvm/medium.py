"""What is on minidisks, apart from how they are made and linked: DASD of this Linux, or what tests put in their place.

A disk has a label that is made of its id: by that another's disk is known before it is read or written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple, Protocol

from goldroot.hosts.port import Use
from goldroot.hosts.zvm.links import Devices


class Record(NamedTuple):
    """What a boot record is made of: descriptors of ``/boot``, which is on the disk, of a kernel and of an initial file
    system; and what the kernel is told."""

    boot: int
    kernel: int
    initial: int
    parameters: str


class Medium(Devices, Protocol):
    """What is on minidisks.  A device is what :meth:`online` has named."""

    @property
    def forms(self) -> Collection[str]:
        """Forms of disks that can be made."""

    @property
    def sealed_forms(self) -> Collection[str]:
        """Forms that a disk can be sealed in."""

    @property
    def blocks(self) -> bool:
        """Whether a copy of the blocks is a copy of the disk, so that inodes stay."""

    def least(self, form: str) -> int:
        """Bytes of the smallest disk of a form."""

    def tag(self, device: str) -> str:
        """The label on the disk; "" where there is none."""

    def format(self, device: str, form: str, tag: str) -> None:
        """An empty file system and a label, in the place of whatever is there."""

    def copy(self, source: str, target: str) -> None:
        """Copy all blocks, where the storage server does not."""

    def own(self, device: str, form: str, tag: str) -> None:
        """Make a copy of blocks a disk of its own: label, file system's UUID, and all of the room."""

    def seal(self, device: str, form: str) -> None:
        """Make the read-only form of what is on the disk, in its place.

        :raises Damaged: it was not unmounted.
        """

    def mount(self, device: str, form: str, *, write: bool, use: Use, replay: bool = False) -> tuple[int, int]:
        """Descriptors as of :func:`goldroot.hosts.images.mounting.mounted`, which are all that keeps it mounted.

        :param replay: it is a copy of a disk that is in use, whose journal may be replayed.
        :raises Damaged: dirty or broken.
        """

    def record(self, given: Record) -> None:
        """Write the boot record of the disk that a ``/boot`` is on, and ``bootmap`` there; an older one goes."""

    def evidence(self, device: str, form: str) -> str:
        """Cheap proof that nobody wrote to a sealed disk; "": there is none."""


def tag_of(id: str) -> str:
    """The label of a disk: six letters and digits, as a volume's label has."""
    number = int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big")
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "G" + "".join(letters[number // 36**place % 36] for place in range(5))
