"""Work shared among forked copies of this process.

Threads gain nothing here in CPython, and a forked copy has all it needs without anything being sent to it.  Each worker
takes the next task that nobody has taken, and sends back what it found through its own pipe; a worker that fails, or is
killed, ends the whole with an error.  Workers end by ``os._exit``: nothing that the caller set up for its own end runs
in them.  They die with the process that forked them.

A process with several threads is never forked, because a copy would wait for ever for locks that threads held which it
has not; the work is then done here.

Message of a worker: kind (1 byte: ``p`` progress, ``r`` result, ``e`` error), number (4 bytes), length (8 bytes), data.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import selectors
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from goldroot.errors import Failed, GoldrootError
from goldroot.run import Mask, dying_with, signals_wait
from goldroot.tree.entry import Progress

Result = TypeVar("Result")

_MESSAGE = struct.Struct("<cIQ")
_TASK = struct.Struct("<I")
#: So many tasks fit into a pipe that nobody reads yet, on every Linux.
MOST_TASKS = 1000
_READ = 1 << 20


def usual_jobs() -> int:
    """How many processes work at once where the caller does not say: one for each processor, four at most."""
    return min(4, len(os.sched_getaffinity(0)))


def run_tasks(
    work: Callable[[int, Progress], Result], tasks: int, *, jobs: int | None = None, progress: Progress | None = None
) -> list[Result]:
    """What ``work(task, progress)`` returned for each task from 0, in that order.

    :param tasks: how many, :data:`MOST_TASKS` at most.
    :param jobs: processes; with 1 the work is done in this one.
    :raises GoldrootError: what a worker raised, or ``Failed`` where one was killed.
    """
    jobs = min(jobs or usual_jobs(), tasks)
    if jobs <= 1 or threading.active_count() > 1:
        results = []
        for task in range(tasks):
            results.append(work(task, progress or _tell_nobody))
        return results
    return _Pool(work, tasks, progress).run(jobs)


def _tell_nobody(_: int) -> None:
    pass


class _Pool(Generic[Result]):
    def __init__(self, work: Callable[[int, Progress], Result], tasks: int, progress: Progress | None) -> None:
        self._work = work
        self._tasks = tasks
        self._progress = progress
        self._results: dict[int, Result] = {}
        self._pids: dict[int, int] = {}  # by the descriptor that we read
        self._received: dict[int, bytearray] = {}

    def run(self, jobs: int) -> list[Result]:
        queue, feed = os.pipe()
        os.write(feed, b"".join(map(_TASK.pack, range(self._tasks))))
        os.close(feed)
        try:
            for _ in range(jobs):
                self._fork(queue)
            self._receive()
            return [self._results[task] for task in range(self._tasks)]
        finally:
            os.close(queue)
            self._end()

    def _fork(self, queue: int) -> None:
        ours, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with signals_wait() as before:
            pid = os.fork()
            if pid == 0:
                _be_worker(self._work, queue, theirs, parent, before)
            self._pids[ours] = pid
            self._received[ours] = bytearray()
        os.close(theirs)

    def _receive(self) -> None:
        with selectors.DefaultSelector() as selector:
            for fd in self._pids:
                selector.register(fd, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, _READ)
                    if data:
                        self._received[key.fd] += data
                        self._take_messages(self._received[key.fd])
                    else:
                        selector.unregister(key.fd)
                        self._reap(key.fd)

    def _take_messages(self, received: bytearray) -> None:
        while len(received) >= _MESSAGE.size:
            kind, number, length = _MESSAGE.unpack_from(received)
            end = _MESSAGE.size + length
            if len(received) < end:
                return
            data = bytes(memoryview(received)[_MESSAGE.size : end])
            del received[:end]
            self._take_message(kind, number, data)

    def _take_message(self, kind: bytes, number: int, data: bytes) -> None:
        if kind == b"p":
            if self._progress:
                self._progress(number)
        elif kind == b"r":
            self._results[number] = pickle.loads(data)
        else:
            raise pickle.loads(data)

    def _reap(self, fd: int) -> None:
        """A worker closed its pipe: it must have ended well."""
        pid = self._pids.pop(fd)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        if status:
            code = os.waitstatus_to_exitcode(status)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
            raise Failed(
                f"a worker process {how}",
                meaning="The work is not complete; what was read is untouched.",
                todo="Look for the reason (often: no memory left, see the kernel's log) and run the command again.",
            )

    def _end(self) -> None:
        """End what still runs; only after an error is there anything."""
        for fd, pid in self._pids.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(fd)


def _be_worker(work: Callable[[int, Progress], object], queue: int, out: int, parent: int, mask: Mask) -> NoReturn:
    """The life of a worker; never returns into the caller's code."""
    status = 1
    try:
        gc.disable()  # a collection would touch, and so copy, everything that is shared with the parent
        for ended_by_parent in (signal.SIGINT, signal.SIGHUP):  # what reaches all of a terminal's processes
            signal.signal(ended_by_parent, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        dying_with(parent)()
        _work_off(work, queue, out)
        status = 0
    except BaseException as error:  # noqa: BLE001  whatever it is, the parent raises it
        with contextlib.suppress(BaseException):
            _send(out, b"e", 0, pickle.dumps(_portable(error)))
            status = 0
    finally:
        os._exit(status)


def _work_off(work: Callable[[int, Progress], object], queue: int, out: int) -> None:
    def progress(count: int) -> None:
        _send(out, b"p", count, b"")

    while token := os.read(queue, _TASK.size):
        task = _TASK.unpack(token)[0]
        _send(out, b"r", task, pickle.dumps(work(task, progress), pickle.HIGHEST_PROTOCOL))


def _send(out: int, kind: bytes, number: int, data: bytes) -> None:
    rest = memoryview(_MESSAGE.pack(kind, number, len(data)) + data)
    while rest:
        rest = rest[os.write(out, rest) :]


def _portable(error: BaseException) -> BaseException:
    """The error itself where it is one for people, else one that shows where a bug is."""
    if isinstance(error, GoldrootError):
        return error
    return RuntimeError("a worker process failed:\n" + "".join(traceback.format_exception(error)))
