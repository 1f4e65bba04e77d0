"""Reading what a status does not tell of an entry: content, link, extended attributes, flags, project.

A file is opened once and read to its end, and the status that it has then must be the one that the walk saw: so what was
read is what was there.  Nothing but a file or a directory is ever opened.
"""

from __future__ import annotations

import errno
import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from goldroot.files import Cursor, split
from goldroot.tree.entry import BLOCK, CHAR, DIRECTORY, FILE, LINK, Progress, Xattrs
from goldroot.tree.kernel import beside, changed, read_flags, read_problem, read_xattrs
from goldroot.tree.paths import tree_key
from goldroot.tree.scan.walk import Fields
from goldroot.tree.workers import MOST_TASKS, run_tasks

#: O_NONBLOCK: should a FIFO stand where a file was, opening it must not wait.
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Bytes read at once; a file up to this size is read in one call.
BLOCK_SIZE = 1 << 18


#: Tells which files' contents shall be read, by path.
Chooser = Callable[[bytes], bool]


def chooser(contents: bool | Chooser) -> Chooser:
    """A choice of all, of none, or by path, as a function."""
    return contents if callable(contents) else lambda path: contents


class Wanted(NamedTuple):
    """An entry to read, with the signature that it must have."""

    path: bytes
    kind: str
    size: int
    inode: int
    ctime: int


class Found(NamedTuple):
    """What was read of an entry."""

    content: bytes
    xattrs: Xattrs
    flags: int
    project: int
    status: Fields | None = None  #: in a live tree, the status that goes with it, where it is another by now
    gone: bool = False  #: in a live tree, there is nothing to read any more
    torn: bool = False  #: in a live tree, it changed each time that it was read; this is what was got


class Digester:
    """Hashes files.  Bytes that are those of the file before have its hash too, and comparing costs less than hashing:
    so trees that are alike are read together, path by path, with one of these.
    """

    def __init__(self) -> None:
        self._data = b""
        self._digest = hashlib.sha256().digest()

    def digest(self, fd: int, size: int) -> bytes:
        """SHA-256 of an open file; ``size`` is what it should have."""
        if size >= BLOCK_SIZE:
            return _digest_long(fd)
        data = os.read(fd, size + 1) if size else b""
        if data != self._data:
            self._data, self._digest = data, hashlib.sha256(data).digest()
        return self._digest


def _digest_long(fd: int) -> bytes:
    total = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK_SIZE))
    while count := os.readv(fd, [buffer]):
        total.update(buffer[:count])
    return total.digest()


class Reader:
    """Reads entries of the tree whose directory is open as ``root``."""

    def __init__(self, root: int, shown: bytes, *, contents: Chooser, digester: Digester | None = None) -> None:
        self._shown = shown
        self._contents = contents
        self._cursor = Cursor(root)
        self._digester = digester or Digester()
        self._project = (read_flags(root) or (0, 0))[1]
        self._extra = os.O_NOATIME
        self._strict = True

    def close(self) -> None:
        self._cursor.close()

    def look(self, path: bytes) -> os.stat_result:
        """The status of an entry, by its name; an ``OSError`` where there is none."""
        directory, name = split(path)
        return os.stat(name, dir_fd=self._cursor.at(directory), follow_symlinks=False)

    def read(self, wanted: Wanted) -> Found:
        """Read one entry.

        :raises NoPermission: it cannot be read.
        :raises TreeChanged: it is not what the walk saw.
        """
        try:
            if wanted.kind == DIRECTORY:
                return self._directory(wanted)
            if wanted.kind != FILE:
                return self._other(wanted)
            fd = self.open(wanted.path)
            try:
                details = self.details(fd)
                size = wanted.size if self._strict else BLOCK_SIZE
                content = self._digester.digest(fd, size) if self._contents(wanted.path) else b""
                self._check(wanted, os.fstat(fd))
            finally:
                os.close(fd)
            return Found(content, *details)
        except OSError as error:
            if wanted.kind == LINK and error.errno == errno.EINVAL:  # something else has taken its place
                raise changed(self._shown, wanted.path) from error
            raise read_problem(error, self._shown, wanted.path) from error

    def open(self, path: bytes) -> int:
        """Open a file, without a trace in its atime where the caller's rights allow that.

        :raises NoPermission: it cannot be read.
        :raises TreeChanged: no file is there.
        """
        directory, name = split(path)
        try:
            at = self._cursor.at(directory)
            if self._extra:
                try:
                    return os.open(name, OPEN_FILE | self._extra, dir_fd=at)
                except PermissionError:
                    self._extra = 0  # not ours to hide that it was read
            return os.open(name, OPEN_FILE, dir_fd=at)
        except OSError as error:
            raise read_problem(error, self._shown, path) from error

    def details(self, fd: int) -> tuple[Xattrs, int, int]:
        """Extended attributes, inode flags and project of an open file or directory; the tree's own project is 0."""
        # Asked of each one: the layers of an overlay may be of file systems with and without flags.
        flags, project = read_flags(fd) or (0, 0)
        return read_xattrs(fd), flags, project if project != self._project else 0

    def _directory(self, wanted: Wanted) -> Found:
        fd = self._cursor.at(wanted.path)
        found = Found(b"", *self.details(fd))
        self._check(wanted, os.fstat(fd))
        return found

    def _other(self, wanted: Wanted) -> Found:
        name = split(wanted.path)[1]
        directory = self._cursor.at(split(wanted.path)[0])
        content = os.readlink(name, dir_fd=directory) if wanted.kind == LINK else b""
        xattrs = read_xattrs(beside(directory, name))
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if wanted.kind in (CHAR, BLOCK):
            content = b"%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))
        self._check(wanted, status)
        return Found(content, xattrs, 0, 0)

    def _check(self, wanted: Wanted, status: os.stat_result) -> None:
        if self._strict and (status.st_ctime_ns != wanted.ctime or status.st_ino != wanted.inode):
            raise changed(self._shown, wanted.path)


# -- Many entries of a tree, or of several that are alike, shared among processes

#: Reading a file costs as much as reading this many bytes, and then its bytes.
ENTRY_COST = 16384
#: What one task should cost at least, in bytes: so that work is shared evenly, and tasks are few.
TASK_COST = 1500 * ENTRY_COST
#: What is found beside the content of nearly every entry.
NOTHING = Found(b"", (), 0, 0)[1:]
#: How many entries are done between two words about it.
TELL_EVERY = 500


@dataclass(slots=True)
class ReadChunk:
    """What was read of the entries from ``start`` on: contents, and what few have, by place."""

    start: int
    contents: list[bytes]
    others: dict[int, tuple[Xattrs, int, int]] = field(default_factory=dict)  #: extended attributes, flags, project
    newer: dict[int, Fields] = field(default_factory=dict)  #: statuses that are others by now; in a live tree only
    gone: list[int] = field(default_factory=list)  #: in a live tree only
    torn: list[int] = field(default_factory=list)  #: changed each time that they were read; in a live tree only


class Entries(Protocol):
    """Entries to read, in tree order."""

    @property
    def paths(self) -> Sequence[bytes]: ...

    @property
    def sizes(self) -> Sequence[int]: ...

    def part(self, start: int, stop: int) -> list[Wanted]: ...


class ToRead(NamedTuple):
    """A tree, its directory open as ``root``, and what is to be read of it."""

    root: int
    shown: bytes
    entries: Entries


def read_all(
    trees: Sequence[ToRead],
    *,
    contents: Chooser,
    jobs: int | None = None,
    progress: Progress | None = None,
    live: bool = False,
) -> list[list[ReadChunk]]:
    """Read the entries of one tree, or of several that are alike; each tree's parts, in the order of its entries.

    :param live: take changes as they come, where otherwise they are errors.
    :raises NoPermission: one cannot be read.
    :raises TreeChanged: one is not what it was when the tree was walked.
    """
    kind = _live_reader() if live else Reader
    cuts = _cuts([tree.entries for tree in trees])

    def work(task: int, tell: Progress) -> list[ReadChunk]:
        digester = Digester()
        with ExitStack() as stack:
            readers = [kind(tree.root, tree.shown, contents=contents, digester=digester) for tree in trees]
            for reader in readers:
                stack.callback(reader.close)
            ranges = [(cut[task], cut[task + 1]) for cut in cuts]
            wanted = [tree.entries.part(*each) for tree, each in zip(trees, ranges, strict=True)]
            parts = [ReadChunk(start, []) for start, _ in ranges]
            done = 0
            # Path by path, so that files that are alike follow each other.
            for tree, entry in _by_path(wanted):
                found = readers[tree].read(entry)
                if found[1:] != NOTHING:
                    _keep(parts[tree], found)
                parts[tree].contents.append(found[0])
                done += 1
                if done % TELL_EVERY == 0:
                    tell(TELL_EVERY)
            tell(done % TELL_EVERY)
            return parts

    found = run_tasks(work, len(cuts[0]) - 1, jobs=jobs, progress=progress)
    return [[parts[place] for parts in found] for place in range(len(trees))]


def _live_reader() -> type[Reader]:
    from goldroot.tree.scan.live import LiveReader

    return LiveReader


def _cuts(trees: Sequence[Entries]) -> list[list[int]]:
    """Where to cut each tree's entries, so that a part has the same paths of all; with the ends."""
    largest = max(trees, key=lambda entries: len(entries.paths))
    starts = starts_by_cost([size + ENTRY_COST for size in largest.sizes])
    keys = [tree_key(largest.paths[start]) for start in starts[1:]]
    cuts = []
    for entries in trees:
        inner = starts[1:] if entries is largest else [bisect_left(entries.paths, key, key=tree_key) for key in keys]
        cuts.append([0, *inner, len(entries.paths)])
    return cuts


def starts_by_cost(costs: Iterable[int], *, least: int = TASK_COST) -> list[int]:
    """Where to cut a sequence into parts of about equal cost, as the place where each part starts."""
    known = list(costs)
    target = max(least, sum(known) // (MOST_TASKS // 2))
    starts, cost = [], target
    for place, each in enumerate(known):
        if cost >= target:
            starts.append(place)
            cost = 0
        cost += each
    return starts


def _by_path(wanted: list[list[Wanted]]) -> Iterator[tuple[int, Wanted]]:
    """The entries of all trees in tree order, each with its tree's number."""
    if len(wanted) == 1:
        return zip(repeat(0), wanted[0], strict=False)
    numbered = [zip(repeat(number), entries, strict=False) for number, entries in enumerate(wanted)]
    paths = [[entry.path for entry in entries] for entries in wanted]
    if all(each == paths[0] for each in paths):
        return chain.from_iterable(zip(*numbered, strict=True))
    return iter(sorted(chain(*numbered), key=lambda item: tree_key(item[1].path)))


def _keep(part: ReadChunk, found: Found) -> None:
    """Keep what few entries have."""
    place = part.start + len(part.contents)
    if found.xattrs or found.flags or found.project:
        part.others[place] = (found.xattrs, found.flags, found.project)
    if found.status is not None:
        part.newer[place] = found.status
    if found.gone:
        part.gone.append(place)
    if found.torn:
        part.torn.append(place)
