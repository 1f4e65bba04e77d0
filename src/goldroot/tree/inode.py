"""What an inode has besides its status: extended attributes, inode flags and the project id.

Flags and project are read and set by ``FS_IOC_FSGETXATTR`` and ``FS_IOC_FSSETXATTR`` (linux/fs.h, ``struct fsxattr``),
which only files and directories can be asked.  A file system without them has neither, and nothing is said about it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from goldroot.tree.entry import Xattrs
from goldroot.tree.problems import WITHOUT

_FSXATTR = struct.Struct("=IIIII8x")  # xflags, extent size, extents, project, cow extent size
_EMPTY = bytes(_FSXATTR.size)
_NOTHING = (0, 0)
_GET = 0x801C581F
_SET = 0x401C5820

#: FS_XFLAG_* by the FS_*_FL that manifests use.
_XFLAGS = {0x10: 0x08, 0x20: 0x10, 0x40: 0x80, 0x80: 0x40}
_KNOWN_XFLAGS = 0xD8
_PROJECT_INHERIT = 0x200


def read_flags(fd: int) -> tuple[int, int] | None:
    """Inode flags (FS_*_FL) and project id of an open file or directory; ``None`` where the file system has none."""
    try:
        answer = fcntl.ioctl(fd, _GET, _EMPTY)
    except OSError as error:
        if error.errno in WITHOUT:
            return None
        raise
    if answer == _EMPTY:
        return _NOTHING
    xflags, _, _, project, _ = _FSXATTR.unpack(answer)
    return _from_xflags(xflags & _KNOWN_XFLAGS), project


def write_flags(fd: int, flags: int, project: int, *, directory: bool) -> None:
    """Set exactly these flags and this project.  A directory with a project hands it on to what is made in it.

    :raises OSError: the file system or the caller's rights do not allow it.
    """
    xflags, extent, count, _, cow = _FSXATTR.unpack(fcntl.ioctl(fd, _GET, _EMPTY))
    xflags &= ~(_KNOWN_XFLAGS | _PROJECT_INHERIT)
    xflags |= sum(xflag for flag, xflag in _XFLAGS.items() if flags & flag)
    if directory and project:
        xflags |= _PROJECT_INHERIT
    fcntl.ioctl(fd, _SET, _FSXATTR.pack(xflags, extent, count, project, cow))


def _from_xflags(xflags: int) -> int:
    return sum(flag for flag, xflag in _XFLAGS.items() if xflags & xflag)


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
