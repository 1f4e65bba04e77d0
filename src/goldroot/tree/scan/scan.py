"""Scanning: a directory on disk becomes a manifest, and what an earlier manifest of it knows is not read again.

A scan walks the tree once (:mod:`goldroot.tree.scan.walk`), takes from an earlier manifest what has not changed since, and reads
only the rest (:mod:`goldroot.tree.scan.reading`).

An entry whose inode, ctime, size and mtime are what they were has not changed: the kernel sets the ctime at each change
and lets nobody set it.  A ctime that was younger than :data:`RACY` when it was read proves nothing, since a change in
the same tick of the clock leaves no trace; such an entry is recorded with ctime 0, which no inode has.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Literal

from goldroot.files import Cursor, split
from goldroot.tree.columns import Columns, Row, XattrSets, fill, in_first_use
from goldroot.tree.entry import FILE, Note, Progress
from goldroot.tree.kernel import changed, open_tree, read_problem
from goldroot.tree.manifest import Manifest
from goldroot.tree.paths import is_below, tree_key
from goldroot.tree.scan.reading import (
    ENTRY_COST,
    TASK_COST,
    Chooser,
    ReadChunk,
    Reader,
    ToRead,
    Wanted,
    chooser,
    read_all,
)
from goldroot.tree.scan.walk import CTIME, GID, INODE, IS_FILE, MODE, MTIME, SIZE, TYPE, UID, walk

Root = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Scan:
    """A tree as it was found, and what a person should know about it."""

    manifest: Manifest
    notes: tuple[Note, ...]


#: Who may write into a tree while it is scanned; see :func:`scan_tree`.
Writers = Literal["unknown", "live", "snapshot", "ended"]


def scan_tree(
    root: Root,
    *,
    known: Manifest | None = None,
    contents: bool | Chooser = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    writers: Writers = "unknown",
) -> Scan:
    """Read a tree into a manifest.  Nothing below ``root`` is followed, and no other file system entered.

    :param known: an earlier manifest of this tree, or of the one it was cloned from block by block: entries whose
        inode, ctime, size and mtime are equal are taken from it without being opened.
    :param contents: which files to hash: all, none (``False``), or by path; what ``known`` has is taken in any case.
    :param jobs: processes at once; ``None``: one for each processor.
    :param progress: called with numbers of entries, first as they are found, then as they are read.
    :param writers: ``"live"``: the tree belongs to a running system: what changes meanwhile is read again, what vanishes
        is left out and what never stands still is taken as it comes, each with a note.  ``"snapshot"``: it is a copy, at one
        point in time, of the disk of a running system.  ``"ended"``: whoever wrote the tree
        has ended, and nobody else can: young ctimes are trusted, too.  ``"unknown"``: nobody should write, but might.
    :raises BadInput: there is no directory.
    :raises NoPermission: something cannot be read; the error names it.
    :raises TreeChanged: something changed while it was read.
    """
    return scan_trees([root], [known], contents=contents, jobs=jobs, progress=progress, writers=writers)[0]


def scan_trees(
    roots: Sequence[Root],
    known: Sequence[Manifest | None] | None = None,
    *,
    contents: bool | Chooser = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    writers: Writers = "unknown",
) -> list[Scan]:
    """Read several trees that are alike: a file that is the same in all is hashed once.

    Parameters and errors are those of :func:`scan_tree`, ``known`` one for each tree.
    """
    started, live = time.time_ns(), writers == "live"
    mapped: frozenset[int] = frozenset()
    if live:
        from goldroot.tree.scan.live import distrust_mapped, mapped_inodes

        mapped = mapped_inodes()
    chosen = chooser(contents)
    known = known or [None] * len(roots)
    with ExitStack() as stack:
        opened = [stack.enter_context(opened_tree(root)) for root in roots]
        walks = [walk(*tree, live=live, jobs=jobs, progress=progress) for tree in opened]
        details = [
            Details(walked.columns, None if before is None else before.columns, contents=chosen)
            for walked, before in zip(walks, known, strict=True)
        ]
        entries = [Missing(walked.columns, each.missing) for walked, each in zip(walks, details, strict=True)]
        trees = [ToRead(*tree, missing) for tree, missing in zip(opened, entries, strict=True)]
        parts = read_all(trees, contents=chosen, jobs=jobs, progress=progress, live=live)
    scans = []
    for walked, each, before, read in zip(walks, details, known, parts, strict=True):
        each.take_all(read)
        # What is as it was known has been trusted before, with better reason than its age.
        if writers != "ended":
            distrust_young(walked.columns, each.missing, started - (UNWRITTEN if writers == "snapshot" else 0))
        if mapped:
            distrust_mapped(walked.columns, mapped)
        scans.append(Scan(manifest_of(each.complete(), before), (*walked.notes, *each.notes)))
    return scans


def manifest_of(columns: Columns, known: Manifest | None) -> Manifest:
    """The manifest of what was read, with the owners that ``known`` has recorded."""
    if known is None:
        return Manifest(columns)
    with_recorded_owners(columns, known)
    return Manifest(columns, known.squashed)


@contextmanager
def opened_tree(root: Root) -> Iterator[tuple[int, bytes]]:
    """The tree's descriptor, and its name for messages."""
    top = open_tree(root)
    try:
        yield top, os.fsencode(root)
    finally:
        os.close(top)


def hash_files(root: Root, paths: Iterable[bytes], *, jobs: int | None = None) -> dict[bytes, bytes]:
    """The SHA-256 digests of some files of a tree.

    :raises TreeChanged: one is gone, is not a file any more, or changed while it was read.
    :raises NoPermission: one cannot be read.
    """
    with opened_tree(root) as (top, shown):
        wanted = list(_as_they_are(top, shown, sorted(paths, key=tree_key)))
        if sum(one.size + ENTRY_COST for one in wanted) <= TASK_COST:  # not worth a second process
            found: dict[bytes, bytes] = {}
            with closing(Reader(top, shown, contents=chooser(True))) as reader:
                for one in wanted:
                    found[one.path] = reader.read(one).content
            return found
        entries = _Given(wanted)
        parts = read_all([ToRead(top, shown, entries)], contents=chooser(True), jobs=jobs)[0]
    return dict(zip(entries.paths, (content for part in parts for content in part.contents), strict=True))


class _Given:
    """Entries that are at hand."""

    def __init__(self, wanted: list[Wanted]) -> None:
        self._wanted = wanted
        self.paths = [entry.path for entry in wanted]
        self.sizes = [entry.size for entry in wanted]

    def part(self, start: int, stop: int) -> list[Wanted]:
        return self._wanted[start:stop]


def _as_they_are(top: int, shown: bytes, paths: Sequence[bytes]) -> Iterator[Wanted]:
    cursor = Cursor(top)
    try:
        for path in paths:
            directory, name = split(path)
            status = os.stat(name, dir_fd=cursor.at(directory), follow_symlinks=False)
            if status.st_mode & TYPE != IS_FILE:
                raise changed(shown, path)
            yield Wanted(path, FILE, status.st_size, status.st_ino, status.st_ctime_ns)
    except OSError as error:
        raise read_problem(error, shown, path) from error
    finally:
        cursor.close()


# -- What an earlier manifest of the same tree spares a scan: pure, on columns

#: What stays of a file's mode where its owner could not be set: no set-uid and set-gid.
WITHOUT_SET_ID = 0o1777
#: Where a row has the number of its hard-link group.
GROUP = 11
#: Nanoseconds; the coarsest time stamps of file systems in use are 2 s.
RACY = 2_000_000_000
#: The same for what a program has mapped to write to: so long a page may wait to be written, with room to spare
#: (vm.dirty_expire_centisecs is 30 s); in a guest nobody can see who has mapped what, so a ctime so young proves nothing there.
UNWRITTEN = 60_000_000_000


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
