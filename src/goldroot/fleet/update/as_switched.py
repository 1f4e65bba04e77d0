"""The system as it was right after its switch, as far as the live disks still show it.

A merge can be made again, but not what commands did in its result: caches that were rebuilt, a database that was
migrated, directories that a check made.  What nobody wrote since then stands on the live disks still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from goldroot.fleet.manifests import differs
from goldroot.merge import Row, joined
from goldroot.tree import FILE, BuildRow, Manifest, rows_of, tree_key, upwards


def as_switched(merged: Iterable[BuildRow], made: Manifest, now: Manifest, source: int) -> Iterator[BuildRow]:
    """Rows of the tree as it was when goldroot had finished it, in tree order; hard links are as they were then, too.

    :param merged: the merge's result: its content stood where it was written since, and no command had written it.
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
            yield here._replace(group=finished.group)
        elif finished.kind != FILE:
            yield finished  # it has no content but what its row says
        elif merge_row is not None and merge_row.kind == FILE:
            yield merge_row._replace(
                mode=finished.mode, uid=finished.uid, gid=finished.gid, xattrs=finished.xattrs, flags=finished.flags,
                project=finished.project, group=finished.group,
            )  # fmt: skip


#: Where the signature (inode, ctime) begins in a row.
SIGNATURE = 12


def after_carry(made: Manifest, now: Manifest, carried: Manifest, taken: Set[bytes]) -> Iterator[Row]:
    """Rows that tell on the disk of a carry what the server wrote since the switch to the version that it is back on.

    What was written before that disk became a fallback is on it, too, and so is what was carried: the next rollback must
    not take either for goldroot's.  These paths stand here as goldroot had finished them then, without a signature.

    :param made: the fallback's disk as goldroot had finished it; ``now``: as it is.
    :param carried: the disk that the carry made.
    :param taken: the state units that are not the fallback's there.
    """
    for was, stood, row in joined([made.rows(), now.rows(), carried.rows()]):
        if was is None:
            continue
        if stood is None or row is None or differs(was, stood) or _differ(stood, row) or _is_in(was[0], taken):
            yield _unsigned(was)
        else:
            yield row


def after_commands(made: Manifest, built: Manifest, now: Manifest) -> Iterator[Row]:
    """The rows of :func:`after_carry` once commands ran in the new system: what they wrote or removed is goldroot's.

    :param built: the disk as it was built; ``now``: as it is.
    """
    for was, before, row in joined([made.rows(), built.rows(), now.rows()]):
        if row is None:
            if was is not None and before is None:
                yield was
        elif before is None or differs(before, row):
            yield row
        elif was is not None:
            yield row if was[SIGNATURE] else was


def _unsigned(row: Row) -> Row:
    return (*row[:SIGNATURE], 0, 0)


def _differ(one: Row, other: Row) -> bool:
    """Whether two disks differ in a path, as far as its bytes were read."""
    return differs(_unsigned(one), _unsigned(other))


def _is_in(path: bytes, units: Set[bytes]) -> bool:
    return any(above in units for above in upwards(path))
