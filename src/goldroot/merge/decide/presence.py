"""Deciding every path that is not the same everywhere: by its class, its presence and its type; what lies above and below has a say.

What gold deleted and the server edited is a conflict: :func:`_deleted` says so.  A state unit is decided as a whole; a conflict
between a directory and something else covers all that is below it.  A path that gold and the server both have as one kind goes on
to :mod:`goldroot.merge.decide.axes`; what was decided is made one tree in :mod:`goldroot.merge.fit.one_tree`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from goldroot.conflicts import CLONE, CONTENT, GOLD
from goldroot.files import digest_of
from goldroot.kinds import ConflictKind
from goldroot.merge import special
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, LABELS, Rows
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.units import ADDED_BELOW_DELETED, UnitDecider
from goldroot.merge.decide.verdict import (
    BOTH,
    CONFLICT,
    MERGED,
    NO_SIDE,
    SAME,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    Want,
    as_is,
    conflict_at,
    equal,
    is_directory,
    settle_conflict,
    value_of,
    want_of,
)
from goldroot.tree import DIRECTORY, FILE, INLINE, SOCKET, in_tree_order, is_below, parent, upwards

Wants = tuple[Want | None, Want | None, Want | None]  #: base, gold, clone

#: Conflicts about what a path is, not about whether it is there.
_OF_TYPE = ("both-added", "type-changed")


@dataclass(frozen=True, slots=True)
class Below:
    """What a path alone cannot tell: (path, side) -> what the side has below it."""

    changed: Callable[[bytes, int], bool]  #: whether the side changed anything below
    value: Callable[[bytes, int], bytes]  #: all that lies below as a digest; b"" where there is no directory


def decide_presence(delta: Delta, setting: Setting, below: Below) -> Verdict:
    """Decide one path by its presence and type, then by its axes."""
    _, gold_row, clone_row = delta.rows
    if gold_row is not None and clone_row is not None and gold_row.kind == clone_row.kind:
        return merge_axes(delta, setting)
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if gold is None and clone is None:
        return Verdict(None, BOTH, {"presence": BOTH})
    if base is None:
        return _added(delta, gold, clone, setting, below)
    if gold is None or clone is None:
        return _deleted(delta, base, gold, clone, setting, below)
    return _retyped(delta, base, gold, clone, setting, below)


def _added(delta: Delta, gold: Want | None, clone: Want | None, setting: Setting, below: Below) -> Verdict:
    if clone is None:
        return Verdict(gold, GOLD, {"presence": GOLD})
    if gold is None:
        return Verdict(clone, CLONE, {"presence": CLONE})
    detail = "gold and the server each added this path, of different types"
    return _ask(delta, "both-added", (None, gold, clone), setting, detail, below)


def added_below_deleted(delta: Delta, setting: Setting, below: Below) -> Verdict:
    """Gold added a path below a directory that the clone deleted."""
    gold = as_is(delta, GOLD_SIDE, setting)
    return _ask(delta, "below-deleted", (None, gold, None), setting, ADDED_BELOW_DELETED, below)


def _deleted(
    delta: Delta, base: Want, gold: Want | None, clone: Want | None, setting: Setting, below: Below
) -> Verdict:
    changed = clone if gold is None else gold
    assert changed is not None
    if setting.sameness.unchanged(delta, base, changed):
        deleter = GOLD if gold is None else CLONE
        return Verdict(None, deleter, {"presence": deleter})
    within = None if base.kind == DIRECTORY else below  # what is in a new directory is part of it
    kind: ConflictKind
    if gold is None:
        kind, detail = "gold-deleted-clone-changed", "gold deleted it; the server had changed it"
    else:
        kind, detail = "clone-deleted-gold-changed", "the server deleted it; gold changed it"
    return _ask(delta, kind, (base, gold, clone), setting, detail, within)


def _retyped(delta: Delta, base: Want, gold: Want, clone: Want, setting: Setting, below: Below) -> Verdict:
    """Gold's and the clone's types differ, so at least one of them changed it."""
    same = setting.sameness.unchanged
    if clone.kind == base.kind and same(delta, base, clone) and not _below(delta, clone, CLONE_SIDE, below):
        return Verdict(gold, GOLD, {"type": GOLD})
    if gold.kind == base.kind and same(delta, base, gold) and not _below(delta, gold, GOLD_SIDE, below):
        return Verdict(clone, CLONE, {"type": CLONE})
    detail = "one side changed its type, the other changed it or something below it"
    return _ask(delta, "type-changed", (base, gold, clone), setting, detail, below)


def _below(delta: Delta, want: Want, side: int, below: Below) -> bool:
    return want.kind == DIRECTORY and below.changed(delta.path, side)


def _ask(
    delta: Delta, kind: ConflictKind, wants: Wants, setting: Setting, detail: str, below: Below | None = None
) -> Verdict:
    """A conflict about the whole path: its type, or whether it is there.

    :param below: given where the answer holds for all that lies below a directory too, which is then part of the question.
    """
    verdict = Verdict(None, CONFLICT)
    base, gold, clone = (
        value_of(want) + (below.value(delta.path, side) if below else b"") for side, want in enumerate(wants)
    )
    axis = "type" if kind in _OF_TYPE else "presence"
    is_file = any(want is not None and want.kind == FILE for want in wants)
    answer, own = settle_conflict(
        verdict, conflict_at(delta, setting, axis, kind, (base, gold, clone), detail), setting, own=is_file
    )
    verdict.want = wants[GOLD_SIDE] if answer == GOLD else wants[CLONE_SIDE]
    if answer == CONTENT and own is not None:
        verdict.want = own_content(own, wants)
    if not verdict.conflicts:
        verdict.outcome = MERGED if answer == CONTENT else answer
    return verdict


def own_content(own: bytes, wants: Wants) -> Want:
    """A file with bytes that a person gave, and the metadata of a side that has it as a file; one of them has."""
    like = next(want for want in (wants[2], wants[1], wants[0]) if want is not None and want.kind == FILE)
    return replace(like, side=INLINE, content=hashlib.sha256(own).digest(), inline=own)


def _unchanged(delta: Delta, setting: Setting, base: Want | None, other: Want | None) -> bool:
    """Whether a side changed nothing that anybody means, its presence included."""
    if base is None or other is None:
        return base is other
    return setting.sameness.unchanged(delta, base, other)


def _with_labels(gold: Want | None, clone: Want | None) -> Want | None:
    """Gold's version of a path with the server's security labels, where gold gives it none."""
    if gold is None or clone is None or clone.kind != gold.kind:
        return gold
    labels = {name: value for name, value in clone.xattrs.items() if name in LABELS}
    return replace(gold, xattrs={**labels, **gold.xattrs}) if labels else gold


def take_gold(delta: Delta, setting: Setting) -> Verdict:
    """Class gold: gold's always; what the clone had changed is dropped, with a note."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    verdict = Verdict(_with_labels(gold, clone), SAME if equal(base, gold) else GOLD)
    if equal(gold, clone):
        verdict.outcome = SAME if equal(base, gold) else BOTH
    elif not equal(base, clone):
        verdict.outcome = GOLD
    if verdict.outcome == GOLD and not _unchanged(delta, setting, base, clone):
        verdict.notes.append("the server's differing version was dropped: this path is always gold's")
    if verdict.outcome != SAME:
        verdict.axes["presence" if gold is None or clone is None else "content"] = verdict.outcome
    return verdict


def take_clone(delta: Delta, setting: Setting) -> Verdict:
    """Classes clone and identity, and pinned paths: the clone's always; what gold changed is dropped, with a note."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    verdict = Verdict(clone, SAME if equal(base, clone) else CLONE)
    if equal(gold, clone):
        verdict.outcome = SAME if equal(base, gold) else BOTH
    elif not equal(base, gold):
        verdict.outcome = CLONE
    if verdict.outcome == CLONE and not _unchanged(delta, setting, base, gold):
        verdict.notes.append("gold's change was not taken: this path is always the server's")
    if verdict.outcome != SAME:
        verdict.axes["presence" if gold is None or clone is None else "content"] = verdict.outcome
    return verdict


def take_generated(delta: Delta, setting: Setting) -> Verdict:
    """Class generated: until it is made again, the clone's where it differs from base, else gold's (or always gold's)."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if delta.rule.always == GOLD or _unchanged(delta, setting, base, clone):
        verdict = Verdict(gold, GOLD)
    else:
        verdict = Verdict(clone, CLONE)
    verdict.axes["content"] = verdict.outcome
    return verdict


def take_cache(delta: Delta, setting: Setting) -> Verdict:
    """Class cache: gold's; the clone's own directories stay, empty."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if gold is None and clone is not None and clone.kind == DIRECTORY and not equal(base, clone):
        return Verdict(clone, CLONE, {"presence": CLONE})
    return Verdict(gold, GOLD, {"presence": GOLD})


# -- One path after the other

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
        if self.comparison.touches(special.DATABASES):
            from goldroot.merge.decide.together import settle_together

            settle_together(self.decided, self.setting)
        if self.comparison.touches(special.RUNLEVELS):
            from goldroot.merge.decide.rc_links import settle_rc_links

            settle_rc_links(self.decided, self.setting)
        if self.comparison.has_removed or self.setting.memory.entries or self.comparison.touches(special.SERVICES):
            from goldroot.merge.decide.removed import settle_removed

            settle_removed(self.decided, self.setting)
        if any(verdict.conflicts for verdict in self.decided.verdicts.values()):
            from goldroot.merge.decide.moves import look_for_moves

            look_for_moves(self.decided, self.setting)
        if any(is_directory(base) and gold is None for base, gold, _ in self.comparison.deltas.values()):
            from goldroot.merge.decide.left_behind import ask_about_left

            ask_about_left(self.decided, self.setting)
        return self.decided

    def _decide_unit(self, path: bytes, cover: tuple[bytes, int] | None) -> UnitVerdict:
        if cover is not None:
            top, side = cover
            return UnitVerdict(side, self.decided.verdicts[top].outcome, because=top)
        unit = self.comparison.units[path]
        if self.setting.memory.entries:
            from goldroot.merge.decide.remembered import decide_remembered_unit

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
        remembered = self._remembered(delta)
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
        if (top := self._asked_above(path)) is not None and self._is_changed(path):
            return self._covered(delta, (top, self._side_of_added(top)))
        if (asked := self._asked_for(delta)) is not None:
            return asked
        verdict = decide_presence(delta, self.setting, self._below)
        self._note_kept_lines(delta, verdict)
        if (verdict.conflicts or verdict.decided) and _holds_below(verdict, delta.rows):
            self._covers.append((path, NO_SIDE if verdict.want is None else verdict.want.side))
        return verdict

    def _remembered(self, delta: Delta) -> Verdict | None:
        """What is decided of a path that the server had removed before."""
        if not self.setting.memory.entries:
            return None
        from goldroot.merge.decide.remembered import decide_remembered

        return decide_remembered(self.decided, self.setting, delta)

    def _note_kept_lines(self, delta: Delta, verdict: Verdict) -> None:
        if self.setting.memory.entries:
            from goldroot.merge.decide.remembered import note_kept_lines

            note_kept_lines(self.decided, self.setting, delta, verdict)

    def _asked_for(self, delta: Delta) -> Verdict | None:
        """The question at a directory that the clone deleted, and nothing above it, about what gold added or changed below."""
        base, gold, clone = delta.rows
        if clone is not None or not (is_directory(base) and is_directory(gold)):
            return None
        if self._asked_above(delta.path) is not None:
            return None
        from goldroot.merge.decide.added_below import added_below, additions_below

        added = additions_below(self.comparison, delta.path, self.setting, _BY_CLASS)
        if added is None:
            return None
        self._asked.add(delta.path)
        return added_below(delta, self.setting, added)

    def _is_changed(self, path: bytes) -> bool:
        from goldroot.merge.decide.added_below import is_changed

        return is_changed(self.comparison, path, self.setting, _BY_CLASS)

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


def rows_of(comparison: Comparison, path: bytes) -> Rows:
    """A path's rows; what is in a state unit is not a delta, nor is what is the same in all three."""
    return comparison.deltas.get(path) or comparison.part.rows(path)
