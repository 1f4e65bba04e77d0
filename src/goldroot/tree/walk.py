"""Walking a tree: every path with its status, in tree order, into columns.

This is where a scan's time goes, so the loop over names does nothing but ask the kernel and remember; what it remembers
is turned into columns some thousand entries at a time.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator

from goldroot.tree.columns import Columns
from goldroot.tree.cursor import KEPT_AT_TOP, Cursor
from goldroot.tree.mounts import mounts_below
from goldroot.tree.notes import Note, Progress
from goldroot.tree.problems import DENIED, changed, read_problem

#: Entries remembered as the kernel gave them before they become columns.
BATCH = 4096
#: How often a directory is listed that changes while it is listed.
TRIES = 3
LOST_AND_FOUND = b"lost+found"

TYPE, IS_FILE, IS_DIRECTORY = 0o170000, 0o100000, 0o040000
#: From the type bits of a mode, shifted down, to kinds.
_KINDS = bytes.maketrans(bytes((8, 4, 10, 2, 6, 1, 12)), b"fdlcbps")
_TIME = (1 << 63) - 1

Entries = list[tuple[bytes, "os.DirEntry[str]"]]
Statuses = Iterator[tuple[bytes, os.stat_result]]


class Walk:
    """One walk over the tree whose directory is open as ``root``.

    :param shown: the tree's path for messages.
    :param live: take what vanishes or changes under way as it comes, with a note, where otherwise it is an error.
    """

    def __init__(self, root: int, shown: bytes, *, live: bool = False, progress: Progress | None = None) -> None:
        self.notes: list[Note] = []
        self._root = root
        self._shown = shown
        self._live = live
        self._progress = progress
        self._cursor = Cursor(root)
        self._mounts = mounts_below(root)
        self._device = 0
        self._paths: list[bytes] = []
        self._statuses: list[os.stat_result] = []
        self._turned = _Turned()

    def run(self) -> Columns:
        """All that a status tells; contents, extended attributes, flags and projects are still missing.

        :raises NoPermission: a directory cannot be read.
        :raises TreeChanged: something changed while it was read.
        """
        status = os.fstat(self._root)
        self._device = status.st_dev
        self._remember(b"", status)
        try:
            self._descend(status)
        finally:
            self._cursor.close()
        self._turn()
        columns = self._turned.finish()
        self.notes.extend(self._turned.notes)
        return columns

    def _descend(self, status: os.stat_result) -> None:
        stack = [(b"", self._list(b"", self._root, status))]
        remember = self._remember
        while stack:
            prefix, statuses = stack[-1]
            for name, status in statuses:
                remember(prefix + name, status)
                if status.st_mode & TYPE == IS_DIRECTORY:
                    below = self._enter(prefix + name, status, len(stack))
                    if below is not None:
                        stack.append((prefix + name + b"/", below))
                        break
            else:
                stack.pop()

    def _remember(self, path: bytes, status: os.stat_result) -> None:
        if len(self._paths) >= BATCH:
            self._turn()
        self._paths.append(path)
        self._statuses.append(status)

    def _forget(self) -> None:
        """Take back the last path."""
        del self._paths[-1], self._statuses[-1]

    def _turn(self) -> None:
        self._turned.add(self._paths, self._statuses)
        if self._progress:
            self._progress(len(self._paths))
        self._paths, self._statuses = [], []

    def _enter(self, path: bytes, status: os.stat_result, depth: int) -> Statuses | None:
        """What is in a directory; ``None`` where that is not to be looked at."""
        if status.st_dev != self._device or path in self._mounts:
            text = "something else is mounted here; what is in it was not looked at"
            self.notes.append(Note("other-file-system", path, text))
            return None
        try:
            statuses = self._list(path, self._cursor.at(path), status)
        except OSError as error:
            self._not_entered(path, status, error)
            return None
        if depth < KEPT_AT_TOP and path != LOST_AND_FOUND:
            return statuses
        listed = list(statuses)  # deep down, the descriptor is closed before they are used up
        if path == LOST_AND_FOUND and status.st_uid == 0 and not listed:
            self._forget()
        return iter(listed)

    def _not_entered(self, path: bytes, status: os.stat_result, error: OSError) -> None:
        if path == LOST_AND_FOUND and status.st_uid == 0 and error.errno in DENIED:
            self._forget()  # nobody but root ever sees what is in it
            return
        self._missed(path, error)
        self._forget()

    def _missed(self, path: bytes, error: OSError) -> None:
        """Something is gone that was there a moment ago, or cannot be read."""
        if not (self._live and isinstance(error, FileNotFoundError)):
            raise read_problem(error, self._shown, path) from error
        self.notes.append(Note("vanished", path, "it was deleted while the tree was read"))

    def _list(self, path: bytes, fd: int, status: os.stat_result) -> Statuses:
        """The names in a directory, sorted, each with its status (which is asked for when it is taken)."""
        for _ in range(TRIES):
            entries = _entries(fd)
            seen = os.fstat(fd)
            if (seen.st_ino, seen.st_dev) != (status.st_ino, status.st_dev):
                raise changed(self._shown, path)
            self._statuses[-1] = seen
            if self._live or seen.st_ctime_ns == status.st_ctime_ns:
                return self._ask(path + b"/" if path else b"", entries)
            status = seen
        raise changed(self._shown, path)

    def _ask(self, prefix: bytes, entries: Entries) -> Statuses:
        for name, entry in entries:
            try:
                yield name, entry.stat(follow_symlinks=False)
            except OSError as error:
                self._missed(prefix + name, error)


def _entries(fd: int) -> Entries:
    """What a directory holds, sorted by the bytes of the names."""
    with os.scandir(fd) as found:
        entries = list(found)
    if not entries:
        return []
    # One call turns all names back into bytes; no name holds a NUL.
    names = os.fsencode("\0".join([entry.name for entry in entries])).split(b"\0")
    return sorted(zip(names, entries, strict=True))


class _Turned:
    """Columns as they grow."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._columns = Columns()
        self._paths: list[bytes] = []
        self._kinds: list[bytes] = []
        self._several: dict[tuple[int, int], list[int]] = {}  # files with several names: rows by device and inode
        self._count = 0

    def add(self, paths: list[bytes], statuses: list[os.stat_result]) -> None:
        columns = self._columns
        modes = [status.st_mode for status in statuses]
        self._paths.append(b"\0".join(paths) + b"\0")
        self._kinds.append(bytes([mode >> 12 for mode in modes]).translate(_KINDS))
        columns.modes.extend([mode & 0o7777 for mode in modes])
        columns.uids.extend([status.st_uid for status in statuses])
        columns.gids.extend([status.st_gid for status in statuses])
        columns.sizes.extend([s.st_size if s.st_mode & TYPE == IS_FILE else 0 for s in statuses])
        self._add_times(columns.mtimes, [status.st_mtime_ns for status in statuses], paths)
        columns.inodes.extend([status.st_ino for status in statuses])
        self._add_times(columns.ctimes, [status.st_ctime_ns for status in statuses], paths)
        for row, status in enumerate(statuses, self._count):
            if status.st_nlink > 1 and status.st_mode & TYPE != IS_DIRECTORY:
                self._several.setdefault((status.st_dev, status.st_ino), []).append(row)
        self._count += len(paths)

    def _add_times(self, column: array[int], times: list[int], paths: list[bytes]) -> None:
        if max(map(abs, times)) > _TIME:
            for place, (path, time) in enumerate(zip(paths, times, strict=True)):
                if abs(time) > _TIME:
                    times[place] = _TIME if time > 0 else -_TIME
                    self.notes.append(Note("time-out-of-range", path, "its time lies beyond the year 2262; cut"))
        column.extend(times)

    def finish(self) -> Columns:
        columns = self._columns
        columns.paths = b"".join(self._paths)
        columns.kinds = b"".join(self._kinds).decode("ascii")
        columns.groups = array("I", bytes(4 * self._count))
        groups = [rows for rows in self._several.values() if len(rows) > 1]
        for number, rows in enumerate(sorted(groups), 1):
            for row in rows:
                columns.groups[row] = number
        return columns
