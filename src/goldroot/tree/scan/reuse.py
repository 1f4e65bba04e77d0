"""What an earlier manifest of the same tree spares a scan: pure, on columns.

An entry whose inode, ctime, size and mtime are what they were has not changed: the kernel sets the ctime at each change
and lets nobody set it.  A ctime that was younger than :data:`RACY` when it was read proves nothing, since a change in
the same tick of the clock leaves no trace; such an entry is recorded with ctime 0, which no inode has.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence

from goldroot.tree.columns import Columns, Row, XattrSets, fill, in_first_use
from goldroot.tree.entry import FILE, Note
from goldroot.tree.manifest import Manifest
from goldroot.tree.paths import is_below, tree_key
from goldroot.tree.scan.reading import Chooser, ReadChunk, Wanted
from goldroot.tree.scan.walk import CTIME, GID, INODE, MODE, MTIME, SIZE, UID

# -- Files that a program of this machine has mapped to write to: their ctimes prove nothing while it runs.  The kernel sets a
# file's times when a page of its mapping is first written to, and not again until that page is on the disk: up to half a minute
# in which all that a database like LMDB writes leaves no trace.

#: Nanoseconds that such a page may wait to be written, with room to spare (vm.dirty_expire_centisecs is 30 s): in a
#: guest nobody can see who has mapped what, so a ctime so young proves nothing there.
UNWRITTEN = 60_000_000_000


def mapped_inodes() -> frozenset[int]:
    """The inode numbers of files that are mapped shared and writable, as far as this process may see who maps them.

    proc(5), ``/proc/PID/maps``.  Numbers alone: the device that stands beside them is another than a file's own on btrfs.
    """
    found: set[int] = set()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdecimal():
            found.update(_of_process(name))
    return frozenset(found)


def _of_process(pid: str) -> set[int]:
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            text = file.read()
    except OSError:  # it has ended, or is another user's
        return set()
    if b" rw-s " not in text:
        return set()
    lines = (line.split(maxsplit=5) for line in text.splitlines())
    return {int(words[4]) for words in lines if words[1] == b"rw-s"} - {0}


#: What stays of a file's mode where its owner could not be set: no set-uid and set-gid.
WITHOUT_SET_ID = 0o1777
#: Where a row has the number of its hard-link group.
GROUP = 11
#: Nanoseconds; the coarsest time stamps of file systems in use are 2 s.
RACY = 2_000_000_000


def unchanged_rows(columns: Columns, known: Columns) -> Sequence[int]:
    """For each row the row of ``known`` that is the same inode in the same state, else -1."""
    signed = (columns.inodes, columns.ctimes, columns.sizes, columns.mtimes)
    known_signed = (known.inodes, known.ctimes, known.sizes, known.mtimes)
    same_paths = columns.paths == known.paths
    if same_paths and all(map(_equal, signed, known_signed)):
        return range(len(columns))
    places: Iterable[int] = range(len(columns)) if same_paths else _same_paths(columns, known)
    inodes, ctimes, sizes, mtimes = known_signed
    return [
        place
        if place >= 0
        and inode == inodes[place]
        and ctime == ctimes[place]
        and size == sizes[place]
        and mtime == mtimes[place]
        else -1
        for place, inode, ctime, size, mtime in zip(places, *signed, strict=True)
    ]


def _equal(one: array[int], other: array[int]) -> bool:
    return one.tobytes() == other.tobytes()


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


class Details:
    """What has to be read of each entry, as far as it is known: contents, extended attributes, flags, projects."""

    def __init__(self, columns: Columns, known: Columns | None, *, contents: Chooser) -> None:
        size = len(columns)
        self.notes: list[Note] = []
        self._columns = columns
        self._gone: set[int] = set()
        self._changed = False
        self.missing: Sequence[int] = range(size)
        self._contents: list[bytes] = [b""] * size
        self._sets = XattrSets()
        self._xattrs = array("I", bytes(4 * size))
        self._flags = array("B", bytes(size))
        self._projects = array("I", bytes(4 * size))
        if known is not None:
            self._take_known(known, contents)

    def _take_known(self, known: Columns, contents: Chooser) -> None:
        columns = self._columns
        places = unchanged_rows(columns, known)
        known_contents = list(known.each_content())
        numbers = [self._sets.number(xattrs) for xattrs in known.xattr_sets]
        self._contents = [known_contents[place] if place >= 0 else b"" for place in places]
        self._xattrs = array("I", [numbers[known.xattrs[place]] if place >= 0 else 0 for place in places])
        self._flags = _taken(known.flags, places)
        self._projects = _taken(known.projects, places)
        missing = [row for row, place in enumerate(places) if place < 0]
        unread = [row for row, content in enumerate(self._contents) if not content and columns.kinds[row] == FILE]
        if unread:
            missing += [row for row, path in _paths_of(columns, unread) if places[row] >= 0 and contents(path)]
        self.missing = sorted(missing)

    def take_all(self, parts: Iterable[ReadChunk]) -> None:
        """Add what was read of the missing entries."""
        for part in parts:
            for place, content in enumerate(part.contents, part.start):
                self._contents[self.missing[place]] = content
            for place, (xattrs, flags, project) in part.others.items():
                row = self.missing[place]
                self._xattrs[row], self._flags[row], self._projects[row] = self._sets.number(xattrs), flags, project
            if part.newer or part.gone or part.torn:
                self._take_changes(part)

    def _take_changes(self, part: ReadChunk) -> None:
        """What became of a live tree while it was read."""
        columns = self._columns
        self._changed = True
        for place, status in part.newer.items():
            row = self.missing[place]
            columns.modes[row], columns.uids[row], columns.gids[row] = status[MODE] & 0o7777, status[UID], status[GID]
            columns.sizes[row] = status[SIZE] if columns.kinds[row] == FILE else 0
            columns.mtimes[row], columns.inodes[row], columns.ctimes[row] = status[MTIME], status[INODE], status[CTIME]
        self._gone.update(self.missing[place] for place in part.gone)
        torn = [self.missing[place] for place in part.torn]
        for row in torn:
            columns.ctimes[row] = 0
        for row, path in _paths_of(columns, [*torn, *self._gone]):
            if row in self._gone:
                self.notes.append(Note("vanished", path, "it was deleted while the tree was read"))
            else:
                self.notes.append(Note("changed-while-read", path, "it was written all the time while it was read"))

    def complete(self) -> Columns:
        """The columns with all that was read, without what is gone."""
        columns = self._columns
        columns.content_sizes = array("H", list(map(len, self._contents)))
        columns.contents = b"".join(self._contents)
        columns.xattrs, columns.xattr_sets = in_first_use(self._xattrs, self._sets.sets)
        columns.flags = self._flags
        columns.projects = self._projects
        if self._gone:
            columns = fill(_without(columns, self._gone))
        if self._changed and any(columns.groups):
            columns.groups = _groups_again(columns)
        return columns


def _groups_again(columns: Columns) -> array[int]:
    """The hard-link groups of a live tree, where a name may have become another file's since the walk."""
    found: dict[object, list[int]] = {}
    for place, row in enumerate(columns.rows()):
        if row[GROUP]:
            found.setdefault(row[1:], []).append(place)
    groups = array("I", bytes(4 * len(columns)))
    for number, places in enumerate((each for each in found.values() if len(each) > 1), 1):
        for place in places:
            groups[place] = number
    return groups


def _without(columns: Columns, gone: set[int]) -> Iterator[Row]:
    """All rows but some, and but what stands below them."""
    above: bytes | None = None
    for place, row in enumerate(columns.rows()):
        if above is not None and is_below(row[0], above):
            continue
        above = row[0] if place in gone else None
        if above is None:
            yield row


def _taken(column: array[int], places: Sequence[int]) -> array[int]:
    """A column's values at some places, 0 where the place is -1."""
    if isinstance(places, range):
        return column
    return array(column.typecode, [column[place] if place >= 0 else 0 for place in places])


def _paths_of(columns: Columns, rows: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    wanted = set(rows)
    return ((row, path) for row, path in enumerate(columns.each_path()) if row in wanted)


class Missing:
    """The missing entries, with what the walk saw of them."""

    def __init__(self, columns: Columns, rows: Sequence[int]) -> None:
        self._columns = columns
        self._rows = rows
        if len(rows) == len(columns):
            paths = columns.each_path()
        else:
            paths = (path for _, path in _paths_of(columns, rows))
        self.paths = list(paths) if rows else []
        self.sizes = [columns.sizes[row] for row in rows]

    def part(self, start: int, stop: int) -> list[Wanted]:
        """The entries of some places."""
        c, rows = self._columns, self._rows[start:stop]
        columns = ([column[row] for row in rows] for column in (c.kinds, c.sizes, c.inodes, c.ctimes))
        return list(map(Wanted, self.paths[start:stop], *columns))


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


def distrust_young(columns: Columns, rows: Iterable[int], started: int) -> None:
    """Give ctime 0 to those of some rows whose ctime is too young to be trusted; ``started``: ns since 1970."""
    limit = started - RACY
    if columns.ctimes and max(columns.ctimes) > limit:
        for row in rows:
            if columns.ctimes[row] > limit:
                columns.ctimes[row] = 0


def distrust_mapped(columns: Columns, inodes: Collection[int]) -> None:
    """Give ctime 0 to files that a program writes by a mapping; ``inodes``: theirs."""
    for row, inode in enumerate(columns.inodes):
        if inode in inodes and columns.kinds[row] == FILE:
            columns.ctimes[row] = 0
