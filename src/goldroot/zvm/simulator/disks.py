"""Minidisks as files, in one directory: a sparse image file for each extent, or a directory in the place of each.

The name is the extent (``LX3000.000029129.img``, ``LX3000.000029129``), not the owner and address: what is written on
a disk stays with its cylinders when a directory entry gives them another address, as on the real thing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil

from goldroot.errors import Failed
from goldroot.run import run

from .dasd import Extent

#: Volume labels as CP takes them; nothing else becomes part of a file name.
VOLSER = re.compile(r"[A-Z0-9$@#_+-]{1,6}\Z")

#: Bytes that are copied at a time.
PIECE = 1 << 20


class DiskFiles:
    """Disks in a directory, which is held open: no link that is put in its way later is followed.

    :param form: ``image``: files as large as their extent; ``tree``: directories, for who has no use for a file system.
    :raises Failed: the directory cannot be opened.
    """

    def __init__(self, path: str, form: str = "image") -> None:
        self.path = os.path.abspath(path)
        self.trees = form == "tree"
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise Failed(f"the directory for disks {path!r} cannot be used: {error.strerror}") from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def name(self, extent: Extent) -> str | None:
        """The name of a disk; nothing for a volume that no file may be named after."""
        if not VOLSER.match(extent.volser):
            return None
        return f"{extent.volser}.{extent.start:09d}{'' if self.trees else '.img'}"

    def file(self, extent: Extent) -> str | None:
        """The full path of an extent's disk, which is made when it is not there: a sparse file of the extent's size, or
        an empty directory."""
        name = self.name(extent)
        if name is None:
            return None
        if self.trees:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=self._fd)
            os.close(self._open(name, os.O_RDONLY | os.O_DIRECTORY))
            return os.path.join(self.path, name)
        handle = self._open(name, os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(handle).st_size != extent.bytes:
                os.ftruncate(handle, extent.bytes)
        finally:
            os.close(handle)
        return os.path.join(self.path, name)

    def remove(self, extent: Extent) -> None:
        name = self.name(extent)
        if name:
            with contextlib.suppress(FileNotFoundError):
                if self.trees:
                    shutil.rmtree(name, dir_fd=self._fd)
                else:
                    os.unlink(name, dir_fd=self._fd)

    def fresh(self, extent: Extent) -> None:
        """An empty file for an extent that is given away again."""
        self.remove(extent)
        self.file(extent)

    def copy(self, source: Extent, target: Extent) -> None:
        """The data of one extent into another, in the place of what is there; holes stay holes."""
        if self.trees:
            self._copy_tree(source, target)
            return
        if self.file(source) is None or self.file(target) is None:
            return
        reading = self._open(self.name(source) or "", os.O_RDONLY)
        writing = self._open(self.name(target) or "", os.O_RDWR)
        try:
            # What the target held before must not show through the holes of the source.
            os.ftruncate(writing, 0)
            os.ftruncate(writing, target.bytes)
            for start, end in data_of(reading):
                copy_range(reading, writing, start, min(end, target.bytes))
        finally:
            os.close(reading)
            os.close(writing)

    def _copy_tree(self, source: Extent, target: Extent) -> None:
        old = self.file(source)
        self.remove(target)
        new = self.file(target)
        if old and new:
            run(["cp", "-a", "--reflink=auto", "--", f"{old}/.", new])

    def kept(self, path: str, by: str) -> str:
        """What a disk held when it was first read so: a copy of its directory, with its label."""
        copy = f"{path}.kept-{by}"
        if not os.path.exists(copy):
            for behind in ("", ".label"):
                if os.path.exists(path + behind):
                    run(["cp", "-a", "--", path + behind, copy + behind])
        return copy

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._fd)


def data_of(handle: int) -> list[tuple[int, int]]:
    """The pieces of a sparse file that hold data, as (first byte, byte behind the last)."""
    size = os.fstat(handle).st_size
    pieces: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(handle, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(handle, start, os.SEEK_HOLE)
        pieces.append((start, at))
    return pieces


def copy_range(reading: int, writing: int, start: int, end: int) -> None:
    while start < end:
        piece = os.pread(reading, min(PIECE, end - start), start)
        if not piece:
            return
        os.pwrite(writing, piece, start)
        start += len(piece)
