"""Files and directories, for all rooms: moving about in a tree, reading one file of it, writing one whole or for its owner alone,
copying one.

Work goes by directory descriptor.  A :class:`Cursor` opens one directory after the other, each by its one name in its
parent and never through a symbolic link.  So it needs no path that the kernel would call too long, and what somebody
exchanges for a link meanwhile is an error instead of a way out of the tree.

What a site keeps is its owner's alone.  A mode is given in so many words at each making, and set once more on what is open: the
process's umask has no say, and stays what it is, for trees on disks and commands in them have modes of their own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

#: Descriptors kept open at the top of a path; those deeper are opened again when they are needed.
KEPT_AT_TOP = 32
#: Descriptors kept open at the deep end of a path.
KEPT_BELOW = 32

#: O_NONBLOCK: should a FIFO stand where a file was, opening it must not wait.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: What the kernel says where a path leads to nothing, or would lead through a link.
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

#: A path of the system that goldroot runs on.
StrPath = str | os.PathLike[str]
AnyPath = StrPath | bytes

#: The modes of what a site keeps, and what of a mode is others' than the owner's.
FILE_MODE, DIRECTORY_MODE, OTHERS = 0o600, 0o700, 0o077
_NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Cursor:
    """A place in a tree.  Moving costs an ``open`` per level that is new; staying costs nothing.

    :param root: a descriptor of the tree's own directory; it stays the caller's.
    """

    def __init__(self, root: int) -> None:
        self._names: list[bytes] = []
        self._fds: list[int] = [root]  # one more than names; -1: closed for now
        self._path: bytes | None = b""  # None: somewhere on the way, after an error

    def at(self, directory: bytes) -> int:
        """A descriptor of ``directory`` (``b""``: the tree's own), good until the next call.

        :raises OSError: no directory is there, or a link is.
        """
        if directory == self._path:
            return self._fds[-1]
        self._path = None
        names = directory.split(b"/") if directory else []
        self._up(_common(self._names, names))
        if self._fds[-1] < 0:
            self._up(KEPT_AT_TOP)
        for name in names[len(self._names) :]:
            self._down(name)
        self._path = directory
        return self._fds[-1]

    def close(self) -> None:
        """Close every descriptor but the root's."""
        self._up(0)
        self._path = b""

    def _up(self, depth: int) -> None:
        for fd in self._fds[depth + 1 :]:
            if fd >= 0:
                os.close(fd)
        del self._fds[depth + 1 :], self._names[depth:]

    def _down(self, name: bytes) -> None:
        self._fds.append(os.open(name, OPEN_DIRECTORY, dir_fd=self._fds[-1]))
        self._names.append(name)
        far = len(self._names) - KEPT_BELOW
        if far > KEPT_AT_TOP and self._fds[far] >= 0:
            os.close(self._fds[far])
            self._fds[far] = -1


def _common(left: list[bytes], right: list[bytes]) -> int:
    for count, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return count
    return min(len(left), len(right))


def split(path: bytes) -> tuple[bytes, bytes]:
    """Directory and name of a path; the tree's own directory is ``.`` in itself."""
    directory, _, name = path.rpartition(b"/")
    return directory, name or b"."


@contextmanager
def parent_of(root: AnyPath, path: bytes, *, make: bool = False) -> Iterator[tuple[int, bytes]]:
    """A descriptor of the directory that holds a path of a tree, good for the block, and the path's last name.

    :param root: the tree's directory; only this, as the caller's own word, may lead through links.
    :param make: make directories that are missing (0755).
    :raises OSError: there is no such directory, or a link is on the way (one of :data:`NOT_THERE`).
    """
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    cursor = Cursor(top)
    try:
        directory, _, name = path.rpartition(b"/")
        if make:
            _make_all(cursor, directory)
        yield cursor.at(directory), name
    finally:
        cursor.close()
        os.close(top)


def _make_all(cursor: Cursor, directory: bytes) -> None:
    names = directory.split(b"/") if directory else []
    for depth, name in enumerate(names):
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=cursor.at(b"/".join(names[:depth])))


def open_regular(name: str | bytes, directory: int) -> int | None:
    """A descriptor of a regular file of an open directory; ``None`` where the name is a link, a FIFO or the like.

    Nothing but a regular file is opened: opening a device may set it going.

    :raises OSError: there is nothing of this name, or it may not be read.
    """
    if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return None
    try:
        handle = os.open(name, _OPEN_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link has taken its place
            return None
        raise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def read_regular(name: str | bytes, directory: int) -> bytes | None:
    """The bytes of a regular file of an open directory; ``None`` and errors as of :func:`open_regular`."""
    handle = open_regular(name, directory)
    if handle is None:
        return None
    with open(handle, "rb") as file:
        return file.read()


def open_given(path: AnyPath) -> BinaryIO:
    """A file that a person names, open for reading, in the directory of the command; a link there is the person's own word.

    A FIFO or a device is not opened: nobody may ever write to it, and the command would wait for ever.  What the command's
    shell has opened for it (``<(sed ...)``, ``/dev/stdin``) is.

    :raises OSError: it cannot be read, or is not such a file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode) and not os.fsencode(os.path.realpath(path)).startswith(b"/proc/"):
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        os.set_blocking(handle, True)
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_given(path: AnyPath, most: int = -1) -> bytes:
    """The bytes (``most`` of them at the most) of a file that a person names; errors as of :func:`open_given`."""
    with open_given(path) as file:
        return file.read(most)


def json_of(content: bytes | str) -> Any:
    """What a text of JSON says.

    :raises ValueError: it is none, or is nested so deeply that nothing of goldroot wrote it.
    """
    import json

    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_whole(
    path: AnyPath, parts: Iterable[bytes], *, beside: bytes = b".new", mode: int = FILE_MODE, sync: bool = True
) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part of it.

    :param beside: what stands behind the name while the file is written, in the same directory.
    :param mode: permission bits of the new file, whatever the process's mask; by default it is its owner's alone.
    :param sync: whether its bytes shall be on the disk before it has its name.
    :raises OSError: it cannot be written; the old file is as it was.
    """
    passing = os.fsencode(path) + beside
    try:
        handle = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(handle, "wb") as file:
            os.fchmod(handle, mode)  # before anything is in it
            file.writelines(parts)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(passing, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(passing)
        raise


def has_room(directory: AnyPath, size: int) -> bool:
    """Whether this user may still write ``size`` bytes to a directory's file system.

    Root may have what is kept for root, but not all that ``statvfs`` counts as free for it: ext4 keeps up to 4,096 blocks for
    itself (``reserved_clusters`` in its documentation).  Between what everybody may have and that count it is tried, with a file
    that has no name.
    """
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize >= size:
        return True
    if os.geteuid() or found.f_bfree * found.f_frsize < size:
        return False
    try:
        handle = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)
    except OSError as error:  # any other: it cannot be tried here, as on a network file system
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    return True


#: So much room is enough for the files that SQLite keeps beside a database, in bytes.
ENOUGH = 256 * 1024


def is_full(file: str | None) -> bool:
    """Whether a file's file system has no room, or no inode: SQLite calls it "disk I/O error" where its index is to grow."""
    try:
        found = os.statvfs(os.path.dirname(os.path.abspath(file or "")))
    except OSError:
        return False
    # A file system that counts no inodes (btrfs) says that it has 0 of 0.
    return found.f_bavail * found.f_frsize < ENOUGH or (found.f_files > 0 and found.f_favail == 0)


def says_full(code: int, *paths: str | None) -> bool:
    """Whether an error of SQLite is one of the ways in which it says that a file system is full.

    :param code: SQLite's, also an extended one. :param paths: the databases that it may be about.
    """
    import sqlite3  # not at the start of every command

    by_accident = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    return code & 0xFF == sqlite3.SQLITE_FULL or (code & 0xFF in by_accident and any(map(is_full, paths)))


def digest_of(parts: Iterable[bytes]) -> bytes:
    """SHA-256 over some byte strings, each with its length before it: ``ab, c`` is another digest than ``a, bc``."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


# -- what a site keeps


def make_directory(path: StrPath) -> str:
    """Make a directory, and those above it that are missing; one that is there stays as it is.  Returns its path."""
    place = os.fspath(path)
    above = os.path.dirname(place)
    if above and not os.path.isdir(above):
        make_directory(above)
    with suppress(FileExistsError):
        os.mkdir(place, DIRECTORY_MODE)
        os.chmod(place, DIRECTORY_MODE)  # made just now, in a directory that is the owner's alone: no link
    return place


def open_new(path: StrPath, *, exclusive: bool = False) -> int:
    """A file for writing, empty, as a descriptor.

    :raises FileExistsError: ``exclusive``, and there is one.
    """
    handle = os.open(path, _NEW | (os.O_EXCL if exclusive else 0), FILE_MODE)
    try:
        os.fchmod(handle, FILE_MODE)  # before anything is in it: it may have been there, made by another rule
        os.ftruncate(handle, 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def write(path: StrPath, content: bytes) -> None:
    """Write a file whole, through to the disk: a reader sees the old one or the new one."""
    write_whole(path, [content])


def prepare(path: StrPath) -> None:
    """Make an empty file for a program that would make it by a rule of its own; one that is there stays as it is.

    SQLite takes an empty file for a new database, and gives what it keeps beside it (``-wal``, ``-shm``) its mode.
    """
    with suppress(FileExistsError):
        os.close(open_new(path, exclusive=True))


def is_loose(path: str) -> bool:
    """Whether others than the owner have any right on a file or directory; links and what is not there are not."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return loose(status)


def loose(status: os.stat_result) -> bool:
    """:func:`is_loose`, of what is known of it."""
    return not stat.S_ISLNK(status.st_mode) and bool(status.st_mode & OTHERS)


# -- Copying what is in a file: shared blocks where the file system can, holes kept

#: A file up to this size is copied by one read and one write.
SMALL_FILE = 1 << 17
#: What the kernel is asked to copy at once.
_MOST = 1 << 30
_NOT_HERE = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EPERM)


class Shrunk(Exception):
    """The source ended before its size."""


def copy_content(source: int, target: int, status: os.stat_result) -> None:
    """Copy an open file into an open new one.

    :param status: the source's.
    :raises Shrunk: the source is not as long as its status says.
    """
    size = status.st_size
    if status.st_blocks * 512 < size:  # a hole, or compressed, or so small that it lives in the inode
        _copy_sparse(source, target, size)
    elif size > SMALL_FILE:
        _copy_range(source, target, 0, size)
    elif size:
        data = os.read(source, size + 1)
        if len(data) != size:
            raise Shrunk
        write_all(target, data)


def write_all(target: int, data: bytes) -> None:
    """Write all of it; one call may write less."""
    done = os.write(target, data)
    while done < len(data):
        done += os.write(target, data[done:])


def _copy_sparse(source: int, target: int, size: int) -> None:
    """Copy what is data, and leave holes holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        try:
            end = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise Shrunk from error  # it was cut off between the two questions
        _copy_range(source, target, start, end)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    """Copy the bytes from ``start`` to ``end``, within the kernel where it can."""
    try:
        while start < end:
            count = os.copy_file_range(source, target, min(end - start, _MOST), start, start)
            if not count:
                raise Shrunk
            start += count
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        _copy_by_hand(source, target, start, end)


def _copy_by_hand(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(end - start, 1 << 20), start)
        if not data:
            raise Shrunk
        done = 0
        while done < len(data):
            done += os.pwrite(target, data[done:], start + done)
        start += done
