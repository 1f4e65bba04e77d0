"""Mounts inside a tree: what is mounted there is not the tree's, and hides what is.

Below a mount, a side counts as it stood in base: nobody can say that it changed or deleted anything.  The mount point itself
is base's, else gold's; the mode that is seen there (1777 of a tmpfs) is that of the other file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from goldroot.merge.compare.parts import BASE_SIDE, GOLD_SIDE, Part, Tree
from goldroot.tree import DIRECTORY, Entry, Manifest, is_below, tree_key


def see_past_mounts(part: Part) -> Part:
    """The part with what is known of each side in the place of what is mounted in it."""
    if not any(tree.unseen for tree in part.trees):
        return part
    base, gold, clone = part.trees
    base = _replaced(base, _common(base, gold, clone), GOLD_SIDE)
    gold = _replaced(gold, _as_base(gold, base, gold), BASE_SIDE)
    clone = _replaced(clone, _as_base(clone, base, gold), BASE_SIDE)
    return replace(part, trees=(base, gold, clone))


def _replaced(tree: Tree, rows: list[Entry], donor: int) -> Tree:
    """A tree with other rows at and below its mounts.

    :param donor: the side whose files these rows are, but for the mount points.
    """
    if not tree.unseen:
        return tree
    kept = [Entry._make(row) for row in tree.manifest.rows() if not _hidden(tree, row[0])]
    above = 1 + max((row.group for row in kept), default=0)
    # Numbers of hard-link groups are each tree's own.
    rows = [row._replace(group=row.group + above if row.group else 0) for row in rows]
    ordered = sorted([*kept, *rows], key=lambda row: tree_key(row.path))
    borrowed = dict.fromkeys(tree.unseen, donor)
    return replace(tree, manifest=Manifest.from_rows(ordered, tree.manifest.squashed), borrowed=borrowed)


def _hidden(tree: Tree, path: bytes) -> bool:
    return any(path == top or is_below(path, top) for top in tree.unseen)


def _tops(tree: Tree) -> Iterator[bytes]:
    """The mounts of a tree, without those inside another one."""
    return (path for path in sorted(tree.unseen) if not any(is_below(path, other) for other in tree.unseen))


def _as_base(tree: Tree, base: Tree, gold: Tree) -> list[Entry]:
    """What a side has at and below its mounts: what base has."""
    found: list[Entry] = []
    for top in _tops(tree):
        others = (base,) if tree is gold else (base, gold)
        found += _mount_point(top, tree, others)
        found += base.manifest.below(top)
    return found


def _common(base: Tree, gold: Tree, clone: Tree) -> list[Entry]:
    """What base has at and below its mounts: what both others have, so that neither has deleted anything."""
    found: list[Entry] = []
    for top in _tops(base):
        found += _mount_point(top, base, (gold, clone))
        found += (row for row in gold.manifest.below(top) if clone.manifest.get(row.path) is not None)
    return found


def _mount_point(top: bytes, tree: Tree, others: Iterable[Tree]) -> list[Entry]:
    for other in others:
        row = None if _hidden(other, top) and not other.borrowed else other.manifest.get(top)
        if row is not None:
            return [row]
    own = tree.manifest.get(top)
    if own is None:
        return []
    # Nobody else has the directory: it is there to be mounted on, and how it is itself cannot be seen.
    return [own._replace(mode=0o755, uid=0, gid=0, xattrs=(), flags=0, project=0) if own.kind == DIRECTORY else own]
