"""The system as it was right after its switch, as far as the live disks still show it.

A merge can be made again, but not what commands did in its result: caches that were rebuilt, a database that was
migrated, directories that a check made.  What nobody wrote since then stands on the live disks still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goldroot.fleet.signatures import differs
from goldroot.tree import BuildRow, Manifest, rows_of
from goldroot.tree.entry import FILE, tree_key

#: Group numbers of two trees must not meet in one: those of the live disk are counted from here.
APART = 1 << 40


def as_switched(merged: Iterable[BuildRow], made: Manifest, now: Manifest, source: int) -> Iterator[BuildRow]:
    """Rows of the tree as it was when goldroot had finished it, in tree order.

    :param merged: the merge's result: what stood there where it was written since, and no command had written it.
    :param made: the disk as goldroot had finished it.
    :param now: the disk as it is; ``source`` is its number among the builder's sources.
    """
    rows, live = iter(merged), rows_of(now, source)
    row, here = next(rows, None), next(live, None)
    seen = iter(now.rows())
    stands = next(seen, None)
    for finished, was in zip(rows_of(made, source), made.rows(), strict=True):
        key = tree_key(finished.path)
        while row is not None and tree_key(row.path) < key:
            row = next(rows, None)
        while here is not None and tree_key(here.path) < key:
            here, stands = next(live, None), next(seen, None)
        merge_row = row if row is not None and row.path == finished.path else None
        if here is not None and stands is not None and here.path == finished.path and not differs(was, stands):
            yield here._replace(group=here.group + APART if here.group else 0)
        elif finished.kind != FILE:
            yield finished._replace(group=0)  # it has no content but what its row says
        elif merge_row is not None and merge_row.kind == FILE:
            yield merge_row
