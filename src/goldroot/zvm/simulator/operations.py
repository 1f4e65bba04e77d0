"""The asynchronous queue: work that is accepted now and done later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Reason codes of ``Query_Asynchronous_Operation_DM``.
DONE = 100
RUNNING = 104
FAILED = 108

#: Finished operations that are remembered.
REMEMBERED = 10_000


@dataclass
class Operation:
    """Work that waits: done when it is ``due`` and has been asked about ``questions`` times more."""

    number: int
    work: Callable[[], object]
    due: float
    questions: int
    undo: Callable[[], None] | None = None
    fails: bool = False
    state: int = RUNNING


class Operations:
    """Operations by number.

    :param delay: seconds that an operation takes.
    :param questions: how often a client must ask before it is done; for tests that do not wait.
    """

    def __init__(self, delay: float = 0.0, questions: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.delay = delay
        self.questions = questions
        self._clock = clock
        self._all: dict[int, Operation] = {}
        self._next = 1000

    def start(
        self,
        work: Callable[[], object],
        *,
        undo: Callable[[], None] | None = None,
        fails: bool = False,
        stuck: bool = False,
    ) -> int:
        """Queue work and return the operation's number; one that ``fails`` never does it, but ``undo``; one that is
        ``stuck`` goes on until it is cancelled."""
        self._next += 1
        due = math.inf if stuck else self._clock() + self.delay
        operation = Operation(self._next, work, due, self.questions, undo, fails)
        self._all[operation.number] = operation
        while len(self._all) > REMEMBERED:
            del self._all[next(iter(self._all))]
        self.settle()
        return operation.number

    def settle(self) -> None:
        """Do what is due."""
        now = self._clock()
        for operation in list(self._all.values()):
            if operation.state == RUNNING and operation.due <= now and operation.questions <= 0:
                finish(operation)

    def ask(self, number: int) -> int | None:
        """The state of an operation; nothing where the number is unknown."""
        operation = self._all.get(number)
        if operation is None:
            return None
        if operation.state == RUNNING:
            operation.questions -= 1
            self.settle_after(operation)
        return operation.state

    def settle_after(self, operation: Operation) -> None:
        """An operation that has been asked about often enough is done by the *next* question."""
        if operation.questions < 0 and operation.due <= self._clock():
            finish(operation)

    def cancel(self, number: int) -> bool:
        """Take a waiting operation out of the queue; its work is not done."""
        operation = self._all.get(number)
        if operation is None or operation.state != RUNNING:
            return False
        del self._all[number]
        if operation.undo:
            operation.undo()
        return True

    def running(self) -> int:
        return sum(operation.state == RUNNING for operation in self._all.values())


def finish(operation: Operation) -> None:
    """Do the work; whatever goes wrong in it is a failure without detail, as on the real thing."""
    operation.state = FAILED
    if operation.fails:
        if operation.undo:
            operation.undo()
        return
    try:
        operation.work()
    except Exception:  # noqa: BLE001 - a failed operation says only that it failed
        return
    operation.state = DONE
