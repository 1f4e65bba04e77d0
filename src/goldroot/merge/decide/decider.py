"""Deciding every path that is not the same everywhere, in tree order: what lies above and below a path has a say.

A path goes by its class, a state unit as a whole; a conflict between a directory and something else covers all that is
below it.  What was decided is made one tree in :mod:`goldroot.merge.fit.one_tree`.
"""

from __future__ import annotations

from collections.abc import Callable

from goldroot.files import digest_of
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Rows
from goldroot.merge.decide.left_behind import ask_about_left
from goldroot.merge.decide.moves import look_for_moves
from goldroot.merge.decide.presence import (
    Added,
    Below,
    added_below,
    added_below_deleted,
    additions_below,
    decide_presence,
    is_changed,
    rows_of,
    take_cache,
    take_clone,
    take_generated,
    take_gold,
)
from goldroot.merge.decide.rc_links import settle_rc_links
from goldroot.merge.decide.remembered import decide_remembered, decide_remembered_unit, note_kept_lines
from goldroot.merge.decide.removed import settle_removed
from goldroot.merge.decide.together import settle_together
from goldroot.merge.decide.units import UnitDecider
from goldroot.merge.decide.verdict import (
    NO_SIDE,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    as_is,
    is_directory,
    value_of,
    want_of,
)
from goldroot.merge.special import DATABASES, RUNLEVELS
from goldroot.tree import FILE, SOCKET, in_tree_order, is_below, parent, upwards

_BY_CLASS: dict[str, Callable[[Delta, Setting], Verdict]] = {
    "gold": take_gold,
    "clone": take_clone,
    "identity": take_clone,
    "generated": take_generated,
    "cache": take_cache,
}


def decide_part(comparison: Comparison, setting: Setting) -> Decided:
    """Decide every path and state unit of a part."""
    return Decider(comparison, setting).run()


class Decider:
    """Decides one part."""

    def __init__(self, comparison: Comparison, setting: Setting) -> None:
        self.comparison, self.setting = comparison, setting
        self.decided = Decided(comparison)
        self._units = UnitDecider(comparison, setting, ask=setting.going_back)
        self._covers: list[tuple[bytes, int]] = []
        self._asked: set[bytes] = (
            set()
        )  #: directories that the clone deleted, at which what gold added below is asked about
        self._below = Below(self._changed_below, self._value_below)

    def run(self) -> Decided:
        """Decide one path after the other."""
        for path in in_tree_order([*self.comparison.deltas, *self.comparison.units]):
            cover = self._cover_over(path)
            if path in self.comparison.units and path not in self.comparison.deltas:
                self.decided.units[path] = self._decide_unit(path, cover)
            else:
                self.decided.verdicts[path] = self._decide_path(path, cover)
        if self.comparison.touches(DATABASES):
            settle_together(self.decided, self.setting)
        if self.comparison.touches(RUNLEVELS):
            settle_rc_links(self.decided, self.setting)
        settle_removed(self.decided, self.setting)
        if any(verdict.conflicts for verdict in self.decided.verdicts.values()):
            look_for_moves(self.decided, self.setting)
        if any(is_directory(base) and gold is None for base, gold, _ in self.comparison.deltas.values()):
            ask_about_left(self.decided, self.setting)
        return self.decided

    def _decide_unit(self, path: bytes, cover: tuple[bytes, int] | None) -> UnitVerdict:
        if cover is not None:
            top, side = cover
            return UnitVerdict(side, self.decided.verdicts[top].outcome, because=top)
        unit = self.comparison.units[path]
        remembered = decide_remembered_unit(self.decided, self.setting, unit)
        if remembered is not None:
            return remembered
        if not (unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or unit.pinned):
            asked = self._asked_above(path)
            if asked is not None:
                return UnitVerdict(self._side_of_added(asked), self.decided.verdicts[asked].outcome, because=asked)
        return self._units.decide(unit, deleted_above=self._clone_deleted_above(path))

    def _decide_path(self, path: bytes, cover: tuple[bytes, int] | None) -> Verdict:
        delta = self.comparison.delta(path)
        if cover is not None:
            return self._covered(delta, cover)
        if delta.rule.pin:
            return take_clone(delta, self.setting)
        by_class = _BY_CLASS.get(delta.rule.cls)
        if by_class is not None:
            return by_class(delta, self.setting)
        remembered = decide_remembered(self.decided, self.setting, delta)
        if remembered is not None:
            if is_directory(delta.rows[GOLD_SIDE]):
                self._covers.append((path, NO_SIDE if remembered.want is None else GOLD_SIDE))
            return remembered
        if delta.rows[BASE_SIDE] is None and delta.rows[CLONE_SIDE] is None and self._clone_deleted_above(path):
            if (top := self._asked_above(path)) is not None:
                return self._covered(delta, (top, self._side_of_added(top)))
            verdict = added_below_deleted(delta, self.setting, self._below)
            if is_directory(delta.rows[GOLD_SIDE]):
                self._covers.append((path, NO_SIDE if verdict.want is None else GOLD_SIDE))
            return verdict
        if (top := self._asked_above(path)) is not None and is_changed(self.comparison, path, self.setting, _BY_CLASS):
            return self._covered(delta, (top, self._side_of_added(top)))
        added = self._added_below(delta)
        if added is not None:
            self._asked.add(path)
            return added_below(delta, self.setting, added)
        verdict = decide_presence(delta, self.setting, self._below)
        note_kept_lines(self.decided, self.setting, delta, verdict)
        if (verdict.conflicts or verdict.decided) and _holds_below(verdict, delta.rows):
            self._covers.append((path, NO_SIDE if verdict.want is None else verdict.want.side))
        return verdict

    def _added_below(self, delta: Delta) -> Added | None:
        """What gold added or changed below a directory, where the clone deleted it and nothing above it."""
        base, gold, clone = delta.rows
        if (
            clone is not None
            or not (is_directory(base) and is_directory(gold))
            or self._asked_above(delta.path) is not None
        ):
            return None
        return additions_below(self.comparison, delta.path, self.setting, _BY_CLASS)

    def _asked_above(self, path: bytes) -> bytes | None:
        """The directory at which it was asked about all that gold added or changed below it, this path among it."""
        if not self._asked:
            return None
        return next((above for above in upwards(parent(path)) if above in self._asked), None)

    def _side_of_added(self, top: bytes) -> int:
        return NO_SIDE if self.decided.verdicts[top].want is None else GOLD_SIDE

    def _covered(self, delta: Delta, cover: tuple[bytes, int]) -> Verdict:
        top, side = cover
        want = None if side == NO_SIDE else as_is(delta, side, self.setting)
        top_verdict = self.decided.verdicts[top]
        return Verdict(want, top_verdict.outcome, {"presence": top_verdict.outcome}, because=top)

    def _cover_over(self, path: bytes) -> tuple[bytes, int] | None:
        while self._covers and not is_below(path, self._covers[-1][0]):
            self._covers.pop()
        return self._covers[-1] if self._covers else None

    def _clone_deleted_above(self, path: bytes) -> bool:
        """Whether the nearest directory above that base had was deleted by the clone."""
        while path:
            path = parent(path)
            rows = rows_of(self.comparison, path)
            if rows[BASE_SIDE] is not None:
                return rows[CLONE_SIDE] is None
        return False

    def _changed_below(self, path: bytes, side: int) -> bool:
        """Whether a side changed anything below a directory that the other side made something else."""
        for below in self.comparison.below(path):
            delta = self.comparison.delta(below)
            base, other = as_is(delta, BASE_SIDE, self.setting), as_is(delta, side, self.setting)
            if base is None or other is None:
                if base is not other:
                    return True
            elif not self.setting.sameness.unchanged(delta, base, other):
                return True
        units = (unit for unit in self.comparison.units.values() if is_below(unit.path, path))
        return any(unit.clone_meant if side == CLONE_SIDE else unit.gold_changed for unit in units)

    def _value_below(self, path: bytes, side: int) -> bytes:
        """All that a side has below a directory, as a digest: an answer for a directory is one for what is in it.

        A file that nobody read goes by its size and time; at worst an answer is asked for once more.  Of a state unit it
        counts that it is there: what is in it is written while a person thinks.
        """
        if not is_directory(self.comparison.deltas[path][side]):
            return b""
        parts: list[bytes] = []
        for held in self.comparison.part.trees[side].manifest.below(path):
            entry = self.comparison.deltas.get(held.path, (held,) * 3)[side]
            rule = self.comparison.rules.get(held.path)
            if entry is None or entry.kind == SOCKET or (rule is not None and rule.cls == "cache"):
                continue
            unit = self.comparison.unit_of(held.path)
            if unit is not None:
                parts += (held.path, b"unit") if held.path == unit else ()
                continue
            value = value_of(want_of(entry, self.setting.names[side], side))
            if entry.kind == FILE and not entry.content:
                value += b"%d:%d" % (entry.size, entry.mtime)
            parts += (entry.path, value)
        return digest_of(parts)


def _has_directory(rows: Rows) -> bool:
    return any(is_directory(row) for row in rows)


def _holds_below(verdict: Verdict, rows: Rows) -> bool:
    """Whether the answer for a path is one for all below it: one side has a directory where another has none."""
    if "type" in verdict.axes:
        return _has_directory(rows)
    made = rows[BASE_SIDE] is not None and not is_directory(rows[BASE_SIDE])
    return "presence" in verdict.axes and made and _has_directory(rows)
