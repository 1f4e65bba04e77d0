"""What the kernel said, as errors for people."""

from __future__ import annotations

import errno
import os

from goldroot.errors import BadInput, Failed, GoldrootError, NoPermission, NoSpace, TreeChanged
from goldroot.tree.paths import path_text

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM)
MOVED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE, errno.ENXIO)
#: The file system, or this kind of file, does not have the thing that was asked for.
WITHOUT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EINVAL)


def shown(root: bytes, path: bytes) -> str:
    """A path in a tree as messages name it: with the tree before it."""
    return path_text(root.rstrip(b"/") + b"/" + path if path else root or b".")


def read_problem(error: OSError, root: bytes, path: bytes) -> GoldrootError:
    """The error for a person when ``path`` of the tree at ``root`` could not be read."""
    name = shown(root, path)
    if error.errno in DENIED:
        return NoPermission(
            f"{name} cannot be read: {error.strerror}",
            meaning="The tree cannot be known as a whole, so nothing was done with it.",
            todo="Run the command as root, or make this path readable for you.",
        )
    if error.errno in MOVED:
        return changed(root, path) if os.path.isdir("/proc/self/fd") else _without_proc(name)
    return Failed(f"{name} cannot be read: {error.strerror}", todo="Check the disk and the kernel's log.")


def _without_proc(name: str) -> Failed:
    return Failed(
        f"{name} cannot be read without /proc",
        meaning="The kernel tells the attributes of links and devices only by way of /proc/self/fd.",
        todo="Mount it (mount -t proc proc /proc) and run the command again.",
    )


def changed(root: bytes, path: bytes) -> TreeChanged:
    """The error for a path that changed between two looks."""
    return TreeChanged(
        f"{shown(root, path)} changed while it was read",
        meaning="Something is writing to this tree; what was read of it is not one state.",
        todo="Stop what writes there, or take a snapshot, and run the command again.",
    )


def write_problem(error: OSError, root: bytes, path: bytes) -> GoldrootError:
    """The error for a person when ``path`` of the new tree at ``root`` could not be written."""
    name = shown(root, path)
    if error.errno in FULL:
        return NoSpace(
            f"no space left for {name}: {error.strerror}",
            meaning="The new tree is incomplete; the trees that it is made from are untouched.",
            todo=f"Free space on the file system of {path_text(root)} (df -h, df -i, quota) and run the command again.",
        )
    if error.errno in (*DENIED, errno.EROFS):
        return NoPermission(
            f"{name} cannot be written: {error.strerror}",
            meaning="The new tree is incomplete; the trees that it is made from are untouched.",
            todo="Choose a place where you may write, or run the command as root.",
        )
    return Failed(f"{name} cannot be written: {error.strerror}", meaning="The new tree is incomplete.")


def open_tree(root: str | bytes | os.PathLike[str]) -> int:
    """A descriptor of the directory that a tree starts at.

    The given path itself may lead through symbolic links, as the user's own word; nothing below it may.

    :raises BadInput: there is no directory.
    :raises NoPermission: it cannot be opened.
    """
    name = os.fsencode(root)
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in DENIED:
            raise read_problem(error, name, b"") from error
        why = "is not a directory" if error.errno == errno.ENOTDIR else f"cannot be opened: {error.strerror}"
        raise BadInput(f"{path_text(name)} {why}", todo="Name a directory.") from error
    except ValueError as error:
        raise BadInput(f"{path_text(name)} is not a path", todo="Name a directory.") from error
