"""What only the kernel tells of a path: extended attributes, inode flags, the project id, what is mounted there; and its refusals as
errors for people.

Flags and project are read and set by ``FS_IOC_FSGETXATTR`` and ``FS_IOC_FSSETXATTR`` (linux/fs.h, ``struct fsxattr``),
which only files and directories can be asked; flags that these do not know, by ``FS_IOC_GETFLAGS`` and its like.  A file
system without them has neither, and nothing is said about it.

Flags are those that say how a path is to be treated (chattr(1): i, a, d, A, S, D, j, t), one byte of them: as in
``FS_*_FL`` where these fit, and three more in bits that nothing else uses.  What a file system keeps for itself (extents,
encryption, verity, case folding, compression, inherited projects) is none of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import sys

from goldroot.errors import BadInput, Failed, GoldrootError, NoPermission, NoSpace, TreeChanged
from goldroot.tree.entry import Xattrs
from goldroot.tree.paths import path_text

# -- What the kernel said, as errors for people

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


# -- Flags and projects

_FSXATTR = struct.Struct("=IIIII8x")  # xflags, extent size, extents, project, cow extent size
_EMPTY = bytes(_FSXATTR.size)
_NOTHING = (0, 0)
_GET = 0x801C581F
_SET = 0x401C5820

_GET_FLAGS = 0x80086601
_SET_FLAGS = 0x40086602
_LONG = bytes(8)  #: where the kernel puts an int all the same

#: Flags of directories alone (D), of a journal (j) and of tails (t), in the byte of a manifest.
DIRSYNC, JOURNAL, NOTAIL = 0x01, 0x02, 0x04

#: FS_XFLAG_* by the flags that manifests use.
_XFLAGS = {0x08: 0x20, 0x10: 0x08, 0x20: 0x10, 0x40: 0x80, 0x80: 0x40}
_KNOWN_XFLAGS = 0xF8
_PROJECT_INHERIT = 0x200
#: FS_*_FL by the flags that manifests use, of those that have no FS_XFLAG_*.
_OTHERS = {DIRSYNC: 0x10000, JOURNAL: 0x4000, NOTAIL: 0x8000}
_KNOWN_OTHERS = 0x1C000
#: Flags that are set by the first pair of calls.
COMMON = 0xF8


def read_flags(fd: int) -> tuple[int, int] | None:
    """Inode flags (FS_*_FL) and project id of an open file or directory; ``None`` where the file system has none."""
    try:
        answer = fcntl.ioctl(fd, _GET, _EMPTY)
    except OSError as error:
        if error.errno in WITHOUT:
            return None
        raise
    others = _read_others(fd)
    if answer == _EMPTY:
        return (others, 0) if others else _NOTHING
    xflags, _, _, project, _ = _FSXATTR.unpack(answer)
    return _from_xflags(xflags & _KNOWN_XFLAGS) | others, project


def _read_others(fd: int) -> int:
    try:
        found = int.from_bytes(fcntl.ioctl(fd, _GET_FLAGS, _LONG)[:4], sys.byteorder) & _KNOWN_OTHERS
    except OSError as error:
        if error.errno in WITHOUT:
            return 0
        raise
    return sum(flag for flag, known in _OTHERS.items() if found & known) if found else 0


def kernel_flags(flags: int) -> int:
    """A manifest's flags as ``FS_IOC_GETFLAGS`` has them."""
    return flags & COMMON | sum(known for flag, known in _OTHERS.items() if flags & flag)


def write_flags(fd: int, flags: int, project: int, *, directory: bool) -> None:
    """Set exactly these flags, and this project.  A directory with a project hands it on to what is made in it.

    :param project: 0: it keeps the one that it has, its tree's; else what is made under a quota would leave it.
    :raises OSError: the file system or the caller's rights do not allow it.
    """
    xflags, extent, count, own, cow = _FSXATTR.unpack(fcntl.ioctl(fd, _GET, _EMPTY))
    _write_others(fd, flags)  # an immutable file takes no other flag any more
    xflags &= ~_KNOWN_XFLAGS
    xflags |= sum(xflag for flag, xflag in _XFLAGS.items() if flags & flag)
    if project:
        xflags = xflags | _PROJECT_INHERIT if directory else xflags & ~_PROJECT_INHERIT
    fcntl.ioctl(fd, _SET, _FSXATTR.pack(xflags, extent, count, project or own, cow))


def _write_others(fd: int, flags: int) -> None:
    wanted = sum(known for flag, known in _OTHERS.items() if flags & flag)
    try:
        found = int.from_bytes(fcntl.ioctl(fd, _GET_FLAGS, _LONG)[:4], sys.byteorder)
    except OSError as error:
        if error.errno in WITHOUT and not wanted:
            return
        raise
    if found & _KNOWN_OTHERS != wanted:
        changed = found & ~_KNOWN_OTHERS | wanted
        fcntl.ioctl(fd, _SET_FLAGS, changed.to_bytes(4, sys.byteorder) + bytes(4))


def _from_xflags(xflags: int) -> int:
    return sum(flag for flag, xflag in _XFLAGS.items() if xflags & xflag)


# -- Extended attributes


def beside(directory: int, name: bytes) -> bytes:
    """A path to a name in an open directory, for calls that take no descriptor of the directory."""
    return b"/proc/self/fd/%d/%s" % (directory, name)


def read_xattrs(where: int | bytes) -> Xattrs:
    """All extended attributes of an open file, or of a path (itself, where it is a link), sorted by name."""
    follow = isinstance(where, int)
    try:
        names = os.listxattr(where) if follow else os.listxattr(where, follow_symlinks=False)
    except OSError as error:
        if error.errno in WITHOUT:
            return ()
        raise
    if not names:
        return ()
    pairs = [(os.fsencode(name), _value(where, name, follow)) for name in names]
    return tuple(sorted((name, value) for name, value in pairs if value is not None and not _is_hmac(name, value)))


def _is_hmac(name: bytes, value: bytes) -> bool:
    """Whether this is EVM's HMAC (security/integrity/evm: first byte EVM_XATTR_HMAC): it is made with a key of this machine
    for this inode, so it means nothing to any other file, and the kernel refuses to have it written."""
    return name == b"security.evm" and value[:1] == b"\x02"


def _value(where: int | bytes, name: str, follow: bool) -> bytes | None:
    try:
        return os.getxattr(where, name, follow_symlinks=follow)
    except OSError as error:
        # Listed and yet not to be had: an ACL that only repeats the mode (some file systems), or gone meanwhile,
        # which the caller finds by the ctime.
        if error.errno in (errno.ENODATA, *WITHOUT):
            return None
        raise


def write_xattr(where: int | bytes, name: bytes, value: bytes) -> None:
    """Set one extended attribute of an open file, or of a path (itself, where it is a link)."""
    os.setxattr(where, name, value, follow_symlinks=isinstance(where, int))


# -- Which paths of a tree are mount points: what is mounted there is not the tree's.

_OCTAL = re.compile(rb"\\([0-7]{3})")


def mounts_below(root: int) -> frozenset[bytes]:
    """Paths, relative to the open directory, at which something is mounted; none where ``/proc`` cannot tell.

    Another device number tells most mounts; this finds those of the same file system (bind mounts) and mounted files.
    What stands in a mount that has no place among this process's mounts, as an image that is opened, is its own: that
    mount's root has the path ``/``, and the mounts of this machine are not below it.
    """
    try:
        top = os.readlink(b"/proc/self/fd/%d" % root)
        with open("/proc/self/mountinfo", "rb") as table:
            lines = [line.split(b" ") for line in table]
        if _mount_of(root) not in (line[0] for line in lines):
            return frozenset()
    except OSError:
        return frozenset()
    prefix = top.rstrip(b"/") + b"/"
    points = (_OCTAL.sub(lambda found: bytes((int(found[1], 8),)), line[4]) for line in lines)
    return frozenset(point[len(prefix) :] for point in points if point.startswith(prefix) and point != prefix)


def _mount_of(handle: int) -> bytes:
    """The number of the mount that a descriptor is in."""
    with open(f"/proc/self/fdinfo/{handle}", "rb") as table:
        return next((line.split()[1] for line in table if line.startswith(b"mnt_id:")), b"")
