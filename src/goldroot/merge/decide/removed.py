"""Removed stays removed, also where gold has it under another name.

What the server removed, and gold dropped at its old place and added at a new one, would come back without a word: an enabled
link (``mods-enabled/php8.2.load`` and ``php8.4.load``), a service that is enabled in another way, a file that gold moved, with
a change or without.

Each is a question at the new path, which names the old one; until it is answered the path stays absent.  Where the
server removed a whole directory, or a module with two files, that is one question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from goldroot.conflicts import GOLD, Conflict
from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Rows
from goldroot.merge.decide.likeness import without_versions
from goldroot.merge.decide.moves import NewPlaces
from goldroot.merge.decide.services import RENAMED, disabled_units
from goldroot.merge.decide.verdict import (
    CONFLICT,
    USUAL,
    Decided,
    Setting,
    Verdict,
    as_is,
    one_spelling,
    settle_conflict,
    value_of,
)
from goldroot.merge.memory import Memory, Removed
from goldroot.policy import CONFIG, LINES, OPAQUE
from goldroot.tree import FILE, LINK, Entry, Note, parent, path_text, some_paths


def is_gone(rows: Rows) -> bool:
    """Whether base has a path, and neither gold nor the clone."""
    base, gold, clone = rows
    return base is not None and gold is None and clone is None


def is_added(decided: Decided, path: bytes, side: int) -> bool:
    """Whether a path is a file or link of configuration that one side alone has, that stays and nobody asks about."""
    rows, verdict = decided.comparison.deltas[path], decided.verdicts[path]
    row = rows[side]
    return (
        row is not None
        and row.kind in (FILE, LINK)
        and sum(one is not None for one in rows) == 1
        and verdict.want is not None
        and not (verdict.because or verdict.conflicts)
        and decided.comparison.rules[path].cls in (CONFIG, OPAQUE, LINES)
    )


def removed_paths(decided: Decided) -> Iterator[tuple[Delta, Entry]]:
    """What base has, and neither gold nor the clone."""
    for path in decided.verdicts:
        rows = decided.comparison.deltas[path]
        base = rows[BASE_SIDE]
        if base is not None and is_gone(rows):
            yield decided.comparison.delta(path), base


def remembered_paths(decided: Decided, setting: Setting) -> Iterator[tuple[bytes, Removed]]:
    """(topmost place that was removed with it, path) of what the server removed before, and does not have again."""
    part = decided.comparison.part
    clone = part.trees[CLONE_SIDE].manifest
    for top, known in setting.memory.paths():
        path = part.inside(known.place)
        if path is None or clone.get(path) is None:
            yield top, known


# -- Enabled links of modules, sites, settings, units. A link is told by where it is and where it leads, version numbers
# aside. What is not a unit's (systemd goes by names: :mod:`goldroot.merge.decide.services`) is also told by where it
# leads alone, and by its name and text: a site that gold enables under another name, a module whose directory gold moved.

#: Directories in which a link's presence is what enables something: systemd.unit(5), a2enmod(8), phpenmod(8), fonts-conf(5),
#: OpenRC's runlevels, and whatever else is read file by file.  Links of System V's runlevels have a rule of their own.
_ENABLED = re.compile(
    rb"/etc/(?:.*/)?(?:[^/]+\.(?:wants|requires|upholds)|[^/]+-enabled|(?!rc[0-6S]?\.d/|init\.d/|boot\.d/)[^/]+\.d"
    rb"|enabled|plugins|runlevels/[^/]+)/[^/]+",
    re.DOTALL,
)
#: Of a module that has several links, the question is at the first of these.
HEADS = (b".load", b".conf")
_UNITS = b"/etc/systemd/"

Links = Mapping[bytes, bytes]  #: place -> target
Told = tuple[bytes, bytes]  #: by what a link is told


def enabled_links(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of enabled links; the cause is the module.

    :param added: paths that gold added and nobody asks about.
    """
    gone = dict(_removed_links(decided, setting))
    new = dict(_added_links(decided, added)) if gone else {}
    found = dict(_pairs(_identity, gone, new)) if new else {}
    for tell in (_target, _name) if new else ():
        olds = {place: target for place, target in gone.items() if place not in {*found.values()}}
        news = {place: target for place, target in new.items() if place not in found}
        found |= dict(_pairs(tell, *(_of_programs(links) for links in (olds, news)), only_one=True))
    for place, old in found.items():
        path = decided.comparison.part.inside(place)
        if path is not None and old != place:
            yield (parent(place), _stem(place)), old, path


def _removed_links(decided: Decided, setting: Setting) -> Iterator[tuple[bytes, bytes]]:
    for _, known in remembered_paths(decided, setting):
        if known.target and _ENABLED.fullmatch(known.place):
            yield known.place, known.target
    for delta, base in removed_paths(decided):
        if base.kind == LINK and _ENABLED.fullmatch(delta.place):
            yield delta.place, base.content


def _added_links(decided: Decided, added: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    part = decided.comparison.part
    for path in added:
        entry, place = decided.comparison.deltas[path][GOLD_SIDE], part.place(path)
        if entry is not None and entry.kind == LINK and _ENABLED.fullmatch(place):
            yield place, entry.content


def _of_programs(links: Links) -> Links:
    return {place: target for place, target in links.items() if not place.startswith(_UNITS)}


def _pairs(
    tell: Callable[[bytes, bytes], Told], gone: Links, new: Links, *, only_one: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """(place now, place before) of the links that are told to be the same.

    :param only_one: only where no other link on either side is told to be the same, too.
    """
    olds, news = _by(tell, gone), _by(tell, new)
    for told, places in news.items():
        before = olds.get(told, [])
        if before and (not only_one or len(before) == len(places) == 1):
            yield from ((place, before[-1]) for place in places)


def _by(tell: Callable[[bytes, bytes], Told], links: Links) -> dict[Told, list[bytes]]:
    told: dict[Told, list[bytes]] = {}
    for place, target in links.items():
        told.setdefault(tell(place, target), []).append(place)
    return told


def _identity(place: bytes, target: bytes) -> Told:
    """Where the link is and where it leads, without versions, in the one spelling of a merged ``/usr``."""
    return without_versions(place), _target(place, target)[1]


def _target(place: bytes, target: bytes) -> Told:
    return b"", without_versions(one_spelling(parent(place), target, USUAL))


def _name(place: bytes, target: bytes) -> Told:
    return without_versions(place.rpartition(b"/")[2]), without_versions(target)


def _stem(place: bytes) -> bytes:
    name = place.rpartition(b"/")[2]
    return next((name.removesuffix(one) for one in HEADS if name.endswith(one)), name)


# -- Files that gold has at another place with a change: told by their versions, or by likeness where the server only renamed
# its own. A pool of php-fpm that the server renamed, and that gold ships for the next version
# (``8.2/fpm/pool.d/www.conf`` and ``8.4/fpm/pool.d/www.conf``, with another socket), would be started again beside the
# server's.

#: Of so many files it is looked for what the server renamed them to; one that removed more has removed packages.
_MOST = 64


def renamed_files(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of texts of configuration.

    :param added: paths that gold added and nobody asks about.
    """
    comparison, memory = decided.comparison, setting.memory
    texts = {path for path in added if comparison.rules[path].cls == CONFIG and _kind_in_gold(decided, path) == FILE}
    if not texts:
        return
    removed = _removed_texts(decided)
    versions = {without_versions(path) for path in texts}
    again = {path for path in removed if without_versions(path) in versions}
    # What the server renamed is told by likeness, which reads what it added.
    looked_for = removed if len(removed) <= _MOST else [path for path in removed if path in again]
    sizes = [row.size for path in looked_for if (row := comparison.deltas[path][BASE_SIDE]) is not None]
    renamed = dict(_renamed_before(decided, memory))
    sizes += [row.size for path in renamed if (row := comparison.deltas[path][CLONE_SIDE]) is not None]
    places = NewPlaces(decided, setting, sizes, frozenset(path.split(b"/")[0] for path in (*looked_for, *renamed)))
    for path in looked_for:
        delta = comparison.delta(path)
        new = places.of_version(delta, GOLD_SIDE) if path in again else None
        if new is None and len(removed) <= _MOST and places.of(delta, CLONE_SIDE) is not None:
            new = places.of(delta, GOLD_SIDE)
        if new in texts and new is not None:
            yield (b"renamed " + path, new), delta.place, new
    yield from _removed_before(decided, setting, texts)
    for path, old in renamed.items():
        new = places.like(comparison.delta(path), CLONE_SIDE, GOLD_SIDE)
        if new is not None and new in texts:
            yield (b"renamed " + old, new), old, new


def renamed_by_server(decided: Decided, setting: Setting) -> dict[bytes, bytes]:
    """The texts of configuration that the server renamed, of those that neither gold nor it has at the old path any more -> where
    it has them."""
    removed = _removed_texts(decided)
    comparison = decided.comparison
    if not removed or len(removed) > _MOST:
        return {}
    sizes = [row.size for path in removed if (row := comparison.deltas[path][BASE_SIDE]) is not None]
    places = NewPlaces(decided, setting, sizes, frozenset(path.split(b"/")[0] for path in removed))
    found = ((path, places.of(comparison.delta(path), CLONE_SIDE)) for path in removed)
    return {path: now for path, now in found if now is not None}


def _removed_texts(decided: Decided) -> list[bytes]:
    return [
        delta.path
        for delta, base in removed_paths(decided)
        if base.kind == FILE and base.size and delta.rule.cls == CONFIG
    ]


def _renamed_before(decided: Decided, memory: Memory) -> Iterator[tuple[bytes, bytes]]:
    """(path at which the server has it, place before) of texts that it renamed, and that neither base nor gold has there."""
    part, comparison = decided.comparison.part, decided.comparison
    for _, one in memory.paths():
        path = part.inside(one.now) if one.now else None
        if path is None or path not in comparison.deltas or comparison.rules[path].cls != CONFIG:
            continue
        base, gold, _ = comparison.deltas[path]
        if base is None and gold is None:
            yield path, one.place


def _removed_before(
    decided: Decided, setting: Setting, texts: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """Of what the server removed before, only the place is known, and that nothing else has its version there."""
    part = decided.comparison.part
    known = {without_versions(one.place): one.place for _, one in setting.memory.paths() if one.content}
    for path in sorted(texts) if known else ():
        place = part.place(path)
        old = known.get(without_versions(place))
        inside = part.inside(old) if old is not None else None
        if old is not None and old != place and inside is not None and not any(part.rows(inside)):
            yield (b"renamed " + old, path), old, path


def _kind_in_gold(decided: Decided, path: bytes) -> str:
    row = decided.comparison.deltas[path][GOLD_SIDE]
    return "" if row is None else row.kind


# -- Asking


@dataclass(slots=True)
class _Question:
    """Additions of gold's that are, under other names, what the server removed for one reason."""

    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)  #: (place before, path in the trees now)


def settle_removed(decided: Decided, setting: Setting) -> None:
    """Keep away what the server removed and gold has under another name, in place, and ask."""
    added = [path for path in decided.verdicts if _arrives(decided, path)]
    if not added:
        return
    questions: dict[tuple[bytes, bytes], _Question] = {}
    for cause, old, new in _known(decided, setting, added):
        questions.setdefault(cause, _Question()).pairs.append((old, new))
    for question in questions.values():
        _ask(decided, setting, question)


def _known(
    decided: Decided, setting: Setting, added: list[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of every addition that was removed under another name; each path once."""
    seen: set[bytes] = set()
    for find in (enabled_links, disabled_units, _moved_files, renamed_files):
        for cause, old, new in find(decided, setting, added):
            if new not in seen:
                seen.add(new)
                yield cause, old, new


def _arrives(decided: Decided, path: bytes) -> bool:
    """Whether a path is gold's addition that nobody asks about."""
    return is_added(decided, path, GOLD_SIDE) and not decided.verdicts[path].decided


def _moved_files(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of files that gold moved; the cause is the old place, or the topmost directory
    that the server removed with it."""
    gone: dict[bytes, tuple[bytes, bytes]] = {}  #: content -> (topmost place that was removed, its place)
    before = {
        known.content: (top, known.place)
        for top, known in remembered_paths(decided, setting)
        if known.content and not known.copies
    }
    for delta, base in removed_paths(decided):
        if base.kind == FILE and base.size and base.content and delta.rule.cls in (CONFIG, OPAQUE, LINES):
            gone[base.content] = decided.comparison.part.place(_removed_above(decided, delta.path)), delta.place
    places: dict[bytes, list[bytes]] = {}
    for path in added if gone or before else ():
        entry = decided.comparison.deltas[path][GOLD_SIDE]
        assert entry is not None
        if entry.kind == FILE and (entry.content in gone or entry.content in before):
            places.setdefault(entry.content, []).append(path)
    if not places:
        return
    held = decided.comparison.contents_of_base
    for content, paths in places.items():
        known = gone.get(content) if held[content] else before.get(content)
        if len(paths) == 1 and held[content] < 2 and known is not None:
            top, old = known
            yield (b"moved " + top, parent(paths[0]) if top != old else paths[0]), old, paths[0]


def _removed_above(decided: Decided, path: bytes) -> bytes:
    """The topmost directory that the clone removed with a path; the path itself where its directory stayed."""
    top = path
    while path:
        path = parent(path)
        rows = decided.comparison.deltas.get(path) or decided.comparison.part.rows(path)
        if rows[CLONE_SIDE] is not None:
            return top
        top = path
    return top


def _ask(decided: Decided, setting: Setting, question: _Question) -> None:
    """One question for additions that come of one cause; its answer holds for all of them."""
    pairs = sorted(question.pairs, key=lambda pair: (not pair[1].endswith(HEADS[0]), pair[1]))
    comparison = decided.comparison
    old, head = pairs[0]
    place = comparison.part.place(head)
    inside = comparison.part.inside(old)
    is_there = inside is not None and comparison.part.trees[CLONE_SIDE].manifest.get(inside) is not None
    detail = f"the server {'masked' if is_there else 'removed'} {path_text(old)}; gold has it as {path_text(place)}"
    if len(pairs) > 1:
        detail += f"; so it is with {some_paths(comparison.part.place(path) for _, path in pairs[1:])}"
    top = Verdict(None, CONFLICT)
    if setting.going_back:
        decided.notes.append(Note(RENAMED, place, f"{detail}; it stays removed"))
        answer = "clone"
        top.axes["presence"] = answer
    else:
        was = b"".join(before + b"\0" for before, _ in pairs)
        now = b"".join(value_of(decided.verdicts[path].want) for _, path in pairs)
        secret = any(comparison.rules[path].secret for _, path in pairs)
        conflict = Conflict(
            place, "presence", RENAMED, (was, now, b""), stands=setting.prefer, detail=detail, secret=secret
        )
        answer, _ = settle_conflict(top, conflict, setting)
    top.outcome = CONFLICT if top.conflicts else answer
    for _, path in pairs:
        want = as_is(comparison.delta(path), GOLD_SIDE, setting) if answer == GOLD else None
        if path == head:
            top.want = want
            decided.verdicts[path] = top
        else:
            decided.verdicts[path] = Verdict(want, top.outcome, {"presence": top.outcome}, because=head)
