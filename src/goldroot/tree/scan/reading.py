"""Reading what a status does not tell of an entry: content, link, extended attributes, flags, project.

A file is opened once and read to its end, and the status that it has then must be the one that the walk saw: so what was
read is what was there.  Nothing but a file or a directory is ever opened.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from goldroot.files import Cursor, split
from goldroot.tree.entry import BLOCK, CHAR, DIRECTORY, FILE, LINK, Xattrs
from goldroot.tree.inode import beside, read_flags, read_xattrs
from goldroot.tree.problems import changed, read_problem
from goldroot.tree.scan.statuses import Fields

#: O_NONBLOCK: should a FIFO stand where a file was, opening it must not wait.
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Bytes read at once; a file up to this size is read in one call.
BLOCK_SIZE = 1 << 18


#: Tells which files' contents shall be read, by path.
Chooser = Callable[[bytes], bool]


def chooser(contents: bool | Chooser) -> Chooser:
    """A choice of all, of none, or by path, as a function."""
    return contents if callable(contents) else lambda path: contents


class Wanted(NamedTuple):
    """An entry to read, with the signature that it must have."""

    path: bytes
    kind: str
    size: int
    inode: int
    ctime: int


class Found(NamedTuple):
    """What was read of an entry."""

    content: bytes
    xattrs: Xattrs
    flags: int
    project: int
    status: Fields | None = None  #: in a live tree, the status that goes with it, where it is another by now
    gone: bool = False  #: in a live tree, there is nothing to read any more
    torn: bool = False  #: in a live tree, it changed each time that it was read; this is what was got


class Digester:
    """Hashes files.  Bytes that are those of the file before have its hash too, and comparing costs less than hashing:
    so trees that are alike are read together, path by path, with one of these.
    """

    def __init__(self) -> None:
        self._data = b""
        self._digest = hashlib.sha256().digest()

    def digest(self, fd: int, size: int) -> bytes:
        """SHA-256 of an open file; ``size`` is what it should have."""
        if size >= BLOCK_SIZE:
            return _digest_long(fd)
        data = os.read(fd, size + 1) if size else b""
        if data != self._data:
            self._data, self._digest = data, hashlib.sha256(data).digest()
        return self._digest


def _digest_long(fd: int) -> bytes:
    total = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK_SIZE))
    while count := os.readv(fd, [buffer]):
        total.update(buffer[:count])
    return total.digest()


class Reader:
    """Reads entries of the tree whose directory is open as ``root``."""

    def __init__(self, root: int, shown: bytes, *, contents: Chooser, digester: Digester | None = None) -> None:
        self._shown = shown
        self._contents = contents
        self._cursor = Cursor(root)
        self._digester = digester or Digester()
        self._project = (read_flags(root) or (0, 0))[1]
        self._extra = os.O_NOATIME
        self._strict = True

    def close(self) -> None:
        self._cursor.close()

    def look(self, path: bytes) -> os.stat_result:
        """The status of an entry, by its name; an ``OSError`` where there is none."""
        directory, name = split(path)
        return os.stat(name, dir_fd=self._cursor.at(directory), follow_symlinks=False)

    def read(self, wanted: Wanted) -> Found:
        """Read one entry.

        :raises NoPermission: it cannot be read.
        :raises TreeChanged: it is not what the walk saw.
        """
        try:
            if wanted.kind == FILE:
                return self._file(wanted)
            if wanted.kind == DIRECTORY:
                return self._directory(wanted)
            return self._other(wanted)
        except OSError as error:
            if wanted.kind == LINK and error.errno == errno.EINVAL:  # something else has taken its place
                raise changed(self._shown, wanted.path) from error
            raise read_problem(error, self._shown, wanted.path) from error

    def open(self, path: bytes) -> int:
        """Open a file, without a trace in its atime where the caller's rights allow that.

        :raises NoPermission: it cannot be read.
        :raises TreeChanged: no file is there.
        """
        directory, name = split(path)
        try:
            at = self._cursor.at(directory)
            if self._extra:
                try:
                    return os.open(name, OPEN_FILE | self._extra, dir_fd=at)
                except PermissionError:
                    self._extra = 0  # not ours to hide that it was read
            return os.open(name, OPEN_FILE, dir_fd=at)
        except OSError as error:
            raise read_problem(error, self._shown, path) from error

    def details(self, fd: int) -> tuple[Xattrs, int, int]:
        """Extended attributes, inode flags and project of an open file or directory; the tree's own project is 0."""
        # Asked of each one: the layers of an overlay may be of file systems with and without flags.
        flags, project = read_flags(fd) or (0, 0)
        return read_xattrs(fd), flags, project if project != self._project else 0

    def _file(self, wanted: Wanted) -> Found:
        fd = self.open(wanted.path)
        try:
            details = self.details(fd)
            size = wanted.size if self._strict else BLOCK_SIZE
            content = self._digester.digest(fd, size) if self._contents(wanted.path) else b""
            self._check(wanted, os.fstat(fd))
        finally:
            os.close(fd)
        return Found(content, *details)

    def _directory(self, wanted: Wanted) -> Found:
        fd = self._cursor.at(wanted.path)
        found = Found(b"", *self.details(fd))
        self._check(wanted, os.fstat(fd))
        return found

    def _other(self, wanted: Wanted) -> Found:
        name = split(wanted.path)[1]
        directory = self._cursor.at(split(wanted.path)[0])
        content = os.readlink(name, dir_fd=directory) if wanted.kind == LINK else b""
        xattrs = read_xattrs(beside(directory, name))
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if wanted.kind in (CHAR, BLOCK):
            content = b"%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))
        self._check(wanted, status)
        return Found(content, xattrs, 0, 0)

    def _check(self, wanted: Wanted, status: os.stat_result) -> None:
        if self._strict and (status.st_ctime_ns != wanted.ctime or status.st_ino != wanted.inode):
            raise changed(self._shown, wanted.path)
