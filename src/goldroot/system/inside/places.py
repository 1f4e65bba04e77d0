"""Places in a system's tree, found step by step without following a link, and the few files that are read or made there."""

from __future__ import annotations

import errno
import os
import stat

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

LARGEST = 1 << 16  #: bytes of a unit or a host name that are read


def place(root: int, path: str, *, directory: bool = True) -> int | None:
    """A descriptor of a directory (or file) below ``root``; ``None`` where there is none, or a link on the way."""
    handle = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    steps = [step for step in path.split("/") if step]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        try:
            below = os.open(step, _STEP | (os.O_DIRECTORY if directory or not last else 0), dir_fd=handle)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise
        finally:
            os.close(handle)
        handle = below
    return handle


def names(directory: int) -> list[str]:
    """Sorted; of a descriptor that :func:`place` gave."""
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return sorted(os.listdir(handle))
    finally:
        os.close(handle)


def content(directory: int, name: str) -> bytes:
    """The beginning of a regular file; nothing of anything else."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(handle).st_mode):  # Python opens no directory as a file
        os.close(handle)
        return b""
    with open(handle, "rb") as file:
        return file.read(LARGEST)


def write(directory: int, name: str, text: str, owner: int, mode: int = 0o644) -> None:
    """A new file of the system's root, whose number outside is ``owner``."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, mode, dir_fd=directory)
    try:
        os.write(handle, text.encode("utf-8", "surrogateescape"))
        os.fchmod(handle, mode)
        os.fchown(handle, owner, owner)
    finally:
        os.close(handle)


def directories(directory: int, path: str, owner: int) -> int:
    """Make every directory of ``path`` that is missing; a descriptor of the last one. ``OSError`` where a link stands."""
    handle = os.dup(directory)
    for step in path.split("/"):
        try:
            _make(handle, step, owner)
            below = os.open(step, _STEP | os.O_DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _make(directory: int, name: str, owner: int) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=directory)
        os.chown(name, owner, owner, dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        return
