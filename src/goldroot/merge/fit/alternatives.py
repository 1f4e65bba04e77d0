"""The links by which an alternative is chosen: they follow its record, and slaves go the way of their master.

A record lies in ``/var``, its links in ``/etc/alternatives``: these may be two disks, so this looks at all parts together.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIDE_OF, Names, Part, read_unless_torn
from goldroot.merge.decide.alternatives import (
    AUTO,
    MANUAL,
    Record,
    parse_record,
    written_record,
)
from goldroot.merge.decide.contents import reader_of
from goldroot.merge.decide.verdict import CONFLICT, Decided, Verdict, equal, outcome_of, want_of
from goldroot.merge.special import CHOICES, RECORDS
from goldroot.tree import FILE, INLINE, LINK, path_text


def settle_alternatives(decided: Sequence[Decided], names: Names) -> None:
    """Decide links that both sides changed by the records that say where they lead, in place."""
    for one in decided:
        for path, verdict in list(one.verdicts.items()):
            if one.comparison.part.place(path).startswith(RECORDS):
                record = _result(one, path, verdict)
                if record is not None:
                    befores = _of(one, path, BASE_SIDE), _of(one, path, CLONE_SIDE)
                    _settle(decided, record, befores, os.path.basename(path), verdict, names)


def _of(one: Decided, path: bytes, side: int) -> Record | None:
    delta = one.comparison.delta(path)
    row = delta.rows[side]
    return parse_record(reader_of(one.comparison.part)(delta, side)) if row is not None and row.kind == FILE else None


def _result(one: Decided, path: bytes, verdict: Verdict) -> Record | None:
    want = verdict.want
    if want is None or want.kind != FILE:
        return None
    if want.side == INLINE or want.inline is not None:
        return parse_record(want.inline or b"")
    return parse_record(reader_of(one.comparison.part)(one.comparison.delta(path), want.side))


def _settle(
    decided: Sequence[Decided], record: Record, befores: tuple[Record | None, Record | None], name: bytes,
    verdict: Verdict, names: Names,
) -> None:  # fmt: skip
    """:param befores: base's record, and the server's as it was."""
    base, own = befores
    chosen = _chosen(decided, name)
    # Chosen by hand what was the best choice then: the link is as it was, and means something else.
    pinned = own is not None and own.mode == MANUAL and (base is None or base.mode != MANUAL)
    if record.mode == MANUAL:
        choice = chosen
        if choice is not None and choice not in record.choices:
            verdict.notes.append(f"{path_text(choice)} was chosen by hand on the server, and is not a choice any more")
            _by_itself(verdict, record)
            for one, path in _places(decided, name) if pinned else ():
                _keep(one, path, choice, names)  # what it points at is gone: that is asked where references are
            return
    else:
        choice = record.best
        if own is not None and chosen not in (None, own.best):
            return  # somebody made the link by hand, and not by its tool
    if choice is None:
        return
    targets = {name: choice, **record.choices[choice].slaves}
    for link, target in targets.items():
        for one, path in _places(decided, link):
            if pinned:
                _keep(one, path, target, names)
            _lead(one, path, target, names)


def _by_itself(verdict: Verdict, record: Record) -> None:
    """A merged record does not say ``manual`` of a choice that is gone: its tool chooses again, unless a person does."""
    want = verdict.want
    if want is not None and want.inline is not None:
        data = written_record(replace(record, mode=AUTO), ends_blank=want.inline.endswith(b"\n\n"))
        verdict.want = replace(want, inline=data, content=hashlib.sha256(data).digest())


def _chosen(decided: Sequence[Decided], name: bytes) -> bytes | None:
    """Where the server's link leads."""
    for one, path in _places(decided, name):
        row = one.comparison.part.trees[CLONE_SIDE].manifest.get(path)
        if row is not None and row.kind == LINK:
            return row.content
    return None


def _places(decided: Sequence[Decided], link: bytes) -> Iterator[tuple[Decided, bytes]]:
    for one in decided:
        prefix = one.comparison.part.place(b"").rstrip(b"/") + b"/"
        if (CHOICES + link).startswith(prefix):
            yield one, (CHOICES + link)[len(prefix) :]


def _keep(one: Decided, path: bytes, target: bytes, names: Names) -> None:
    """Take the server's link where gold alone changed it."""
    verdict, delta = one.verdicts.get(path), one.comparison.deltas.get(path)
    if verdict is None or delta is None or verdict.conflicts or verdict.decided or verdict.want is None:
        return
    row = delta[CLONE_SIDE]
    if row is not None and row.kind == LINK and row.content == target != verdict.want.content:
        verdict.want = want_of(row, names[CLONE_SIDE], CLONE_SIDE)
        verdict.axes["content"] = CLONE
        verdict.outcome = outcome_of(verdict)
        verdict.notes.append("it stays where it leads: it was chosen by hand on the server")


def _lead(one: Decided, path: bytes, target: bytes, names: Names) -> None:
    """Take the side whose link leads where the record says, if both changed it."""
    verdict = one.verdicts.get(path)
    if verdict is None or not any(conflict.axis == "content" for conflict in verdict.conflicts):
        return
    for word, side in ((CLONE, CLONE_SIDE), (GOLD, GOLD_SIDE)):
        row = one.comparison.deltas[path][side]
        if row is not None and row.kind == LINK and row.content == target and verdict.want is not None:
            verdict.conflicts = [conflict for conflict in verdict.conflicts if conflict.axis != "content"]
            taken = want_of(row, names[side], side)
            verdict.want = replace(verdict.want, side=side, content=taken.content, mtime=taken.mtime)
            verdict.axes["content"] = word
            verdict.outcome = outcome_of(verdict)
            return


# -- Slaves of an alternative (manual pages, for the most part) go the way of their master: one question, one answer. Which
# links are slaves its record says (update-alternatives(1)). Where no record is merged (``/etc`` alone), a link to a
# manual page that is named after the master is one.

#: The axes of a link that a master is asked about.
_AXES = ("content", "presence")
_PAGES = b"/man/"


def slaves_of(parts: Iterable[Part], master: bytes) -> set[bytes]:
    """The names of the links that belong to a master, in any of the trees."""
    parts = list(parts)
    records = list(_records(parts, master))
    if records:
        return set().union(*records)
    found: set[bytes] = set()
    for part in parts:
        directory = part.inside(CHOICES.rstrip(b"/"))
        for tree in part.trees if directory is not None else ():
            for entry in tree.manifest.below(directory or b""):
                name = entry.path.rpartition(b"/")[2]
                if name.startswith(master + b".") and entry.kind == LINK and _PAGES in entry.content:
                    found.add(name)
    return found


def _records(parts: Sequence[Part], master: bytes) -> Iterator[set[bytes]]:
    """The slaves that each record of a master names."""
    places = [(part, part.inside(directory + master)) for part in parts for directory in RECORDS]
    for part, path in places:
        if path is None:
            continue
        for side, row in enumerate(part.rows(path)):
            is_file = row is not None and row.kind == FILE
            content = read_unless_torn(part.trees[part.source(side, path)], path) if is_file else None
            record = parse_record(content) if content is not None else None
            if record is not None:
                yield set(record.slaves)


def follow_masters(decided: Sequence[Decided], names: Names) -> None:
    """Let the slaves of each master that is asked about, or was answered, be as its side has them, in place."""
    asked = {
        place[len(CHOICES) :]: (path, verdict)
        for one in decided
        for path, verdict in one.verdicts.items()
        if (place := one.comparison.part.place(path)).startswith(CHOICES) and _answer(verdict)
    }
    slaves = {name: slaves_of([one.comparison.part for one in decided], name) for name in asked}
    known = set().union(*slaves.values())
    for name, (path, verdict) in asked.items():
        for slave in sorted(slaves[name]) if name not in known else ():
            for one in decided:
                inside = one.comparison.part.inside(CHOICES + slave)
                if inside is not None and inside in one.verdicts:
                    _follow(one, inside, (path, verdict), names)


def _answer(verdict: Verdict) -> str:
    """The answer about a link that was given, or stands until then; "" where nothing was asked."""
    for conflict in verdict.conflicts:
        if conflict.axis in _AXES:
            return conflict.stands
    return next((verdict.decided[axis] for axis in _AXES if axis in verdict.decided), "")


def _follow(one: Decided, path: bytes, master: tuple[bytes, Verdict], names: Names) -> None:
    above, asked = master
    take = _answer(asked)
    verdict, rule = one.verdicts[path], one.comparison.rules[path]
    if take not in (CLONE, GOLD) or rule.pin or verdict.because:
        return
    side = SIDE_OF[take]
    row = one.comparison.deltas[path][side]
    want = None if row is None else want_of(row, names[side], side)
    if not verdict.conflicts and equal(want, verdict.want):
        return
    word = CONFLICT if asked.conflicts else take
    axis = "presence" if want is None or one.comparison.deltas[path][CLONE_SIDE] is None else "content"
    one.verdicts[path] = Verdict(want, word, {axis: word}, because=above if asked.conflicts else b"")
    one.verdicts[path].notes.append("a slave goes the way of its alternative")
