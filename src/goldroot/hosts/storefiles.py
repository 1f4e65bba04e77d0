"""What a store of files is made of: small files that are written whole or not at all, and the bytes of the disks.

A label is one small file for each disk, named like it.  It says whose the disk is; it is there before the disk's bytes have their name,
and goes after they are gone.  Where a disk stands, its owner's entry says.  A disk whose making or removal was begun and that its entry
does not name has an empty file besides, by which who tidies finds it.

A kind of host that keeps disks as files has to say by itself how their bytes are kept and reached (:class:`DiskBytes`), and what keeps
its entries and labels, where these are not files of the store.  All else is the same for every kind (:mod:`goldroot.hosts.filehost`).
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Literal, Protocol

from goldroot import crash, private
from goldroot.errors import Damaged, HostError, NoPermission, NoSpace
from goldroot.hosts.addresses import check_disk_id
from goldroot.hosts.port import Access, Applied, Disk, DiskInfo, Entry, Use


def write_whole(path: str, content: bytes) -> None:
    """The file is the old one or the new one, whatever happens: written beside, synced, renamed, directory synced.

    The caller holds a lock: two writers of one file share the name beside it.

    :raises NoSpace: there is no room; the file is the old one.
    :raises NoPermission: it may not be written.
    :raises HostError: something else went wrong.
    """
    with store_errors(path):
        beside = write_beside(path, content)
        try:
            put_in_place(beside, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside)
            raise


def write_beside(path: str, content: bytes) -> str:
    """The new content of a file, beside it and synced; gives its path, for :func:`put_in_place`."""
    beside = beside_of(path)
    try:
        _write(beside, content)
        crash.point("host.file-beside")
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    return beside


def put_in_place(beside: str, path: str) -> None:
    """What was written beside a file takes its place."""
    os.rename(beside, path)
    sync_directory(os.path.dirname(path))


def beside_of(path: str) -> str:
    """Where the new content of a file is written first."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.new")


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: str) -> None:
    """Names in a directory reach the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def store_errors(path: str) -> Iterator[None]:
    """In the block an error of the system, about a file of the store, becomes one for people."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"there is no room for {path!r}", todo="Make room, then run the command again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise NoPermission(
                f"{path!r} may not be written: {why}",
                todo="Run it as the owner of the site, on a store that can be written.",
            ) from error
        raise HostError(f"{path!r} could not be written: {why}") from error


@dataclass(frozen=True, slots=True)
class Label:
    """What was asked for when a disk was made, and the form that it was sealed in, or ""."""

    id: str
    owner: str
    size: int
    form: str
    sealed: str = ""


class Labels:
    """The ``labels/`` directory of a store."""

    def __init__(self, store: str) -> None:
        self._directory = os.path.join(store, "labels")

    def create(self) -> None:
        """Make the directory; what is there stays."""
        private.make_directory(self._directory)

    def find(self, id: str) -> Label | None:
        """:raises Damaged: it is not what goldroot wrote."""
        path = self._path(id)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return _decode(file.read(), path, id)

    def write(self, label: Label) -> None:
        """Put it in the place of the old one, whole."""
        write_whole(self._path(label.id), json.dumps(asdict(label)).encode() + b"\n")

    def remove(self, id: str) -> None:
        """Again: nothing."""
        path = self._path(id)
        with store_errors(path):
            with suppress(FileNotFoundError):
                os.unlink(path)
            sync_directory(self._directory)

    def _path(self, id: str) -> str:
        return os.path.join(self._directory, f"{check_disk_id(id)}.json")


@lru_cache(512)  # a label is asked for before and behind each lock
def _decode(content: bytes, path: str, id: str) -> Label:
    types = {field.name: int if field.name == "size" else str for field in fields(Label)}
    try:
        data = json.loads(content)
        if data.keys() != types.keys() or any(type(data[key]) is not kind for key, kind in types.items()):
            raise ValueError("keys")
        if data["id"] != id:
            raise ValueError(f"it names disk {data['id']!r}")
        return Label(**data)
    except (ValueError, AttributeError) as error:
        raise Damaged(
            f"{path} is not the label of a disk ({error})",
            meaning="Whose disk it is cannot be told, so it is neither read, written nor removed.",
            todo="Look at the file; put it right by hand, or put back the one of a backup.",
        ) from error


class Begun:
    """The files below ``begun/`` of a store."""

    def __init__(self, store: str) -> None:
        self._place = os.path.join(store, "begun")

    def note(self, id: str) -> None:
        """Before anything is made of a disk, or its entry names it no more.

        :raises NoSpace: the store is full.
        """
        file = os.path.join(self._place, id)
        with store_errors(file):
            private.make_directory(self._place)
            private.prepare(file)

    def forget(self, id: str) -> None:
        """The work is done; where that cannot be noted, it is seen by the next that tidies."""
        with suppress(OSError):
            os.unlink(os.path.join(self._place, id))

    def ids(self) -> list[str]:
        """All of them, sorted; none in a store that is older than this."""
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._place))
        return []


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
