"""The planned result as one tree: what stands at each path, once every path is decided, with everything in its place.

*Support*, deepest first: a directory stays where something in it stays.  *Block*: nothing is placed below what is not a
directory, and never written through a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from goldroot.accounts import NUMERIC_OWNERS
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIDE_OF, Names, Part, read_unless_torn
from goldroot.merge.decide.units import unit_delta
from goldroot.merge.decide.verdict import (
    CONFLICT,
    NO_SIDE,
    SAME,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    Want,
    as_is,
    conflict_at,
    is_directory,
    settle_conflict,
    value_of,
    want_of,
)
from goldroot.merge.special import Special
from goldroot.tree import DIRECTORY, FILE, SOCKET, Entry, in_tree_order, is_below, parent, path_text, upwards


@dataclass
class Linked:
    """``groups``: path -> group number in the result, from 1; ``separated``: names that no longer share a file."""

    groups: dict[bytes, int] = field(default_factory=dict)
    separated: list[bytes] = field(default_factory=list)


@dataclass
class PartPlan:
    """What happens to one part."""

    part: Part
    decided: Decided
    linked: Linked

    def unit_over(self, path: bytes) -> UnitVerdict | None:
        """The state unit that a path lies in; ``None`` outside of any."""
        while path:
            if path in self.decided.units:
                return self.decided.units[path]
            path = parent(path)
        return None

    def side_over(self, path: bytes) -> int | None:
        """The side of the state unit that a path lies in; ``None`` outside of any."""
        unit = self.unit_over(path)
        return None if unit is None else unit.side

    def unit_is_unchanged(self, path: bytes) -> bool:
        """Whether a path lies in a unit that nobody changed."""
        unit = self.unit_over(path)
        return unit is not None and unit.outcome == SAME

    def final(self, path: bytes, names: Names) -> Want | None:
        """What a path is in the result, however it was decided."""
        verdict = self.decided.verdicts.get(path)
        if verdict is not None:
            return verdict.want
        side = self.side_over(path)
        side = CLONE_SIDE if side is None else side
        entry = None if side == NO_SIDE else self.part.trees[side].manifest.get(path)
        return None if entry is None else want_of(entry, self.names_at(path, names)[side], side)

    def names_at(self, path: bytes, names: Names) -> Names:
        """What the numbers of owners are called at a path: by the accounts of each side, or nothing."""
        return (NUMERIC_OWNERS,) * 3 if self.part.numeric.covers(path) else names


def touches(parts: Iterable[PartPlan], things: Special) -> bool:
    """Whether anything that is not the same in all three trees is one of these things."""
    return any(one.decided.comparison.touches(things) for one in parts)


def holds(parts: Iterable[PartPlan], places: Iterable[bytes]) -> bool:
    """Whether any tree has something at one of these places."""
    inside = ((one.part, one.part.inside(place)) for one in parts for place in places)
    return any(path is not None and any(part.rows(path)) for part, path in inside)


#: A table that people write is not larger (bytes); what is, is not read.
LARGEST = 1 << 20


class ResultFiles:
    """The files of a planned result, by their places in the system.

    :param parts: all parts of the plan, decided and made one tree.
    """

    def __init__(self, parts: Sequence[PartPlan], names: Names) -> None:
        self.parts, self.names = parts, names
        self._texts: dict[bytes, bytes | None] = {}

    def final(self, place: bytes) -> tuple[PartPlan, bytes, Want] | None:
        """What stands at a place in the result, with its part and its path there."""
        for one in self.parts:
            path = one.part.inside(place)
            want = None if path is None else one.final(path, self.names)
            if path is not None and want is not None:
                return one, path, want
        return None

    def below(self, place: bytes) -> Iterator[bytes]:
        """The places below a directory, each once, sorted; links and directories among them."""
        found: set[bytes] = set()
        for one in self.parts:
            inside = one.part.inside(place)
            if inside is not None:
                held = {row.path for tree in one.part.trees for row in tree.manifest.below(inside)}
                found |= {one.part.place(path) for path in held if one.final(path, self.names) is not None}
        return iter(sorted(found))

    def children(self, place: bytes) -> Iterator[bytes]:
        """The places directly in a directory, each once, sorted."""
        found: set[bytes] = set()
        for one in self.parts:
            inside = one.part.inside(place)
            for tree in one.part.trees if inside is not None else ():
                for path in tree.manifest.children(inside or b""):
                    if one.final(path, self.names) is not None:
                        found.add(one.part.place(path))
        return iter(sorted(found))

    def text(self, place: bytes) -> bytes | None:
        """A regular file's bytes; ``None`` where there is none, or it is too large, or it is being written."""
        if place not in self._texts:
            self._texts[place] = self._read(place)
        return self._texts[place]

    def _read(self, place: bytes) -> bytes | None:
        found = self.final(place)
        if found is None or found[2].kind != FILE:
            return None
        one, path, want = found
        if want.inline is not None or want.side == NO_SIDE:
            return want.inline
        tree = one.part.trees[one.part.source(want.side, path)]
        held = tree.manifest.get(path)
        if held is None or held.size > LARGEST:
            return None
        return read_unless_torn(tree, path)


# -- Making one tree of the verdicts


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
        answer, _ = settle_conflict(verdict, asked, self.setting)
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
            delta.rule.secret, own=False,
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
