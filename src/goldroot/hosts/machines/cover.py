"""Mounts of one process alone, and of what it starts: what is made there is in memory, and goes with the last of them."""

from __future__ import annotations

import ctypes
import errno
import os

# Flags of linux/mount.h and sched.h.
_NOSUID, _NODEV = 2, 4
_NEWNS, _REC, _PRIVATE = 0x20000, 16384, 1 << 18
_DETACH, _NOFOLLOW = 2, 8  # umount2(2)

_libc = ctypes.CDLL(None, use_errno=True)


def own_mounts() -> None:
    """What this process mounts from now on is seen by nobody else, and goes with the last one that sees it."""
    _checked(_libc.unshare(_NEWNS), "unshare")
    _checked(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None), "mount")


def cover(directory: str, size: str = "1m") -> None:
    """What is made in a directory of this machine goes with this process.

    :param size: as tmpfs has it (tmpfs(5)): "1m", "50%".
    """
    flags, options = ctypes.c_ulong(_NOSUID | _NODEV), f"size={size},mode=755".encode()
    _checked(_libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", flags, options), "mount")


def uncover(directory: str) -> None:
    """What this process has mounted last at a directory goes, with all that stands in it; nothing else is there: nothing."""
    if _libc.umount2(os.fsencode(directory), _DETACH | _NOFOLLOW) < 0 and ctypes.get_errno() != errno.EINVAL:
        _checked(-1, "umount")


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
