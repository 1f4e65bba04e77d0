"""Hard links: which names share one file in the result, pure.

Which names belong together is itself merged: gold's grouping where the clone left base's alone, else the clone's.  A side
that has no such file says nothing about what it belongs to.  Names stay together where all of them end equal, and are
separated where not.  What the clone had together, or should have come together, and does not is noted, be it that gold
took it apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

Groups = Mapping[bytes, int]  #: path -> number of its group within its tree


@dataclass
class Linked:
    """``groups``: path -> group number in the result, from 1; ``separated``: names that no longer share a file."""

    groups: dict[bytes, int] = field(default_factory=dict)
    separated: list[bytes] = field(default_factory=list)


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
