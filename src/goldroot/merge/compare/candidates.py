"""Which paths of three manifests may differ, found on whole columns: what is certainly equal never becomes a row.

The three lists of paths are cut into runs that are the same in all trees; within a run each column is compared as a
whole, in C, and only where it differs by element.  A path is a *candidate* if any axis differs or a file was not read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count
from operator import ne, not_
from typing import Any

from goldroot.accounts import ACL_NAMES, OwnerNames, named_in_acl
from goldroot.merge.compare.parts import NOWHERE, Names, NumericPlaces
from goldroot.tree import FILE, SOCKET, Columns, Entry, Manifest, Xattrs, tree_key

#: How many paths are compared at once at the most while a run grows.
STRIDE = 4096

#: How many rows' contents are compared at once.
ROWS_AT_ONCE = 32

#: So many values are counted in a column one by one.
FEW = 16

ABSENT = -1
Places = tuple[int, int, int]  #: row numbers in base, gold and clone; NONE where a tree has no such path


@dataclass(frozen=True, slots=True)
class Candidates:
    """``places`` in tree order; ``users`` and ``groups`` are the tokens that the clone's other rows carry."""

    places: list[Places]
    unchanged: int
    users: set[bytes]
    groups: set[bytes]


class _Side:
    """One tree's columns in a form that can be compared with another tree's."""

    def __init__(
        self, manifest: Manifest, names: OwnerNames | None, numeric: NumericPlaces, xattrs: dict[object, int],
        like: _Side | None,
    ) -> None:  # fmt: skip
        """:param names: ``None`` where the account tables of all trees agree: numbers are compared."""
        columns = manifest.columns
        self.manifest = manifest
        self.columns = columns
        if like is not None:
            manifest.share(like.manifest)
        same = like is not None and like.columns.paths == columns.paths
        self.paths: list[bytes] = like.paths if like is not None and same else list(columns.each_path())
        self.ends = manifest.content_ends()
        users: Sequence[Any] = columns.uids if names is None else list(map(names.users.__getitem__, columns.uids))
        groups: Sequence[Any] = columns.gids if names is None else list(map(names.groups.__getitem__, columns.gids))
        numbers = [xattrs.setdefault(_comparable(held, names), len(xattrs)) for held in columns.xattr_sets]
        as_it_is = numbers == list(range(len(numbers)))
        sets: Sequence[int] = columns.xattrs if as_it_is else list(map(numbers.__getitem__, columns.xattrs))
        if names is not None and numeric:
            foreign = numeric.rows(manifest)
            users, groups, sets = _with_numbers(columns, foreign, (users, groups, sets), xattrs)
        self.compared: tuple[Sequence[Any], ...] = (
            columns.kinds, columns.modes, users, groups, columns.sizes, columns.flags, columns.projects, sets,
            columns.content_sizes,
        )  # fmt: skip
        self.doubtful = _doubtful(columns)


def _with_numbers(
    columns: Columns, foreign: bytearray, compared: tuple[Sequence[Any], Sequence[Any], Sequence[int]],
    xattrs: dict[object, int],
) -> tuple[list[Any], list[Any], list[int]]:  # fmt: skip
    """Users, groups and sets of attributes as they are compared, as numbers in the rows of other systems."""
    users, groups, sets = (list(column) for column in compared)
    for row in compress(count(), foreign):
        users[row], groups[row] = columns.uids[row], columns.gids[row]
        sets[row] = xattrs.setdefault((b"numeric", columns.xattr_sets[columns.xattrs[row]]), len(xattrs))
    return users, groups, sets


def _comparable(held: Xattrs, names: OwnerNames | None) -> object:
    """A set of extended attributes, ACLs by name where the account tables do not agree."""
    if names is None or not any(name in ACL_NAMES for name, _ in held):
        return held
    entry = Entry(b"", FILE, 0, 0, 0, 0, 0, b"", held, 0, 0, 0, 0, 0)
    return frozenset(names.xattrs(entry).items())


def _doubtful(columns: Columns) -> list[int]:
    """Rows that no comparison of columns can settle, sorted: files that were not read, and sockets."""
    kinds = columns.kinds
    empty = compress(count(), map(not_, columns.content_sizes))
    found = [place for place in empty if kinds[place] == FILE]
    place = kinds.find(SOCKET)
    while place >= 0:
        found.append(place)
        place = kinds.find(SOCKET, place + 1)
    return sorted(found)


def find_candidates(
    manifests: tuple[Manifest, Manifest, Manifest], names: Names,
    numeric: NumericPlaces = NOWHERE,
) -> Candidates:  # fmt: skip
    """Compare three manifests, owners by name.

    :param numeric: where owners are numbers of another system, and no account is used.
    """
    agree = all(one.users == names[0].users and one.groups == names[0].groups for one in names[1:])
    xattrs: dict[object, int] = {}
    sides: list[_Side] = []
    for manifest, side in zip(manifests, names, strict=True):
        sides.append(_Side(manifest, None if agree else side, numeric, xattrs, sides[0] if sides else None))
    places: list[Places] = []
    unchanged = 0
    for base, gold, clone, length in _runs([side.paths for side in sides]):
        if length == 0:
            places.append((base, gold, clone))
            continue
        offsets = _differing(sides, (base, gold, clone), length)
        places.extend((base + offset, gold + offset, clone + offset) for offset in offsets)
        unchanged += length - len(offsets)
    others = {place[2] for place in places if place[2] != ABSENT}
    others.update(compress(count(), numeric.rows(manifests[2])) if numeric else ())
    users, groups = _used(manifests[2].columns, names[2], list(others))
    return Candidates(places, unchanged, users, groups)


def _runs(paths: Sequence[list[bytes]]) -> Iterator[tuple[int, int, int, int]]:
    """(base, gold, clone, length) of runs that are the same in all; length 0: one path that not every tree has."""
    at = [0, 0, 0]
    while True:
        length = _equal_length(paths, at)
        if length:
            yield at[0], at[1], at[2], length
            at = [place + length for place in at]
        heads = [side[place] if place < len(side) else None for side, place in zip(paths, at, strict=True)]
        keys = [tree_key(head) for head in heads if head is not None]
        if not keys:
            return
        first = min(keys)
        has = [head is not None and tree_key(head) == first for head in heads]
        one, two, three = (place if there else ABSENT for place, there in zip(at, has, strict=True))
        yield one, two, three, 0
        at = [place + there for place, there in zip(at, has, strict=True)]


def _equal_length(paths: Sequence[list[bytes]], at: Sequence[int]) -> int:
    """How many paths from here on are the same in all three lists: strides double while they agree, then halve."""
    (base, gold, clone), (i, j, k) = paths, at
    most = min(len(base) - i, len(gold) - j, len(clone) - k)
    length, stride, growing = 0, 1, True
    while stride:
        stride = min(stride, most - length)
        start, stop = length, length + stride
        if base[i + start : i + stop] == gold[j + start : j + stop] == clone[k + start : k + stop]:
            length = stop
            stride = min(stride * 2, STRIDE) if growing else stride // 2
        else:
            growing = False
            stride //= 2
    return length


def _differing(sides: Sequence[_Side], at: Places, length: int) -> list[int]:
    """Offsets within a run at which any two trees may differ, sorted."""
    base, gold, clone = sides
    found: set[int] = set()
    for one, two, three in zip(base.compared, gold.compared, clone.compared, strict=True):
        mine = one[at[0] : at[0] + length]
        for other in (two[at[1] : at[1] + length], three[at[2] : at[2] + length]):
            if mine != other:
                found.update(compress(count(), map(ne, mine, other)))
    for number in (1, 2):
        found.update(_differing_contents(base, at[0], sides[number], at[number], length))
    for side, start in zip(sides, at, strict=True):
        first, last = bisect_left(side.doubtful, start), bisect_left(side.doubtful, start + length)
        found.update(row - start for row in side.doubtful[first:last])
    return sorted(found)


def _differing_contents(one: _Side, at: int, other: _Side, place: int, length: int) -> Iterator[int]:
    """Offsets within a run at which contents differ: blocks of rows are compared as they lie, then row by row."""
    mine, ends, theirs, others = one.columns.contents, one.ends, other.columns.contents, other.ends
    for start in range(0, length, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, length)
        a, b = at + start, place + start
        if mine[ends[a] : ends[at + stop]] != theirs[others[b] : others[place + stop]]:
            for offset in range(start, stop):
                a, b = at + offset, place + offset
                if mine[ends[a] : ends[a + 1]] != theirs[others[b] : others[b + 1]]:
                    yield offset


def _used(columns: Columns, names: OwnerNames, others: Sequence[int]) -> tuple[set[bytes], set[bytes]]:
    """The user and group tokens of all but some of the clone's rows."""
    users = {names.users[uid] for uid in _left(columns.uids, others)}
    groups = {names.groups[gid] for gid in _left(columns.gids, others)}
    for number in _left(columns.xattrs, others):
        if number:
            entry = Entry(b"", FILE, 0, 0, 0, 0, 0, b"", columns.xattr_sets[number], 0, 0, 0, 0, 0)
            acl_users, acl_groups = named_in_acl(names.xattrs(entry))
            users |= acl_users
            groups |= acl_groups
    return users, groups


def _left(column: array[int], without: Sequence[int]) -> set[int]:
    """The values that a column has in other rows than some."""
    taken = Counter(map(column.__getitem__, without))
    if len(taken) > FEW:
        rest = Counter(column)
        rest.subtract(taken)
        return {value for value, times in rest.items() if times}
    return set(column) - {value for value, times in taken.items() if column.count(value) == times}
