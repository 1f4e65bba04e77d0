"""Reading many entries of a tree, shared among processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from goldroot.tree.entry import Xattrs
from goldroot.tree.live import LiveReader
from goldroot.tree.notes import Progress
from goldroot.tree.reading import Chooser, Reader, Wanted
from goldroot.tree.statuses import Fields
from goldroot.tree.workers import MOST_TASKS, run_tasks

#: Reading a file costs as much as reading this many bytes, and then its bytes.
ENTRY_COST = 16384
#: What one task should cost at least, in bytes: so that work is shared evenly, and tasks are few.
TASK_COST = 1500 * ENTRY_COST
#: How many entries are done between two words about it.
TELL_EVERY = 500


@dataclass(slots=True)
class Part:
    """What was read of the entries from ``start`` on: contents, and what few have, by place."""

    start: int
    contents: list[bytes]
    others: dict[int, tuple[Xattrs, int, int]] = field(default_factory=dict)  #: extended attributes, flags, project
    newer: dict[int, Fields] = field(default_factory=dict)  #: statuses that are others by now; in a live tree only
    gone: list[int] = field(default_factory=list)  #: in a live tree only
    torn: list[int] = field(default_factory=list)  #: changed each time that they were read; in a live tree only


def read_all(
    root: int,
    shown: bytes,
    entries: Sequence[Wanted],
    *,
    contents: Chooser,
    sizes: Iterable[int],
    jobs: int | None = None,
    progress: Progress | None = None,
    live: bool = False,
) -> list[Part]:
    """Read all entries, in their order, of the tree whose directory is open as ``root``.

    :param sizes: the entries' lengths in bytes, to share the work evenly.
    :param live: take changes as they come, where otherwise they are errors.
    :raises NoPermission: one cannot be read.
    :raises TreeChanged: one is not what it was when the tree was walked.
    """
    kind = LiveReader if live else Reader
    starts = [*starts_by_cost([size + ENTRY_COST for size in sizes]), len(entries)]

    def work(task: int, tell: Progress) -> Part:
        reader = kind(root, shown, contents=contents)
        try:
            return _read_part(reader, entries, starts[task], starts[task + 1], tell)
        finally:
            reader.close()

    return run_tasks(work, len(starts) - 1, jobs=jobs, progress=progress)


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


def _read_part(reader: Reader, entries: Sequence[Wanted], start: int, stop: int, tell: Progress) -> Part:
    part = Part(start, [])
    told = start
    for place in range(start, stop):
        found = reader.read(entries[place])
        part.contents.append(found.content)
        if found.xattrs or found.flags or found.project:
            part.others[place] = (found.xattrs, found.flags, found.project)
        if found.status is not None:
            part.newer[place] = found.status
        if found.gone:
            part.gone.append(place)
        if found.torn:
            part.torn.append(place)
        if place - told >= TELL_EVERY:
            tell(place - told)
            told = place
    tell(stop - told)
    return part
