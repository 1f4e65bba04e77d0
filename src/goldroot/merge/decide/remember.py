"""What is to be remembered of a server's removals once it runs from the result (see :mod:`goldroot.merge.memory`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from goldroot.conflicts import GOLD
from goldroot.merge.compare.compare import Comparison
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, Part
from goldroot.merge.decide.gone_paths import is_gone
from goldroot.merge.decide.remembered import MERGED_CLASSES
from goldroot.merge.decide.remembered_lines import removed_lines, splitter_of
from goldroot.merge.decide.renamed_files import renamed_by_server
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.decide.whole_value import whole_value
from goldroot.merge.memory import Memory, Removed
from goldroot.policy import ACCOUNTS, CONFIG, LINES, OPAQUE, Policy
from goldroot.tree import FILE, LINK, Entry, in_tree_order, is_below


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
