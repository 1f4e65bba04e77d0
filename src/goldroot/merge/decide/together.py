"""Files that are one database, in a directory with other configuration: both halves come from one side.

NSS keeps certificates, keys and what opens them in three files beside each other (``/etc/ipsec.d``, ``/etc/openldap/certs``);
SQLite keeps what it has not yet written into a database in files beside it (sqlite.org/tempfiles.html).  File by file, gold's
certificates would come to stand beside the server's keys.  As with state units, the server's stand as a whole where it changed
anything, else gold's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from goldroot.conflicts import CLONE, GOLD
from goldroot.files import digest_of
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.units import UNIT_GONE
from goldroot.merge.decide.verdict import (
    CONFLICT,
    Decided,
    Setting,
    Verdict,
    as_is,
    conflict_at,
    is_directory,
    outcome_of,
    settle_conflict,
)
from goldroot.policy import CONFIG, OPAQUE
from goldroot.tree import FILE, Note, in_tree_order, parent, path_text

#: NSS's files, of SQLite and of the older format (certutil(1)).
NSS = (b"cert9.db", b"key4.db", b"pkcs11.txt", b"cert8.db", b"key3.db", b"secmod.db")
#: What stands behind the name of a database of SQLite in the names of the files beside it.
_BESIDE = (b"-wal", b"-shm", b"-journal")


def settle_together(decided: Decided, setting: Setting) -> None:
    """Have each such database from one side, in place."""
    for deltas in _groups(decided.comparison):
        verdicts = [decided.verdicts[delta.path] for delta in deltas]
        if any(verdict.because for verdict in verdicts):
            continue
        base, gold, clone = (_held(deltas, side) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
        if any(delta.rule.pin for delta in deltas) and gold != clone:
            _take_all(decided, setting, deltas, CLONE_SIDE)
        elif gold != base and clone not in (base, gold):
            if any(gold) and any(clone):
                _take_all(decided, setting, deltas, CLONE_SIDE)
                decided.verdicts[deltas[0].path].notes.append(_kept(deltas))
            else:
                _ask(decided, setting, deltas)


def _groups(comparison: Comparison) -> Iterator[list[Delta]]:
    """The differing files of each database, in tree order."""
    found: dict[bytes, list[bytes]] = {}
    stems: set[bytes] = set()
    for path in comparison.deltas:
        stem = next((path.removesuffix(end) for end in _BESIDE if path.endswith(end)), b"")
        if stem.rpartition(b"/")[2] in NSS or path.rpartition(b"/")[2] in NSS:
            found.setdefault(parent(path) + b"/", []).append(path)
        elif stem:
            stems.add(stem)
            found.setdefault(stem, []).append(path)
    for stem in stems:
        found[stem] += [stem] if stem in comparison.deltas else []
    for paths in found.values():
        deltas = [comparison.delta(path) for path in in_tree_order(paths)]
        whole = all(delta.rule.cls in (CONFIG, OPAQUE) for delta in deltas)
        if whole and not any(is_directory(row) for delta in deltas for row in delta.rows):
            yield deltas


def _held(deltas: list[Delta], side: int) -> list[tuple[str, bytes] | None]:
    """What a side has of a database."""
    return [None if row is None else (row.kind, row.content) for row in (delta.rows[side] for delta in deltas)]


def _kept(deltas: list[Delta]) -> str:
    return f"one database ({_names(deltas)}): the server's stays as a whole, and gold's changes were not taken"


def _names(deltas: list[Delta]) -> str:
    return ", ".join(path_text(delta.path.rpartition(b"/")[2]) for delta in deltas)


def _take_all(decided: Decided, setting: Setting, deltas: list[Delta], side: int) -> None:
    for delta in deltas:
        take_content(decided.verdicts[delta.path], delta, side, setting)


def _ask(decided: Decided, setting: Setting, deltas: list[Delta]) -> None:
    """One side removed a database that the other changed: one question for all of its files."""
    head, *rest = deltas
    kind: ConflictKind
    if any(_held(deltas, CLONE_SIDE)):
        kind, detail = UNIT_GONE, "gold deleted this database, and the server changed it"
        values = (b"", b"gone", b"")
    else:
        kind, detail = "clone-deleted-gold-changed", "the server deleted this database; gold changed it"
        golds = (held for one in _held(deltas, GOLD_SIDE) if one is not None for held in (one[0].encode(), one[1]))
        values = (b"", digest_of(list(golds)), b"")
    detail = f"{detail} ({_names(deltas)})"
    verdict = Verdict(None, CONFLICT)
    answer = CLONE
    if setting.going_back:
        verdict.axes["presence"] = CLONE
        decided.notes.append(Note(kind, head.place, f"{detail}; the server's stands"))
    else:
        answer, _ = settle_conflict(verdict, conflict_at(head, setting, "presence", kind, values, detail), setting)
    verdict.outcome = CONFLICT if verdict.conflicts else answer
    side = GOLD_SIDE if answer == GOLD else CLONE_SIDE
    verdict.want = as_is(head, side, setting)
    decided.verdicts[head.path] = verdict
    for delta in rest:
        want = as_is(delta, side, setting)
        decided.verdicts[delta.path] = Verdict(want, verdict.outcome, {"presence": verdict.outcome}, because=head.path)


def take_content(verdict: Verdict, delta: Delta, side: int, setting: Setting) -> None:
    """One side's content, or absence, in place; mode, owner and attributes stay as they were merged."""
    wanted = as_is(delta, side, setting)
    axis, other = (
        ("content", "presence") if wanted is not None and verdict.want is not None else ("presence", "content")
    )
    verdict.conflicts = [one for one in verdict.conflicts if one.axis not in ("content", "presence", "type")]
    if wanted is not None and verdict.want is not None and verdict.want.kind == wanted.kind == FILE:
        wanted = replace(verdict.want, side=wanted.side, content=wanted.content, inline=None, mtime=wanted.mtime)
    verdict.want = wanted
    verdict.axes.pop(other, None)
    verdict.axes[axis] = GOLD if side == GOLD_SIDE else CLONE
    verdict.outcome = outcome_of(verdict)
