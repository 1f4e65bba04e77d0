"""Reading a tree that a running system writes to: each entry as it is at one moment, though not all at the same one."""

from __future__ import annotations

from goldroot.errors import TreeChanged
from goldroot.tree.problems import MOVED, read_problem
from goldroot.tree.scan.reading import Found, Reader, Wanted
from goldroot.tree.scan.statuses import CTIME, INODE, KINDS, MODE, SIZE, Fields, fields_of

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
