"""What a server removed, and neither gold nor the server has: now, and before base."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.merge.compare.comparison import Delta
from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.memory import Removed
from goldroot.tree import Entry


def removed_paths(decided: Decided) -> Iterator[tuple[Delta, Entry]]:
    """What base has, and neither gold nor the clone."""
    for path in decided.verdicts:
        base, gold, clone = decided.comparison.deltas[path]
        if base is not None and gold is None and clone is None:
            yield decided.comparison.delta(path), base


def remembered_paths(decided: Decided, setting: Setting) -> Iterator[tuple[bytes, Removed]]:
    """(topmost place that was removed with it, path) of what the server removed before, and does not have again."""
    part = decided.comparison.part
    clone = part.trees[CLONE_SIDE].manifest
    for top, known in setting.memory.paths():
        path = part.inside(known.place)
        if path is None or clone.get(path) is None:
            yield top, known
