"""Walking a tree: every path with its status, in tree order, into columns.

A directory is listed and its entries are asked for their status at once, in the interpreter's own loops; a directory
without directories in it, as most are, needs no loop of ours at all.  A large tree is walked by several processes: the
directories next to the top are looked into until there are enough of them to share out, and what is below each comes
back as a piece, to be put in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from goldroot.tree.columns import Columns
from goldroot.tree.notes import Note, Progress
from goldroot.tree.paths import tree_key
from goldroot.tree.scan.listing import Lister, Listing
from goldroot.tree.scan.statuses import IS_DIRECTORY, LINKS, MODE, TYPE, Fields, GrowingColumns
from goldroot.tree.workers import run_tasks, usual_jobs

#: Entries remembered as the kernel gave them before they become columns.
BATCH = 4096
#: How many directories are found before they are shared out, and into how many tasks at most.
SHARED_OUT, TASKS = 64, 100
#: A tree with fewer directories, as far as can be guessed, is walked by one process.
WORTH_FORKING = 500

Pair = tuple[bytes, Fields]


@dataclass(slots=True)
class Walked:
    """What a status tells of every path; contents, extended attributes, flags and projects are still missing."""

    columns: Columns
    notes: list[Note]


@dataclass(slots=True)
class _Piece:
    """A directory with all that is in it."""

    path: bytes
    turning: GrowingColumns
    notes: list[Note] = field(default_factory=list)


def walk(
    root: int, shown: bytes, *, live: bool = False, jobs: int | None = None, progress: Progress | None = None
) -> Walked:
    """Walk over the tree whose directory is open as ``root``.

    :param shown: the tree's path for messages.
    :param live: take what vanishes or changes under way as it comes, with a note, where otherwise it is an error.
    :raises NoPermission: a directory cannot be read.
    :raises TreeChanged: something changed while it was read.
    """
    jobs = jobs or usual_jobs()
    with closing(Lister(root, shown, live=live)) as lister:
        near, far = _near_the_top(lister) if jobs > 1 else ([], [(b"", lister.status)])
        if progress and near:
            progress(len(near))
        # What the kernel counts in a directory is itself, its own ".", and the ".." of each directory in it.
        guess = sum(max(1, status[LINKS] - 1) for _, status in far)
        tasks = min(len(far), TASKS)

        def work(task: int, tell: Progress) -> list[_Piece]:
            share = far[len(far) * task // tasks : len(far) * (task + 1) // tasks]
            with closing(lister.again()) as own:
                return [_walk_piece(own, path, status, tell) for path, status in share]

        found = run_tasks(work, tasks, jobs=jobs if guess >= WORTH_FORKING else 1, progress=progress)
        pieces = [piece for pieces in found for piece in pieces]
        notes = [*lister.notes, *(note for piece in pieces for note in piece.notes)]
        return _together(near, pieces, notes)


def _near_the_top(lister: Lister) -> tuple[list[Pair], list[Pair]]:
    """What is near the top of the tree, and the directories that were not looked into, sorted."""
    near: list[Pair] = []
    far = deque([(b"", lister.status)])
    while far and len(far) < SHARED_OUT:
        path, status = far.popleft()
        inside = lister.look(path, status)
        if inside is not None:
            near.append((path, inside.status))
            for pair in zip(inside.paths, inside.statuses, strict=True):
                (far if pair[1][MODE] & TYPE == IS_DIRECTORY else near).append(pair)
    return near, sorted(far, key=lambda pair: tree_key(pair[0]))


def _together(near: list[Pair], pieces: list[_Piece], notes: list[Note]) -> Walked:
    """Everything in tree order."""
    whole = GrowingColumns()
    order: list[tuple[bytes, Pair | _Piece]] = [(tree_key(pair[0]), pair) for pair in near]
    order += [(tree_key(piece.path), piece) for piece in pieces]
    order.sort(key=lambda item: item[0])
    pairs: list[Pair] = []
    for _, item in order:
        if isinstance(item, _Piece):
            whole.add([path for path, _ in pairs], [status for _, status in pairs])
            whole.add_all(item.turning)
            pairs = []
        else:
            pairs.append(item)
    whole.add([path for path, _ in pairs], [status for _, status in pairs])
    return Walked(whole.finish(), [*notes, *whole.notes])


def _walk_piece(lister: Lister, path: bytes, status: Fields, progress: Progress) -> _Piece:
    walk = _Walk(lister, progress)
    known = len(lister.notes)
    walk.run(path, status)
    return _Piece(path, walk.turning, lister.notes[known:])


class _Walk:
    """One walk, over a directory and all that is in it."""

    def __init__(self, lister: Lister, progress: Progress) -> None:
        self.turning = GrowingColumns()
        self._lister = lister
        self._progress = progress
        self._paths: list[bytes] = []
        self._statuses: list[Fields] = []

    def run(self, path: bytes, status: Fields) -> None:
        stack = [iter([(path, status)])]
        while stack:
            for path, status in stack[-1]:
                if status[MODE] & TYPE != IS_DIRECTORY:
                    self._remember(path, status)
                    continue
                inside = self._lister.look(path, status)
                if inside is None:
                    continue
                self._remember(path, inside.status)
                below = self._take(inside)
                if below is not None:
                    stack.append(below)
                    break
            else:
                stack.pop()
        self._turn()

    def _take(self, inside: Listing) -> Iterator[Pair] | None:
        """What is in a directory, to be looked at one by one; ``None`` where it is remembered as it is."""
        for status in inside.statuses:
            if status[MODE] & TYPE == IS_DIRECTORY:
                return zip(inside.paths, inside.statuses, strict=True)
        self._paths += inside.paths
        self._statuses += inside.statuses
        return None

    def _remember(self, path: bytes, status: Fields) -> None:
        self._paths.append(path)
        self._statuses.append(status)
        if len(self._paths) >= BATCH:
            self._turn()

    def _turn(self) -> None:
        self.turning.add(self._paths, self._statuses)
        self._progress(len(self._paths))
        self._paths, self._statuses = [], []
