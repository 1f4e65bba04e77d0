"""Deciding every path that is not the same everywhere, in tree order: what lies above and below a path has a say.

A path goes by its class, a state unit as a whole; a conflict between a directory and something else covers all that is
below it.  What was decided is made one tree in :mod:`goldroot.merge.standing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from goldroot.merge.axes import (
    BASE_SIDE,
    CLONE_SIDE,
    GOLD_SIDE,
    Setting,
    Three,
    Verdict,
    as_is,
    equal,
    spoken,
    value_of,
)
from goldroot.merge.decided import NO_SIDE, Decided, UnitVerdict, in_tree_order, is_directory
from goldroot.merge.model import Conflict
from goldroot.merge.presence import (
    Below,
    added_below_deleted,
    decide,
    take_cache,
    take_clone,
    take_generated,
    take_gold,
)
from goldroot.merge.standing import Stander
from goldroot.merge.survey import Rows, Survey
from goldroot.merge.units import UnitDecider
from goldroot.tree.entry import FILE, SOCKET, is_below, parent
from goldroot.tree.names import path_text

_BY_CLASS: dict[str, Callable[[Three, Setting], Verdict]] = {
    "gold": take_gold,
    "clone": take_clone,
    "identity": take_clone,
    "generated": take_generated,
    "cache": take_cache,
}


class Decider:
    """Decides one part.

    :param ask_units: see :class:`goldroot.merge.units.UnitDecider`.
    """

    def __init__(self, survey: Survey, setting: Setting, *, ask_units: bool = False) -> None:
        self.survey, self.setting = survey, setting
        self.decided = Decided(survey)
        self._units = UnitDecider(survey, setting, ask=ask_units)
        self._covers: list[tuple[bytes, int]] = []
        self._below = Below(self._changed_below, self._value_below)

    def run(self) -> Decided:
        """Decide, and make one tree of it."""
        for path in in_tree_order([*self.survey.deltas, *self.survey.units]):
            cover = self._cover_over(path)
            if path in self.survey.units and path not in self.survey.deltas:
                self.decided.units[path] = self._decide_unit(path, cover)
            else:
                self.decided.verdicts[path] = self._decide_path(path, cover)
        Stander(self.decided, self.setting).run()
        return self.decided

    def _decide_unit(self, path: bytes, cover: tuple[bytes, int] | None) -> UnitVerdict:
        if cover is not None:
            top, side = cover
            return UnitVerdict(side, self.decided.verdicts[top].outcome, because=top)
        return self._units.decide(self.survey.units[path], deleted_above=self._clone_deleted_above(path))

    def _decide_path(self, path: bytes, cover: tuple[bytes, int] | None) -> Verdict:
        item = self.survey.item(path)
        if cover is not None:
            return self._covered(item, cover)
        if item.rule.pin:
            return take_clone(item, self.setting)
        by_class = _BY_CLASS.get(item.rule.cls)
        if by_class is not None:
            return by_class(item, self.setting)
        if item.rows[BASE_SIDE] is None and item.rows[CLONE_SIDE] is None and self._clone_deleted_above(path):
            verdict = added_below_deleted(item, self.setting, self._below)
            if is_directory(item.rows[GOLD_SIDE]):
                self._covers.append((path, NO_SIDE if verdict.want is None else GOLD_SIDE))
            return verdict
        verdict = decide(item, self.setting, self._below)
        if verdict.conflicts:
            self._look_for_move(item, verdict)
        if (verdict.conflicts or verdict.decided) and _holds_below(verdict, item.rows):
            self._covers.append((path, NO_SIDE if verdict.want is None else verdict.want.side))
        return verdict

    def _covered(self, item: Three, cover: tuple[bytes, int]) -> Verdict:
        top, side = cover
        want = None if side == NO_SIDE else as_is(item, side, self.setting)
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
            # What is in a state unit is no delta, nor is what is the same in all three.
            rows = self.survey.deltas.get(path) or self.survey.part.rows(path)
            if rows[BASE_SIDE] is not None:
                return rows[CLONE_SIDE] is None
        return False

    def _changed_below(self, path: bytes, side: int) -> bool:
        """Whether a side changed anything below a directory that the other side made something else."""
        for below in self.survey.below(path):
            item = self.survey.item(below)
            if not equal(as_is(item, BASE_SIDE, self.setting), as_is(item, side, self.setting)):
                return True
        units = (unit for unit in self.survey.units.values() if is_below(unit.path, path))
        return any(unit.clone_changed if side == CLONE_SIDE else unit.gold_changed for unit in units)

    def _value_below(self, path: bytes, side: int) -> bytes:
        """All that a side has below a directory, as a digest: an answer for a directory is one for what is in it.

        A file that nobody read goes by its size and time; at worst an answer is asked for once more.
        """
        if not is_directory(self.survey.deltas[path][side]):
            return b""
        digest = hashlib.sha256()
        for held in self.survey.part.trees[side].manifest.below(path):
            entry = self.survey.deltas.get(held.path, (held,) * 3)[side]
            rule = self.survey.rules.get(held.path)
            if entry is None or entry.kind == SOCKET or (rule is not None and rule.cls == "cache"):
                continue
            value = value_of(spoken(entry, self.setting.names[side], side))
            if entry.kind == FILE and not entry.content:
                value += b"%d:%d" % (entry.size, entry.mtime)
            for part in (entry.path, value):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _look_for_move(self, item: Three, verdict: Verdict) -> None:
        """Gold deleted a file that the clone changed: name the place where gold has the same content now."""
        base, gold, _ = item.rows
        if base is None or gold is not None or base.kind != FILE or not base.size:
            return
        moved = self._gold_additions().get(base.content)
        if moved is None:
            return
        place = path_text(self.survey.part.place(moved))
        verdict.notes.append(f"gold moved it to {place}")
        old = verdict.conflicts[0]
        verdict.conflicts[0] = Conflict(
            old.path, old.axis, "gold-moved-clone-changed", old.values, old.answers, old.stands,
            f"gold moved it to {place}; the clone had changed it at its old place", old.secret,
        )  # fmt: skip

    def _gold_additions(self) -> dict[bytes, bytes]:
        if not hasattr(self, "_additions"):
            self._additions: dict[bytes, bytes] = {}
            for path, (base, gold, _) in self.survey.deltas.items():
                if gold is None or gold.kind != FILE or not gold.size:
                    continue
                if base is None or base.kind != FILE or base.content != gold.content:
                    self._additions.setdefault(gold.content, path)
        return self._additions


def _has_directory(rows: Rows) -> bool:
    return any(is_directory(row) for row in rows)


def _holds_below(verdict: Verdict, rows: Rows) -> bool:
    """Whether the answer for a path is one for all below it: one side has a directory where another has none."""
    if "type" in verdict.axes:
        return _has_directory(rows)
    made = rows[BASE_SIDE] is not None and not is_directory(rows[BASE_SIDE])
    return "presence" in verdict.axes and made and _has_directory(rows)
