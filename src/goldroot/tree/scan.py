"""Scanning: a directory on disk becomes a manifest.

A scan walks the tree once (:mod:`goldroot.tree.walk`), takes from an earlier manifest what has not changed since
(:mod:`goldroot.tree.reuse`), and reads only the rest (:mod:`goldroot.tree.reading`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from goldroot.tree.bulk import read_all
from goldroot.tree.columns import Columns
from goldroot.tree.cursor import Cursor, split
from goldroot.tree.entry import FILE
from goldroot.tree.manifest import Manifest
from goldroot.tree.notes import Note, Progress
from goldroot.tree.problems import changed, open_tree, read_problem
from goldroot.tree.reading import Chooser, Wanted, chooser
from goldroot.tree.reuse import Facts, Missing, distrust_young, with_recorded_owners
from goldroot.tree.statuses import IS_FILE, TYPE
from goldroot.tree.walk import Walk

Root = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Scan:
    """A tree as it was found, and what a person should know about it."""

    manifest: Manifest
    notes: tuple[Note, ...]


def scan(
    root: Root,
    *,
    known: Manifest | None = None,
    contents: bool | Chooser = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    live: bool = False,
) -> Scan:
    """Read a tree into a manifest.  Nothing below ``root`` is followed, and no other file system entered.

    :param known: an earlier manifest of this tree, or of the one it was cloned from block by block: entries whose
        inode, ctime, size and mtime are equal are taken from it without being opened.
    :param contents: which files to hash: all, none (``False``), or by path; what ``known`` has is taken in any case.
    :param jobs: processes at once; ``None``: one for each processor.
    :param progress: called with numbers of entries, first as they are found, then as they are read.
    :param live: the tree belongs to a running system: what changes meanwhile is read again, what vanishes is left out
        and what never stands still is taken as it comes, each with a note.
    :raises BadInput: there is no directory.
    :raises NoPermission: something cannot be read; the error names it.
    :raises TreeChanged: something changed while it was read.
    """
    started = time.time_ns()
    with _opened(root) as (top, shown):
        walk = Walk(top, shown, live=live, progress=progress)
        columns = walk.run()
        chosen = chooser(contents)
        facts = Facts(columns, known.columns if known else None, contents=chosen)
        entries = Missing(columns, facts.missing)
        parts = read_all(
            top, shown, entries, contents=chosen, sizes=entries.sizes, jobs=jobs, progress=progress, live=live
        )
        for part in parts:
            facts.take(part)
    # What is as it was known has been trusted before, with better reason than its age.
    distrust_young(columns, facts.missing, started)
    return Scan(_manifest(facts.complete(), known), (*walk.notes, *facts.notes))


@dataclass(frozen=True, slots=True)
class Survey:
    """A scan that read nothing yet: rows in ``unread`` have what a status tells and no more.

    The signatures are those of this moment, good for who goes on at once.
    """

    manifest: Manifest
    unread: Container[int]
    notes: tuple[Note, ...]


def survey(root: Root, *, known: Manifest | None = None, progress: Progress | None = None) -> Survey:
    """The first half of a scan, for who opens every file anyway; files with several names are read even so.

    :raises: as :func:`scan`.
    """
    with _opened(root) as (top, shown):
        walk = Walk(top, shown, progress=progress)
        columns = walk.run()
        nothing = chooser(False)
        facts = Facts(columns, known.columns if known else None, contents=nothing)
        several = [place for place, row in enumerate(facts.missing) if columns.groups[row]]
        entries = [Missing(columns, facts.missing)[place] for place in several] if several else []
        for part in read_all(top, shown, entries, contents=nothing, sizes=[0] * len(entries), jobs=1):
            facts.take(part, several)
    read = {facts.missing[place] for place in several}
    missing = facts.missing if not read else [row for row in facts.missing if row not in read]
    unread = missing if isinstance(missing, range) else frozenset(missing)
    return Survey(_manifest(facts.complete(), known), unread, tuple(walk.notes))


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

    :raises TreeChanged: one is gone, is no file any more, or changed while it was read.
    :raises NoPermission: one cannot be read.
    """
    with _opened(root) as (top, shown):
        wanted = list(_as_they_are(top, shown, sorted(paths)))
        sizes = [entry.size for entry in wanted]
        parts = read_all(top, shown, wanted, contents=chooser(True), sizes=sizes, jobs=jobs)
    digests = (content for part in parts for content in part.contents)
    return {entry.path: digest for entry, digest in zip(wanted, digests, strict=True)}


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
