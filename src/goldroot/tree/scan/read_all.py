"""Reading many entries of a tree, or of several that are alike, shared among processes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from goldroot.tree.entry import Xattrs
from goldroot.tree.notes import Progress
from goldroot.tree.paths import tree_key
from goldroot.tree.scan.live import LiveReader
from goldroot.tree.scan.reading import Chooser, Digester, Found, Reader, Wanted
from goldroot.tree.scan.statuses import Fields
from goldroot.tree.workers import MOST_TASKS, run_tasks

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
    kind = LiveReader if live else Reader
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
