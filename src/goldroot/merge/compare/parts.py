"""What is compared: three trees that stand at one place of the system, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldroot.conflicts import CLONE, GOLD
from goldroot.tree import Entry, Manifest

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

    ``torn`` is for the tree of a running system: a file that has changed since the scan is no error there, and is
    written down in it.
    """

    root: bytes
    manifest: Manifest
    torn: set[bytes] | None = None
    usr: Usr = field(default_factory=dict)  #: of gold's: what its system's root is known to have
    family: str = ""  #: what its system's os-release says, where that does not stand in the tree


@dataclass(frozen=True, slots=True)
class Part:
    """Three trees that stand at one place of the system: a disk, or the whole of a small merge.

    ``at`` is that place as an absolute path (``/`` or ``/etc``).
    """

    name: str
    at: bytes
    trees: tuple[Tree, Tree, Tree]  #: base, gold, clone

    def place(self, path: bytes) -> bytes:
        """The absolute path in the system of a path in the trees."""
        if not path:
            return self.at
        return (self.at if self.at != b"/" else b"") + b"/" + path

    def rows(self, path: bytes) -> Rows:
        """What base, gold and clone have at a path in the trees."""
        base, gold, clone = (tree.manifest.get(path) for tree in self.trees)
        return base, gold, clone
