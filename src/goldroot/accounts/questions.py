"""Where the parts of the accounts merger put their conflicts and notes, and look up what was decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
