"""One build under way: parts in several processes, what concerns them all before and after, and the new manifest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Container

from goldroot.tree.build.complete import Places
from goldroot.tree.build.gather import Gathered, Signature, WrittenChunk
from goldroot.tree.build.make import Maker
from goldroot.tree.build.rows import INLINE, BuildRow, Cut
from goldroot.tree.columns import Columns, Row, fill
from goldroot.tree.entry import DIRECTORY, FILE
from goldroot.tree.notes import Progress
from goldroot.tree.scan.reuse import RACY
from goldroot.tree.workers import run_tasks

#: How many rows are done between two words about it.
TELL_EVERY = 250

Status = os.stat_result | None


class TreeWriter:
    """Writes the rows of a plan.

    :param unread: places of rows that lack what no status tells: it is read from the source on the way.
    """

    def __init__(self, plan: Cut, places: Places, unread: Container[int] = ()) -> None:
        self._plan = plan
        self._places = places
        self._unread = unread
        self._several = frozenset(plan.firsts.values())
        self._tied = self._several.union(plan.firsts)

    def run(self, jobs: int | None, progress: Progress | None) -> WrittenChunk:
        """Write everything, and tell of it as of one part.

        :raises NoSpace: the file system is full.
        :raises TreeChanged: a source file is not what its row says.
        """
        maker = Maker(self._places)
        try:
            shared = []
            for place in sorted(self._plan.shared.values()):
                maker.make(self._plan.rows[place], unread=place in self._unread)
                shared.append((place, maker.row))
            parts = run_tasks(self._part, len(self._plan.starts) - 1, jobs=jobs, progress=progress)
            gathered = Gathered([*parts, WrittenChunk(Columns(), [], maker.notes, maker.owners)])
            self._complete(maker, shared, gathered)
        finally:
            maker.close()
        return gathered.part()

    def _complete(self, maker: Maker, shared: list[tuple[int, BuildRow]], gathered: Gathered) -> None:
        """What had to wait for the last part."""
        rows, firsts = self._plan.rows, self._plan.firsts
        for place in self._plan.late:
            if gathered.has(firsts[place]):
                maker.link(rows[place].path, rows[firsts[place]].path)
            else:
                gathered.drop(place)
        for place in sorted(self._several):
            if gathered.has(place):
                gathered.correct(place, _signature(maker.flag(rows[place])), maker.row)
        for place, first in firsts.items():
            gathered.follow(place, first)
        for place, directory in reversed(shared):
            gathered.correct(place, _signature(maker.complete(directory)), maker.row)

    # -- in a worker -----------------------------------------------------------------------------------------------

    def _part(self, task: int, tell: Progress) -> WrittenChunk:
        start, stop = self._plan.starts[task : task + 2]
        maker = Maker(self._places)
        try:
            rows = self._write(maker, start, stop, tell)
        finally:
            maker.close()
        dropped = [place for place, row in enumerate(rows, start) if row is None]
        return WrittenChunk(fill(row for row in rows if row is not None), dropped, maker.notes, maker.owners)

    def _write(self, maker: Maker, start: int, stop: int, tell: Progress) -> list[Row | None]:
        """Write the rows of a part; the rows of the manifest, ``None`` where nothing was made."""
        written: list[Row | None] = []
        directories: list[tuple[int, BuildRow]] = []
        rows, unread = self._plan.rows, self._unread
        for place in range(start, stop):
            row = rows[place]
            if row.kind != DIRECTORY:
                if place in self._tied:
                    written.append(self._write_tied(maker, place, start, written))
                else:
                    status = maker.make(row, unread=place in unread)
                    written.append(None if status is None else self._row(maker.row, status))
            elif row.path in self._plan.shared:
                written.append(self._row(row, None))
            else:
                maker.make(row, unread=place in unread)
                directories.append((place - start, maker.row))
                written.append(None)
            if (place - start) % TELL_EVERY == TELL_EVERY - 1:
                tell(TELL_EVERY)
        for index, directory in reversed(directories):
            status = maker.complete(directory)
            written[index] = self._row(maker.row, status)
        tell((stop - start) % TELL_EVERY)
        return written

    def _write_tied(self, maker: Maker, place: int, start: int, written: list[Row | None]) -> Row | None:
        """Write one name of a file that has several."""
        row = self._plan.rows[place]
        first = self._plan.firsts.get(place)
        if first is None:
            status = maker.make(row._replace(flags=0, project=0), unread=place in self._unread)
            return None if status is None else self._row(maker.row, status)
        if first < start:  # made later
            return self._row(row, None)
        model = written[first - start]
        if model is None:
            return None
        maker.link(row.path, model[0])
        return row.path, *model[1:]

    def _row(self, row: BuildRow, status: Status) -> Row:
        size, inode, ctime = _signature(status)
        content = row.content
        if row.source == INLINE and row.kind == FILE:
            content = hashlib.sha256(content).digest()
        group = self._plan.groups.get(row.group, 0) if row.group else 0
        return (
            row.path, row.kind, row.mode, row.uid, row.gid, size, row.mtime, content, row.xattrs, row.flags,
            row.project, group, inode, ctime,
        )  # fmt: skip


def _signature(status: Status) -> Signature:
    """Size, inode and ctime of what was written.

    What has a time as young as its ctime could be written once more without a trace: it gets no ctime.
    """
    if status is None:
        return 0, 0, 0
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    racy = status.st_mtime_ns > status.st_ctime_ns - RACY
    return size, status.st_ino, 0 if racy else status.st_ctime_ns
