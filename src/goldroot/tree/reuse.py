"""What an earlier manifest of the same tree spares a scan: pure, on columns.

An entry whose inode, ctime, size and mtime are what they were has not changed: the kernel sets the ctime at each change
and lets nobody set it.  A ctime that was younger than :data:`RACY` when it was read proves nothing, since a change in
the same tick of the clock leaves no trace; such an entry is recorded with ctime 0, which no inode has.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from goldroot.tree.bulk import Part
from goldroot.tree.columns import Columns, XattrSets
from goldroot.tree.entry import Xattrs, tree_key
from goldroot.tree.manifest import Manifest
from goldroot.tree.reading import Chooser, Wanted

#: What stays of a file's mode where its owner could not be set: no set-uid and set-gid.
WITHOUT_SET_ID = 0o1777
#: Nanoseconds; the coarsest time stamps of file systems in use are 2 s.
RACY = 2_000_000_000


def unchanged_rows(columns: Columns, known: Columns) -> list[int]:
    """For each row the row of ``known`` that is the same inode in the same state, else -1."""
    if columns.paths == known.paths:
        places: Iterable[int] = range(len(columns))
    else:
        places = _same_paths(columns, known)
    signs = zip(columns.inodes, columns.ctimes, columns.sizes, columns.mtimes, strict=True)
    inodes, ctimes, sizes, mtimes = known.inodes, known.ctimes, known.sizes, known.mtimes
    return [
        place
        if place >= 0
        and inode == inodes[place]
        and ctime == ctimes[place]
        and size == sizes[place]
        and mtime == mtimes[place]
        else -1
        for place, (inode, ctime, size, mtime) in zip(places, signs, strict=True)
    ]


def _same_paths(columns: Columns, known: Columns) -> Iterator[int]:
    """For each row the row of ``known`` with the same path, else -1."""
    others = known.each_path()
    other, place = next(others, None), 0
    for path in columns.each_path():
        while other is not None and other != path and tree_key(other) < tree_key(path):
            other, place = next(others, None), place + 1
        if other == path:
            yield place
            other, place = next(others, None), place + 1
        else:
            yield -1


class Facts:
    """What has to be read of each entry, as far as it is known: contents, extended attributes, flags, projects."""

    def __init__(self, columns: Columns, known: Columns | None, *, contents: Chooser) -> None:
        size = len(columns)
        self.contents: list[bytes] = [b""] * size
        self.xattrs: list[Xattrs] = [()] * size
        self.flags = array("B", bytes(size))
        self.projects = array("I", bytes(4 * size))
        self.missing: list[int] = list(range(size))
        if known is not None:
            self._take(columns, known, contents=contents)

    def _take(self, columns: Columns, known: Columns, *, contents: Chooser) -> None:
        known_contents, known_xattrs = list(known.each_content()), list(known.each_xattrs())
        places = unchanged_rows(columns, known)
        missing = []
        for row, (place, path) in enumerate(zip(places, columns.each_path(), strict=True)):
            if place < 0 or (not known_contents[place] and columns.kinds[row] == "f" and contents(path)):
                missing.append(row)
                continue
            self.contents[row] = known_contents[place]
            self.xattrs[row] = known_xattrs[place]
            self.flags[row] = known.flags[place]
            self.projects[row] = known.projects[place]
        self.missing = missing

    def take(self, part: Part) -> None:
        """Add what was read of the missing entries from ``part.start`` on."""
        for place, content in enumerate(part.contents, part.start):
            self.contents[self.missing[place]] = content
        for place, (xattrs, flags, project) in part.others.items():
            row = self.missing[place]
            self.xattrs[row], self.flags[row], self.projects[row] = xattrs, flags, project

    def into(self, columns: Columns) -> None:
        """Complete the columns with what was read."""
        sets = XattrSets()
        columns.content_sizes = array("H", map(len, self.contents))
        columns.contents = b"".join(self.contents)
        columns.xattrs = array("I", map(sets.number, self.xattrs))
        columns.xattr_sets = sets.sets
        columns.flags = self.flags
        columns.projects = self.projects


class Missing(Sequence[Wanted]):
    """The missing entries, with what the walk saw of them; each made when it is asked for."""

    def __init__(self, columns: Columns, rows: list[int]) -> None:
        self._columns = columns
        self._rows = rows
        wanted = set(rows)
        every = len(rows) == len(columns)
        self._paths = [path for row, path in enumerate(columns.each_path()) if every or row in wanted]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Wanted: ...

    @overload
    def __getitem__(self, place: slice) -> list[Wanted]: ...

    def __getitem__(self, place: int | slice) -> Wanted | list[Wanted]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        c, row = self._columns, self._rows[place]
        return Wanted(self._paths[place], c.kinds[row], c.sizes[row], c.inodes[row], c.ctimes[row])


def with_recorded_owners(columns: Columns, known: Manifest) -> None:
    """Where the tree was written without the right to give files away, take the owners that were recorded instead.

    It holds for a file that was changed since, too, as long as it still belongs to whoever wrote the tree.
    """
    squashed, old = known.squashed, known.columns
    if squashed is None:
        return
    for row, place in enumerate(_same_paths(columns, old)):
        if place >= 0 and (columns.uids[row], columns.gids[row]) == (squashed.uid, squashed.gid):
            columns.uids[row], columns.gids[row] = old.uids[place], old.gids[place]
            if columns.modes[row] == old.modes[place] & WITHOUT_SET_ID:
                columns.modes[row] = old.modes[place]


def without_racy(ctimes: array[int], started: int) -> array[int]:
    """The ctimes, 0 where they are too young to be trusted; ``started`` in nanoseconds since 1970."""
    limit = started - RACY
    if not ctimes or max(ctimes) <= limit:
        return ctimes
    return array("q", [ctime if ctime <= limit else 0 for ctime in ctimes])
