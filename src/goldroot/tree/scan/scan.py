"""Scanning: a directory on disk becomes a manifest.

A scan walks the tree once (:mod:`goldroot.tree.scan.walk`), takes from an earlier manifest what has not changed since
(:mod:`goldroot.tree.scan.reuse`), and reads only the rest (:mod:`goldroot.tree.scan.reading`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Literal

from goldroot.files import Cursor, split
from goldroot.tree.columns import Columns
from goldroot.tree.entry import FILE, Note, Progress
from goldroot.tree.manifest import Manifest
from goldroot.tree.paths import tree_key
from goldroot.tree.problems import changed, open_tree, read_problem
from goldroot.tree.scan.reading import ENTRY_COST, TASK_COST, Chooser, Reader, ToRead, Wanted, chooser, read_all
from goldroot.tree.scan.reuse import (
    UNWRITTEN,
    Details,
    Missing,
    distrust_mapped,
    distrust_young,
    mapped_inodes,
    with_recorded_owners,
)
from goldroot.tree.scan.walk import IS_FILE, TYPE, walk

Root = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Scan:
    """A tree as it was found, and what a person should know about it."""

    manifest: Manifest
    notes: tuple[Note, ...]


#: Who may write into a tree while it is scanned; see :func:`scan_tree`.
Writers = Literal["unknown", "live", "snapshot", "ended"]


def scan_tree(
    root: Root,
    *,
    known: Manifest | None = None,
    contents: bool | Chooser = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    writers: Writers = "unknown",
) -> Scan:
    """Read a tree into a manifest.  Nothing below ``root`` is followed, and no other file system entered.

    :param known: an earlier manifest of this tree, or of the one it was cloned from block by block: entries whose
        inode, ctime, size and mtime are equal are taken from it without being opened.
    :param contents: which files to hash: all, none (``False``), or by path; what ``known`` has is taken in any case.
    :param jobs: processes at once; ``None``: one for each processor.
    :param progress: called with numbers of entries, first as they are found, then as they are read.
    :param writers: ``"live"``: the tree belongs to a running system: what changes meanwhile is read again, what vanishes
        is left out and what never stands still is taken as it comes, each with a note.  ``"snapshot"``: it is a copy, at one
        point in time, of the disk of a running system.  ``"ended"``: whoever wrote the tree
        has ended, and nobody else can: young ctimes are trusted, too.  ``"unknown"``: nobody should write, but might.
    :raises BadInput: there is no directory.
    :raises NoPermission: something cannot be read; the error names it.
    :raises TreeChanged: something changed while it was read.
    """
    return scan_trees([root], [known], contents=contents, jobs=jobs, progress=progress, writers=writers)[0]


def scan_trees(
    roots: Sequence[Root],
    known: Sequence[Manifest | None] | None = None,
    *,
    contents: bool | Chooser = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    writers: Writers = "unknown",
) -> list[Scan]:
    """Read several trees that are alike: a file that is the same in all is hashed once.

    Parameters and errors are those of :func:`scan_tree`, ``known`` one for each tree.
    """
    started, live = time.time_ns(), writers == "live"
    mapped = mapped_inodes() if live else frozenset()
    chosen = chooser(contents)
    known = known or [None] * len(roots)
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(root)) for root in roots]
        walks = [walk(*tree, live=live, jobs=jobs, progress=progress) for tree in opened]
        details = [
            Details(walked.columns, None if before is None else before.columns, contents=chosen)
            for walked, before in zip(walks, known, strict=True)
        ]
        entries = [Missing(walked.columns, each.missing) for walked, each in zip(walks, details, strict=True)]
        trees = [ToRead(*tree, missing) for tree, missing in zip(opened, entries, strict=True)]
        parts = read_all(trees, contents=chosen, jobs=jobs, progress=progress, live=live)
    scans = []
    for walked, each, before, read in zip(walks, details, known, parts, strict=True):
        each.take_all(read)
        # What is as it was known has been trusted before, with better reason than its age.
        if writers != "ended":
            distrust_young(walked.columns, each.missing, started - (UNWRITTEN if writers == "snapshot" else 0))
        if mapped:
            distrust_mapped(walked.columns, mapped)
        scans.append(Scan(_manifest(each.complete(), before), (*walked.notes, *each.notes)))
    return scans


@dataclass(frozen=True, slots=True)
class StatusScan:
    """A scan that read nothing yet: rows in ``unread`` have what a status tells and no more.

    The signatures are those of this moment, good for who goes on at once.
    """

    manifest: Manifest
    unread: Container[int]
    notes: tuple[Note, ...]


def scan_statuses(
    root: Root, *, known: Manifest | None = None, jobs: int | None = None, progress: Progress | None = None
) -> StatusScan:
    """The first half of a scan, for who opens every file anyway; files with several names are read even so.

    :raises: as :func:`scan`.
    """
    with _opened(root) as (top, shown):
        walked = walk(top, shown, jobs=jobs, progress=progress)
        columns = walked.columns
        nothing = chooser(False)
        details = Details(columns, known.columns if known else None, contents=nothing)
        several = [row for row in details.missing if columns.groups[row]]
        missing = details.missing
        if several:
            missing = sorted(set(missing).difference(several))
            details.missing = several
            entries = Missing(columns, several)
            details.take_all(read_all([ToRead(top, shown, entries)], contents=nothing, jobs=1)[0])
    unread = missing if isinstance(missing, range) else frozenset(missing)
    return StatusScan(_manifest(details.complete(), known), unread, tuple(walked.notes))


def _manifest(columns: Columns, known: Manifest | None) -> Manifest:
    if known is None:
        return Manifest(columns)
    with_recorded_owners(columns, known)
    return Manifest(columns, known.squashed)


@contextmanager
def _opened(root: Root) -> Iterator[tuple[int, bytes]]:
    """The tree's descriptor, and its name for messages."""
    top = open_tree(root)
    try:
        yield top, os.fsencode(root)
    finally:
        os.close(top)


def hash_files(root: Root, paths: Iterable[bytes], *, jobs: int | None = None) -> dict[bytes, bytes]:
    """The SHA-256 digests of some files of a tree.

    :raises TreeChanged: one is gone, is not a file any more, or changed while it was read.
    :raises NoPermission: one cannot be read.
    """
    with _opened(root) as (top, shown):
        wanted = list(_as_they_are(top, shown, sorted(paths, key=tree_key)))
        if sum(one.size + ENTRY_COST for one in wanted) <= TASK_COST:  # not worth a second process
            found: dict[bytes, bytes] = {}
            with closing(Reader(top, shown, contents=chooser(True))) as reader:
                for one in wanted:
                    found[one.path] = reader.read(one).content
            return found
        entries = _Given(wanted)
        parts = read_all([ToRead(top, shown, entries)], contents=chooser(True), jobs=jobs)[0]
    return dict(zip(entries.paths, (content for part in parts for content in part.contents), strict=True))


class _Given:
    """Entries that are at hand."""

    def __init__(self, wanted: list[Wanted]) -> None:
        self._wanted = wanted
        self.paths = [entry.path for entry in wanted]
        self.sizes = [entry.size for entry in wanted]

    def part(self, start: int, stop: int) -> list[Wanted]:
        return self._wanted[start:stop]


def _as_they_are(top: int, shown: bytes, paths: Sequence[bytes]) -> Iterator[Wanted]:
    cursor = Cursor(top)
    try:
        for path in paths:
            directory, name = split(path)
            status = os.stat(name, dir_fd=cursor.at(directory), follow_symlinks=False)
            if status.st_mode & TYPE != IS_FILE:
                raise changed(shown, path)
            yield Wanted(path, FILE, status.st_size, status.st_ino, status.st_ctime_ns)
    except OSError as error:
        raise read_problem(error, shown, path) from error
    finally:
        cursor.close()
