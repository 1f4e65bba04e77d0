"""Removed stays removed, also where gold has it under another name.

What the server removed, and gold dropped at its old place and added at a new one, would come back without a word:

* an enabled link, such as ``mods-enabled/php8.2.load``, where gold has ``php8.4.load``: path and target are the same but
  for version numbers;
* a file that gold moved: the same content, held by exactly one path of base and by one addition of gold.

Each is a question at the new path, which names the old one; until it is answered the path stays absent.  Where the
server removed a whole directory, or a module with two files, that is one question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from goldroot.conflicts import GOLD, Conflict
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.answers import settle_conflict
from goldroot.merge.decide.disabled_units import disabled_units
from goldroot.merge.decide.enabled_links import HEADS, enabled_links
from goldroot.merge.decide.gone_paths import is_added, remembered_paths, removed_paths
from goldroot.merge.decide.rc_links import settle_rc_links
from goldroot.merge.decide.renamed_files import renamed_files
from goldroot.merge.decide.verdict import CONFLICT, Decided, Setting, Verdict, as_is, value_of
from goldroot.policy import CONFIG, LINES, OPAQUE
from goldroot.tree import FILE, Note, parent, path_text, some_paths

#: Kind of the conflict, and of the note on the way back.
KIND: Final = "clone-deleted-gold-renamed"


@dataclass(slots=True)
class _Question:
    """Additions of gold's that are, under other names, what the server removed for one reason."""

    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)  #: (place before, path in the trees now)


def settle_removed(decided: Decided, setting: Setting) -> None:
    """Keep away what the server removed and gold has under another name, in place, and ask."""
    settle_rc_links(decided, setting)
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
    for find in (enabled_links, disabled_units, _moved, renamed_files):
        for cause, old, new in find(decided, setting, added):
            if new not in seen:
                seen.add(new)
                yield cause, old, new


def _arrives(decided: Decided, path: bytes) -> bool:
    """Whether a path is gold's addition that nobody asks about."""
    return is_added(decided, path, GOLD_SIDE) and not decided.verdicts[path].decided


def _moved(
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
        decided.notes.append(Note(KIND, place, f"{detail}; it stays removed"))
        answer = "clone"
        top.axes["presence"] = answer
    else:
        was = b"".join(before + b"\0" for before, _ in pairs)
        now = b"".join(value_of(decided.verdicts[path].want) for _, path in pairs)
        secret = any(comparison.rules[path].secret for _, path in pairs)
        conflict = Conflict(
            place, "presence", KIND, (was, now, b""), stands=setting.prefer, detail=detail, secret=secret
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
