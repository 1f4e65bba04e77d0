"""What a side alone has, and what neither gold nor the server has: of base, and of what the server removed before it."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, Rows
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.memory import Removed
from goldroot.policy import CONFIG, LINES, OPAQUE
from goldroot.tree import FILE, LINK, Entry


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
