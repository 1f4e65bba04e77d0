"""Merging the parts of account files that know nothing of accounts: order, lists of members, single values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from goldroot.accounts.tables import Key
from goldroot.conflicts import CLONE, GOLD

Value = TypeVar("Value")

SAME, BOTH = "same", "both"


def changed_by(base: Value, gold: Value, clone: Value) -> str:
    """Who changed a value: SAME (gold and clone agree), GOLD or CLONE alone, or BOTH, each differently."""
    if gold == clone:
        return SAME
    if clone == base:
        return GOLD
    return CLONE if gold == base else BOTH


def three_way(base: Value, gold: Value, clone: Value) -> Value:
    """The merged value; the clone's where both changed it."""
    return gold if changed_by(base, gold, clone) == GOLD else clone


class Absent(NamedTuple):
    """Accounts that one side has and the result has not, or not as that side wants; by name."""

    kept: Collection[bytes] = ()  #: removed by gold, yet in the result: gold's removal from lists does not count
    lost: Collection[bytes] = ()  #: deleted by the clone and not in the result: gold adds them to no list
    dropped: Collection[bytes] = ()  #: removed by a decision: they leave the clone's lists too
    withdrawn: Collection[bytes] = ()  #: in the result, and in no list of it
    returned: Collection[bytes] = ()  #: withdrawn on the clone, and gold has them again: gold's record counts
    brought: Collection[bytes] = ()  #: deleted by the clone, and gold's by a decision: they are in gold's lists


def merge_members(base: bytes | None, gold: bytes | None, clone: bytes | None, absent: Absent) -> bytes | None:
    """Merge comma separated names as sets: the clone's order, then what gold added."""
    before, there, here = (_split(side) for side in (base, gold, clone))
    back = {name for name in here if name in before and name not in there and name in absent.kept}
    out = {name for name in there if name not in before and name not in here and name in absent.lost}
    out |= {name for name in here if name not in before and name not in there and name in absent.dropped}
    out |= {name for name in absent.withdrawn if name in here or name in there}
    brought = [name for name in there if name not in here and name in absent.brought]
    who = changed_by(base, gold, clone)
    if who != BOTH and not (back or out or brought):
        return gold if who == GOLD else clone
    gone = {name for name in before if name not in there} - back | out
    merged = [name for name in here if name not in gone]
    merged += [name for name in there if name not in before and name not in gone]
    merged += brought
    return b",".join(dict.fromkeys(merged))


def _split(value: bytes | None) -> dict[bytes, None]:
    """The names in their order; a dictionary, as lists of thousands are asked for each name."""
    return dict.fromkeys(name for name in (value or b"").split(b",") if name)


def merge_order(base: Sequence[Key], gold: Sequence[Key], clone: Sequence[Key], result: Collection[Key]) -> list[Key]:
    """Put the lines of ``result`` in order: the clone's, or gold's where the clone changed nothing about its own.

    What the other side alone has is put behind the line that it follows there.
    """
    lead, other = (gold, clone) if clone == base else (clone, gold)
    spine = [key for key in lead if key in result]
    before, after, rest = _anchor(spine, (key for key in other if key in result))
    ordered: list[Key] = []
    for key in spine:
        ordered += [*before.get(key, ()), key, *after.get(key, ())]
    end = len(ordered)
    while end and ordered[end - 1].odd:
        end -= 1
    return _in_turn([*ordered[:end], *rest, *ordered[end:]])


def _in_turn(keys: list[Key]) -> list[Key]:
    """Lines of one text in the order of their count: the first record of a name must be the first in the result."""
    if not any(key.nth for key in keys):
        return keys
    turns: dict[tuple[bytes, bool], list[Key]] = {}
    for key in sorted(keys, key=lambda key: key.nth, reverse=True):
        turns.setdefault((key.text, key.odd), []).append(key)
    return [turns[key.text, key.odd].pop() for key in keys]


def _anchor(spine: Iterable[Key], other: Iterable[Key]) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]], list[Key]]:
    """Say for each key that only ``other`` has which key of the spine it stands behind, or else before, or neither."""
    known = set(spine)
    before: dict[Key, list[Key]] = {}
    after: dict[Key, list[Key]] = {}
    waiting: list[Key] = []
    last: Key | None = None
    for key in other:
        if key in known:
            if waiting:
                before[key], waiting = waiting, []
            last = key
        elif last is None:
            waiting.append(key)
        else:
            after.setdefault(last, []).append(key)
    return before, after, waiting
