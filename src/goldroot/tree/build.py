"""Building: the one engine that writes trees, from rows that say what goes where.

Every file is made new, in a directory that is open, by a name that must not exist yet: nothing is written over, and no
link is followed.  The rows are shared among processes (:mod:`goldroot.tree.plan_build` says how); each writes its rows
with a :class:`~goldroot.tree.placing.Placer`.  After an error, what was written so far is still there:
:func:`goldroot.tree.remove.remove_tree` takes it away.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from goldroot.errors import BadInput
from goldroot.tree.columns import Row
from goldroot.tree.entry import DIRECTORY, FILE
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.names import path_text
from goldroot.tree.notes import Note, Progress
from goldroot.tree.placing import Outcome, Placer, Places
from goldroot.tree.plan_build import INLINE, BuildPlan, BuildRow, plan_build
from goldroot.tree.problems import open_tree, write_problem
from goldroot.tree.scan import Root, scan
from goldroot.tree.workers import run_tasks

#: Below this many rows a second process costs more than it brings.
WORTH_FORKING = 2000
#: How many rows are done between two words about it.
TELL_EVERY = 250
#: What may stand in the directory that a tree is written into: a file system's own, and a caller's mark.
MAY_STAND = frozenset(("lost+found", ".goldroot-incomplete"))


@dataclass(frozen=True, slots=True)
class Built:
    """A tree that was written.

    ``manifest`` has the signatures of what was written, so that a later scan opens only what changed.  ``owners`` are
    path, uid and gid of what could not be given away; the manifest records them as they should be.
    """

    manifest: Manifest
    notes: tuple[Note, ...]
    owners: tuple[tuple[bytes, int, int], ...] = ()


def build(
    rows: Iterable[BuildRow],
    sources: Sequence[Root],
    out: Root,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    keep_owner: bool | None = None,
    sync: bool = True,
) -> Built:
    """Write a tree into ``out``, which is made, or exists and is empty (``lost+found`` aside).

    :param rows: in tree order, each directory before what is in it.
    :param keep_owner: ``None``: give files away where that is allowed, and record where not; ``True``: that is an
        error; ``False``: do not even try.
    :param sync: whether the tree shall be on the disk when this returns.
    :raises BadInput: ``out`` is not empty.
    :raises NoSpace: its file system is full.
    :raises TreeChanged: a source file is not what its row says, or changed while it was copied.
    """
    plan_rows = list(rows)
    jobs = 1 if len(plan_rows) < WORTH_FORKING else jobs
    plan = plan_build(plan_rows, parts=jobs != 1)
    with ExitStack() as stack:
        opened = [open_tree(source) for source in sources]
        for fd in opened:
            stack.callback(os.close, fd)
        top = _open_out(os.fsencode(out))
        stack.callback(os.close, top)
        places = Places(top, os.fsencode(out), opened, [os.fsencode(source) for source in sources], keep_owner)
        outcomes = _Build(plan, places).run(jobs, progress)
        if sync:
            _sync(top, places.out_name)
    return _built(plan, outcomes)


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

    :param known: as for :func:`~goldroot.tree.scan.scan`; contents are hashed only where it has the hash.
    :raises NoPermission: something cannot be read.
    """
    found = scan(source, known=known, contents=False, jobs=jobs)
    made = build(rows_of(found.manifest), [source], out, jobs=jobs, progress=progress, sync=sync)
    return Built(made.manifest, (*found.notes, *made.notes), made.owners)


def rows_of(manifest: Manifest, source: int = 0) -> Iterator[BuildRow]:
    """Rows that write a scanned tree as it is."""
    for row in manifest.rows():
        path, kind, mode, uid, gid, _, mtime, content, xattrs, flags, project, group, inode, ctime = row
        yield BuildRow(
            path, kind, mode, uid, gid, mtime, xattrs, flags, project, source, path, content, group, inode, ctime
        )


class _Build:
    """One build under way."""

    def __init__(self, plan: BuildPlan, places: Places) -> None:
        self._plan = plan
        self._places = places
        self._several = set(plan.firsts.values())

    def run(self, jobs: int | None, progress: Progress | None) -> list[Outcome]:
        """Write everything; what was written, part by part, the caller's own work last."""
        placer = Placer(self._places)
        try:
            for place in self._plan.shared.values():
                placer.make(self._plan.rows[place])
            outcomes = run_tasks(self._part, len(self._plan.starts) - 1, jobs=jobs, progress=progress)
            self._complete(placer)
        finally:
            placer.close()
        return [*outcomes, placer.outcome]

    def _part(self, task: int, tell: Progress) -> Outcome:
        start, stop = self._plan.starts[task : task + 2]
        placer = Placer(self._places)
        directories = []
        try:
            for place in range(start, stop):
                if self._write(placer, place, start):
                    directories.append(place)
                if (place - start) % TELL_EVERY == TELL_EVERY - 1:
                    tell(TELL_EVERY)
            for place in reversed(directories):
                placer.complete(place, self._plan.rows[place])
        finally:
            placer.close()
        tell((stop - start) % TELL_EVERY)
        return placer.outcome

    def _write(self, placer: Placer, place: int, start: int) -> bool:
        """Write a row of a part; whether it is a directory for the part to complete."""
        row = self._plan.rows[place]
        if row.kind == DIRECTORY:
            if row.path not in self._plan.shared:
                placer.make(row)
            return row.path not in self._plan.kept_open
        first = self._plan.firsts.get(place)
        if first is None:
            status = placer.make(row._replace(flags=0) if place in self._several else row)
            if status is not None:
                placer.outcome.saw(place, status)
        elif first >= start:
            placer.link(row, self._plan.rows[first])
        return False

    def _complete(self, placer: Placer) -> None:
        """What had to wait for the last part."""
        rows = self._plan.rows
        for place in self._plan.late:
            placer.link(rows[place], rows[self._plan.firsts[place]])
        for place in sorted(self._several):
            placer.outcome.saw(place, placer.flag(rows[place]))
        for place in range(len(rows) - 1, -1, -1):
            if rows[place].path in self._plan.kept_open and rows[place].kind == DIRECTORY:
                placer.complete(place, rows[place])


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
        for name in os.listxattr(top):
            if name.startswith("system.posix_acl"):  # a default ACL would be handed on to all that is made
                os.removexattr(top, name)
    except OSError as error:
        os.close(top)
        raise write_problem(error, out, b"") from error
    except BadInput:
        os.close(top)
        raise
    return top


def _sync(top: int, out: bytes) -> None:
    """Bring the file system of the tree to the disk."""
    if ctypes.CDLL(None, use_errno=True).syncfs(top):
        number = ctypes.get_errno()
        raise write_problem(OSError(number, os.strerror(number)), out, b"")


def _built(plan: BuildPlan, outcomes: list[Outcome]) -> Built:
    owners = tuple(sorted(owner for outcome in outcomes for owner in outcome.owners))
    notes = [note for outcome in outcomes for note in outcome.notes]
    if owners:
        text = f"{len(owners)} paths belong to the caller, as giving them away needs root; their owners are recorded"
        notes.append(Note("owner-not-kept", b"", text, {"count": len(owners)}))
    squashed = Squashed(os.geteuid(), os.getegid()) if owners else None
    return Built(Manifest.from_rows(_written(plan, outcomes), squashed), tuple(notes), owners)


def _written(plan: BuildPlan, outcomes: list[Outcome]) -> Iterator[Row]:
    """The rows as they were written, with their signatures."""
    changed: dict[bytes, BuildRow | None] = {}
    signatures: dict[int, tuple[int, int, int]] = {}
    for outcome in outcomes:
        changed.update(outcome.changed)
        signatures.update(outcome.signatures)
    groups: dict[int, int] = {}
    several = set(plan.firsts.values())
    for place, row in enumerate(plan.rows):
        written = changed.get(row.path, row) if changed else row
        if written is None:
            continue
        first = plan.firsts.get(place, place)
        size, inode, ctime = signatures[first]
        group = groups.setdefault(row.group, len(groups) + 1) if first != place or place in several else 0
        content = row.content
        if row.kind == FILE and row.source == INLINE:
            content = hashlib.sha256(content).digest()
        yield (
            row.path, row.kind, written.mode, row.uid, row.gid, size, row.mtime, content, written.xattrs,
            written.flags, written.project, group, inode, ctime,
        )  # fmt: skip
