"""Small trees for tests: write one from a table, and read one back as a table.

Nothing here uses goldroot, so that what is read back is a second opinion::

    make_tree(tmp_path / "base", {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\\n",
        "etc/secret": File(b"key", mode=0o600, uid=1, xattrs={"user.a": b"1"}),
        "etc/link": Link("passwd"),
        "var": Dir(mode=0o700),
        "run/pipe": Fifo(),
    })
    assert dump_tree(tmp_path / "base")["etc/secret"].mode == 0o600

Parents that the table does not name are made as ``Dir()``.  Times are all :data:`MTIME` unless given, so that two trees
made from equal tables are equal.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

#: The mtime of everything that names none, in nanoseconds.
MTIME = 1_600_000_000_000_000_000

XattrTable = Mapping[str, bytes]
AnyPath = str | bytes | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Meta:
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int = MTIME
    xattrs: XattrTable = field(default_factory=dict)


@dataclass(frozen=True)
class File(Meta):
    content: bytes | str = b""
    size: int | None = None  #: the file is extended to this length with a hole


@dataclass(frozen=True)
class Dir(Meta):
    pass


@dataclass(frozen=True)
class Link(Meta):
    target: bytes | str = b""


@dataclass(frozen=True)
class HardLink:
    """One more name for a file that stands earlier in the table."""

    to: bytes | str


@dataclass(frozen=True)
class Fifo(Meta):
    pass


@dataclass(frozen=True)
class Socket(Meta):
    pass


@dataclass(frozen=True)
class Device(Meta):
    """A character device (``c``) or block device (``b``); making one needs root."""

    kind: str = "c"
    major: int = 1
    minor: int = 3


Node = str | bytes | File | Dir | Link | HardLink | Fifo | Socket | Device
Table = Mapping[str, Node] | Mapping[bytes, Node] | Mapping[str | bytes, Node]


@dataclass(frozen=True)
class Seen:
    """One path as :func:`dump_tree` found it.  ``content``: a file's bytes, a link's target, a device's numbers."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: bytes
    xattrs: dict[str, bytes]
    names: tuple[str, ...]  #: every path of the tree with the same inode (hard links), where there are several


def make_tree(root: AnyPath, table: Table) -> Path:
    """Write the table's tree at ``root`` (made where missing) and return its path.  ``""`` is the root itself."""
    base = os.fsencode(root)
    os.makedirs(base, exist_ok=True)
    nodes: dict[bytes, Node] = {}
    for name, node in table.items():
        path = os.fsencode(name)
        for parent in _parents(path):
            nodes.setdefault(parent, Dir())
        nodes[path] = node
    nodes.setdefault(b"", Dir())
    for path, node in nodes.items():
        if path:
            _create(base, path, node)
    for path in sorted(nodes, reverse=True):
        if isinstance(nodes[path], Dir):
            _finish(os.path.join(base, path) if path else base, nodes[path], 0o755)
    return Path(os.fsdecode(base))


def dump_tree(root: AnyPath, *, mtime: bool = True, owner: bool = True) -> dict[str, Seen]:
    """Everything below ``root`` (itself under ``""``) by relative path; left-out fields are 0."""
    base = os.fsencode(root)
    found: dict[str, Seen] = {}
    inodes: dict[tuple[int, int], list[str]] = {}
    keys: dict[str, tuple[int, int]] = {}
    for path in _walk(base):
        full = os.path.join(base, path) if path else base
        status = os.lstat(full)
        name = os.fsdecode(path)
        if not stat.S_ISDIR(status.st_mode):
            keys[name] = (status.st_dev, status.st_ino)
            inodes.setdefault(keys[name], []).append(name)
        found[name] = _see(full, status, mtime=mtime, owner=owner)
    for name, key in keys.items():
        if len(inodes[key]) > 1:
            found[name] = replace(found[name], names=tuple(sorted(inodes[key])))
    return found


def _parents(path: bytes) -> Iterator[bytes]:
    parts = path.split(b"/")[:-1]
    for count in range(len(parts)):
        yield b"/".join(parts[: count + 1])


def _create(base: bytes, path: bytes, node: Node) -> None:
    full = os.path.join(base, path)
    match node:
        case str() | bytes():
            _create(base, path, File(node))
        case File():
            data = node.content.encode() if isinstance(node.content, str) else node.content
            with open(full, "wb") as out:
                out.write(data)
                if node.size is not None:
                    out.truncate(node.size)
            _finish(full, node, 0o644)
        case Dir():
            os.makedirs(full, exist_ok=True)
        case Link():
            os.symlink(os.fsencode(node.target), full)
            _finish(full, node, None)
        case HardLink():
            os.link(os.path.join(base, os.fsencode(node.to)), full, follow_symlinks=False)
        case Fifo():
            os.mkfifo(full)
            _finish(full, node, 0o644)
        case Socket():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.fsdecode(full))
            _finish(full, node, 0o755)
        case Device():
            kind = stat.S_IFCHR if node.kind == "c" else stat.S_IFBLK
            os.mknod(full, kind | 0o600, os.makedev(node.major, node.minor))
            _finish(full, node, 0o644)


def _finish(full: bytes, node: Node, mode: int | None) -> None:
    assert isinstance(node, Meta)
    if node.uid is not None or node.gid is not None:
        uid = -1 if node.uid is None else node.uid
        os.chown(full, uid, -1 if node.gid is None else node.gid, follow_symlinks=False)
    if mode is not None:
        os.chmod(full, mode if node.mode is None else node.mode)
    for name, value in node.xattrs.items():
        os.setxattr(full, name, value, follow_symlinks=False)
    os.utime(full, ns=(node.mtime, node.mtime), follow_symlinks=False)


def _walk(base: bytes) -> Iterator[bytes]:
    """All relative paths, the root (``b""``) first, each directory before what is in it."""
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        yield path
        full = os.path.join(base, path) if path else base
        if stat.S_ISDIR(os.lstat(full).st_mode):
            waiting.extend(os.path.join(path, name) for name in sorted(os.listdir(full), reverse=True))


def _see(full: bytes, status: os.stat_result, *, mtime: bool, owner: bool) -> Seen:
    kind = _kind(status.st_mode)
    content = b""
    if kind == "f":
        with open(full, "rb") as source:
            content = source.read()
    elif kind == "l":
        content = os.readlink(full)
    elif kind in "cb":
        content = b"%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))
    return Seen(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid if owner else 0,
        status.st_gid if owner else 0,
        status.st_mtime_ns if mtime else 0,
        content,
        {name: os.getxattr(full, name, follow_symlinks=False) for name in os.listxattr(full, follow_symlinks=False)},
        (),
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "f",
        stat.S_IFDIR: "d",
        stat.S_IFLNK: "l",
        stat.S_IFCHR: "c",
        stat.S_IFBLK: "b",
        stat.S_IFIFO: "p",
        stat.S_IFSOCK: "s",
    }
    return kinds[stat.S_IFMT(mode)]
