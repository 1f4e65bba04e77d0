"""How the rows of a new tree are shared among processes: pure.

The rows are cut into contiguous parts.  A part makes the directories, files and everything else of its own rows, and
completes its own directories.  What concerns several parts is done by the caller, before or after them all:

- the directories on the way to the first row of a part (``shared``) are made before and completed after;
- a hard link to a file of another part (``late``) is made after, and the directory that it stands in completed after;
- the inode flags of files with several names are set after, for an immutable file takes no further name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from goldroot.tree.bulk import starts_by_cost
from goldroot.tree.entry import DIRECTORY, Xattrs, parent

#: Source of a row whose content stands in the row itself.
INLINE = -1
#: Rows that one part has at least.
PART_ROWS = 1200


class BuildRow(NamedTuple):
    """One path of a tree to be written."""

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: Xattrs
    flags: int
    project: int
    source: int  #: which source a file's bytes come from; ``INLINE``: from ``content``
    source_path: bytes  #: where they are in that source
    content: bytes  #: inline: a file's bytes; from a source: its digest or ``b""``; a link's target; device numbers
    group: int  #: number of the hard-link group in the new tree, 0 for none
    inode: int  #: the source file's inode and ctime, which it must still have; 0 and 0: unchecked
    ctime: int


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The cut, and what is left to the caller; rows by place."""

    rows: Sequence[BuildRow]
    starts: list[int]  #: where each part starts, and the end
    shared: dict[bytes, int]  #: directories made before the parts
    firsts: dict[int, int]  #: each further name of a file -> its first name
    late: list[int] = field(default_factory=list)  #: further names made after the parts
    kept_open: frozenset[bytes] = frozenset()  #: directories completed after the parts


def plan_build(rows: Sequence[BuildRow], *, parts: bool) -> BuildPlan:
    """Cut the rows (in tree order) into parts; one part only where not ``parts``."""
    starts = starts_by_cost([1] * len(rows), least=PART_ROWS) if parts else [0]
    ways = {above for start in starts[1:] for above in _above(rows[start].path)}
    shared = {row.path: place for place, row in enumerate(rows) if row.kind == DIRECTORY and row.path in ways}
    firsts = _firsts(rows)
    late = _late(firsts, starts)
    kept_open = frozenset(shared).union(parent(rows[place].path) for place in late)
    return BuildPlan(rows, [*starts, len(rows)], shared, firsts, late, kept_open)


def _above(path: bytes) -> Iterator[bytes]:
    while path:
        path = parent(path)
        yield path


def _firsts(rows: Sequence[BuildRow]) -> dict[int, int]:
    first: dict[int, int] = {}
    found = {}
    for place, row in enumerate(rows):
        if row.group and first.setdefault(row.group, place) != place:
            found[place] = first[row.group]
    return found


def _late(firsts: dict[int, int], starts: list[int]) -> list[int]:
    return [place for place, first in firsts.items() if bisect_right(starts, place) != bisect_right(starts, first)]
