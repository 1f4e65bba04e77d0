"""Copying a tree with all that a scan sees of it: what no status tells is read on the way, as every file is opened anyway."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from goldroot.tree.build.build import BuildOptions, Built, build_tree
from goldroot.tree.entry import BuildRow, Note, Progress
from goldroot.tree.manifest import Manifest
from goldroot.tree.scan.reading import ToRead, chooser, read_all
from goldroot.tree.scan.scan import Details, Missing, Root, manifest_of, opened_tree
from goldroot.tree.scan.walk import walk


def copy_tree(
    source: Root,
    out: Root,
    *,
    known: Manifest | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    sync: bool = True,
) -> Built:
    """Copy a tree, with all that a scan sees of it.

    :param known: as for :func:`~goldroot.tree.scan.scan.scan_tree`; nothing is hashed, hashes are taken from there.
    :raises NoPermission: something cannot be read.
    """
    found = scan_statuses(source, known=known, jobs=jobs, progress=progress)
    options = BuildOptions(jobs, progress, None, (), sync)
    made = build_tree(rows_of(found.manifest), [source], out, options, found.unread)
    return Built(made.manifest, (*found.notes, *made.notes), made.owners)


def rows_of(manifest: Manifest, source: int = 0) -> Iterator[BuildRow]:
    """Rows that write a scanned tree as it is."""
    c = manifest.columns
    rows = zip(
        c.each_path(), c.kinds, c.modes, c.uids, c.gids, c.mtimes, c.each_xattrs(), c.flags, c.projects,
        repeat(source), c.each_path(), c.each_content(), c.groups, c.inodes, c.ctimes, c.sizes, strict=False,
    )  # fmt: skip
    return map(_new_row, rows)


#: ``BuildRow._make`` without its check of the length.
_new_row: Callable[[tuple[object, ...]], BuildRow] = partial(tuple.__new__, BuildRow)


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

    :raises: as :func:`~goldroot.tree.scan.scan.scan_tree`.
    """
    with opened_tree(root) as (top, shown):
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
    return StatusScan(manifest_of(details.complete(), known), unread, tuple(walked.notes))
