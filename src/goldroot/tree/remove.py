"""Removing a tree, however deep it is and whatever its names are, without following a link or leaving the file system."""

from __future__ import annotations

import os
from contextlib import suppress

from goldroot.errors import Failed, NoPermission
from goldroot.files import OPEN_DIRECTORY, Cursor, split
from goldroot.tree.kernel import mounts_below, open_tree, read_flags, shown, write_flags, write_problem

#: Immutable and append-only: the kernel refuses to remove these.
HELD = 0x30
#: How a directory is opened that may not be entered.
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


def remove_tree(
    root: str | bytes | os.PathLike[str], *, keep_top: bool = False, keep: tuple[bytes, ...] = (b"lost+found",)
) -> None:
    """Remove a tree; nothing happens where there is none.

    :param keep_top: leave the directory itself, empty but for the names in ``keep``.
    :raises Failed: something is mounted below it; nothing was removed.
    :raises NoPermission: something cannot be removed; the rest may be gone.
    :raises BadInput: it is not a directory.
    """
    name = os.fsencode(root)
    if not os.path.lexists(name):
        return
    top = _open_top(root)
    try:
        _refuse_mounts(top, name)
        _empty(top, name, keep if keep_top else ())
    finally:
        os.close(top)
    if not keep_top:
        try:
            os.rmdir(name)
        except OSError as error:
            raise write_problem(error, name, b"") from error


def _open_top(root: str | bytes | os.PathLike[str]) -> int:
    try:
        return open_tree(root)
    except NoPermission:
        with suppress(OSError):
            _let_in(os.open(root, _HANDLE))
        return open_tree(root)


def _let_in(handle: int) -> None:
    """Give a directory's owner the right to enter; closes the handle."""
    try:
        os.chmod(b"/proc/self/fd/%d" % handle, 0o700)  # no link: the descriptor is of this very directory
    finally:
        os.close(handle)


def _refuse_mounts(top: int, name: bytes) -> None:
    """What is mounted below is not the tree's: a whole disk could go with it."""
    for path in sorted(mounts_below(top)):
        raise Failed(
            f"{shown(name, path)} is a mount point",
            meaning="Nothing was removed.",
            todo="Unmount what is mounted there and run the command again.",
        )


def _empty(top: int, name: bytes, keep: tuple[bytes, ...]) -> None:
    cursor = Cursor(top)
    waiting = [b""]
    path = b""
    try:
        while waiting:
            path = waiting[-1]
            below = _remove_files(_enter(cursor, path), path, keep if not path else ())
            if below:
                waiting += below
                continue
            waiting.pop()
            if path:
                _remove(cursor.at(split(path)[0]), split(path)[1], directory=True)
    except OSError as error:
        raise write_problem(error, name, path) from error
    finally:
        cursor.close()


def _enter(cursor: Cursor, path: bytes) -> int:
    """A descriptor of a directory, even of one that its owner may not enter."""
    try:
        return cursor.at(path)
    except PermissionError:
        directory, name = split(path)
        _let_in(os.open(name, _HANDLE, dir_fd=cursor.at(directory)))
        return cursor.at(path)


def _remove_files(fd: int, path: bytes, keep: tuple[bytes, ...]) -> list[bytes]:
    """Remove what is not a directory; the directories that are left, as paths."""
    _release(fd)
    below = []
    with os.scandir(fd) as found:
        entries = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        if name in keep:
            continue
        if is_directory:
            below.append(path + b"/" + name if path else name)
        else:
            _remove(fd, name, directory=False)
    return below


def _remove(at: int, name: bytes, *, directory: bool) -> None:
    remove = os.rmdir if directory else os.unlink
    try:
        remove(name, dir_fd=at)
    except PermissionError:
        with suppress(OSError):
            os.fchmod(at, 0o700)
        with suppress(OSError):
            _release_name(at, name, directory)
        remove(name, dir_fd=at)


def _release_name(at: int, name: bytes, directory: bool) -> None:
    flags = OPEN_DIRECTORY if directory else os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=at)
    try:
        _release(fd)
    finally:
        os.close(fd)


def _release(fd: int) -> None:
    """Take away the flags that forbid removing."""
    found = read_flags(fd)
    if found is not None and found[0] & HELD:
        write_flags(fd, found[0] & ~HELD, found[1], directory=False)
