"""What a server removed stays removed, also where gold dropped it in between (see :mod:`goldroot.merge.memory`).

Used where base and the clone lack a path and gold has it: what the list remembers equals gold's, and it stays
removed, with a note each time; else it is the question of every such path, "the server removed it, gold changed it".
"""

from __future__ import annotations

from typing import Final

from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.compare import Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
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
from goldroot.merge.memory import Removed
from goldroot.policy import CONFIG, LINES, OPAQUE, STATE
from goldroot.tree import LINK, Note, some_paths

#: The classes whose paths are remembered: those in which a removal of the server's counts.
MERGED_CLASSES = (CONFIG, OPAQUE, LINES, STATE)

#: Kind of the note about what stays removed.
REMOVED_BEFORE: Final = "removed-before"


def decide_remembered(decided: Decided, setting: Setting, delta: Delta) -> Verdict | None:
    """Decide a path that gold alone has, if the server had removed it; ``None`` where nothing is remembered of it."""
    known = setting.memory.path(delta.place)
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
    known = setting.memory.path(delta.place)
    if known is None or unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or not unit.present[GOLD_SIDE]:
        return None
    verdict = Verdict(None, CLONE)
    answer = _answer(decided, setting, delta, known, verdict)
    conflict = verdict.conflicts[0] if verdict.conflicts else None
    return UnitVerdict(GOLD_SIDE if answer == GOLD else NO_SIDE, CONFLICT if conflict else answer, conflict)


def note_kept_lines(decided: Decided, setting: Setting, delta: Delta, verdict: Verdict) -> None:
    """Say what of a file stays removed, unless it is asked about or was answered."""
    if "content" in verdict.decided or any(conflict.axis == "content" for conflict in verdict.conflicts):
        return
    kept = setting.kept_lines(delta)
    if kept is not None:
        named = "" if delta.rule.secret else ": " + some_paths(kept.texts)
        text = f"the server had removed from it what gold has again, and it stays removed{named}"
        decided.notes.append(Note(REMOVED_BEFORE, delta.place, text))


def _leads_there(setting: Setting, delta: Delta, known: Removed) -> bool:
    """Whether gold's link leads where the removed one led, in whatever spelling."""
    gold = delta.rows[GOLD_SIDE]
    if gold is None or gold.kind != LINK or not known.target:
        return False
    one, other = (setting.sameness.link_text(delta.path, text) for text in (known.target, gold.content))
    return one == other


def _answer(decided: Decided, setting: Setting, delta: Delta, known: Removed, verdict: Verdict) -> str:
    """The answer in force: the clone's without a question where gold brings back what was removed."""
    value = whole_value(decided.comparison, setting, delta.path, GOLD_SIDE)
    if (known.digest and known.digest == value) or _leads_there(setting, delta, known):
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
