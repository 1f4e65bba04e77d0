"""An engine with its journal in memory, for tests and for machines without DBOS: the same promises but after a kill, and no database.

A journal can be handed to a second engine, as a second process would find it; ``crash`` is called at named places and
may raise :class:`Crash`, which leaves the journal as a killed process would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from goldroot.workflow.port import (
    Moment,
    Pending,
    Progress,
    State,
    Step,
    Workflow,
    cancelled,
    check_steps,
    plain,
    with_results,
)


class Crash(BaseException):
    """The process "dies" here.  Not an ``Exception``: nothing may catch it and tidy up."""


@dataclass
class Run:
    """What is known of one key."""

    workflow: str
    state: State
    names: list[str] = field(default_factory=list)
    results: list[State] = field(default_factory=list)
    finished: bool = False
    cancel_asked: bool = False
    cancelled: bool = False
    error: str = ""


Journal = dict[str, Run]


class InProcess:
    """An :class:`goldroot.workflow.Engine` whose runs end with its process.

    :param journal: what an earlier engine left.
    :param crash: called with ``begun:STEP`` before a step, ``done:STEP`` when its work is done and its result is not
        yet noted, ``recorded:STEP`` when it is.
    """

    def __init__(self, journal: Journal | None = None, crash: Callable[[str], None] | None = None) -> None:
        self.journal: Journal = {} if journal is None else journal
        self._crash = crash or (lambda place: None)

    def run(self, workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State:
        """See :meth:`goldroot.workflow.Engine.run`."""
        run = self.journal.setdefault(key, Run(workflow.name, plain(state)))
        check_steps(workflow, key, run.workflow, run.names)
        run.error = ""
        for number in range(len(run.names), len(workflow.steps)):
            if run.cancel_asked:
                run.cancelled = True
                raise cancelled(key)
            step, moment = workflow.steps[number], (number + 1, len(workflow.steps))
            _tell(progress, Moment(step.name, *moment, "begins"))
            self._do(run, step)
            _tell(progress, Moment(step.name, *moment, "done"))
        run.finished = True
        return with_results(run.state, run.results)

    def _do(self, run: Run, step: Step) -> None:
        self._crash(f"begun:{step.name}")
        try:
            result = plain(step.do(plain(with_results(run.state, run.results))))
        except Exception as error:
            run.error = str(error)
            raise
        self._crash(f"done:{step.name}")
        run.names.append(step.name)
        run.results.append(result)
        self._crash(f"recorded:{step.name}")

    def find(self, key: str) -> Pending | None:
        """See :meth:`goldroot.workflow.Engine.find`."""
        run = self.journal.get(key)
        if run is None or run.finished or run.cancelled:
            return None
        state = with_results(run.state, run.results)
        return Pending(key, run.workflow, tuple(run.names), run.error, run.cancel_asked, state)

    def pending(self) -> list[Pending]:
        """See :meth:`goldroot.workflow.Engine.pending`."""
        return [found for key in self.journal if (found := self.find(key)) is not None]

    def unfinished(self) -> list[str]:
        """See :meth:`goldroot.workflow.Engine.unfinished`."""
        return [key for key, run in self.journal.items() if not run.finished]

    def forget(self, key: str) -> None:
        """See :meth:`goldroot.workflow.Engine.forget`."""
        self.journal.pop(key, None)

    def close(self) -> None:
        """Nothing is open."""

    def cancel(self, key: str) -> bool:
        """See :meth:`goldroot.workflow.Engine.cancel`."""
        run = self.journal.get(key)
        if run is None or run.finished or run.cancelled:
            return False
        run.cancel_asked = True
        return True


def _tell(progress: Progress | None, moment: Moment) -> None:
    if progress is not None:
        progress(moment)
