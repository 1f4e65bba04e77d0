"""Files of a store that are written whole or not at all, and what the system's errors mean there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot import crash
from goldroot.errors import HostError, NoPermission, NoSpace


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
