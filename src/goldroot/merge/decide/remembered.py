"""What a server removed stays removed, also where gold dropped it in between, and what is to be remembered of that for the next update.

The list itself is :mod:`goldroot.merge.memory`.  It is used where base and the clone lack a path and gold has it: what the list
remembers equals gold's, and it stays removed, with a note each time; else it is the question of every such path, "the server
removed it, gold changed it".

Lines of a set (``/etc/shells``), keys of sshd, entries of tables (``/etc/hosts``) and choices of alternatives are told apart
by themselves.  An update from 1 to 3 sees in base what the server removed; one from 2 to 3 does not.  So what is
remembered, and gold has again, is merged as if base had it: it stays removed, or it is the question that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from goldroot.conflicts import CLONE, GOLD
from goldroot.files import digest_of
from goldroot.merge.compare.compare import Comparison, Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.alternatives import parse_record, written_record
from goldroot.merge.decide.line_sets import element_of_key, is_key_file, join_lines, split_lines, stripped
from goldroot.merge.decide.removed import is_gone, renamed_by_server
from goldroot.merge.decide.tables import kind_of
from goldroot.merge.decide.units import unit_delta
from goldroot.merge.decide.verdict import (
    CONFLICT,
    NO_SIDE,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    as_is,
    conflict_at,
    settle_conflict,
    value_of,
    want_of,
)
from goldroot.merge.memory import NO_MEMORY, Kept, Memory, Removed
from goldroot.merge.special import RECORDS
from goldroot.policy import ACCOUNTS, CONFIG, LINES, OPAQUE, STATE, Policy, Rule
from goldroot.tree import DIRECTORY, FILE, LINK, SOCKET, Entry, Note, hash_files, in_tree_order, is_below, some_paths

#: Files whose content no scan has read are read so many at a time.
_BATCH = 512


def whole_value(comparison: Comparison, setting: Setting, path: bytes, side: int) -> bytes:
    """A digest over everything that a side has at and below a path; times are not a part of it.

    Files of state units are read, as no scan has read them.

    :raises TreeChanged: a file is not there any more.
    """
    tree = comparison.part.trees[side]
    top = tree.manifest.get(path)
    if top is None:
        return b""
    held = [top, *(tree.manifest.below(path) if top.kind == DIRECTORY else ())]
    entries = [one for one in (_as_compared(comparison, entry, side) for entry in held) if one.kind != SOCKET]
    contents = dict(_contents(tree.root, entries))
    parts: list[bytes] = []
    for entry in entries:
        known = entry._replace(content=contents.get(entry.path, entry.content))
        parts += (entry.path, value_of(want_of(known, setting.names[side], side)))
    return digest_of(parts)


def _as_compared(comparison: Comparison, entry: Entry, side: int) -> Entry:
    """An entry as the comparison knows it, which may have read it since the scan."""
    rows = comparison.deltas.get(entry.path)
    return (rows[side] if rows is not None else None) or entry


def _contents(root: bytes, entries: list[Entry]) -> Iterator[tuple[bytes, bytes]]:
    unread = [entry.path for entry in entries if entry.kind == FILE and not entry.content]
    for start in range(0, len(unread), _BATCH):
        yield from hash_files(root, unread[start : start + _BATCH]).items()


# -- Entries of files

#: A larger file has no entries that a person removed (bytes).
_LARGEST = 4 << 20

Elements = Mapping[bytes, bytes]  #: by what an entry is told apart -> its text
Splitter = Callable[[bytes], Elements]


@dataclass
class RememberedLines:
    """The remembered entries of one part's files.

    :param read: a side's bytes of a path that it has as a file.
    :param going_back: on the way back nothing is asked: what gold has again, however it differs, stays removed.
    """

    read: Callable[[Delta, int], bytes]
    memory: Memory = NO_MEMORY
    going_back: bool = False
    _known: dict[bytes, Kept | None] = field(default_factory=dict)

    def of(self, delta: Delta) -> Kept | None:
        """What stays away from one file that gold and the clone have; ``None`` where nothing does."""
        if self.memory.lines(delta.place) is None:
            return None
        if delta.path not in self._known:
            self._known[delta.path] = self._find(delta)
        return self._known[delta.path]

    def _find(self, delta: Delta) -> Kept | None:
        split = splitter_of(delta.place, delta.rule)
        if split is None or not _is_file(delta, GOLD_SIDE) or not _is_file(delta, CLONE_SIDE):
            return None
        base = self.read(delta, BASE_SIDE) if _is_file(delta, BASE_SIDE) else b""
        content = self.read(delta, GOLD_SIDE)
        golds, held = split(content), {*split(base), *split(self.read(delta, CLONE_SIDE))}
        lines = self.memory.lines(delta.place) or ()
        if not lines:
            new = tuple(text for element, text in golds.items() if element not in held)
            return Kept(None, new) if new else None
        known = split(_joined(lines))
        again = {element: text for element, text in known.items() if element in golds and element not in held}
        if not again:
            return None
        texts = [golds[element] if self.going_back else text for element, text in again.items()]
        if delta.place.startswith(RECORDS):
            return Kept(_with_choices(base, content, again), tuple(again))
        end = base.endswith(b"\n") or not base
        return Kept(join_lines([*split_lines(base), *texts], end), tuple(texts))


def removed_lines(
    delta: Delta, read: Callable[[Delta, int], bytes], before: tuple[bytes, ...] | None
) -> tuple[bytes, ...] | None:
    """The entries of a file that base or the memory had, and neither gold nor the clone has; empty where these are a
    secret, ``None`` where there are none.

    :param before: what was remembered of the file.
    """
    split = splitter_of(delta.place, delta.rule)
    if split is None or not _is_file(delta, CLONE_SIDE) or (before is None and not _both_changed(delta)):
        return None
    base, gold, clone = (
        split(read(delta, side)) if _is_file(delta, side) else {} for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)
    )
    known = {**split(_joined(before or ())), **base}
    gone = [text for element, text in known.items() if element not in gold and element not in clone]
    if delta.rule.secret:
        return () if gone or before == () else None
    return tuple(gone) or None


def _both_changed(delta: Delta) -> bool:
    """Whether gold and the clone may both lack something of base's: what one of them did not change holds all of it."""
    base, *others = (row.content if row is not None and row.kind == FILE else None for row in delta.rows)
    return base is not None and base not in others


def splitter_of(place: bytes, rule: Rule) -> Splitter | None:
    """What takes a file apart into entries; ``None`` for a file that is one text."""
    if rule.cls == LINES:
        element_of = element_of_key if is_key_file(place) else stripped
        return lambda content: {element_of(line): line for line in split_lines(content) if element_of(line)}
    if rule.cls != CONFIG:
        return None
    if place.startswith(RECORDS):
        return lambda content: {path: path for path in _choices(content)}
    kind = kind_of(place)
    if kind is None:
        return None

    def entries(content: bytes) -> Elements:
        found: dict[bytes, bytes] = {}
        for item in kind.parse(content) or ():
            if item.key:
                found[item.key] = found[item.key] + b"\n" + item.text if item.key in found else item.text
        return found

    return entries


def _choices(content: bytes) -> Iterator[bytes]:
    """The choices of an alternative's record, or the paths of a list of them."""
    record = parse_record(content)
    yield from record.choices if record is not None else filter(None, split_lines(content))


def _with_choices(base: bytes, gold: bytes, again: Elements) -> bytes | None:
    was, now = parse_record(base), parse_record(gold)
    if was is None or now is None:
        return None
    choices = {**was.choices, **{path: now.choices[path] for path in again}}
    return written_record(replace(was, choices=choices), ends_blank=base.endswith(b"\n\n"))


def _joined(lines: tuple[bytes, ...]) -> bytes:
    return join_lines(list(lines), True)


def _is_file(delta: Delta, side: int) -> bool:
    row = delta.rows[side]
    return row is not None and row.kind == FILE and row.size <= _LARGEST


# -- Paths

#: The classes whose paths are remembered: those in which a removal of the server's counts.
MERGED_CLASSES = (CONFIG, OPAQUE, LINES, STATE)

#: Kind of the note about what stays removed.
REMOVED_BEFORE: Final = "removed-before"


def decide_remembered(decided: Decided, setting: Setting, delta: Delta) -> Verdict | None:
    """Decide a path that gold alone has, if the server had removed it; ``None`` where nothing is remembered of it."""
    known = setting.memory.path(delta.place)
    base, gold, clone = delta.rows
    if known is None or gold is None or base is not None or clone is not None or delta.rule.cls not in MERGED_CLASSES:
        return None
    want = as_is(delta, GOLD_SIDE, setting)
    verdict = Verdict(None, CLONE)
    answer = _answer(decided, setting, delta, known, verdict)
    verdict.want = want if answer == GOLD else None
    verdict.outcome = CONFLICT if verdict.conflicts else answer
    return verdict


def decide_remembered_unit(decided: Decided, setting: Setting, unit: Unit) -> UnitVerdict | None:
    """The same for a state unit."""
    delta = unit_delta(decided.comparison, unit)
    known = setting.memory.path(delta.place)
    if known is None or unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or not unit.present[GOLD_SIDE]:
        return None
    verdict = Verdict(None, CLONE)
    answer = _answer(decided, setting, delta, known, verdict)
    conflict = verdict.conflicts[0] if verdict.conflicts else None
    return UnitVerdict(GOLD_SIDE if answer == GOLD else NO_SIDE, CONFLICT if conflict else answer, conflict)


def note_kept_lines(decided: Decided, setting: Setting, delta: Delta, verdict: Verdict) -> None:
    """Say what of a file stays removed, unless it is asked about or was answered."""
    if "content" in verdict.decided or any(conflict.axis == "content" for conflict in verdict.conflicts):
        return
    kept = setting.kept_lines(delta)
    if kept is not None:
        named = "" if delta.rule.secret else ": " + some_paths(kept.texts)
        text = f"the server had removed from it what gold has again, and it stays removed{named}"
        decided.notes.append(Note(REMOVED_BEFORE, delta.place, text))


def _leads_there(setting: Setting, delta: Delta, known: Removed) -> bool:
    """Whether gold's link leads where the removed one led, in whatever spelling."""
    gold = delta.rows[GOLD_SIDE]
    if gold is None or gold.kind != LINK or not known.target:
        return False
    one, other = (setting.sameness.link_text(delta.path, text) for text in (known.target, gold.content))
    return one == other


def _answer(decided: Decided, setting: Setting, delta: Delta, known: Removed, verdict: Verdict) -> str:
    """The answer in force: the clone's without a question where gold brings back what was removed."""
    value = whole_value(decided.comparison, setting, delta.path, GOLD_SIDE)
    if (known.digest and known.digest == value) or _leads_there(setting, delta, known):
        verdict.axes["presence"] = CLONE
        decided.notes.append(
            Note(REMOVED_BEFORE, delta.place, "the server had removed it; gold has it again, and it stays removed")
        )
        return CLONE
    detail = "the server had removed it; gold has it again, and it differs from what was removed"
    if setting.going_back:
        verdict.axes["presence"] = CLONE
        decided.notes.append(Note(REMOVED_BEFORE, delta.place, f"{detail}; it stays removed"))
        return CLONE
    values = b"removed" + known.digest, value, b""
    asked = conflict_at(delta, setting, "presence", "clone-deleted-gold-changed", values, detail)
    answer, _ = settle_conflict(verdict, asked, setting)
    return answer


# -- What is to be remembered once the server runs from the result


def memory_after(all_decided: Sequence[Decided], settings: Sequence[Setting], policy: Policy) -> Memory:
    """What is to be remembered: what the server lacks, base or the memory had, and gold lacks; of a directory that is
    gone, the directory alone.

    :param all_decided: all parts of the system; ``settings`` has one for each.
    """
    parts = [decided.comparison.part for decided in all_decided]
    kept = [
        known
        for known in (settings[0].memory.entries.values() if settings else ())
        if (_keeps_path if known.lines is None else _keeps_lines)(known, parts, policy)
    ]
    entries = {one.place: one for one in kept}
    for decided, setting in zip(all_decided, settings, strict=True):
        entries.update((one.place, one) for one in _removed_now(decided, setting))
        for place, lines in _lines_now(decided, setting):
            entries.pop(place, None) if lines is None else entries.update({place: Removed(place, lines=lines)})
    return Memory.of(entries.values())


def _keeps_path(known: Removed, parts: Sequence[Part], policy: Policy) -> bool:
    if policy.match(known.place).cls not in MERGED_CLASSES:
        return False
    rows = (part.rows(path) for part in parts if (path := part.inside(known.place)) is not None)
    return not any(gold is not None or clone is not None for _, gold, clone in rows)


def _keeps_lines(known: Removed, parts: Sequence[Part], policy: Policy) -> bool:
    rule = policy.match(known.place)
    if splitter_of(known.place, rule) is None and rule.cls != ACCOUNTS:
        return False
    inside = [(part, path) for part in parts if (path := part.inside(known.place)) is not None]
    return not inside or any(part.rows(path)[CLONE_SIDE] is not None for part, path in inside)


def _removed_now(decided: Decided, setting: Setting) -> Iterator[Removed]:
    """What base has, and neither gold nor the clone."""
    comparison = decided.comparison
    renamed = renamed_by_server(decided, setting)
    top: bytes | None = None
    for path in in_tree_order([*comparison.deltas, *comparison.units]):
        if top is not None and is_below(path, top):
            continue
        unit = comparison.units.get(path)
        base = None if unit is not None else comparison.deltas[path][BASE_SIDE]
        rule = unit.rule if unit is not None else comparison.rules[path]
        gone = unit.present == [True, False, False] if unit is not None else is_gone(comparison.deltas[path])
        if gone and rule.cls in MERGED_CLASSES:
            top = path
            digest = b"" if rule.secret else whole_value(comparison, setting, path, BASE_SIDE)
            below = () if unit is not None else tuple(_below(comparison, path, renamed))
            yield replace(_told_by(comparison, path, base, renamed), digest=digest, below=below)


def _told_by(comparison: Comparison, path: bytes, base: Entry | None, renamed: Mapping[bytes, bytes]) -> Removed:
    """A removed path with what it is told by where gold has it at another place."""
    told = Removed(comparison.part.place(path))
    if base is None:
        return told
    if base.kind == LINK:
        return replace(told, target=base.content)
    rule = comparison.rules[path]
    if base.kind != FILE or not base.size or rule.secret or rule.cls not in (CONFIG, OPAQUE, LINES):
        return told
    now = comparison.part.place(renamed[path]) if path in renamed else b""
    return replace(told, content=base.content, copies=comparison.contents_of_base[base.content] > 1, now=now)


def _below(comparison: Comparison, top: bytes, renamed: Mapping[bytes, bytes]) -> Iterator[Removed]:
    for path in comparison.below(top):
        if is_gone(comparison.deltas[path]):
            told = _told_by(comparison, path, comparison.deltas[path][BASE_SIDE], renamed)
            if told.target or told.content:
                yield told


def _lines_now(decided: Decided, setting: Setting) -> Iterator[tuple[bytes, tuple[bytes, ...] | None]]:
    """(place, what base or the memory had in it, and neither gold nor the server has) of each file of entries that is not the
    same in all three trees."""
    for path in decided.comparison.deltas:
        delta = decided.comparison.delta(path)
        if delta.rows[CLONE_SIDE] is not None and splitter_of(delta.place, delta.rule) is not None:
            yield delta.place, removed_lines(delta, setting.sameness.read, setting.memory.lines(delta.place))


def could_have_mattered(decided: Decided) -> int:
    """How many paths of gold's arrive that a memory, had it been given, might have kept away."""
    count = 0
    top: bytes | None = None
    for path, verdict in decided.verdicts.items():
        base, _, clone = decided.comparison.deltas[path]
        if top is not None and is_below(path, top):
            continue
        arrives = base is None and clone is None and verdict.want is not None and verdict.outcome == GOLD
        if arrives and decided.comparison.rules[path].cls in MERGED_CLASSES:
            count, top = count + 1, path
    return count
