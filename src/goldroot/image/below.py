"""Reading a few files of a system without following a link on the way: what is in an image does not lead out of it."""

from __future__ import annotations

import errno
import os
import stat

_STEP = os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def open_below(root: str, path: str, *, directory: bool = False) -> int | None:
    """A descriptor of a regular file (or directory) below ``root``; ``None`` where none is, or a link on the way."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    *above, name = path.split("/")
    try:
        for step in above:
            below = os.open(step, os.O_RDONLY | os.O_DIRECTORY | _STEP, dir_fd=handle)
            os.close(handle)
            handle = below
        found = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _STEP | (os.O_DIRECTORY if directory else 0), dir_fd=handle)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    finally:
        os.close(handle)
    if directory or stat.S_ISREG(os.fstat(found).st_mode):
        return found
    os.close(found)
    return None


def read_below(root: str, path: str) -> bytes | None:
    """A regular file's bytes; ``None`` as for :func:`open_below`."""
    handle = open_below(root, path)
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read()
