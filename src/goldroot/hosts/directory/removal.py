"""Removing a whole tree, whatever is in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_HOLDING = 0x10 | 0x20  # FS_IMMUTABLE_FL and FS_APPEND_FL


def remove_tree(path: str) -> None:
    """Remove a directory and all below it; links are removed, never followed.

    Directories without rights for their owner and files with the immutable flag are part of a server's tree: where they
    stand in the way, rights and flags are set free first.
    """
    try:
        shutil.rmtree(os.fsencode(path))
    except PermissionError:
        _set_free(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
        shutil.rmtree(os.fsencode(path))


def _set_free(handle: int) -> None:
    """``handle`` (closed here): an O_PATH descriptor, which needs no rights on the directory itself."""
    try:
        _clear_flags(handle)
        os.chmod(f"/proc/self/fd/{handle}", 0o700)
        with os.scandir(f"/proc/self/fd/{handle}") as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found if not entry.is_symlink()]
        for name, is_directory in entries:
            below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            if is_directory:
                _set_free(below)
            else:
                _free_file(below)
    finally:
        os.close(handle)


def _free_file(handle: int) -> None:
    try:
        if os.path.isfile(f"/proc/self/fd/{handle}"):
            _clear_flags(handle)
    finally:
        os.close(handle)


def _clear_flags(handle: int) -> None:
    """Takes away what forbids removal; file systems without flags say no, and need none."""
    try:
        opened = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        flags = struct.unpack("I", fcntl.ioctl(opened, _GET_FLAGS, b"\0" * 4))[0]
        if flags & _HOLDING:
            fcntl.ioctl(opened, _SET_FLAGS, struct.pack("I", flags & ~_HOLDING))
    except OSError:
        pass
    finally:
        os.close(opened)
