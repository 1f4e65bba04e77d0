"""Copying what is in a file: shared blocks where the file system can, holes kept."""

from __future__ import annotations

import errno
import os

#: A file up to this size is copied by one read and one write.
SMALL = 1 << 17
#: What the kernel is asked to copy at once.
MOST = 1 << 30
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
    elif size > SMALL:
        _copy_range(source, target, 0, size)
    elif size:
        _copy_small(source, target, size)


def _copy_small(source: int, target: int, size: int) -> None:
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
            count = os.copy_file_range(source, target, min(end - start, MOST), start, start)
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
