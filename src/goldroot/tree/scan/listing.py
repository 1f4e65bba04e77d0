"""Looking into one directory of a tree: names, and the status of each."""

from __future__ import annotations

import os
from operator import attrgetter, methodcaller
from typing import NamedTuple

from goldroot.files import Cursor
from goldroot.tree.mounts import mounts_below
from goldroot.tree.notes import OTHER_FILE_SYSTEM, Note
from goldroot.tree.problems import DENIED, MOVED, changed, read_problem
from goldroot.tree.scan.statuses import CTIME, DEVICE, INODE, IS_DIRECTORY, MODE, TYPE, UID, Fields, fields_of

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
