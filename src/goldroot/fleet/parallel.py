"""Work on many clones at once, in child processes; each takes one clone after the other.

A child opens what it needs for itself and holds the lock of the clone that it works on, like a command of its own.  It
dies with the process that began it, and a kill leaves its clone exactly old or new, as that of any command does.  This
process opens nothing: it hands out names, and writes down what came of them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

from goldroot.catalog import clones, images
from goldroot.errors import Failed, GoldrootError
from goldroot.fleet.update.update import Outcome, engine_of, run_update
from goldroot.run import Mask, dying_with, signals_wait
from goldroot.site import Site
from goldroot.workflow import load_engine

T = TypeVar("T")

#: Opens what the work needs, and gives the work on one clone.
Opener = Callable[[], AbstractContextManager[Callable[[str], T]]]
#: Told of each clone that comes to an end, with "" or the kind of its error.
Tell = Callable[[str, str], None]


@dataclass
class Outcomes(Generic[T]):
    """What became of each clone."""

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, GoldrootError] = field(default_factory=dict)
    unfinished: dict[str, BaseException] = field(
        default_factory=dict
    )  #: begun, and cut off by this: exactly old or new
    not_begun: list[str] = field(default_factory=list)
    stopped_by: str = ""  #: the kind of the failures after which no other clone was begun
    interrupt: KeyboardInterrupt | None = None  #: somebody asked for the end: for the caller to raise


def usual_jobs() -> int:
    """As many clones at once as there are processors for this process."""
    return len(os.sched_getaffinity(0))


def on_each(
    names: Sequence[str], opened: Opener[T], *, jobs: int = 1, stop_after: int = 0, tell: Tell | None = None
) -> Outcomes[T]:
    """Do the work on every clone, on so many of them at once; the failure of one does not stop the rest.

    A process with several threads does all of it by itself: a forked copy would wait for locks that they hold.

    :param names: of clones, each once.
    :param stop_after: so many failures of the same kind, and no other clone is begun; 0: never.
    """
    run = _Run(names, opened, stop_after, tell or (lambda name, kind: None))
    if jobs <= 1 or len(names) <= 1 or threading.active_count() > 1:
        run.here()
    else:
        run.in_children(min(jobs, len(names)))
    return _in_order(run.result, names)


def _in_order(result: Outcomes[T], names: Sequence[str]) -> Outcomes[T]:
    """As they were named, not as they came to their ends."""
    begun = {*result.done, *result.failed, *result.unfinished}
    result.not_begun = [name for name in names if name not in begun]
    result.done = {name: result.done[name] for name in names if name in result.done}
    result.failed = {name: result.failed[name] for name in names if name in result.failed}
    result.unfinished = {name: result.unfinished[name] for name in names if name in result.unfinished}
    return result


@dataclass
class _Child:
    """A child process, and the clone that it works on."""

    pid: int
    pipe: Connection[str, tuple[str, Any]]
    name: str


class _Run(Generic[T]):
    def __init__(self, names: Sequence[str], opened: Opener[T], stop_after: int, tell: Tell) -> None:
        self.waiting = list(names)
        self.result: Outcomes[T] = Outcomes()
        self._opened = opened
        self._stop_after = stop_after
        self._tell = tell
        self._kinds: Counter[str] = Counter()
        self._children: list[_Child] = []

    # -- what came of a clone

    @property
    def _next(self) -> str | None:
        """The next clone to begin, taken; ``None`` where none is."""
        ended = self.result.stopped_by or self.result.unfinished or self.result.interrupt is not None
        return self.waiting.pop(0) if self.waiting and not ended else None

    def _note(self, name: str, how: str, what: Any) -> None:
        if how == "done":
            self.result.done[name] = what
        elif how == "failed":
            self.result.failed[name] = what
            self._kinds[what.kind] += 1
            if self._kinds[what.kind] == self._stop_after:
                self.result.stopped_by = what.kind
        else:
            self.result.unfinished[name] = what
            if isinstance(what, KeyboardInterrupt) and self.result.interrupt is None:
                self.result.interrupt = what
        self._tell(name, what.kind if how == "failed" else "")

    # -- in this process

    def here(self) -> None:
        """One after the other."""
        with ExitStack() as stack:
            work = _Work(self._opened, stack)
            while (name := self._next) is not None:
                self._note(name, *work.on(name))

    # -- in child processes

    def in_children(self, jobs: int) -> None:
        """On so many clones at once."""
        try:
            try:
                for _ in range(jobs):
                    self._begin_child()
                self._until_all_ended()
            except KeyboardInterrupt as by:
                self.result.interrupt = by
                for child in self._children:
                    os.kill(child.pid, signal.SIGTERM)
                self._until_all_ended()
        finally:
            for child in self._children:  # there are none but where somebody asked twice for the end
                os.kill(child.pid, signal.SIGKILL)
                self._reap(child)

    def _until_all_ended(self) -> None:
        while self._children:
            ready = wait([child.pipe for child in self._children])
            for child in [one for one in self._children if one.pipe in ready]:
                self._hear(child)

    def _begin_child(self) -> None:
        name = self._next
        if name is None:
            return
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with signals_wait() as before:
            pid = os.fork()
            if pid == 0:
                for pipe in (ours, *(child.pipe for child in self._children)):
                    pipe.close()  # a copy of this end would keep a child from hearing that there is no other name
                _be_child(self._opened, theirs, parent, before)
            child = _Child(pid, ours, name)
            self._children.append(child)
        theirs.close()
        self._send(child)

    def _send(self, child: _Child) -> None:
        with suppress(BrokenPipeError):  # that it has died is found where it is listened to
            child.pipe.send(child.name)

    def _hear(self, child: _Child) -> None:
        try:
            how, what = child.pipe.recv()
        except (EOFError, ConnectionError):
            self._children.remove(child)
            died = _died(self._reap(child))
            by = self.result.interrupt
            self._note(child.name, *(("failed", died) if by is None else ("broken", by)))
            self._begin_child()
            return
        self._note(child.name, how, what)
        name = self._next
        if name is None:
            self._children.remove(child)
            child.pipe.close()  # it ends when it hears no other name
            self._reap(child)
        else:
            child.name = name
            self._send(child)

    def _reap(self, child: _Child) -> int:
        child.pipe.close()
        _, status = os.waitpid(child.pid, 0)
        return os.waitstatus_to_exitcode(status)


def _died(code: int) -> Failed:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    return Failed(
        f"the process that worked on it {how}",
        meaning="The server is exactly as it was, or exactly updated.",
        todo="Look for the reason (often: no memory left, see the kernel's log) and run the same command again.",
    )


class _Work(Generic[T]):
    """The work of one process: what it needs is opened for the first clone, and stays open."""

    def __init__(self, opened: Opener[T], stack: ExitStack) -> None:
        self._opened = opened
        self._stack = stack
        self._one: Callable[[str], T] | None = None

    def on(self, name: str) -> tuple[str, Any]:
        """How it went with one clone, and what came of it."""
        try:
            if self._one is None:
                self._one = self._stack.enter_context(self._opened())
            return "done", self._one(name)
        except GoldrootError as error:
            return "failed", error
        except BaseException as error:  # noqa: BLE001  whatever it is, the caller raises it when the rest has ended
            return "broken", error


def _be_child(opened: Opener[T], pipe: Connection[tuple[str, Any], str], parent: int, mask: Mask) -> NoReturn:
    """The life of a child; never returns into the caller's code."""
    status = 1
    try:
        for ended_by_parent in (signal.SIGINT, signal.SIGHUP):  # what reaches all of a terminal's processes
            signal.signal(ended_by_parent, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _interrupt)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        dying_with(parent)()
        with ExitStack() as stack:
            work = _Work(opened, stack)
            with suppress(EOFError):
                while True:
                    how, what = work.on(pipe.recv())
                    with signals_wait():  # half a message would be none
                        pipe.send((how, _portable(what) if how == "broken" else what))
        status = 0
    except BaseException:  # noqa: BLE001  the parent sees that this process has ended
        pass
    finally:
        os._exit(status)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the rest is tidied up
    raise KeyboardInterrupt


def _portable(error: BaseException) -> BaseException:
    """The error itself where the caller's words are made of it, else one that shows where a bug is."""
    if isinstance(error, OSError | KeyboardInterrupt):
        return error
    return RuntimeError("a process failed:\n" + "".join(traceback.format_exception(error)))


def run_updates(
    root: str, names: Sequence[str], to: int | None = None, *, jobs: int = 1, stop_after: int = 0,
    tell: Tell | None = None,
) -> Outcomes[Outcome]:  # fmt: skip
    """:func:`run_update` for many clones of the site at ``root``, see :func:`on_each`.

    Each process has an engine of its own: an executor of DBOS is one process.  They share the databases as commands do
    that are given in two terminals: one writes at a time, and the lock of a clone keeps all others from it.
    """
    if jobs > 1:
        load_engine()  # once, before there are copies of this process

    @contextmanager
    def opened() -> Iterator[Callable[[str], Outcome]]:
        with closing(Site.open(root)) as site, engine_of(site) as engine:
            yield lambda name: run_update(site, engine, name, to)

    return on_each(names, opened, jobs=jobs, stop_after=stop_after, tell=tell)


def chosen_clones(site: Site, image: str | None = None) -> list[str]:
    """The clones in use, by name: of one image, or all.

    :raises NotFound: no such image.
    """
    with site.catalog.read() as tx:
        if image is not None:
            images.get(tx, image)
        return [clone.name for clone in clones.every(tx, image) if clone.state == "active"]
