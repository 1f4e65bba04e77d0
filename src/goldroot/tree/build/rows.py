"""How the rows of a new tree are shared among processes, and put together again as its manifest: pure.

The rows are cut into contiguous parts.  A part makes the directories, files and everything else of its own rows, and
completes its own directories.  What concerns several parts is done by the caller, before or after them all:

- a hard link to a file of another part (``late``) is made after;
- the directories on the way to the first row of a part, or to such a link, are made before and completed after
  (``shared``);
- the inode flags of files with several names are set after, for an immutable file takes no further name.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from goldroot.tree.columns import ARRAYS, Columns, XattrSets, fill, in_first_use
from goldroot.tree.entry import DIRECTORY, Note, Xattrs
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


# -- The new manifest, put together from what the parts tell

Signature = tuple[int, int, int]  #: size, inode, ctime

#: What further names of a file have in common with its first.
_SHARED = tuple(name for name in ARRAYS if name not in ("content_sizes", "groups"))


@dataclass(slots=True)
class WrittenChunk:
    """What a worker tells of the rows that it wrote."""

    columns: Columns
    dropped: list[int] = field(default_factory=list)  #: places of rows that could not be made at all, sorted
    notes: list[Note] = field(default_factory=list)
    owners: list[tuple[bytes, int, int]] = field(default_factory=list)  #: path, uid, gid that could not be set


class Gathered:
    """All parts as one, to be corrected by what was done after them.  Rows are named by their places in the plan."""

    def __init__(self, parts: list[WrittenChunk]) -> None:
        self._columns = Columns()
        self._sets = XattrSets()
        self._parts = parts
        self._dropped = sorted(place for part in parts for place in part.dropped)
        self._late: set[int] = set()
        columns = self._columns
        columns.paths = b"".join([part.columns.paths for part in parts])
        columns.kinds = "".join([part.columns.kinds for part in parts])
        columns.contents = b"".join([part.columns.contents for part in parts])
        for part in parts:
            self._add(part.columns)

    def _add(self, part: Columns) -> None:
        numbers = [self._sets.number(xattrs) for xattrs in part.xattr_sets]
        if numbers != list(range(len(numbers))):
            part.xattrs = type(part.xattrs)("I", [numbers[number] for number in part.xattrs])
        for name in ARRAYS:
            getattr(self._columns, name).extend(getattr(part, name))

    def has(self, place: int) -> bool:
        """Whether the row was made."""
        index = bisect_left(self._dropped, place)
        return index == len(self._dropped) or self._dropped[index] != place

    def drop(self, place: int) -> None:
        """A row of the parts was not made after all."""
        self._late.add(self._index(place))

    def correct(self, place: int, signature: Signature, row: BuildRow) -> None:
        """What became of a row after its part was done: of a directory all, of a file its flags."""
        columns, index = self._columns, self._index(place)
        columns.sizes[index], columns.inodes[index], columns.ctimes[index] = signature
        columns.flags[index], columns.projects[index] = row.flags, row.project
        if row.kind == DIRECTORY:
            columns.modes[index] = row.mode
            columns.xattrs[index] = self._sets.number(row.xattrs)

    def follow(self, place: int, first: int) -> None:
        """A further name is the same file as the first."""
        if self.has(place) and self.has(first):
            here, there = self._index(place), self._index(first)
            for name in _SHARED:
                column = getattr(self._columns, name)
                column[here] = column[there]

    def part(self) -> WrittenChunk:
        """All that there is to tell."""
        columns = self._columns
        columns.xattrs, columns.xattr_sets = in_first_use(columns.xattrs, self._sets.sets)
        if self._late:
            columns = fill(row for index, row in enumerate(columns.rows()) if index not in self._late)
        notes = [note for part in self._parts for note in part.notes]
        owners = [owner for part in self._parts for owner in part.owners]
        return WrittenChunk(columns, self._dropped, notes, sorted(owners))

    def _index(self, place: int) -> int:
        return place - bisect_left(self._dropped, place)
