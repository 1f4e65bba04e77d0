"""Small files of a store: written whole or not at all; a label for each disk, and a note of what was begun with it.

A label is one JSON file, named like the disk.  It says whose the disk is; it is there before the disk's bytes have their name, and goes
after they are gone.  Where a disk stands, its owner's entry says.  A disk whose making or removal was begun and that its entry does not
name has an empty file besides, by which who tidies finds it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

from goldroot import crash, private
from goldroot.errors import Damaged, HostError, NoPermission, NoSpace
from goldroot.hosts.addresses import check_disk_id


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
