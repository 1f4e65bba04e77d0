"""What was decided of one part: every path that differs with its verdict, every changed state unit with its side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from goldroot.merge.axes import INLINE, Verdict
from goldroot.merge.model import Conflict
from goldroot.merge.survey import Survey
from goldroot.tree.entry import DIRECTORY, Entry, parent, tree_key

NO_SIDE = INLINE  #: of a cover or a unit: nothing is there


@dataclass(slots=True)
class UnitVerdict:
    """Whose a state unit is in the result."""

    side: int  #: GOLD_SIDE, CLONE_SIDE, or NO_SIDE
    outcome: str
    conflict: Conflict | None = None
    notes: list[str] = field(default_factory=list)
    because: bytes = b""  #: the path above whose conflict this one shares


@dataclass
class Decided:
    """Every delta of a part with its verdict, every changed unit with its side."""

    survey: Survey
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)  #: in tree order
    units: dict[bytes, UnitVerdict] = field(default_factory=dict)


def is_directory(row: Entry | None) -> bool:
    return row is not None and row.kind == DIRECTORY


def in_tree_order(paths: Iterable[bytes]) -> list[bytes]:
    return sorted(set(paths), key=tree_key)


def upwards(path: bytes) -> Iterable[bytes]:
    """The path and every directory above it, nearest first."""
    while path:
        yield path
        path = parent(path)
    yield b""
