"""Building: the one engine that writes trees, from rows that say what goes where.

Every file is made new, in a directory that is open, by a name that must not exist yet: nothing is written over, and no
link is followed.  After an error, what was written so far is still there: :func:`goldroot.tree.remove.remove_tree` takes it away.

The rows are cut into contiguous parts, which are shared among processes; each writes its rows with a
:class:`~goldroot.tree.build.make.Maker`.  A part makes the directories, files and everything else of its own rows, and
completes its own directories.  What concerns several parts is done by the caller, before or after them all:

- a hard link to a file of another part (``late``) is made after;
- the directories on the way to the first row of a part, or to such a link, are made before and completed after
  (``shared``);
- the inode flags of files with several names are set after, for an immutable file takes no further name.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import NamedTuple

from goldroot.errors import BadInput
from goldroot.tree.build.make import Maker, Places
from goldroot.tree.columns import ARRAYS, Columns, Row, XattrSets, fill, in_first_use
from goldroot.tree.entry import DIRECTORY, FILE, INLINE, BuildRow, Note, Progress, owners_not_kept
from goldroot.tree.kernel import open_tree, read_flags, write_flags, write_problem
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.paths import parent, path_text
from goldroot.tree.scan.scan import RACY, Root
from goldroot.tree.workers import run_tasks, usual_jobs

#: Rows that one part has at least, and into how many parts a large tree is cut.
PART_ROWS, PARTS = 1000, 32


@dataclass(frozen=True, slots=True)
class Cut:
    """The cut, and what is left to the caller; rows by place."""

    rows: Sequence[BuildRow]
    starts: list[int]  #: where each part starts, and the end
    shared: dict[bytes, int]  #: directories made before the parts and completed after them
    firsts: dict[int, int]  #: each further name of a file -> its first name
    groups: dict[int, int]  #: hard-link groups of several rows: their numbers in the new manifest
    late: list[int]  #: further names made after the parts


def cut_rows(rows: Sequence[BuildRow], *, parts: bool) -> Cut:
    """Cut the rows (in tree order) into parts; one part only where not ``parts``."""
    size = max(PART_ROWS, len(rows) // PARTS + 1) if parts else len(rows) + 1
    starts = list(range(0, len(rows), size)) or [0]
    firsts = _firsts(rows)
    late = [place for place, first in firsts.items() if bisect_right(starts, place) != bisect_right(starts, first)]
    ways = {above for place in (*starts[1:], *late) for above in _above(rows[place].path)}
    shared = {row.path: place for place, row in enumerate(rows) if row.path in ways and row.kind == DIRECTORY}
    return Cut(rows, [*starts, len(rows)], shared, firsts, _numbers(rows, firsts), late)


def _above(path: bytes) -> Iterator[bytes]:
    while path:
        path = parent(path)
        yield path


def _firsts(rows: Sequence[BuildRow]) -> dict[int, int]:
    first: dict[int, int] = {}
    found = {}
    for place, row in enumerate(rows):
        if row.group and first.setdefault(row.group, place) != place:
            found[place] = first[row.group]
    return found


def _numbers(rows: Sequence[BuildRow], firsts: dict[int, int]) -> dict[int, int]:
    """Groups numbered from 1 by their first names; a group of one row is none."""
    return {rows[first].group: number for number, first in enumerate(sorted(set(firsts.values())), 1)}


# -- The new manifest, put together from what the parts tell

Signature = tuple[int, int, int]  #: size, inode, ctime

#: What further names of a file have in common with its first.
_SHARED = tuple(name for name in ARRAYS if name not in ("content_sizes", "groups"))


@dataclass(slots=True)
class WrittenChunk:
    """What a worker tells of the rows that it wrote."""

    columns: Columns
    dropped: list[int] = field(default_factory=list)  #: places of rows that could not be made at all, sorted
    notes: list[Note] = field(default_factory=list)
    owners: list[tuple[bytes, int, int]] = field(default_factory=list)  #: path, uid, gid that could not be set


class Gathered:
    """All parts as one, to be corrected by what was done after them.  Rows are named by their places in the plan."""

    def __init__(self, parts: list[WrittenChunk]) -> None:
        self._columns = Columns()
        self._sets = XattrSets()
        self._parts = parts
        self._dropped = sorted(place for part in parts for place in part.dropped)
        self._late: set[int] = set()
        columns = self._columns
        columns.paths = b"".join([part.columns.paths for part in parts])
        columns.kinds = "".join([part.columns.kinds for part in parts])
        columns.contents = b"".join([part.columns.contents for part in parts])
        for part in parts:
            self._add(part.columns)

    def _add(self, part: Columns) -> None:
        numbers = [self._sets.number(xattrs) for xattrs in part.xattr_sets]
        if numbers != list(range(len(numbers))):
            part.xattrs = type(part.xattrs)("I", [numbers[number] for number in part.xattrs])
        for name in ARRAYS:
            getattr(self._columns, name).extend(getattr(part, name))

    def has(self, place: int) -> bool:
        """Whether the row was made."""
        index = bisect_left(self._dropped, place)
        return index == len(self._dropped) or self._dropped[index] != place

    def drop(self, place: int) -> None:
        """A row of the parts was not made after all."""
        self._late.add(self._index(place))

    def correct(self, place: int, signature: Signature, row: BuildRow) -> None:
        """What became of a row after its part was done: of a directory all, of a file its flags."""
        columns, index = self._columns, self._index(place)
        columns.sizes[index], columns.inodes[index], columns.ctimes[index] = signature
        columns.flags[index], columns.projects[index] = row.flags, row.project
        if row.kind == DIRECTORY:
            columns.modes[index] = row.mode
            columns.xattrs[index] = self._sets.number(row.xattrs)

    def follow(self, place: int, first: int) -> None:
        """A further name is the same file as the first."""
        if self.has(place) and self.has(first):
            here, there = self._index(place), self._index(first)
            for name in _SHARED:
                column = getattr(self._columns, name)
                column[here] = column[there]

    def part(self) -> WrittenChunk:
        """All that there is to tell."""
        columns = self._columns
        columns.xattrs, columns.xattr_sets = in_first_use(columns.xattrs, self._sets.sets)
        if self._late:
            columns = fill(row for index, row in enumerate(columns.rows()) if index not in self._late)
        notes = [note for part in self._parts for note in part.notes]
        owners = [owner for part in self._parts for owner in part.owners]
        return WrittenChunk(columns, self._dropped, notes, sorted(owners))

    def _index(self, place: int) -> int:
        return place - bisect_left(self._dropped, place)


# -- Writing the parts

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
        """Write the rows of a part."""
        start, stop = self._plan.starts[task : task + 2]
        rows, unread = self._plan.rows, self._unread
        written: list[Row | None] = []  #: the rows of the manifest, ``None`` where nothing was made
        directories: list[tuple[int, BuildRow]] = []
        with closing(Maker(self._places)) as maker:
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
        dropped = [place for place, row in enumerate(written, start) if row is None]
        return WrittenChunk(fill(row for row in written if row is not None), dropped, maker.notes, maker.owners)

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


#: Below this many rows a second process costs more than it brings.
WORTH_FORKING = 2000
#: Where an earlier tree stands in the directory of the new one that takes its files over.
EARLIER = ".goldroot-earlier"
#: What may stand in the directory that a tree is written into: a file system's own, a caller's mark, an earlier tree.
MAY_STAND = frozenset(("lost+found", ".goldroot-incomplete", EARLIER))


@dataclass(frozen=True, slots=True)
class Built:
    """A tree that was written.

    ``manifest`` has the signatures of what was written, so that a later scan opens only what changed.  ``owners`` are
    path, uid and gid of what could not be given away; the manifest records them as they should be.
    """

    manifest: Manifest
    notes: tuple[Note, ...]
    owners: tuple[tuple[bytes, int, int], ...] = ()


class BuildOptions(NamedTuple):
    """How :func:`build_tree` goes about it.

    :param jobs: processes at once; ``None``: one for each processor.
    :param keep_owner: ``None``: give files away where that is allowed, and record where not; ``True``: that is an
        error; ``False``: do not even try.
    :param live: numbers of the sources that belong to a running system: what is not as its row says, or changes under
        way, is taken as it comes, and what is gone is left out, each with a note.
    :param moved: numbers of the sources whose files are moved into the new tree, whole, not copied: earlier trees in its file
        system, with rows that name the inode and ctime of each file.
    :param sync: whether the tree shall be on the disk when it is done.
    """

    jobs: int | None = None
    progress: Progress | None = None
    keep_owner: bool | None = None
    live: Container[int] = ()
    sync: bool = True
    moved: Container[int] = ()


USUAL = BuildOptions()


def build_tree(
    rows: Iterable[BuildRow],
    sources: Sequence[Root],
    out: Root,
    options: BuildOptions = USUAL,
    unread: Container[int] = (),
) -> Built:
    """Write a tree into ``out``, which is made, or exists and is empty (``lost+found`` aside).

    :param rows: in tree order, each directory before what is in it.
    :param unread: places of rows that lack what no status tells: it is read from the source on the way.
    :raises BadInput: ``out`` is not empty.
    :raises NoSpace: its file system is full.
    :raises TreeChanged: a source file is not what its row says, or changed while it was copied.
    """
    rows = list(rows)
    jobs = 1 if len(rows) < WORTH_FORKING else options.jobs or usual_jobs()
    plan = cut_rows(rows, parts=jobs != 1)
    with ExitStack() as stack:
        opened = [open_tree(source) for source in sources]
        for fd in opened:
            stack.callback(os.close, fd)
        top = _open_out(os.fsencode(out))
        stack.callback(os.close, top)
        names = [os.fsencode(source) for source in sources]
        places = Places(top, os.fsencode(out), opened, names, options.keep_owner, options.live, options.moved)
        part = TreeWriter(plan, places, unread).run(jobs, options.progress)
        if options.sync:
            sync_file_system(top, places.out_name)
    return _built(part)


def _open_out(out: bytes) -> int:
    """The new tree's directory, made where it is not there; closed to everybody else until it is complete."""
    try:
        os.mkdir(out, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise write_problem(error, out, b"") from error
    top = open_tree(out)
    try:
        if not set(os.listdir(top)) <= MAY_STAND:
            raise BadInput(
                f"{path_text(out)} is not empty", meaning="Nothing was written.", todo="Name a new or empty directory."
            )
        os.fchmod(top, 0o700)
        # Flags and a default ACL would be handed on to all that is made.
        if (read_flags(top) or (0, 0))[0]:
            write_flags(top, 0, 0, directory=True)
        for name in os.listxattr(top):
            if name.startswith("system.posix_acl"):
                os.removexattr(top, name)
    except OSError as error:
        os.close(top)
        raise write_problem(error, out, b"") from error
    except BadInput:
        os.close(top)
        raise
    return top


def sync_file_system(top: int, shown: bytes) -> None:
    """Wait until a tree, with all of its file system, is on the disk: one wait in place of one for each file.

    :param top: the tree's directory, open.
    :param shown: its path for messages.
    :raises NoSpace: there was no room for what was written.
    """
    if ctypes.CDLL(None, use_errno=True).syncfs(top):
        number = ctypes.get_errno()
        raise write_problem(OSError(number, os.strerror(number)), shown, b"")


def _built(part: WrittenChunk) -> Built:
    notes = list(part.notes)
    if part.owners:
        notes.append(owners_not_kept(len(part.owners)))
    squashed = Squashed(os.geteuid(), os.getegid()) if part.owners else None
    return Built(Manifest(part.columns, squashed), tuple(notes), tuple(part.owners))
