"""What a kind of host that keeps disks as files has to say by itself: how their bytes are kept and reached, and what keeps its
entries and labels, where these are not files of the store.

All else is the same for every kind (:mod:`goldroot.hosts.filehost`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Literal, Protocol

from goldroot.hosts.port import Access, Applied, Disk, DiskInfo, Entry, Use
from goldroot.hosts.storefiles import Exact, Label, OpenedDisk


class DiskBytes(Protocol):
    """The bytes of a store's disks.  The caller holds the disk's lock, and has looked whether it may."""

    @property
    def forms(self) -> Collection[str]:
        """Forms of disks that can be made."""

    @property
    def sealed_forms(self) -> Collection[str]:
        """Forms that a disk can be sealed in."""

    def stands(self, label: Label) -> bool:
        """Whether the disk is there, whole.

        :raises Damaged: something else is there under its name.
        """

    def make(self, label: Label, source: Label | None) -> None:
        """Make the disk, empty or as a copy: under another name first, so that a part never counts as made."""

    def empty(self, label: Label) -> None:
        """An empty file system in the place of what was there, whole, emptied by half or gone."""

    def seal(self, label: Label, form: str) -> None:
        """Make the sealed form beside the disk as it is; which of the two counts, its label says next."""

    def settle(self, label: Label) -> None:
        """After the label was written: what does not count goes."""

    def remove(self, id: str) -> None:
        """Destroy all there is of it, by halves too."""

    def copies(self, source: Label, form: str) -> Literal["blocks", "files"]:
        """As :meth:`goldroot.hosts.Host.copies`."""

    def info(self, label: Label) -> DiskInfo:
        """As :meth:`goldroot.hosts.Host.info`, for one."""

    def open(self, stack: ExitStack, label: Label, access: Access, use: Use, *, exact: Exact) -> OpenedDisk:
        """Open it; ``stack`` gives back all that this takes.

        :raises Damaged: dirty or broken.
        """

    def users(self, labels: Sequence[Label], *, writing: bool) -> str | None:
        """Who besides this process uses the bytes of one of these disks; with ``writing``, so that they may change."""

    def ids(self) -> list[str]:
        """The ids of the disks that there is a whole one of, by what stands there."""

    def halves(self) -> list[str]:
        """The ids of which parts of a killed making or removal are there."""

    def tidy(self, id: str) -> None:
        """Remove these parts."""


class EntryKeeper(Protocol):
    """As :class:`goldroot.hosts.entries.Entries`."""

    def create(self) -> None: ...
    def find(self, name: str) -> Entry | None: ...
    def get(self, name: str) -> Entry: ...
    def all(self) -> Iterator[Entry]: ...
    def linked(self, owner: str) -> list[tuple[str, str, str]]: ...
    def define(self, entry: Entry) -> Entry: ...
    def undefine(self, name: str) -> None: ...
    def apply(self, wanted: Entry) -> Applied: ...
    def put_disk(self, name: str, address: str, disk: Disk) -> None: ...
    def drop_disk(self, name: str, id: str) -> None: ...


class LabelKeeper(Protocol):
    """As :class:`goldroot.hosts.storefiles.Labels`."""

    def create(self) -> None: ...
    def find(self, id: str) -> Label | None: ...
    def write(self, label: Label) -> None: ...
    def remove(self, id: str) -> None: ...
