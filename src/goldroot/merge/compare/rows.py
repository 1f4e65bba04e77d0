"""Rows of several trees: streams of them side by side, and whether two are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from goldroot.accounts import OwnerNames
from goldroot.merge.compare.numeric import NOWHERE, NumericPlaces
from goldroot.merge.compare.parts import (
    AT_CONTENT,
    AT_FLAGS,
    AT_GID,
    AT_GROUP,
    AT_KIND,
    AT_MODE,
    AT_SIZE,
    AT_UID,
    AT_XATTRS,
    Row,
)
from goldroot.tree import FILE, Entry, tree_key


def joined(streams: Sequence[Iterable[Row]]) -> Iterator[tuple[Row | None, Row | None, Row | None]]:
    """Three sorted streams as one stream of triples with the same path; ``None`` where a tree has no such path."""
    one, two, three = (iter(stream) for stream in streams)
    b, g, c = next(one, None), next(two, None), next(three, None)
    while True:
        if b is not None and g is not None and c is not None and b[0] == g[0] == c[0]:
            yield b, g, c
            b, g, c = next(one, None), next(two, None), next(three, None)
            continue
        keys = [tree_key(row[0]) for row in (b, g, c) if row is not None]
        if not keys:
            return
        first = min(keys)
        has_b = b is not None and tree_key(b[0]) == first
        has_g = g is not None and tree_key(g[0]) == first
        has_c = c is not None and tree_key(c[0]) == first
        yield b if has_b else None, g if has_g else None, c if has_c else None
        b = next(one, None) if has_b else b
        g = next(two, None) if has_g else g
        c = next(three, None) if has_c else c


class RowEquality:
    """Compares rows of two sides: the raw numbers where their account tables agree, tokens where not.

    :param numeric: where owners are numbers of another system.
    """

    def __init__(self, names: OwnerNames, others: OwnerNames, numeric: NumericPlaces = NOWHERE) -> None:
        self._names, self._others, self._numeric = names, others, numeric
        self._agree = names.users == others.users and names.groups == others.groups

    def without_content(self, row: Row, other: Row) -> bool:
        """Equal on every axis but the content (a file's length is its content's)."""
        if (
            row[AT_KIND] != other[AT_KIND]
            or row[AT_MODE] != other[AT_MODE]
            or row[AT_FLAGS:AT_GROUP] != other[AT_FLAGS:AT_GROUP]
        ):
            return False
        if self._agree or self._numeric.covers(row[0]):
            return bool(row[AT_UID:AT_SIZE] == other[AT_UID:AT_SIZE] and row[AT_XATTRS] == other[AT_XATTRS])
        return (
            self._names.users[row[AT_UID]] == self._others.users[other[AT_UID]]
            and self._names.groups[row[AT_GID]] == self._others.groups[other[AT_GID]]
            and (not (row[AT_XATTRS] or other[AT_XATTRS]) or self._spoken(row, other))
        )

    def _spoken(self, row: Row, other: Row) -> bool:
        return self._names.xattrs(Entry._make(row)) == self._others.xattrs(Entry._make(other))

    def __call__(self, row: Row | None, other: Row | None) -> bool | None:
        """Whether both are equal; ``None`` where only reading the files can tell."""
        if row is None or other is None:
            return row is other
        if not self.without_content(row, other) or row[AT_SIZE] != other[AT_SIZE]:
            return False
        if row[AT_KIND] != FILE or (row[AT_CONTENT] and other[AT_CONTENT]):
            return bool(row[AT_CONTENT] == other[AT_CONTENT])
        return None if row[AT_SIZE] else True
