"""From the answers for single paths to one tree: what lies above and below a path has a say.

Three passes over what is not the same everywhere, in tree order.  *Decide*: every path by its class; a conflict between a
directory and something else covers all that is below it.  *Support*, deepest first: a directory stays where something in
it stays.  *Block*: nothing is placed below what is no directory, and never written through a link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from goldroot.merge.axes import (
    BASE_SIDE,
    CLONE_SIDE,
    CONFLICT,
    GOLD_SIDE,
    INLINE,
    SAME,
    SIDE_OF,
    Setting,
    Three,
    Verdict,
    as_is,
    equal,
    settle_conflict,
    spoken,
    value_of,
)
from goldroot.merge.model import CLONE, GOLD, Conflict
from goldroot.merge.policy import Rule
from goldroot.merge.presence import (
    ADDED_BELOW_DELETED,
    Below,
    added_below_deleted,
    decide,
    take_cache,
    take_clone,
    take_generated,
    take_gold,
)
from goldroot.merge.survey import Rows, Survey, Unit
from goldroot.tree.entry import DIRECTORY, FILE, SOCKET, is_below, parent, tree_key
from goldroot.tree.names import path_text

NO_SIDE = INLINE  #: of a cover or a unit: nothing is there

_BY_CLASS: dict[str, Callable[[Three, Setting], Verdict]] = {
    "gold": take_gold,
    "clone": take_clone,
    "identity": take_clone,
    "generated": take_generated,
    "cache": take_cache,
}


@dataclass(slots=True)
class UnitVerdict:
    """Whose a state unit is in the result."""

    side: int  #: GOLD_SIDE, CLONE_SIDE, or NO_SIDE
    outcome: str
    conflict: Conflict | None = None
    notes: list[str] = field(default_factory=list)
    because: bytes = b""  #: the path above whose conflict this one shares


@dataclass
class Decided:
    """Every delta of a part with its verdict, every changed unit with its side."""

    survey: Survey
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)  #: in tree order
    units: dict[bytes, UnitVerdict] = field(default_factory=dict)


class Decider:
    """Decides one part.

    :param ask_units: a unit that the clone changed is a conflict with gold's version standing (a carry, after a rollback).
    """

    def __init__(self, survey: Survey, setting: Setting, *, ask_units: bool = False) -> None:
        self.survey, self.setting, self.ask_units = survey, setting, ask_units
        self.decided = Decided(survey)
        self._covers: list[tuple[bytes, int]] = []
        self._below = Below(self._changed_below, self._value_below)

    def run(self) -> Decided:
        """All three passes."""
        self._decide()
        self._support()
        self._block()
        return self.decided

    # -- decide

    def _decide(self) -> None:
        for path in _in_tree_order([*self.survey.deltas, *self.survey.units]):
            cover = self._cover_over(path)
            if path in self.survey.units and path not in self.survey.deltas:
                self.decided.units[path] = self._decide_unit(path, cover)
            else:
                self.decided.verdicts[path] = self._decide_path(path, cover)

    def _item(self, path: bytes) -> Three:
        return Three(path, self.survey.part.place(path), self.survey.deltas[path], self.survey.rules[path])

    def _decide_path(self, path: bytes, cover: tuple[bytes, int] | None) -> Verdict:
        item = self._item(path)
        if cover is not None:
            return self._covered(item, cover)
        if item.rule.pin:
            return take_clone(item, self.setting)
        by_class = _BY_CLASS.get(item.rule.cls)
        if by_class is not None:
            return by_class(item, self.setting)
        if item.rows[BASE_SIDE] is None and item.rows[CLONE_SIDE] is None and self._clone_deleted_above(path):
            verdict = added_below_deleted(item, self.setting, self._below)
            if _is_directory(item.rows[GOLD_SIDE]):
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
            rows = self.survey.deltas.get(path)
            if rows is None:
                return False
            if rows[BASE_SIDE] is not None:
                return rows[CLONE_SIDE] is None
        return False

    def _changed_below(self, path: bytes, side: int) -> bool:
        """Whether a side changed anything below a directory that the other side made something else."""
        for below in self.survey.below(path):
            item = self._item(below)
            if not equal(as_is(item, BASE_SIDE, self.setting), as_is(item, side, self.setting)):
                return True
        units = (unit for unit in self.survey.units.values() if is_below(unit.path, path))
        return any(unit.clone_changed if side == CLONE_SIDE else unit.gold_changed for unit in units)

    def _value_below(self, path: bytes, side: int) -> bytes:
        """All that a side has below a directory, as a digest: an answer for a directory is one for what is in it.

        A file that nobody read goes by its size and time; at worst an answer is asked for once more.
        """
        if not _is_directory(self.survey.deltas[path][side]):
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

    def _decide_unit(self, path: bytes, cover: tuple[bytes, int] | None) -> UnitVerdict:
        unit = self.survey.units[path]
        if cover is not None:
            return UnitVerdict(cover[1], self.decided.verdicts[cover[0]].outcome, because=cover[0])
        if unit.pinned and not self.ask_units:  # what a fallback had is a matter of its own
            return _pinned_unit(unit)
        if not any(unit.present[i] for i in (BASE_SIDE, CLONE_SIDE)) and self._clone_deleted_above(path):
            return self._ask_added_unit(path, unit.rule)
        if not unit.clone_changed:
            return UnitVerdict(GOLD_SIDE, GOLD if unit.gold_changed else "same")
        if self.ask_units:
            return self._ask_unit(path, unit.rule)
        verdict = UnitVerdict(CLONE_SIDE, CLONE)
        if unit.gold_changed:
            verdict.notes.append("gold changed this unit too; the clone's is kept as a whole")
        return verdict

    def _ask_added_unit(self, path: bytes, rule: Rule) -> UnitVerdict:
        item = Three(path, self.survey.part.place(path), (None, None, None), rule)
        verdict = Verdict(None, CONFLICT)
        answer, _ = settle_conflict(
            verdict, item, "presence", "below-deleted", (b"", b"unit", b""), self.setting, ADDED_BELOW_DELETED
        )
        conflict = verdict.conflicts[0] if verdict.conflicts else None
        side = GOLD_SIDE if answer == GOLD else NO_SIDE
        return UnitVerdict(side, CONFLICT if conflict else answer, conflict)

    def _ask_unit(self, path: bytes, rule: Rule) -> UnitVerdict:
        item = Three(path, self.survey.part.place(path), (None, None, None), rule)
        verdict = Verdict(None, CONFLICT)
        # A unit has no hash of its own: that it changed is the question, and the answer is this server's alone.  No
        # ctime: a scan does not tell that of what was just written, and the question must be the same a minute later.
        manifest = self.survey.part.trees[CLONE_SIDE].manifest
        unique = manifest.get(path) or manifest.get(parent(path))
        stamp = b"" if unique is None else b"%d:%d" % (unique.inode, unique.mtime)
        answer, _ = settle_conflict(
            verdict, item, "unit", "state-changed-since", (b"", b"fallback", stamp), self.setting,
            "the server wrote to this state unit since the switch", stands=GOLD,
        )  # fmt: skip
        conflict = verdict.conflicts[0] if verdict.conflicts else None
        return UnitVerdict(SIDE_OF[answer], CONFLICT if conflict else answer, conflict)

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

    # -- support

    def _support(self) -> None:
        """A directory stays where something in it stays; a link or file gives way to a directory of the clone's."""
        needed: dict[bytes, bool] = {}  #: directory -> whether for more than a cache's empty directories
        waiting = _in_tree_order([*self.decided.verdicts, *self.decided.units])
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
                of_cache = verdict is not None and self.survey.rules[path].cls == "cache"
                needed[above] = needed.get(above, False) or needed.get(path, False) or not of_cache
                if not known and self._missing_in_unit(above):
                    self._restore_directory(above)
                    waiting.append(above)

    def _unit_present(self, path: bytes) -> bool:
        side = self.decided.units[path].side
        return side != NO_SIDE and self.survey.units[path].present[side]

    def _keep_directory(self, path: bytes, verdict: Verdict, firmly: bool = True) -> None:
        item = self._item(path)
        if verdict.want is None:
            side = next(s for s in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE) if _is_directory(item.rows[s]))
            verdict.want = as_is(item, side, self.setting)
            verdict.notes.append("the directory stays, with only what stays in it")
            if verdict.outcome != CONFLICT:
                verdict.outcome = verdict.axes["presence"] = GOLD if side == GOLD_SIDE else CLONE
        elif verdict.because or not firmly:
            return
        elif verdict.want.kind != DIRECTORY and _is_directory(item.rows[CLONE_SIDE]):
            self._ask_for_directory(item, verdict)

    def _ask_for_directory(self, item: Three, verdict: Verdict) -> None:
        """Gold has something else here, and below it stands what must stay the clone's."""
        values = tuple(value_of(as_is(item, side, self.setting)) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
        answer, _ = settle_conflict(
            verdict, item, "type", "type-changed", (values[0], values[1], values[2]), self.setting,
            "gold made this directory something else, and the clone keeps something below it",
        )  # fmt: skip
        verdict.outcome = CONFLICT if verdict.conflicts else answer
        verdict.want = as_is(item, SIDE_OF.get(answer, CLONE_SIDE), self.setting)

    def _missing_in_unit(self, path: bytes) -> bool:
        """Whether ``path`` lies in (or is) a unit whose chosen side does not have it as a directory."""
        if path in self.decided.verdicts:
            return False
        top = next((p for p in _upwards(path) if p in self.decided.units), None)
        if top is None:
            return False
        side = self.decided.units[top].side
        return side == NO_SIDE or not _is_directory(self.survey.part.trees[side].manifest.get(path))

    def _restore_directory(self, path: bytes) -> None:
        """A directory inside a unit, made again for what goes by a later rule and stays."""
        rows = tuple(tree.manifest.get(path) for tree in self.survey.part.trees)
        self.survey.deltas[path] = rows  # type: ignore[assignment]
        self.survey.rules[path] = next(self.survey.units[p].rule for p in _upwards(path) if p in self.survey.units)
        self.decided.verdicts[path] = Verdict(None, CLONE, {"presence": CLONE})
        self._keep_directory(path, self.decided.verdicts[path])

    # -- block

    def _block(self) -> None:
        """Nothing is placed where the path above is no directory in the result."""
        blocker: bytes | None = None
        for path in _in_tree_order([*self.decided.verdicts, *self.decided.units]):
            if blocker is not None and is_below(path, blocker):
                self._drop(path, blocker)
                continue
            verdict = self.decided.verdicts.get(path)
            if not (self._unit_is_directory(path) if verdict is None else _wants_directory(verdict)):
                blocker = path
        self.decided.verdicts = {p: self.decided.verdicts[p] for p in _in_tree_order(self.decided.verdicts)}

    def _unit_is_directory(self, path: bytes) -> bool:
        side = self.decided.units[path].side
        return side != NO_SIDE and _is_directory(self.survey.part.trees[side].manifest.get(path))

    def _drop(self, path: bytes, blocker: bytes) -> None:
        if path in self.decided.units:
            if self._unit_present(path):
                self._drop_unit(path, blocker)
            # A directory that was made again for what is in it goes too; what was in it asks for itself.
            self.decided.verdicts.pop(path, None)
            return
        verdict = self.decided.verdicts[path]
        want, verdict.want = verdict.want, None
        item = self._item(path)
        if want is None or verdict.because or item.rule.cls == "cache":
            return
        values = tuple(value_of(as_is(item, side, self.setting)) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
        conflict = self._left_out(item, blocker, (values[0], values[1], values[2]), want.side)
        if conflict is not None:
            verdict.conflicts.append(conflict)
        verdict.outcome = verdict.axes["presence"] = CONFLICT if conflict else _without(want.side)
        verdict.notes.append(_blocked_by(self.survey, blocker))

    def _drop_unit(self, path: bytes, blocker: bytes) -> None:
        item = Three(path, self.survey.part.place(path), (None, None, None), self.survey.units[path].rule)
        side = self.decided.units[path].side
        conflict = self._left_out(item, blocker, (b"", b"unit", b""), side)
        outcome = CONFLICT if conflict else _without(side)
        self.decided.units[path] = UnitVerdict(NO_SIDE, outcome, conflict, [_blocked_by(self.survey, blocker)])

    def _left_out(self, item: Three, blocker: bytes, values: tuple[bytes, bytes, bytes], side: int) -> Conflict | None:
        """What cannot be placed is a question with one answer: that it may be left out."""
        deleted = blocker in self.decided.verdicts and self.decided.verdicts[blocker].want is None
        kind = "below-deleted" if deleted else "below-non-directory"
        answer = _without(side)
        base, gold, clone = (value + b"\0blocked" for value in values)  # another question than whether to delete it
        conflict = Conflict(
            item.place, "presence", kind, (base, gold, clone), (answer,), answer, _blocked_by(self.survey, blocker),
            item.rule.secret,
        )  # fmt: skip
        decision = self.setting.decisions.get(conflict.key)
        if decision is None:
            return conflict
        return None if decision.take == answer else conflict.unanswered(f"its only answer is {answer!r}")


def _pinned_unit(unit: Unit) -> UnitVerdict:
    """Pinned: the clone's as a whole, even where the clone never changed it."""
    if not (unit.gold_changed or unit.clone_changed):
        return UnitVerdict(CLONE_SIDE, SAME)
    notes = ["gold's change was not taken: this unit is pinned to the clone's"] if unit.gold_changed else []
    return UnitVerdict(CLONE_SIDE, CLONE, notes=notes)


def _without(side: int) -> str:
    """Whose word it is that what ``side`` has is not there."""
    return CLONE if side == GOLD_SIDE else GOLD


def _blocked_by(survey: Survey, blocker: bytes) -> str:
    place = path_text(survey.part.place(blocker))
    return f"it cannot be placed: {place} is no directory in the result"


def _wants_directory(verdict: Verdict) -> bool:
    return verdict.want is not None and verdict.want.kind == DIRECTORY


def _is_directory(row: object) -> bool:
    return row is not None and row[1] == DIRECTORY  # type: ignore[index]


def _has_directory(rows: Rows) -> bool:
    return any(_is_directory(row) for row in rows)


def _holds_below(verdict: Verdict, rows: Rows) -> bool:
    """Whether the answer for a path is one for all below it: one side has a directory where another has none."""
    if "type" in verdict.axes:
        return _has_directory(rows)
    made = rows[BASE_SIDE] is not None and not _is_directory(rows[BASE_SIDE])
    return "presence" in verdict.axes and made and _has_directory(rows)


def _in_tree_order(paths: Iterable[bytes]) -> list[bytes]:
    return sorted(set(paths), key=tree_key)


def _upwards(path: bytes) -> Iterable[bytes]:
    """The path and every directory above it, nearest first."""
    while path:
        yield path
        path = parent(path)
    yield b""
