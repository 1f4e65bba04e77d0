"""Walking a tree: every path with its status, in tree order, into columns.

This is where a scan's time goes.  A directory is listed and its entries are asked for their status at once, in the
interpreter's own loops; a directory without directories in it, as most are, needs no loop of ours at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from operator import attrgetter, methodcaller

from goldroot.tree.columns import Columns
from goldroot.tree.cursor import Cursor
from goldroot.tree.mounts import mounts_below
from goldroot.tree.notes import Note, Progress
from goldroot.tree.problems import DENIED, changed, read_problem
from goldroot.tree.statuses import CTIME, DEVICE, INODE, IS_DIRECTORY, MODE, TYPE, UID, Fields, Turning, fields_of

#: Entries remembered as the kernel gave them before they become columns.
BATCH = 4096
#: How often a directory is listed that changes while it is listed.
TRIES = 3
LOST_AND_FOUND = b"lost+found"

Listed = list["os.DirEntry[str]"]
_ask = methodcaller("stat", follow_symlinks=False)
_name = attrgetter("name")


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
        self._statuses: list[Fields] = []
        self._turning = Turning()

    def run(self) -> Columns:
        """All that a status tells; contents, extended attributes, flags and projects are still missing.

        :raises NoPermission: a directory cannot be read.
        :raises TreeChanged: something changed while it was read.
        """
        status = fields_of(os.fstat(self._root))
        self._device = status[DEVICE]
        self._paths.append(b"")
        self._statuses.append(status)
        try:
            self._descend(status)
        finally:
            self._cursor.close()
        self._turn()
        self.notes.extend(self._turning.notes)
        return self._turning.finish()

    def _descend(self, top: Fields) -> None:
        stack = [self._enter(b"", top)]
        while stack:
            for path, status in stack[-1]:
                if len(self._paths) >= BATCH:
                    self._turn()
                self._paths.append(path)
                self._statuses.append(status)
                if status[MODE] & TYPE == IS_DIRECTORY:
                    stack.append(self._enter(path, status))
                    break
            else:
                stack.pop()

    def _turn(self) -> None:
        self._turning.add(self._paths, self._statuses)
        if self._progress:
            self._progress(len(self._paths))
        self._paths, self._statuses = [], []

    def _forget(self) -> None:
        """Take back the last path."""
        del self._paths[-1], self._statuses[-1]

    def _enter(self, path: bytes, status: Fields) -> Iterator[tuple[bytes, Fields]]:
        """What is in a directory and must be looked at one by one; a directory of files is remembered at once."""
        if status[DEVICE] != self._device or path in self._mounts:
            text = "something else is mounted here; what is in it was not looked at"
            self.notes.append(Note("other-file-system", path, text))
            return iter(())
        try:
            fd = self._cursor.at(path)
            names, listed = self._list(path, fd, status)
        except OSError as error:
            self._not_entered(path, status, error)
            return iter(())
        if path == LOST_AND_FOUND and status[UID] == 0 and not listed:
            self._forget()
        prefix = path + b"/" if path else b""
        paths = [prefix + name for name in names]
        statuses = self._ask_all(paths, listed)
        if any(status[MODE] & TYPE == IS_DIRECTORY for status in statuses):
            return zip(paths, statuses, strict=True)
        self._paths += paths
        self._statuses += statuses
        return iter(())

    def _not_entered(self, path: bytes, status: Fields, error: OSError) -> None:
        is_lost_and_found = path == LOST_AND_FOUND and status[UID] == 0 and error.errno in DENIED
        if not is_lost_and_found:  # which nobody but root ever sees into
            self._missed(path, error)
        self._forget()

    def _missed(self, path: bytes, error: OSError) -> None:
        """Something is gone that was there a moment ago, or cannot be read."""
        if not (self._live and isinstance(error, FileNotFoundError)):
            raise read_problem(error, self._shown, path) from error
        self.notes.append(Note("vanished", path, "it was deleted while the tree was read"))

    def _list(self, path: bytes, fd: int, status: Fields) -> tuple[list[bytes], Listed]:
        """The entries of a directory, sorted by the bytes of their names."""
        for _ in range(TRIES):
            found = _sorted_entries(fd)
            seen = fields_of(os.fstat(fd))
            if seen[INODE] != status[INODE] or seen[DEVICE] != status[DEVICE]:
                raise changed(self._shown, path)
            self._statuses[-1] = seen
            if self._live or seen[CTIME] == status[CTIME]:
                return found
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


def _sorted_entries(fd: int) -> tuple[list[bytes], Listed]:
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
