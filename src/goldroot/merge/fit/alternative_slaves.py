"""The slaves of an alternative (manual pages, for the most part) go the way of their master: one question, one answer.

Which links are slaves its record says (update-alternatives(1)).  Where no record is merged (``/etc`` alone), a link to a manual
page that is named after the master is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from goldroot.accounts import OwnerNames
from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.parts import CLONE_SIDE, SIDE_OF, Part, read_unless_torn
from goldroot.merge.decide.alternatives import LINKS, PLACES, parse_record
from goldroot.merge.decide.verdict import CONFLICT, Decided, Verdict, equal, want_of
from goldroot.tree import FILE, LINK

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
        directory = part.inside(LINKS.rstrip(b"/"))
        for tree in part.trees if directory is not None else ():
            for entry in tree.manifest.below(directory or b""):
                name = entry.path.rpartition(b"/")[2]
                if name.startswith(master + b".") and entry.kind == LINK and _PAGES in entry.content:
                    found.add(name)
    return found


def _records(parts: Sequence[Part], master: bytes) -> Iterator[set[bytes]]:
    """The slaves that each record of a master names."""
    places = [(part, part.inside(directory + master)) for part in parts for directory in PLACES]
    for part, path in places:
        if path is None:
            continue
        for side, row in enumerate(part.rows(path)):
            is_file = row is not None and row.kind == FILE
            content = read_unless_torn(part.trees[part.source(side, path)], path) if is_file else None
            record = parse_record(content) if content is not None else None
            if record is not None:
                yield set(record.slaves)


def follow_masters(decided: Sequence[Decided], names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> None:
    """Let the slaves of each master that is asked about, or was answered, be as its side has them, in place."""
    asked = {
        place[len(LINKS) :]: (path, verdict)
        for one in decided
        for path, verdict in one.verdicts.items()
        if (place := one.comparison.part.place(path)).startswith(LINKS) and _answer(verdict)
    }
    slaves = {name: slaves_of([one.comparison.part for one in decided], name) for name in asked}
    known = set().union(*slaves.values())
    for name, (path, verdict) in asked.items():
        for slave in sorted(slaves[name]) if name not in known else ():
            for one in decided:
                inside = one.comparison.part.inside(LINKS + slave)
                if inside is not None and inside in one.verdicts:
                    _follow(one, inside, (path, verdict), names)


def _answer(verdict: Verdict) -> str:
    """The answer about a link that was given, or stands until then; "" where nothing was asked."""
    for conflict in verdict.conflicts:
        if conflict.axis in _AXES:
            return conflict.stands
    return next((verdict.decided[axis] for axis in _AXES if axis in verdict.decided), "")


def _follow(
    one: Decided, path: bytes, master: tuple[bytes, Verdict], names: tuple[OwnerNames, OwnerNames, OwnerNames]
) -> None:
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
