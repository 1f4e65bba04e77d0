"""What the kernel says of an entry, and turning many of its answers into columns at once."""

from __future__ import annotations

from array import array
from operator import attrgetter, mul

from goldroot.tree.columns import Columns, append
from goldroot.tree.notes import Note

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
