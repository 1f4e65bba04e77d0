"""QEMU's own locks on image files: whoever has them keeps every QEMU off, also one that knows nothing of goldroot.

QEMU locks single bytes of a file (block/file-posix.c, raw_apply_lock_bytes): byte 100 + N is locked by who uses
permission N, byte 200 + N by who lets nobody else use it (BLK_PERM_* of include/block/block-common.h).  The locks are of
the open file (F_OFD_SETLK of fcntl(2)), so the kernel gives them back with its last descriptor.  They are advisory: a
QEMU with ``locking=off`` and all other programs do not ask for them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

_USED, _KEPT = 100, 200
#: Permissions: consistent reading, writing, writing what is there already, resizing.
_PERMISSIONS = range(4)
_WRITES = (1, 2, 3)
_GET, _SET = 36, 37  #: F_OFD_GETLK, F_OFD_SETLK; the same on every architecture with 64 bits
_LOCK = struct.Struct("hhxxxxqqixxxx")  #: struct flock there: type, whence, start, length, process


@contextmanager
def kept_from_qemu(images: Iterable[str]) -> Iterator[str | None]:
    """Keep every QEMU off these files in the block; gives the file that one has open for itself, or ``None``."""
    with ExitStack() as stack:
        taken = None
        for image in images:
            handle = os.open(image, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            if not _taken(handle):
                taken = image
                break
        yield taken


def _taken(handle: int) -> bool:
    try:
        for number in _PERMISSIONS:
            _lock(handle, _KEPT + number)
            _lock(handle, _USED + number)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    # Locks of readers do not exclude each other, so each looks for the other's after taking its own.
    return not any(_is_locked(handle, _USED + number) for number in _WRITES) and not any(
        _is_locked(handle, _KEPT + number) for number in _PERMISSIONS
    )


def _lock(handle: int, byte: int) -> None:
    fcntl.fcntl(handle, _SET, _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))


def _is_locked(handle: int, byte: int) -> bool:
    """By somebody else."""
    found = fcntl.fcntl(handle, _GET, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    return bool(_LOCK.unpack(found)[0] != fcntl.F_UNLCK)
