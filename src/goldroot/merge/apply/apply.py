"""Carry out a plan: the trees are walked a second time, and every path goes to the builder with its answer."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.accounts import ACL_NAMES, rename_in_acls
from goldroot.merge.compare.parts import (
    AT_CONTENT,
    AT_GID,
    AT_KIND,
    AT_MODE,
    AT_MTIME,
    AT_SIZE,
    AT_UID,
    AT_XATTRS,
    CLONE_SIDE,
    Row,
    joined,
)
from goldroot.merge.decide.verdict import NO_SIDE, UnitVerdict, Want, want_of
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.plan import Plan
from goldroot.tree import (
    INLINE,
    SOCKET,
    BuildOptions,
    BuildRow,
    Built,
    Entry,
    Progress,
    Xattrs,
    build_tree,
    in_tree_order,
    is_below,
    tree_key,
)


def apply_part(
    plan: Plan, one: PartPlan, out: bytes, *, jobs: int | None = None, progress: Progress | None = None
) -> Built:
    """Write the result of one part into the empty directory ``out``, without waiting for the disk.

    :raises TreeChanged: a source file changed since the plan was made.
    :raises NoSpace: ``out``'s file system is full; what was written so far is still there.
    """
    sources = [tree.root for tree in one.part.trees]
    return build_tree(build_rows(plan, one), sources, out, BuildOptions(jobs, progress, sync=False))


def build_rows(plan: Plan, one: PartPlan) -> Iterator[BuildRow]:
    """Every path of the result in tree order."""
    rows = plain = _Rows(plan, one)
    unit: bytes | None = None
    side = NO_SIDE
    verdicts, units = one.decided.verdicts, one.decided.units
    for path, triple in _with_new(one, joined([tree.manifest.rows() for tree in one.part.trees])):
        if unit is not None and not is_below(path, unit):
            unit, rows = None, plain
        if path in units:
            unit, side = path, units[path].side
            rows = plain.renamed(units[path])
        verdict = verdicts.get(path)
        if verdict is not None:
            if verdict.want is not None:
                yield rows.wanted(path, verdict.want, triple)
        elif unit is not None:
            row = None if side == NO_SIDE else triple[side]
            if row is not None and row[AT_KIND] != SOCKET:
                yield rows.taken(row, side, row[AT_MTIME])
        else:
            row = triple[CLONE_SIDE]
            if row is not None and row[AT_KIND] != SOCKET:
                yield rows.taken(row, CLONE_SIDE, _latest(triple))


Triple = tuple[Row | None, Row | None, Row | None]


def _with_new(one: PartPlan, triples: Iterator[Triple]) -> Iterator[tuple[bytes, Triple]]:
    """The rows of the three trees with their paths, and the paths that none of these has (files that were moved to a place of
    their own), in tree order."""
    deltas = one.decided.comparison.deltas
    new = [path for path, verdict in one.decided.verdicts.items() if verdict.want is not None and not any(deltas[path])]
    waiting = list(reversed(in_tree_order(new)))
    for triple in triples:
        path = next(row for row in triple if row is not None)[0]
        while waiting and tree_key(waiting[-1]) < tree_key(path):
            yield waiting.pop(), (None, None, None)
        yield path, triple
    while waiting:
        yield waiting.pop(), (None, None, None)


def _latest(triple: tuple[Row | None, Row | None, Row | None]) -> int:
    """The time of a path that is the same everywhere: times are merged like an axis, the later where both changed."""
    times: list[int] = [row[AT_MTIME] for row in triple if row is not None]
    if len(times) < 3 or times[0] == times[1]:
        return times[-1]
    return times[1] if times[0] == times[2] else max(times[1], times[2])


class _Rows:
    """Makes build rows: owners as numbers of the merged tables."""

    def __init__(self, plan: Plan, one: PartPlan, unit: UnitVerdict | None = None) -> None:
        self._plan, self._one, self._unit = plan, one, unit
        self._groups = one.linked.groups
        self._numeric = one.part.numeric
        self._uids: list[dict[int, int]] = [{}, {}, {}]
        self._gids: list[dict[int, int]] = [{}, {}, {}]

    def renamed(self, unit: UnitVerdict) -> _Rows:
        """The same for a unit of the clone's, in which accounts may have other names."""
        return _Rows(self._plan, self._one, unit) if unit.users or unit.groups else self

    def wanted(self, path: bytes, want: Want, triple: tuple[Row | None, Row | None, Row | None]) -> BuildRow:
        """A path with a verdict."""
        numbers = self._plan.numbers
        source, inode, ctime, size = triple[want.side] if want.side != INLINE else None, 0, 0, -1
        if source is not None:
            inode, ctime, size = source[12], source[13], source[AT_SIZE]
        return BuildRow(
            path=path, kind=want.kind, mode=want.mode, uid=numbers.uid(want.owner), gid=numbers.gid(want.group),
            mtime=want.mtime, xattrs=numbers.xattrs(want.xattrs, want.mode), flags=want.flags, project=want.project,
            source=self._source(want.side, path), source_path=path, content=want.inline if want.inline is not None else want.content,
            group=self._groups.get(path, 0), inode=inode, ctime=ctime, size=size,
        )  # fmt: skip

    def taken(self, row: Row, side: int, mtime: int) -> BuildRow:
        """One side's path as it is, but for the numbers of its owners."""
        if self._numeric.covers(row[0]):
            return self._row(row, side, mtime, (row[AT_UID], row[AT_GID], row[AT_XATTRS]))
        xattrs = row[AT_XATTRS]
        if xattrs and any(name in ACL_NAMES for name, _ in xattrs):
            want = want_of(Entry._make(row), self._plan.names[side], side)
            spoken = (
                want.xattrs if self._unit is None else rename_in_acls(want.xattrs, self._unit.users, self._unit.groups)
            )
            xattrs = self._plan.numbers.xattrs(spoken, want.mode)
        return self._row(row, side, mtime, (self._uid(row[AT_UID], side), self._gid(row[AT_GID], side), xattrs))

    def _row(self, row: Row, side: int, mtime: int, owners: tuple[int, int, Xattrs]) -> BuildRow:
        uid, gid, xattrs = owners
        return BuildRow(
            row[0], row[AT_KIND], row[AT_MODE], uid, gid, mtime, xattrs, row[9], row[10], self._source(side, row[0]), row[0],
            row[AT_CONTENT], self._groups.get(row[0], 0), row[12], row[13], row[AT_SIZE],
        )  # fmt: skip

    def _source(self, side: int, path: bytes) -> int:
        return side if side == INLINE else self._one.part.source(side, path)

    def _uid(self, number: int, side: int) -> int:
        known = self._uids[side]
        if number not in known:
            name = self._plan.names[side].users[number]
            known[number] = self._plan.numbers.uid(self._unit.users.get(name, name) if self._unit else name)
        return known[number]

    def _gid(self, number: int, side: int) -> int:
        known = self._gids[side]
        if number not in known:
            name = self._plan.names[side].groups[number]
            known[number] = self._plan.numbers.gid(self._unit.groups.get(name, name) if self._unit else name)
        return known[number]
