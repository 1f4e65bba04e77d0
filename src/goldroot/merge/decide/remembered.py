"""What a server removed stays removed, also where gold dropped it in between (see :mod:`goldroot.merge.memory`).

Used where base and the clone lack a path and gold has it: what the list remembers equals gold's, and it stays
removed, with a note each time; else it is the question of every such path, "the server removed it, gold changed it".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.comparison import Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.answers import conflict_at, settle_conflict
from goldroot.merge.decide.units import unit_delta
from goldroot.merge.decide.verdict import (
    CONFLICT,
    NO_SIDE,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    as_is,
)
from goldroot.merge.decide.whole_value import whole_value
from goldroot.merge.memory import Memory, Removed
from goldroot.policy import CONFIG, LINES, OPAQUE, STATE, Policy
from goldroot.tree import LINK, Note, in_tree_order, is_below

#: The classes whose paths are remembered: those in which a removal of the server's counts.
MERGED_CLASSES = (CONFIG, OPAQUE, LINES, STATE)

#: Kind of the note about what stays removed.
REMOVED_BEFORE = "removed-before"


def decide_remembered(decided: Decided, setting: Setting, delta: Delta) -> Verdict | None:
    """Decide a path that gold alone has, if the server had removed it; ``None`` where nothing is remembered of it."""
    known = setting.memory.entries.get(delta.place)
    base, gold, clone = delta.rows
    if known is None or gold is None or base is not None or clone is not None or delta.rule.cls not in MERGED_CLASSES:
        return None
    want = as_is(delta, GOLD_SIDE, setting)
    verdict = Verdict(None, CLONE)
    answer = _answer(decided, setting, delta, known, verdict)
    verdict.want = want if answer == GOLD else None
    verdict.outcome = CONFLICT if verdict.conflicts else answer
    return verdict


def decide_remembered_unit(decided: Decided, setting: Setting, unit: Unit) -> UnitVerdict | None:
    """The same for a state unit."""
    delta = unit_delta(decided.comparison, unit)
    known = setting.memory.entries.get(delta.place)
    if known is None or unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or not unit.present[GOLD_SIDE]:
        return None
    verdict = Verdict(None, CLONE)
    answer = _answer(decided, setting, delta, known, verdict)
    conflict = verdict.conflicts[0] if verdict.conflicts else None
    return UnitVerdict(GOLD_SIDE if answer == GOLD else NO_SIDE, CONFLICT if conflict else answer, conflict)


def _answer(decided: Decided, setting: Setting, delta: Delta, known: Removed, verdict: Verdict) -> str:
    """The answer in force: the clone's without a question where gold brings back what was removed."""
    value = whole_value(decided.comparison, setting, delta.path, GOLD_SIDE)
    if known.digest and known.digest == value:
        verdict.axes["presence"] = CLONE
        decided.notes.append(
            Note(REMOVED_BEFORE, delta.place, "the server had removed it; gold has it again, and it stays removed")
        )
        return CLONE
    detail = "the server had removed it; gold has it again, and it differs from what was removed"
    if setting.going_back:
        verdict.axes["presence"] = CLONE
        decided.notes.append(Note(REMOVED_BEFORE, delta.place, f"{detail}; it stays removed"))
        return CLONE
    values = b"removed" + known.digest, value, b""
    asked = conflict_at(delta, setting, "presence", "clone-deleted-gold-changed", values, detail)
    answer, _ = settle_conflict(verdict, asked, setting)
    return answer


def memory_after(all_decided: Sequence[Decided], settings: Sequence[Setting], policy: Policy) -> Memory:
    """What is to be remembered once the server runs from the result: what it lacks, base or the memory had, and gold
    lacks; of a directory that is gone, the directory alone.

    :param all_decided: all parts of the system; ``settings`` has one for each.
    """
    parts = [decided.comparison.part for decided in all_decided]
    kept = [
        known
        for place, known in (settings[0].memory.entries if settings else {}).items()
        if policy.match(place).cls in MERGED_CLASSES and not any(_is_there(part, place) for part in parts)
    ]
    pairs = zip(all_decided, settings, strict=True)
    return Memory.of([*kept, *(one for decided, setting in pairs for one in _removed_now(decided, setting))])


def _is_there(part: Part, place: bytes) -> bool:
    """Whether gold or the clone has a place of the system in this part."""
    path = part.inside(place)
    return path is not None and any(part.rows(path)[side] is not None for side in (GOLD_SIDE, CLONE_SIDE))


def _removed_now(decided: Decided, setting: Setting) -> Iterator[Removed]:
    """What base has, and neither gold nor the clone."""
    comparison = decided.comparison
    top: bytes | None = None
    for path in in_tree_order([*comparison.deltas, *comparison.units]):
        if top is not None and is_below(path, top):
            continue
        unit = comparison.units.get(path)
        target = b""
        if unit is not None:
            gone, rule = unit.present == [True, False, False], unit.rule
        else:
            base, gold, clone = comparison.deltas[path]
            gone, rule = base is not None and gold is None and clone is None, comparison.rules[path]
            target = base.content if base is not None and base.kind == LINK else b""
        if gone and rule.cls in MERGED_CLASSES:
            top = path
            digest = b"" if rule.secret else whole_value(comparison, setting, path, BASE_SIDE)
            yield Removed(comparison.part.place(path), digest, target)


def could_have_mattered(decided: Decided) -> int:
    """How many paths of gold's arrive that a memory, had it been given, might have kept away."""
    count = 0
    top: bytes | None = None
    for path, verdict in decided.verdicts.items():
        base, _, clone = decided.comparison.deltas[path]
        if top is not None and is_below(path, top):
            continue
        arrives = base is None and clone is None and verdict.want is not None and verdict.outcome == GOLD
        if arrives and decided.comparison.rules[path].cls in MERGED_CLASSES:
            count, top = count + 1, path
    return count
