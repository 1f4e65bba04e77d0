"""The new manifest, put together from what the parts of a build tell."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from goldroot.tree.build.rows import BuildRow
from goldroot.tree.columns import ARRAYS, Columns, XattrSets, fill, in_first_use
from goldroot.tree.entry import DIRECTORY
from goldroot.tree.notes import Note

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
