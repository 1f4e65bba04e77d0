"""What three sides come to in account files: values, lists of members, the order of lines; a question where nothing tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from goldroot.accounts.tables import Key
from goldroot.conflicts import CLONE, CONTENT, GOLD, Conflict, Decision, Decisions
from goldroot.kinds import NoteKind
from goldroot.tree import Note

PROPOSAL = "proposal"

Check = Callable[[bytes], str]  #: says why a person's own value cannot be used; "" where it can


def shown(name: bytes) -> str:
    """A name for an axis or a person; bytes that are not UTF-8 survive as surrogates."""
    return name.decode("utf-8", "surrogateescape")


def record_name(key: Key) -> str:
    """What an axis calls a record: its account, counted from the second record of one name on."""
    return f"{shown(key.text)}#{key.nth + 1}" if key.nth else shown(key.text)


class Questions:
    """Collects what is asked and noted while accounts are merged."""

    def __init__(self, decisions: Decisions, prefer: str, *, going_back: bool = False) -> None:
        self.decisions = decisions
        self.prefer = prefer
        self.going_back = going_back  #: a rollback that carries changes: it is not held up by what an update would ask
        self.conflicts: list[Conflict] = []
        self.notes: list[Note] = []

    def note(self, kind: NoteKind, file: str, text: str, **data: object) -> None:
        """Note something about ``/etc/FILE``."""
        self.notes.append(Note(kind, etc(file), text, data))

    def ask(self, conflict: Conflict, check: Check | None = None) -> Decision:
        """The answer in force: the remembered one where it can be used, else what stands; then it stays a conflict.

        ``check`` is given where an answer in a person's own words (``content``) is possible.
        """
        decision = self.decisions.get(conflict.key)
        trouble = "" if decision is None else _trouble(conflict, decision, check)
        if decision is not None and not trouble:
            data = {"key": conflict.key, "take": decision.take, "axis": conflict.axis}
            self.notes.append(Note("decided", conflict.path, f"{conflict.axis}: decided", data))
            return decision
        conflict = conflict.unanswered(trouble)
        self.conflicts.append(conflict)
        return Decision(conflict.stands)

    def pick(self, conflict: Conflict, check: Check | None = None) -> bytes | str:
        """Ask which side's value to take: CLONE, GOLD, or a person's own bytes; the preferred side stands."""
        decision = self.ask(replace(conflict, stands=GOLD if self.prefer == GOLD else CLONE), check)
        return decision.content if decision.take == CONTENT and decision.content is not None else decision.take


def etc(file: str) -> bytes:
    """The path of an account file in the system."""
    return b"/etc/" + file.encode()


def _trouble(conflict: Conflict, decision: Decision, check: Check | None) -> str:
    if decision.take in conflict.answers:
        return ""
    if decision.take != CONTENT or decision.content is None:
        return f"{decision.take!r} is none of its answers"
    return check(decision.content) if check else "it takes no value of one's own"


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
    before, there, here = _split(base), _split(gold), _split(clone)
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
    return dict.fromkeys(filter(None, (value or b"").split(b",")))


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
