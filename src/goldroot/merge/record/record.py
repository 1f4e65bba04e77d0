"""The record: one JSON document per merge, in a stable order, the same bytes from a second run.

``entries`` has one object per path that does not end as all three trees have it::

    {"path": "/etc/ssh/sshd_config", "outcome": "merged", "axis": "content",
     "axes": {"content": "merged", "mode": "gold"},
     "base": {...}, "gold": {...}, "clone": {...}, "result": {...},     each null where absent
     "rule": {"pattern": "...", "class": "config", "where": "default policy, line 12"}}

``outcome`` is one of ``clone`` (the clone's change stays), ``gold`` (gold's change arrives), ``both`` (the same change on
both sides), ``merged``, ``conflict``, ``same`` (only what surrounds it changed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldroot.conflicts import Conflict
from goldroot.merge.plan import Plan
from goldroot.merge.record.entries import conflict_data, entries_of, note_data
from goldroot.merge.record.file import record_bytes, write_record
from goldroot.tree import Note
from goldroot.version import __version__

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """What a merge did, or would do: every path that does not end as all three trees have it, and the rule that decided.

    ``data`` is the document that ``docs/reference/record.md`` describes, as JSON data.  Paths in it are text; those of
    ``conflicts`` and ``notes`` are bytes, absolute in the system.
    """

    data: Mapping[str, Any]
    conflicts: tuple[Conflict, ...]  #: what nobody has decided yet, sorted by path; one side's version stands there
    notes: tuple[Note, ...]  #: what a person should know and need not decide

    @classmethod
    def of(cls, plan: Plan, *more: Note) -> Record:
        """The record of a plan, with what else there is to note."""
        return cls(make_record(plan), tuple(plan.conflicts), tuple(plan.notes)).with_notes(more)

    def with_notes(self, more: Iterable[Note]) -> Record:
        """The same record with more notes, after those that it has."""
        more = tuple(more)
        shown = [*self.data["notes"], *(note_data(note) for note in more)]
        return Record({**self.data, "notes": shown}, self.conflicts, (*self.notes, *more))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many paths have each outcome, are ``unchanged``, and how many ``conflicts`` there are."""
        counts: Mapping[str, int] = self.data["counts"]
        return counts

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """One object for each path or state unit, sorted by path."""
        entries: Sequence[Mapping[str, Any]] = self.data["entries"]
        return entries

    def to_bytes(self) -> bytes:
        """The document as JSON in UTF-8: the same bytes from the same merge."""
        return record_bytes(self.data)

    def write(self, file: str, *, sync: bool = False) -> None:
        """Write the document whole: a reader sees the old file or the new one.

        :param sync: whether it shall be on the disk when this returns.
        :raises OSError: it cannot be written.
        """
        write_record(self.data, file, sync=sync)


def make_record(plan: Plan) -> dict[str, Any]:
    """The record of a plan as JSON data."""
    entries = sorted((entry for one in plan.parts for entry in entries_of(plan, one)), key=lambda entry: entry["path"])
    counts = Counter(entry["outcome"] for entry in entries)
    counts["unchanged"] = sum(one.decided.comparison.unchanged for one in plan.parts)
    counts["conflicts"] = len(plan.conflicts)
    return {
        "schema": SCHEMA,
        "versions": {"goldroot": __version__, "record": SCHEMA},
        "policy": plan.policy.hash,
        "counts": dict(sorted(counts.items())),
        "conflicts": [conflict_data(conflict) for conflict in plan.conflicts],
        "entries": entries,
        "notes": [note_data(note) for note in plan.notes],
        "memory": {"given": plan.before.given, "before": plan.before.data(), "after": plan.after.data()},
    }
