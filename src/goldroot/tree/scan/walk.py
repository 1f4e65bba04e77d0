"""Walking a tree: every path with its status, in tree order, into columns.

A directory is listed and its entries are asked for their status at once, in the interpreter's own loops; a directory
without directories in it, as most are, needs no loop of ours at all.  A large tree is walked by several processes: the
directories next to the top are looked into until there are enough of them to share out, and what is below each comes
back as a piece, to be put in its place.
"""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter, methodcaller, mul
from typing import NamedTuple

from goldroot.files import Cursor
from goldroot.tree.columns import Columns, append
from goldroot.tree.entry import OTHER_FILE_SYSTEM, Note, Progress
from goldroot.tree.kernel import DENIED, MOVED, changed, mounts_below, read_problem
from goldroot.tree.paths import tree_key
from goldroot.tree.workers import run_tasks, usual_jobs

# -- What the kernel says of an entry, many of its answers turned into columns at once

TYPE, IS_FILE, IS_DIRECTORY = 0o170000, 0o100000, 0o040000
#: From the type bits of a mode, shifted down, to kinds: a table for ``bytes.translate``.
KINDS = bytes.maketrans(bytes((8, 4, 10, 2, 6, 1, 12)), b"fdlcbps")
#: mtime and ctime are kept in 63 bits: to the year 2262.
_TIME = (1 << 63) - 1


#: What a scan keeps of a status, in the order of the names below.
Fields = tuple[int, int, int, int, int, int, int, int, int]
MODE, UID, GID, SIZE, MTIME, INODE, CTIME, LINKS, DEVICE = range(9)

#: The fields of a status.
fields_of = attrgetter(
    "st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ino", "st_ctime_ns", "st_nlink", "st_dev"
)


class GrowingColumns:
    """Columns as they grow, some thousand entries at a time."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._columns = Columns()
        self._paths: list[bytes] = []
        self._kinds: list[bytes] = []
        self._several: dict[tuple[int, int], list[int]] = {}  # files with several names: rows by device and inode
        self._count = 0

    def add(self, paths: list[bytes], statuses: list[Fields]) -> None:
        """Add entries, in tree order."""
        if not paths:
            return
        columns = self._columns
        modes, uids, gids, sizes, mtimes, inodes, ctimes, links, devices = zip(*statuses, strict=True)
        self._paths.append(b"\0".join(paths) + b"\0")
        kinds = bytes([mode >> 12 for mode in modes]).translate(KINDS)
        self._kinds.append(kinds)
        append(columns.modes, [mode & 0o7777 for mode in modes])
        append(columns.uids, uids)
        append(columns.gids, gids)
        files = [mode & TYPE == IS_FILE for mode in modes]
        append(columns.sizes, sizes if all(files) else list(map(mul, sizes, files)))
        self._add_times(columns.mtimes, mtimes, paths)
        append(columns.inodes, inodes)
        self._add_times(columns.ctimes, ctimes, paths)
        for place, count in enumerate(links):
            if count > 1 and modes[place] & TYPE != IS_DIRECTORY:
                self._several.setdefault((devices[place], inodes[place]), []).append(self._count + place)
        self._count += len(paths)

    def _add_times(self, column: array[int], times: tuple[int, ...], paths: list[bytes]) -> None:
        try:
            append(column, times)
        except OverflowError:
            far = [path for path, time in zip(paths, times, strict=True) if abs(time) > _TIME]
            self.notes += [Note("time-out-of-range", path, "its time lies beyond the year 2262; cut") for path in far]
            append(column, [max(-_TIME, min(_TIME, time)) for time in times])

    def add_all(self, other: GrowingColumns) -> None:
        """Add what stands in another, after what was added here."""
        for name in ("modes", "uids", "gids", "sizes", "mtimes", "inodes", "ctimes"):
            getattr(self._columns, name).extend(getattr(other._columns, name))
        self._paths += other._paths
        self._kinds += other._kinds
        self.notes += other.notes
        for inode, rows in other._several.items():
            self._several.setdefault(inode, []).extend([row + self._count for row in rows])
        self._count += other._count

    def finish(self) -> Columns:
        """All that was added; hard-link groups are numbered by their first names."""
        columns = self._columns
        columns.paths = b"".join(self._paths)
        columns.kinds = b"".join(self._kinds).decode("ascii")
        columns.groups = array("I", bytes(4 * self._count))
        groups = [rows for rows in self._several.values() if len(rows) > 1]
        for number, rows in enumerate(sorted(groups), 1):
            for row in rows:
                columns.groups[row] = number
        return columns


# -- Directories

#: How often a directory is listed that changes while it is listed.
TRIES = 3
LOST_AND_FOUND = b"lost+found"

Listed = list["os.DirEntry[str]"]
_ask = methodcaller("stat", follow_symlinks=False)
_name = attrgetter("name")


class Listing(NamedTuple):
    """A directory: its status when its names were read, and what is in it, sorted by the bytes of the names."""

    status: Fields
    paths: list[bytes]
    statuses: list[Fields]


class Lister:
    """Looks into the directories of the tree whose directory is open as ``root``.

    :param shown: the tree's path for messages.
    :param live: take what vanishes or changes under way as it comes, with a note, where otherwise it is an error.
    """

    def __init__(self, root: int, shown: bytes, *, live: bool) -> None:
        self.notes: list[Note] = []
        self.status: Fields = fields_of(os.fstat(root))
        self._root = root
        self._shown = shown
        self._live = live
        self._cursor = Cursor(root)
        self._mounts = mounts_below(root)

    def again(self) -> Lister:
        """A lister of the same tree that shares nothing with this one, for another process."""
        return Lister(self._root, self._shown, live=self._live)

    def close(self) -> None:
        self._cursor.close()

    def look(self, path: bytes, status: Fields) -> Listing | None:
        """What is in a directory; ``None`` where there is none any more, or it is not a part of the tree.

        :raises NoPermission: it cannot be read.
        :raises TreeChanged: it changed while it was read.
        """
        if status[DEVICE] != self.status[DEVICE] or path in self._mounts:
            text = "something else is mounted here; what is in it was not looked at"
            self.notes.append(Note(OTHER_FILE_SYSTEM, path, text))
            return Listing(status, [], [])
        is_lost_and_found = path == LOST_AND_FOUND and status[UID] == 0
        try:
            status, names, listed = self._list(path, status)
        except OSError as error:
            if not (is_lost_and_found and error.errno in DENIED):  # nobody but root ever sees into that
                self._missed(path, error)
            return None
        if is_lost_and_found and not listed:
            return None
        prefix = path + b"/" if path else b""
        paths = [prefix + name for name in names]
        statuses = self._ask_all(paths, listed)
        if not self._mounts.isdisjoint(paths):
            self._note_mounted_files(paths, statuses)
        return Listing(status, paths, statuses)

    def _note_mounted_files(self, paths: list[bytes], statuses: list[Fields]) -> None:
        """What is mounted on anything but a directory; that is noted when it is looked into."""
        for path, status in zip(paths, statuses, strict=True):
            if path in self._mounts and status[MODE] & TYPE != IS_DIRECTORY:
                self.notes.append(Note(OTHER_FILE_SYSTEM, path, "something else is mounted here, and hides what it is"))

    def _list(self, path: bytes, status: Fields) -> tuple[Fields, list[bytes], Listed]:
        fd = self._cursor.at(path)
        for _ in range(TRIES):
            names, listed = sorted_entries(fd)
            seen = fields_of(os.fstat(fd))
            if self._live and seen[DEVICE] == self.status[DEVICE]:
                return seen, *_each_once(names, listed)
            if seen[INODE] != status[INODE] or seen[DEVICE] != status[DEVICE]:
                raise changed(self._shown, path)
            if seen[CTIME] == status[CTIME]:
                return seen, names, listed
            status = seen
        raise changed(self._shown, path)

    def _ask_all(self, paths: list[bytes], listed: Listed) -> list[Fields]:
        """The status of each entry; in a live tree, ``paths`` loses those that are gone."""
        try:
            return list(map(fields_of, map(_ask, listed)))
        except OSError:
            pass
        here, statuses = [], []
        for path, entry in zip(paths, listed, strict=True):
            try:
                statuses.append(fields_of(entry.stat(follow_symlinks=False)))
                here.append(path)
            except OSError as error:
                self._missed(path, error)
        paths[:] = here
        return statuses

    def _missed(self, path: bytes, error: OSError) -> None:
        """Something is gone that was there a moment ago, or cannot be read."""
        if not (self._live and error.errno in MOVED):  # gone, or something else has taken the place on the way
            raise read_problem(error, self._shown, path) from error
        self.notes.append(Note("vanished", path, "it was deleted while the tree was read"))


def _each_once(names: list[bytes], listed: Listed) -> tuple[list[bytes], Listed]:
    """A name that is deleted and made while its directory is listed may be listed twice."""
    if len(set(names)) == len(names):
        return names, listed
    found = dict(zip(names, listed, strict=True))
    return list(found), list(found.values())


def sorted_entries(fd: int) -> tuple[list[bytes], Listed]:
    """What is in a directory: names, and entries to be asked, both sorted by the bytes of the names."""
    with os.scandir(fd) as found:
        listed = list(found)
    if not listed:
        return [], listed
    listed.sort(key=_name)
    # All names are turned into bytes in one go; no name holds a NUL.
    text = "\0".join(map(_name, listed))
    names = os.fsencode(text).split(b"\0")
    if text.isascii():
        return names, listed
    # Text does not sort as the bytes do that it was made from.
    pairs = sorted(zip(names, listed, strict=True))
    return [name for name, _ in pairs], [entry for _, entry in pairs]


# -- The walk

#: Entries remembered as the kernel gave them before they become columns.
BATCH = 4096
#: How many directories are found before they are shared out, and into how many tasks at most.
SHARED_OUT, TASKS = 64, 100
#: A tree with fewer directories, as far as can be guessed, is walked by one process.
WORTH_FORKING = 500

Pair = tuple[bytes, Fields]


@dataclass(slots=True)
class Walked:
    """What a status tells of every path; contents, extended attributes, flags and projects are still missing."""

    columns: Columns
    notes: list[Note]


@dataclass(slots=True)
class _Piece:
    """A directory with all that is in it."""

    path: bytes
    turning: GrowingColumns
    notes: list[Note] = field(default_factory=list)


def walk(
    root: int, shown: bytes, *, live: bool = False, jobs: int | None = None, progress: Progress | None = None
) -> Walked:
    """Walk over the tree whose directory is open as ``root``.

    :param shown: the tree's path for messages.
    :param live: take what vanishes or changes under way as it comes, with a note, where otherwise it is an error.
    :raises NoPermission: a directory cannot be read.
    :raises TreeChanged: something changed while it was read.
    """
    jobs = jobs or usual_jobs()
    with closing(Lister(root, shown, live=live)) as lister:
        near, far = _near_the_top(lister) if jobs > 1 else ([], [(b"", lister.status)])
        if progress and near:
            progress(len(near))
        # What the kernel counts in a directory is itself, its own ".", and the ".." of each directory in it.
        guess = sum(max(1, status[LINKS] - 1) for _, status in far)
        tasks = min(len(far), TASKS)

        def work(task: int, tell: Progress) -> list[_Piece]:
            share = far[len(far) * task // tasks : len(far) * (task + 1) // tasks]
            with closing(lister.again()) as own:
                return [_walk_piece(own, path, status, tell) for path, status in share]

        found = run_tasks(work, tasks, jobs=jobs if guess >= WORTH_FORKING else 1, progress=progress)
        pieces = [piece for pieces in found for piece in pieces]
        notes = [*lister.notes, *(note for piece in pieces for note in piece.notes)]
        return _together(near, pieces, notes)


def _near_the_top(lister: Lister) -> tuple[list[Pair], list[Pair]]:
    """What is near the top of the tree, and the directories that were not looked into, sorted."""
    near: list[Pair] = []
    far = deque([(b"", lister.status)])
    while far and len(far) < SHARED_OUT:
        path, status = far.popleft()
        inside = lister.look(path, status)
        if inside is not None:
            near.append((path, inside.status))
            for pair in zip(inside.paths, inside.statuses, strict=True):
                (far if pair[1][MODE] & TYPE == IS_DIRECTORY else near).append(pair)
    return near, sorted(far, key=lambda pair: tree_key(pair[0]))


def _together(near: list[Pair], pieces: list[_Piece], notes: list[Note]) -> Walked:
    """Everything in tree order."""
    whole = GrowingColumns()
    order: list[tuple[bytes, Pair | _Piece]] = [(tree_key(pair[0]), pair) for pair in near]
    order += [(tree_key(piece.path), piece) for piece in pieces]
    order.sort(key=lambda item: item[0])
    pairs: list[Pair] = []
    for _, item in order:
        if isinstance(item, _Piece):
            whole.add([path for path, _ in pairs], [status for _, status in pairs])
            whole.add_all(item.turning)
            pairs = []
        else:
            pairs.append(item)
    whole.add([path for path, _ in pairs], [status for _, status in pairs])
    return Walked(whole.finish(), [*notes, *whole.notes])


def _walk_piece(lister: Lister, path: bytes, status: Fields, progress: Progress) -> _Piece:
    walk = _Walk(lister, progress)
    known = len(lister.notes)
    walk.run(path, status)
    return _Piece(path, walk.turning, lister.notes[known:])


class _Walk:
    """One walk, over a directory and all that is in it."""

    def __init__(self, lister: Lister, progress: Progress) -> None:
        self.turning = GrowingColumns()
        self._lister = lister
        self._progress = progress
        self._paths: list[bytes] = []
        self._statuses: list[Fields] = []

    def run(self, path: bytes, status: Fields) -> None:
        stack = [iter([(path, status)])]
        while stack:
            for path, status in stack[-1]:
                if status[MODE] & TYPE != IS_DIRECTORY:
                    self._remember(path, status)
                    continue
                inside = self._lister.look(path, status)
                if inside is None:
                    continue
                self._remember(path, inside.status)
                below = self._take(inside)
                if below is not None:
                    stack.append(below)
                    break
            else:
                stack.pop()
        self._turn()

    def _take(self, inside: Listing) -> Iterator[Pair] | None:
        """What is in a directory, to be looked at one by one; ``None`` where it is remembered as it is."""
        for status in inside.statuses:
            if status[MODE] & TYPE == IS_DIRECTORY:
                return zip(inside.paths, inside.statuses, strict=True)
        self._paths += inside.paths
        self._statuses += inside.statuses
        return None

    def _remember(self, path: bytes, status: Fields) -> None:
        self._paths.append(path)
        self._statuses.append(status)
        if len(self._paths) >= BATCH:
            self._turn()

    def _turn(self) -> None:
        self.turning.add(self._paths, self._statuses)
        self._progress(len(self._paths))
        self._paths, self._statuses = [], []
