"""A tree that a running system writes to while it is scanned: each entry as it is at one moment, though not all at the same one."""

from __future__ import annotations

import os
from collections.abc import Collection

from goldroot.errors import TreeChanged
from goldroot.tree.columns import Columns
from goldroot.tree.entry import FILE
from goldroot.tree.kernel import MOVED, read_problem
from goldroot.tree.scan.reading import Found, Reader, Wanted
from goldroot.tree.scan.walk import CTIME, INODE, KINDS, MODE, SIZE, Fields, fields_of

#: How often an entry is read again that changes while it is read.
TRIES = 3

_GONE = Found(b"", (), 0, 0, gone=True)


class LiveReader(Reader):
    """Reads what changed since the walk once more, says what is gone, and takes what never stands still as it comes."""

    def read(self, wanted: Wanted) -> Found:
        """Read one entry, as it is by now.

        :raises NoPermission: it cannot be read.
        """
        newer: Fields | None = None
        for _ in range(TRIES):
            try:
                return super().read(wanted)._replace(status=newer)
            except TreeChanged:
                newer = self._newer(wanted)
            if newer is None:
                return _GONE
            wanted = wanted._replace(size=newer[SIZE], inode=newer[INODE], ctime=newer[CTIME])
        return self._torn(wanted, newer)

    def _newer(self, wanted: Wanted) -> Fields | None:
        """The entry's status by now; ``None`` where it is gone, or something of another kind has taken its place."""
        try:
            status = fields_of(self.look(wanted.path))
        except OSError as error:
            if error.errno in MOVED:
                return None
            raise read_problem(error, self._shown, wanted.path) from error
        return status if KINDS[status[MODE] >> 12] == ord(wanted.kind) else None

    def _torn(self, wanted: Wanted, status: Fields | None) -> Found:
        self._strict = False
        try:
            return super().read(wanted)._replace(status=status, torn=True)
        except TreeChanged:
            return _GONE
        finally:
            self._strict = True


# -- Files that a program of this machine has mapped to write to: their ctimes prove nothing while it runs.  The kernel sets a
# file's times when a page of its mapping is first written to, and not again until that page is on the disk: up to half a minute
# in which all that a database like LMDB writes leaves no trace.


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


def distrust_mapped(columns: Columns, inodes: Collection[int]) -> None:
    """Give ctime 0 to files that a program writes by a mapping; ``inodes``: theirs."""
    for row, inode in enumerate(columns.inodes):
        if inode in inodes and columns.kinds[row] == FILE:
            columns.ctimes[row] = 0
