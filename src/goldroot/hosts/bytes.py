"""What a kind of host that keeps disks as files has to say itself: how the bytes of a disk are kept and reached,
and what keeps its entries and labels: files of a store, or something else that says the same.

Everything else of such a host is the same for all of them, see :mod:`goldroot.hosts.filehost`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Literal, Protocol

from goldroot.hosts.port import Access, Applied, Disk, DiskInfo, Entry, Use
from goldroot.hosts.storefiles import Label

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Whether a disk is seen exactly as it is, or how to find that out when somebody asks.
Exact = bool | Callable[[], bool]


class OpenedDisk:
    """An open directory of a disk, see :class:`goldroot.hosts.Opened`.  It owns its descriptors.

    :param mount: of a file system that is mounted nowhere, what keeps it a mount that can be placed elsewhere.
    """

    def __init__(self, handle: int, mount: int = -1, *, exact: Exact = True) -> None:
        self._handle = handle
        self._mount = mount
        self._exact = exact

    @property
    def handle(self) -> int:
        if self._handle < 0:
            raise ValueError("a disk is used outside of the block in which it was open")
        return self._handle

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.handle}"

    @property
    def exact(self) -> bool:
        return self.handle >= 0 and (self._exact if isinstance(self._exact, bool) else self._exact())

    def close(self) -> None:
        """Give it back; again: nothing."""
        handles, self._handle, self._mount = (self._handle, self._mount), -1, -1
        for handle in handles:
            if handle >= 0:
                os.close(handle)


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


def free_bytes(directory: str) -> int:
    """How much room a store has for a user without privileges."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def is_full(error: OSError) -> bool:
    """Whether there was no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


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
