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

import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldroot.accounts import OwnerNames
from goldroot.conflicts import SIDES, Conflict, takes_content
from goldroot.errors import UsageError
from goldroot.files import write_whole
from goldroot.merge.decide.verdict import SAME, Decided, Verdict, Want, main_axis, want_of
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.plan import Plan
from goldroot.policy import Rule
from goldroot.tree import DIRECTORY, FILE, LINK, Entry, Note, kernel_flags, path_text
from goldroot.version import __version__

SOCKET_DROPPED = "a socket is made again by the program that listens on it"

KINDS = {
    "f": "file",
    "d": "directory",
    "l": "link",
    "c": "char-device",
    "b": "block-device",
    "p": "fifo",
    "s": "socket",
}


def conflict_data(conflict: Conflict) -> dict[str, Any]:
    """A conflict as JSON data; values on its axis are not shown, they may be secret."""
    return {
        "path": path_text(conflict.path),
        "axis": conflict.axis,
        "kind": conflict.kind,
        "key": conflict.key,
        "answers": list(conflict.answers),
        "stands": conflict.stands,
        "detail": conflict.detail,
        "secret": conflict.secret,
        "takes_content": takes_content(conflict.axis, conflict.own),
    }


def note_data(note: Note) -> dict[str, Any]:
    """A note as JSON data."""
    data: dict[str, Any] = {"kind": note.kind, "path": path_text(note.path), "text": note.text}
    return {**data, "data": dict(note.data)} if note.data else data


def entries_of(plan: Plan, one: PartPlan) -> Iterator[dict[str, Any]]:
    """The entries of one part; every path absolute in the system."""
    comparison, decided = one.decided.comparison, one.decided
    for path, verdict in decided.verdicts.items():
        rule = comparison.rules[path]
        if _is_named(verdict, rule) and not _unit_is_named(decided, path):
            yield _path_entry(plan, one, path, verdict, rule)
    for path, unit_verdict in decided.units.items():
        if _unit_is_named(decided, path):
            unit = comparison.units[path]
            # A directory of a unit may have been made again for what goes by a later rule.
            notes = [*unit_verdict.notes, *(decided.verdicts[path].notes if path in decided.verdicts else [])]
            yield {
                "path": path_text(one.part.place(path)),
                "outcome": unit_verdict.outcome,
                "axis": "unit",
                "axes": {"unit": unit_verdict.outcome},
                "changed": {"gold": unit.gold_changed, "clone": unit.clone_changed},
                "rule": _rule(unit.rule),
                **({"notes": notes} if notes else {}),
                **({"because": path_text(one.part.place(unit_verdict.because))} if unit_verdict.because else {}),
            }
    yield from _cache_entries(one)
    yield from _socket_entries(plan, one)


def _socket_entries(plan: Plan, one: PartPlan) -> Iterator[dict[str, Any]]:
    """Sockets of which no other entry speaks."""
    comparison, decided = one.decided.comparison, one.decided
    for path, sides in comparison.sockets.items():
        place = one.part.place(path)
        verdict = decided.verdicts.get(path)
        if _unit_is_named(decided, path) or (verdict is not None and _is_named(verdict, comparison.rules[path])):
            continue
        yield {
            "path": path_text(place), "outcome": "dropped", "axis": "presence", "axes": {"presence": "dropped"},
            **{word: {"kind": "socket"} if held else None for word, held in zip(SIDES, sides, strict=True)},
            "result": None, "rule": _rule(plan.policy.match(place)), "notes": [SOCKET_DROPPED],
        }  # fmt: skip


def _unit_is_named(decided: Decided, path: bytes) -> bool:
    """Whether a path has an entry as a unit."""
    return path in decided.units and decided.units[path].outcome != SAME


def _is_named(verdict: Verdict, rule: Rule) -> bool:
    """Whether a path has an entry of its own."""
    return rule.cls != "cache" and (verdict.outcome != SAME or bool(verdict.notes))


def _cache_entries(one: PartPlan) -> Iterator[dict[str, Any]]:
    for rule, dropped in one.decided.comparison.dropped.items():
        yield {
            "path": rule.pattern, "outcome": "gold", "axis": "cache", "axes": {"cache": "gold"},
            "dropped": {"files": dropped.files, "bytes": dropped.size}, "rule": _rule(rule),
        }  # fmt: skip


def _path_entry(plan: Plan, one: PartPlan, path: bytes, verdict: Verdict, rule: Rule) -> dict[str, Any]:
    secrets = _Secrets() if rule.secret else None
    rows = one.decided.comparison.deltas[path]
    sockets = one.decided.comparison.sockets.get(path, (False,) * 3)
    sides = {
        word: {"kind": "socket"} if sockets[side] else _side(row, names, side, secrets)
        for side, (word, row, names) in enumerate(zip(SIDES, rows, one.names_at(path, plan.names), strict=True))
    }
    entry: dict[str, Any] = {
        "path": path_text(one.part.place(path)),
        "outcome": verdict.outcome,
        "axis": main_axis(verdict),
        "axes": {axis: word for axis, word in verdict.axes.items() if word != SAME},
        **sides,
        "result": None if verdict.want is None else _shown(verdict.want, secrets),
        "rule": _rule(rule),
    }
    notes = [*verdict.notes, *([SOCKET_DROPPED] if path in one.decided.comparison.sockets else [])]
    if notes:
        entry["notes"] = notes
    if verdict.decided:
        entry["decided"] = verdict.decided
    if verdict.because:
        entry["because"] = path_text(one.part.place(verdict.because))
    return entry


class _Secrets:
    """Stands in for the hashes of a secret: equal ones stay recognisable, and nothing can be guessed from them."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}

    def name(self, digest: bytes) -> str:
        return self._seen.setdefault(digest, f"secret-{len(self._seen) + 1}")


def _side(row: Entry | None, names: OwnerNames, side: int, secrets: _Secrets | None) -> dict[str, Any] | None:
    return None if row is None else _shown(want_of(row, names, side), secrets, row)


def _shown(want: Want, secrets: _Secrets | None, row: Entry | None = None) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": KINDS[want.kind], "mode": f"{want.mode:04o}"}
    data["owner"], data["group"] = _owner(want.owner), _owner(want.group)
    if row is not None:
        data["uid"], data["gid"] = row.uid, row.gid
    if want.kind == FILE:
        hashed = want.content.hex() if secrets is None else secrets.name(want.content)
        data["hash"] = hashed if want.content else None
        if row is not None:
            data["size"] = row.size
    elif want.kind == LINK:
        data["target"] = path_text(want.content)
    elif want.kind != DIRECTORY and want.content:
        data["device"] = want.content.decode("ascii")
    data["mtime"] = want.mtime
    if want.xattrs:
        data["xattrs"] = sorted(path_text(name) for name in want.xattrs)
    if want.flags or want.project:
        data["flags"], data["project"] = kernel_flags(want.flags), want.project
    return data


def _owner(token: bytes) -> str:
    """A number is a number, whether the server's tables have no name for it or it is another system's."""
    return "#" + token[1:].decode() if token.startswith(b":") else token.decode("utf-8", "replace")


def _rule(rule: Rule) -> dict[str, Any]:
    return {"pattern": rule.pattern, "class": rule.cls, "where": rule.where}


def record_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as it stands in a file."""
    return json.dumps(record, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def check_record_place(file: str, trees: Sequence[str], out: str | None) -> None:
    """See before a merge that its record can be written after it.

    :raises UsageError: it cannot, or it would become part of a tree or of the result.
    """
    if file == "-":
        raise UsageError(
            "--report wants a file, and '-' is none",
            todo="Use --json to print the record, or ./- for a file of that name.",
        )
    place = os.path.realpath(file)
    if not _may_be_written(place):
        raise UsageError(
            f"the record cannot be written to {file!r}",
            meaning="Nothing was merged.", todo="Give a file in a directory that is there and may be written.",
        )  # fmt: skip
    for tree in (*trees, *([out] if out else [])):
        if place.startswith(os.path.realpath(tree).rstrip("/") + "/"):
            raise UsageError(
                f"the record's place {file!r} lies inside {tree!r}",
                meaning="The trees are only read, and the result holds only what was merged.",
                todo="Give a file outside of them.",
            )


def write_record(record: Mapping[str, Any], file: str, *, sync: bool = False) -> None:
    """Write the record whole: a reader sees the old file or the new one.

    A link is followed, as the user's own word; a device, pipe or terminal is written to, never replaced.  A new file is
    its owner's alone; one that is there keeps its mode.

    :param sync: whether it shall be on the disk when this returns.
    """
    if _is_special(file):
        with open(file, "wb") as stream:
            stream.write(record_bytes(record))
        return
    place = os.path.realpath(file)
    mode = stat.S_IMODE(os.stat(place).st_mode) if os.path.exists(place) else 0o600
    write_whole(place, [record_bytes(record)], beside=b".goldroot-new", mode=mode, sync=sync)


def _may_be_written(place: str) -> bool:
    if _is_special(place):
        return os.access(place, os.W_OK)
    above = os.path.dirname(place)
    return not os.path.isdir(place) and os.path.isdir(above) and os.access(above, os.W_OK)


def _is_special(file: str) -> bool:
    """Whether something stands there that is neither a regular file nor a directory."""
    try:
        mode = os.stat(file).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


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
