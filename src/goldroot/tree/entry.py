"""One path of a file tree as data.

A tree is a stream of rows in *tree order*: by path components, so that a directory stands right before what is in it
(``a``, ``a/b``, ``a.c``; plain byte order would put ``a.c`` between the two).
"""

from __future__ import annotations

from typing import NamedTuple

FILE, DIRECTORY, LINK, CHAR, BLOCK, FIFO, SOCKET = "f", "d", "l", "c", "b", "p", "s"

#: Length of a file's content hash (SHA-256), in bytes.
DIGEST_SIZE = 32

Xattrs = tuple[tuple[bytes, bytes], ...]


class Entry(NamedTuple):
    """One path.  Streams carry plain tuples in this order; ``Entry._make(row)`` gives one names.

    ``content`` is what the path holds: a file's SHA-256 digest (``b""`` while it was not read), a link's target, a
    device's ``major:minor`` in ASCII; ``b""`` for everything else.  ``inode`` and ``ctime`` are the signature by which a
    later scan knows that nothing changed; they are not a part of what is compared between trees.
    """

    path: bytes  #: relative to the tree, no leading slash; ``b""`` is the tree's own directory
    kind: str  #: one of FILE, DIRECTORY, LINK, CHAR, BLOCK, FIFO, SOCKET
    mode: int  #: permission bits, 0 to 0o7777
    uid: int
    gid: int
    size: int  #: a file's length in bytes, else 0
    mtime: int  #: nanoseconds since 1970
    content: bytes
    xattrs: Xattrs  #: (name, value) sorted by name; ACLs and capabilities among them
    flags: int  #: inode flags as :mod:`goldroot.tree.inode` has them in a byte
    project: int  #: project id, 0 where there is none, or that of the tree's own directory
    group: int  #: number of the hard-link group within this tree, from 1; 0 for a file with one name
    inode: int
    ctime: int  #: nanoseconds since 1970
