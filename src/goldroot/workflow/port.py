"""The port: what a workflow is, and what an engine does with it.

A workflow is a named, ordered list of steps over a state, which is JSON-able data.  A step is given the state and
returns what it adds to it.  Its result is durable once the step has returned; a step that was interrupted is done
*again*, so every step must be idempotent.  A run has a key, such as ``update:web1:7``: whoever runs the same key again
goes on at the first step that is not done, with the state of the first start; a key that is finished gives its result,
and does nothing.

A workflow never waits for a person: it ends, and the decision starts the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from goldroot.errors import NewerVersion, Refused

State = dict[str, Any]  #: JSON-able
Do = Callable[[State], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One idempotent step: ``do`` is given the state so far and returns what it adds (or ``None``: nothing)."""

    name: str
    do: Do


@dataclass(frozen=True, slots=True)
class Workflow:
    """A named list of steps, in order; a step's name is used once."""

    name: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"workflow {self.name}: a step's name is used twice")


@dataclass(frozen=True, slots=True)
class Moment:
    """A step begins, or is done: number ``number`` (from 1) of ``of``."""

    step: str
    number: int
    of: int
    what: Literal["begins", "done"]


Progress = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """A run that has begun and is not finished: it goes on when its key is run again."""

    key: str
    workflow: str
    done: tuple[str, ...]  #: the steps that are done
    error: str  #: what stopped it; "" where it was killed, or is running now
    cancel_asked: bool
    state: State  #: of the first start, with the results of the steps that are done


class Cancelled(Refused):
    """A run ended because somebody asked for it; compensate, and use another key for another try."""

    kind = "cancelled"


class Engine(Protocol):
    """What runs workflows."""

    def run(self, workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State:
        """Start the run ``key``, or go on with it, in the calling thread; return the state at its end.

        An exception of a step leaves as it is, and the run stays pending at that step.

        :raises Busy: another process runs this key now.
        :raises Cancelled: a cancel was asked for, and seen between two steps.
        :raises NewerVersion: the run was begun by a goldroot whose steps are other ones.
        """
        ...

    def find(self, key: str) -> Pending | None:
        """The run of this key, if it has begun and is not finished; the other runs are not looked at."""
        ...

    def pending(self) -> list[Pending]:
        """The runs that have begun and are not finished, oldest first; to show them, never to answer about one."""
        ...

    def cancel(self, key: str) -> bool:
        """Ask for the end of a run: seen before its next step.  ``False``: there is no such run, or it has ended."""
        ...


def with_results(state: Mapping[str, Any], results: Sequence[Mapping[str, Any] | None]) -> State:
    """The state after these steps' results."""
    merged = dict(state)
    for result in results:
        merged.update(result or {})
    return merged


def plain(data: Mapping[str, Any] | None) -> State:
    """A copy that is JSON and nothing else, as a later process will see it.

    :raises TypeError: something in it is not JSON-able: a mistake in the step.
    """
    copy: State = json.loads(json.dumps(dict(data or {})))
    return copy


def check_steps(workflow: Workflow, key: str, name: str, done: Sequence[str]) -> None:
    """See that what was done belongs to this workflow.

    :raises NewerVersion: it does not: another version of goldroot began the run.
    """
    if name != workflow.name or list(done) != [step.name for step in workflow.steps[: len(done)]]:
        raise NewerVersion(
            f"{key} was begun by another version of goldroot, with other steps",
            meaning=f"Done are: {', '.join(done) or 'none'}; nothing was changed now.",
            todo="Finish it with the version that began it, or cancel it and begin again.",
        )


def cancelled(key: str) -> Cancelled:
    """The error of a run that ended on demand."""
    return Cancelled(f"{key} was cancelled", meaning="No further step of it was begun.")


def range_of(start: str) -> tuple[str, str]:
    """What begins so, as a range of names by their code points: from the first one, to one that is behind the last one."""
    return start, start[:-1] + chr(ord(start[-1]) + 1)
