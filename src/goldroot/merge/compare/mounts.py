"""Mounts inside a tree: what is mounted there is not the tree's, and hides what is.

Below a mount, a side counts as it stood in base: nobody can say that it changed or deleted anything.  The mount point itself
is base's, else gold's; the mode that is seen there (1777 of a tmpfs) is that of the other file system.

Below a mount of base's own nobody can say who changed what the other two have differently.  It is not taken for the server's
change: gold's arrives, and a note names it.  A state unit stays the server's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part, Tree
from goldroot.policy import Policy
from goldroot.tree import DIRECTORY, Entry, Manifest, Note, is_below, some_paths, tree_key

#: Kind of the note about what differs where base is hidden.
BASE_NOT_SEEN: Final = "base-not-seen"


def see_past_mounts(part: Part, policy: Policy) -> tuple[Part, list[Note]]:
    """The part with what is known of each side in the place of what is mounted in it, and what there is to say of it."""
    if not any(tree.unseen for tree in part.trees):
        return part, []
    base, gold, clone = part.trees
    common, donors = _common(part, policy)
    notes = list(_differing(part, donors))
    base = _replaced(base, common, {**dict.fromkeys(base.unseen, GOLD_SIDE), **donors})
    gold = _replaced(gold, _as_base(gold, base, gold), dict.fromkeys(gold.unseen, BASE_SIDE))
    clone = _replaced(clone, _as_base(clone, base, gold), dict.fromkeys(clone.unseen, BASE_SIDE))
    return replace(part, trees=(base, gold, clone)), notes


def _differing(part: Part, paths: Iterable[bytes]) -> Iterator[Note]:
    """What gold and the server have differently where base is hidden, and is taken as gold's."""
    found = []
    for path in paths:
        _, gold, clone = part.rows(path)
        if gold is not None and clone is not None:
            values = [(row.kind, row.content, row.mode, row.xattrs, row.flags) for row in (gold, clone)]
            found += [part.place(path)] if values[0] != values[1] else []
    if found:
        text = f"something is mounted over it in the old gold, so nobody can say who changed it; gold's was taken: {some_paths(found)}"
        yield Note(BASE_NOT_SEEN, found[0], text, {"paths": len(found)})


def _replaced(tree: Tree, rows: list[Entry], borrowed: Mapping[bytes, int]) -> Tree:
    """A tree with other rows at and below its mounts.

    :param borrowed: the sides whose files these rows are, but for the mount points.
    """
    if not tree.unseen:
        return tree
    kept = [Entry._make(row) for row in tree.manifest.rows() if not _hidden(tree, row[0])]
    above = 1 + max((row.group for row in kept), default=0)
    # Numbers of hard-link groups are each tree's own.
    rows = [row._replace(group=row.group + above if row.group else 0) for row in rows]
    ordered = sorted([*kept, *rows], key=lambda row: tree_key(row.path))
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


def _common(part: Part, policy: Policy) -> tuple[list[Entry], dict[bytes, int]]:
    """What base has at and below its mounts: what both others have, so that neither has deleted anything.

    In state units it is gold's version, so that a unit stays the server's; else the server's, so that gold's arrives.  And for
    each path of the latter that it is the clone's file.
    """
    base, gold, clone = part.trees
    found: list[Entry] = []
    donors: dict[bytes, int] = {}
    for top in _tops(base):
        mine, golds = _mount_point(top, base, (clone,)), _mount_point(top, base, (gold, clone))
        both = all(tree.manifest.get(top) is not None and not _hidden(tree, top) for tree in (gold, clone))
        found += mine if both and policy.unit(part.place(top)) is None else golds
        for row in gold.manifest.below(top):
            own = clone.manifest.get(row.path)
            if own is None:
                continue
            if policy.unit(part.place(row.path)) is None:
                donors[row.path] = CLONE_SIDE
            found.append(own if row.path in donors else row)
    return found, donors


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
