"""Hard links: which names share one file in the result.

Which names belong together is itself merged: gold's grouping where the clone left base's alone, else the clone's.  A side that
has no such file says nothing about what it belongs to.  Names stay together where all of them end equal, and are separated where
not.  What the clone had together, or should have come together, and does not is noted, also where gold took it apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from goldroot.merge.compare.parts import CLONE_SIDE, Names
from goldroot.merge.fit.one_tree import Linked, PartPlan
from goldroot.tree import DIRECTORY, FILE, SOCKET

Groups = Mapping[bytes, int]  #: path -> number of its group within its tree


def merge_links(
    sides: tuple[Groups, Groups, Groups], final: Callable[[bytes], Hashable | None], held: Callable[[int, bytes], bool]
) -> Linked:
    """Groups of base, gold and clone -> groups of the result.

    :param final: what a path is in the result, comparable on all axes; ``None`` where it is not there as a file.
    :param held: whether a side (0, 1, 2) has a path, and as no directory.
    """
    known: dict[frozenset[bytes], frozenset[bytes]] = {}
    members = [_members(groups, known) for groups in sides]
    chosen: dict[frozenset[bytes], None] = {}
    for path in sorted({path for groups in sides for path in groups}):
        alone = frozenset((path,))
        base, gold, clone = (side.get(path, alone) for side in members)
        if held(1, path) and held(2, path):
            group = gold if base is clone else clone
        else:
            group = clone if held(2, path) else gold
        if len(group) > 1:
            chosen[group] = None
    concerned = dict.fromkeys((*chosen, *members[-1].values()))
    ends = {path: final(path) for group in concerned for path in group}
    groups = _number(chosen, ends)
    apart = {path for group in concerned for path in _apart(group, ends, groups)}
    return Linked(groups, sorted(apart))


def _members(groups: Groups, known: dict[frozenset[bytes], frozenset[bytes]]) -> dict[bytes, frozenset[bytes]]:
    """Path -> all names of its file.  Equal sets are one object in ``known``: a group of thousands is compared for each of
    its names."""
    by_number: dict[int, set[bytes]] = {}
    for path, number in groups.items():
        by_number.setdefault(number, set()).add(path)
    groups_of = [frozenset(paths) for paths in by_number.values() if len(paths) > 1]
    return {path: one for one in (known.setdefault(group, group) for group in groups_of) for path in one}


def _number(chosen: Mapping[frozenset[bytes], None], ends: Mapping[bytes, Hashable | None]) -> dict[bytes, int]:
    groups: dict[bytes, int] = {}
    number = 0
    for group in chosen:
        equal: dict[Hashable, list[bytes]] = {}
        for path in sorted(group):
            if path not in groups and ends[path] is not None:
                equal.setdefault(ends[path], []).append(path)
        for together in equal.values():
            if len(together) > 1:
                number += 1
                groups.update(dict.fromkeys(together, number))
    return groups


def _apart(group: frozenset[bytes], ends: Mapping[bytes, Hashable | None], groups: Groups) -> list[bytes]:
    """The names of a group that are in the result, if they are not all one file there."""
    there = [path for path in group if ends[path] is not None]
    files = {groups.get(path, path) for path in there}
    return there if len(files) > 1 else []


def links_of(one: PartPlan, names: Names) -> Linked:
    """Which names of a part share one file in the result."""
    comparison = one.decided.comparison
    read = _contents_of_groups(one)

    def final(path: bytes) -> Hashable | None:
        want = one.final(path, names)
        if want is None or want.kind in (DIRECTORY, SOCKET):
            return None
        content: Hashable = want.content
        if want.kind == FILE and not want.content:
            # What is the same on both sides may be spoken of as the clone's, as the names beside it in other units are.
            side = CLONE_SIDE if one.unit_is_unchanged(path) else want.side
            group = (side, comparison.groups[side].get(path, path))
            content = read.get(group, group)
        head = (want.kind, content, want.mode, want.owner, want.group, want.flags, want.project)
        return head, frozenset(want.xattrs.items())

    def held(side: int, path: bytes) -> bool:
        entry = one.part.trees[side].manifest.get(path)
        return entry is not None and entry.kind != DIRECTORY

    return merge_links(comparison.groups, final, held)


def _contents_of_groups(one: PartPlan) -> dict[Hashable, bytes]:
    """(side, hard-link group) -> digest, where one of its names was read: a unit's files, which nobody reads, may share
    their inode with a file that is merged by its content."""
    read: dict[Hashable, bytes] = {}
    for side, (tree, groups) in enumerate(zip(one.part.trees, one.decided.comparison.groups, strict=True)):
        for path, number in groups.items():
            rows = one.decided.comparison.deltas.get(path)
            entry = tree.manifest.get(path) if rows is None else rows[side]
            if entry is not None and entry.content and entry.kind == FILE:
                read[side, number] = entry.content
    return read
