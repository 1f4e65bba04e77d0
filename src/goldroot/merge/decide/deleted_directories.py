"""What gold added below a directory that the clone deleted: one question, asked at the topmost directory that is gone.

Twenty new files below ``/etc/apache2`` of a server that has no Apache any more are one cause.  The value of the question is
all that gold added there, so an answer holds for every server that deleted the directory, and not for a later gold
that adds something else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from goldroot.files import digest_of
from goldroot.merge.compare.comparison import Comparison
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Rows
from goldroot.merge.decide.verdict import Setting, value_of, want_of
from goldroot.tree import is_below, some_paths


@dataclass(frozen=True, slots=True)
class Added:
    """What gold added below one directory."""

    paths: tuple[bytes, ...]  #: relative to the trees, in tree order
    value: bytes  #: a digest of all of it
    detail: str  #: for a person


def additions_below(comparison: Comparison, path: bytes, setting: Setting, apart: Collection[str]) -> Added | None:
    """What gold added below a directory that the clone deleted and gold has.

    :param apart: the classes whose paths are not asked about.
    """
    paths, parts = [], []
    for below in (*comparison.below(path), *(unit for unit in comparison.units if is_below(unit, path))):
        if not _is_added(comparison, below, apart):
            continue
        paths.append(below)
        parts += [below, _value(comparison, below, setting)]
    if not paths:
        return None
    return Added(tuple(paths), digest_of(parts), _detail(comparison, paths))


def rows_of(comparison: Comparison, path: bytes) -> Rows:
    """A path's rows; what is in a state unit is not a delta, nor is what is the same in all three."""
    return comparison.deltas.get(path) or comparison.part.rows(path)


def _is_added(comparison: Comparison, path: bytes, apart: Collection[str]) -> bool:
    unit = comparison.units.get(path)
    if unit is not None:
        return unit.present[GOLD_SIDE] and not (unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or unit.pinned)
    base, gold, clone = comparison.deltas[path]
    rule = comparison.rules[path]
    return gold is not None and base is None and clone is None and rule.cls not in apart and not rule.pin


def _value(comparison: Comparison, path: bytes, setting: Setting) -> bytes:
    if path in comparison.units:
        return b"unit"
    gold = comparison.deltas[path][GOLD_SIDE]
    return b"" if gold is None else value_of(want_of(gold, setting.names[GOLD_SIDE], GOLD_SIDE))


def _detail(comparison: Comparison, paths: Collection[bytes]) -> str:
    return f"the clone deleted this directory; gold added below it: {some_paths(map(comparison.part.place, paths))}"
