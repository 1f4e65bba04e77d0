"""What gold added or changed below a directory that the clone deleted: one question, at the topmost directory that is gone.

Twenty new files below ``/etc/apache2`` of a server that has no Apache any more are one cause.  The value of the question is all that
gold added and changed there, so an answer holds for every server that deleted the directory, and not for a later gold that has
something else.  A single file that gold changed is asked about by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from goldroot.conflicts import GOLD
from goldroot.files import digest_of
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.verdict import (
    CONFLICT,
    Setting,
    Verdict,
    as_is,
    conflict_at,
    settle_conflict,
    value_of,
    want_of,
)
from goldroot.tree import DIRECTORY, is_below, some_paths


@dataclass(frozen=True, slots=True)
class Added:
    """What gold added or changed below one directory."""

    paths: tuple[bytes, ...]  #: relative to the trees, in tree order
    value: bytes  #: a digest of all of it
    detail: str  #: for a person


def additions_below(comparison: Comparison, path: bytes, setting: Setting, apart: Collection[str]) -> Added | None:
    """What gold added or changed below a directory that the clone deleted and gold has.

    :param apart: the classes whose paths are not asked about.
    """
    added: list[bytes] = []
    changed: list[bytes] = []
    parts: list[bytes] = []
    for below in (*comparison.below(path), *(unit for unit in comparison.units if is_below(unit, path))):
        if _is_gold_added(comparison, below, apart):
            added.append(below)
        elif is_changed(comparison, below, setting, apart):
            changed.append(below)
        else:
            continue
        parts += [below, _value_of_added(comparison, below, setting)]
    if not added and len(changed) < 2:
        return None
    return Added((*added, *changed), digest_of(parts), _said_of_added(comparison, added, changed))


def is_changed(comparison: Comparison, path: bytes, setting: Setting, apart: Collection[str]) -> bool:
    """Whether gold changed a path that is not a directory and that the clone deleted."""
    if path in comparison.units:
        return False
    delta, rule = comparison.delta(path), comparison.rules[path]
    if delta.rows[CLONE_SIDE] is not None or rule.cls in apart or rule.cls == "accounts" or rule.pin:
        return False
    base, gold = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE))
    if base is None or gold is None or DIRECTORY in (base.kind, gold.kind):
        return False
    return not setting.sameness.unchanged(delta, base, gold)


def _is_gold_added(comparison: Comparison, path: bytes, apart: Collection[str]) -> bool:
    unit = comparison.units.get(path)
    if unit is not None:
        return unit.present[GOLD_SIDE] and not (unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or unit.pinned)
    base, gold, clone = comparison.deltas[path]
    rule = comparison.rules[path]
    return gold is not None and base is None and clone is None and rule.cls not in apart and not rule.pin


def _value_of_added(comparison: Comparison, path: bytes, setting: Setting) -> bytes:
    if path in comparison.units:
        return b"unit"
    gold = comparison.deltas[path][GOLD_SIDE]
    return b"" if gold is None else value_of(want_of(gold, setting.names[GOLD_SIDE], GOLD_SIDE))


def _said_of_added(comparison: Comparison, added: Collection[bytes], changed: Collection[bytes]) -> str:
    said = [
        f"{word} below it: {some_paths(map(comparison.part.place, paths))}"
        for word, paths in (("added", added), ("changed", changed))
        if paths
    ]
    return f"the server deleted this directory; gold {'; and '.join(said)}"


def added_below(delta: Delta, setting: Setting, added: Added) -> Verdict:
    """The clone deleted a directory, and gold added something below it; gold may have changed the directory, too."""
    base, gold = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE))
    assert base is not None and gold is not None
    changed = b"" if setting.sameness.unchanged(delta, base, gold) else value_of(gold)
    verdict = Verdict(None, CONFLICT)
    values = b"", added.value + changed, b""
    asked = conflict_at(delta, setting, "presence", "below-deleted", values, added.detail)
    answer, _ = settle_conflict(verdict, asked, setting)
    verdict.want = gold if answer == GOLD else None
    if not verdict.conflicts:
        verdict.outcome = answer
    return verdict
