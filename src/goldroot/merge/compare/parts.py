"""What is compared: three trees that stand at one place of the system, and their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.numeric import NOWHERE, NumericPlaces
from goldroot.tree import OTHER_FILE_SYSTEM, Entry, Manifest, Note, upwards

BASE_SIDE, GOLD_SIDE, CLONE_SIDE = 0, 1, 2
SIDE_OF = {GOLD: GOLD_SIDE, CLONE: CLONE_SIDE}

Row = tuple[Any, ...]  #: a plain tuple in Entry order: what streams carry
Rows = tuple[Entry | None, Entry | None, Entry | None]

Usr = Mapping[bytes, bytes]  #: directories of a root that are links into /usr -> what they lead to; no leading slash

#: Where a row has each of its values.
AT_KIND, AT_MODE, AT_UID, AT_GID, AT_SIZE, AT_MTIME, AT_CONTENT, AT_XATTRS, AT_FLAGS, AT_PROJECT, AT_GROUP = range(
    1, 12
)


@dataclass(frozen=True, slots=True)
class Tree:
    """One side of a part: where its files are, and their manifest.

    ``torn`` is for the tree of a running system: a file that has changed since the scan is not an error there, and is
    written down in it.  ``unseen`` are the paths on which something is mounted, and ``borrowed`` says for each of them of
    which side the rows are that stand in their place (:mod:`goldroot.merge.compare.mounts`).
    """

    root: bytes
    manifest: Manifest
    torn: set[bytes] | None = None
    unseen: frozenset[bytes] = frozenset()
    borrowed: Mapping[bytes, int] = field(default_factory=dict)
    usr: Usr = field(default_factory=dict)  #: of gold's: what its system's root is known to have
    family: str = ""  #: what its system's os-release says, where that does not stand in the tree

    @classmethod
    def scanned(cls, root: bytes, manifest: Manifest, notes: Iterable[Note], *, live: bool = False) -> Tree:
        """A tree as a scan has found it."""
        unseen = frozenset(note.path for note in notes if note.kind == OTHER_FILE_SYSTEM)
        return cls(root, manifest, set() if live else None, unseen)


@dataclass(frozen=True, slots=True)
class Part:
    """Three trees that stand at one place of the system: a disk, or the whole of a small merge.

    ``at`` is that place as an absolute path (``/`` or ``/etc``).
    """

    name: str
    at: bytes
    trees: tuple[Tree, Tree, Tree]  #: base, gold, clone
    numeric: NumericPlaces = NOWHERE  #: where owners are numbers of another system

    def place(self, path: bytes) -> bytes:
        """The absolute path in the system of a path in the trees."""
        if not path:
            return self.at
        return (self.at if self.at != b"/" else b"") + b"/" + path

    @property
    def borrows(self) -> bool:
        """Whether any tree has rows of another one's files."""
        return any(tree.borrowed for tree in self.trees)

    def source(self, side: int, path: bytes) -> int:
        """The side whose file a side's row is: its own, but for what lies below a mount."""
        borrowed = self.trees[side].borrowed
        return next((borrowed[above] for above in upwards(path) if above in borrowed), side) if borrowed else side

    def inside(self, place: bytes) -> bytes | None:
        """The path in the trees of an absolute path in the system; ``None`` where it lies outside of them."""
        prefix = self.at.rstrip(b"/") + b"/"
        if place == self.at:
            return b""
        return place[len(prefix) :] if place.startswith(prefix) else None

    def rows(self, path: bytes) -> Rows:
        """What base, gold and clone have at a path in the trees."""
        base, gold, clone = (tree.manifest.get(path) for tree in self.trees)
        return base, gold, clone
