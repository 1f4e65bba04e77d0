"""One path of a file tree as data, as it was found or shall be written, and a remark about one.

A tree is a stream of rows in *tree order*: by path components, so that a directory stands right before what is in it
(``a``, ``a/b``, ``a.c``; plain byte order would put ``a.c`` between the two).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from goldroot.kinds import ConflictKind, NoteKind

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
    flags: int  #: inode flags as :mod:`goldroot.tree.kernel` has them in a byte
    project: int  #: project id, 0 where there is none, or that of the tree's own directory
    group: int  #: number of the hard-link group within this tree, from 1; 0 for a file with one name
    inode: int
    ctime: int  #: nanoseconds since 1970


#: Source of a row whose content stands in the row itself.
INLINE = -1


class BuildRow(NamedTuple):
    """One path of a tree to be written."""

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: Xattrs
    flags: int
    project: int
    source: int  #: which source a file's bytes come from; ``INLINE``: from ``content``
    source_path: bytes  #: where they are in that source
    content: bytes  #: inline: a file's bytes; from a source: its digest or ``b""``; a link's target; device numbers
    group: int  #: number of the hard-link group in the new tree, 0 for none
    inode: int  #: the source file's inode and ctime, which it must still have; 0 and 0: unchecked
    ctime: int
    size: int = -1  #: the source file's length where it is known, which spares asking for it


#: Called with the number of entries done since the last call.
Progress = Callable[[int], None]


#: Kind of the note of a scan that something is mounted on a path.
OTHER_FILE_SYSTEM: Final = "other-file-system"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark.

    Every kind, with a sentence, stands in :mod:`goldroot.kinds`.
    """

    kind: NoteKind | ConflictKind  #: a word for a program
    path: bytes  #: relative to the tree; ``b""`` where it concerns the tree or no one path
    text: str  #: for a person; no secrets
    data: Mapping[str, object] = field(default_factory=dict)


def owners_not_kept(count: int) -> Note:
    """One remark about all paths that could not be given to their owners."""
    text = (
        "1 path belongs to the caller, as giving it away needs root; its owner is recorded"
        if count == 1
        else f"{count:,} paths belong to the caller, as giving them away needs root; their owners are recorded"
    )
    return Note("owner-not-kept", b"", text, {"count": count})
