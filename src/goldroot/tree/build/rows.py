"""How the rows of a new tree are shared among processes: pure.

The rows are cut into contiguous parts.  A part makes the directories, files and everything else of its own rows, and
completes its own directories.  What concerns several parts is done by the caller, before or after them all:

- a hard link to a file of another part (``late``) is made after;
- the directories on the way to the first row of a part, or to such a link, are made before and completed after
  (``shared``);
- the inode flags of files with several names are set after, for an immutable file takes no further name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from goldroot.tree.entry import DIRECTORY, Xattrs
from goldroot.tree.paths import parent

#: Source of a row whose content stands in the row itself.
INLINE = -1
#: Rows that one part has at least, and into how many parts a large tree is cut.
PART_ROWS, PARTS = 1000, 32


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
    size: int = -1  #: the source file's length where it is known, which spares asking for it


@dataclass(frozen=True, slots=True)
class Cut:
    """The cut, and what is left to the caller; rows by place."""

    rows: Sequence[BuildRow]
    starts: list[int]  #: where each part starts, and the end
    shared: dict[bytes, int]  #: directories made before the parts and completed after them
    firsts: dict[int, int]  #: each further name of a file -> its first name
    groups: dict[int, int]  #: hard-link groups of several rows: their numbers in the new manifest
    late: list[int]  #: further names made after the parts


def cut_rows(rows: Sequence[BuildRow], *, parts: bool) -> Cut:
    """Cut the rows (in tree order) into parts; one part only where not ``parts``."""
    size = max(PART_ROWS, len(rows) // PARTS + 1) if parts else len(rows) + 1
    starts = list(range(0, len(rows), size)) or [0]
    firsts = _firsts(rows)
    late = [place for place, first in firsts.items() if bisect_right(starts, place) != bisect_right(starts, first)]
    ways = {above for place in (*starts[1:], *late) for above in _above(rows[place].path)}
    shared = {row.path: place for place, row in enumerate(rows) if row.path in ways and row.kind == DIRECTORY}
    return Cut(rows, [*starts, len(rows)], shared, firsts, _numbers(rows, firsts), late)


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


def _numbers(rows: Sequence[BuildRow], firsts: dict[int, int]) -> dict[int, int]:
    """Groups numbered from 1 by their first names; a group of one row is none."""
    return {rows[first].group: number for number, first in enumerate(sorted(set(firsts.values())), 1)}
