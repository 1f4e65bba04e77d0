"""What stands in the result, once every path is decided: one tree, in which everything has its place, and names that share a file.

*Support*, deepest first: a directory stays where something in it stays.  *Block*: nothing is placed below what is not a
directory, and never written through a link.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIDE_OF, Names
from goldroot.merge.decide.units import unit_delta
from goldroot.merge.decide.verdict import (
    CONFLICT,
    NO_SIDE,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    as_is,
    conflict_at,
    is_directory,
    settle_conflict,
    value_of,
)
from goldroot.merge.fit.part_plan import Linked, PartPlan
from goldroot.tree import DIRECTORY, FILE, SOCKET, Entry, in_tree_order, is_below, parent, path_text, upwards


def fit_part(decided: Decided, setting: Setting) -> None:
    """Make one tree of a part's verdicts, in place."""
    fitter = Fitter(decided, setting)
    fitter.support()
    fitter.block()


class Fitter:
    """Makes one tree of what was decided path by path."""

    def __init__(self, decided: Decided, setting: Setting) -> None:
        self.decided, self.setting = decided, setting
        self.comparison = decided.comparison
        self._made_again: set[bytes] = set()  #: directories in units, for what goes by a later rule and stays
        self._in_the_way: set[bytes] = set()  #: what the clone has in units where there should be a directory

    # -- support

    def support(self) -> None:
        """A directory stays where something in it stays; a link or file gives way to a directory of the clone's."""
        needed: dict[bytes, bool] = {}  #: directory -> whether for more than a cache's empty directories
        waiting = in_tree_order([*self.decided.verdicts, *self.decided.units])
        while waiting:
            path = waiting.pop()
            verdict = self.decided.verdicts.get(path)
            if verdict is not None:
                if path in needed:
                    self._keep_directory(path, verdict, needed[path])
                present = verdict.want is not None
            else:
                present = self._unit_present(path)
            if present and path:
                above, known = parent(path), parent(path) in needed
                of_cache = verdict is not None and self.comparison.rules[path].cls == "cache"
                needed[above] = needed.get(above, False) or needed.get(path, False) or not of_cache
                if known or not self._missing_in_unit(above):
                    continue
                if self._is_the_clones(above):
                    self._in_the_way.add(above)
                else:
                    self._restore_directory(above)
                    waiting.append(above)

    def _unit_present(self, path: bytes) -> bool:
        side = self.decided.units[path].side
        return side != NO_SIDE and self.comparison.units[path].present[side]

    def _keep_directory(self, path: bytes, verdict: Verdict, firmly: bool = True) -> None:
        delta = self.comparison.delta(path)
        if verdict.want is None:
            side = next(s for s in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE) if is_directory(delta.rows[s]))
            verdict.want = as_is(delta, side, self.setting)
            verdict.notes.append("the directory stays, with only what stays in it")
            if verdict.outcome != CONFLICT:
                verdict.outcome = verdict.axes["presence"] = GOLD if side == GOLD_SIDE else CLONE
        elif verdict.because or not firmly:
            return
        elif verdict.want.kind != DIRECTORY and is_directory(delta.rows[CLONE_SIDE]):
            self._ask_for_directory(delta, verdict)

    def _ask_for_directory(self, delta: Delta, verdict: Verdict) -> None:
        """Gold has something else here, and below it stands what must stay the clone's."""
        values = tuple(value_of(as_is(delta, side, self.setting)) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
        asked = conflict_at(
            delta, self.setting, "type", "type-changed", (values[0], values[1], values[2]),
            "gold made this directory something else, and the server keeps something below it",
        )  # fmt: skip
        answer, _ = settle_conflict(verdict, asked, self.setting, own=True)
        verdict.outcome = CONFLICT if verdict.conflicts else answer
        verdict.want = as_is(delta, SIDE_OF.get(answer, CLONE_SIDE), self.setting)

    def _missing_in_unit(self, path: bytes) -> bool:
        """Whether ``path`` lies in (or is) a unit whose chosen side does not have it as a directory."""
        side = None if path in self.decided.verdicts else self._side_over(path)
        return side is not None and not is_directory(self._held(path, side))

    def _is_the_clones(self, path: bytes) -> bool:
        """Whether what stands there in a unit is the clone's own, which gives way to nothing of gold's."""
        held = self._held(path, CLONE_SIDE)
        return self._side_over(path) == CLONE_SIDE and held is not None and held.kind != SOCKET

    def _side_over(self, path: bytes) -> int | None:
        """The side of the unit that a path lies in or is."""
        return next((self.decided.units[p].side for p in upwards(path) if p in self.decided.units), None)

    def _held(self, path: bytes, side: int) -> Entry | None:
        return None if side == NO_SIDE else self.comparison.part.trees[side].manifest.get(path)

    def _restore_directory(self, path: bytes) -> None:
        """A directory inside a unit, made again for what goes by a later rule and stays."""
        self._made_again.add(path)
        rule = next(self.comparison.units[p].rule for p in upwards(path) if p in self.comparison.units)
        self.comparison.add(path, self.comparison.part.rows(path), rule)
        self.decided.verdicts[path] = Verdict(None, CLONE, {"presence": CLONE})
        self._keep_directory(path, self.decided.verdicts[path])

    # -- block

    def block(self) -> None:
        """Nothing is placed where the path above is not a directory in the result."""
        blocker: bytes | None = None
        for path in in_tree_order([*self.decided.verdicts, *self.decided.units, *self._in_the_way]):
            if blocker is not None and is_below(path, blocker):
                self._drop(path, blocker)
            elif not self._becomes_directory(path):
                blocker = path
        self.decided.verdicts = {p: self.decided.verdicts[p] for p in in_tree_order(self.decided.verdicts)}

    def _becomes_directory(self, path: bytes) -> bool:
        verdict = self.decided.verdicts.get(path)
        if verdict is not None:
            return verdict.want is not None and verdict.want.kind == DIRECTORY
        return path in self.decided.units and is_directory(self._held(path, self.decided.units[path].side))

    def _drop(self, path: bytes, blocker: bytes) -> None:
        if path in self.decided.units and self._unit_present(path):
            self._drop_unit(path, blocker)
        if path in self._made_again or path in self.decided.within:
            del self.decided.verdicts[path]  # what was in it asks for itself
        if path not in self.decided.verdicts:
            return
        verdict = self.decided.verdicts[path]
        want, verdict.want = verdict.want, None
        delta = self.comparison.delta(path)
        if want is None or verdict.because or delta.rule.cls == "cache":
            return
        values = tuple(value_of(as_is(delta, side, self.setting)) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
        conflict = self._left_out(delta, blocker, (values[0], values[1], values[2]), want.side)
        if conflict is not None:
            verdict.conflicts.append(conflict)
        verdict.outcome = verdict.axes["presence"] = CONFLICT if conflict else _without(want.side)
        verdict.notes.append(_blocked_by(self.comparison, blocker))

    def _drop_unit(self, path: bytes, blocker: bytes) -> None:
        delta = unit_delta(self.comparison, self.comparison.units[path])
        side = self.decided.units[path].side
        conflict = self._left_out(delta, blocker, (b"", b"unit", b""), side)
        outcome = CONFLICT if conflict else _without(side)
        self.decided.units[path] = UnitVerdict(NO_SIDE, outcome, conflict, [_blocked_by(self.comparison, blocker)])

    def _left_out(self, delta: Delta, blocker: bytes, values: tuple[bytes, bytes, bytes], side: int) -> Conflict | None:
        """What cannot be placed is a question with one answer: that it may be left out."""
        deleted = blocker in self.decided.verdicts and self.decided.verdicts[blocker].want is None
        kind: ConflictKind = "below-deleted" if deleted else "below-non-directory"
        answer = _without(side)
        base, gold, clone = (value + b"\0blocked" for value in values)  # another question than whether to delete it
        conflict = Conflict(
            delta.place, "presence", kind, (base, gold, clone), (answer,), answer, _blocked_by(self.comparison, blocker),
            delta.rule.secret,
        )  # fmt: skip
        decision = self.setting.decisions.get(conflict.key)
        if decision is None:
            return conflict
        return None if decision.take == answer else conflict.unanswered(f"its only answer is {answer!r}")


def _without(side: int) -> str:
    """Whose word it is that what ``side`` has is not there."""
    return CLONE if side == GOLD_SIDE else GOLD


def _blocked_by(comparison: Comparison, blocker: bytes) -> str:
    place = path_text(comparison.part.place(blocker))
    return f"it cannot be placed: {place} is not a directory in the result"


# -- Hard links: which names share one file in the result. Which names belong together is itself merged: gold's grouping
# where the clone left base's alone, else the clone's. A side that has no such file says nothing about what it belongs to.
# Names stay together where all of them end equal, and are separated where not. What the clone had together, or should
# have come together, and does not is noted, also where gold took it apart.

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
    comparison = one.decided.comparison
    if not any(comparison.groups):
        return Linked()

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
