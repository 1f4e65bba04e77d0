"""The port: what a workflow is, what an engine does with it, and the way to the durable one.

A workflow is a named, ordered list of steps over a state, which is JSON-able data.  A step is given the state and
returns what it adds to it.  Its result is durable once the step has returned; a step that was interrupted is done
*again*, so every step must be idempotent.  A run has a key, such as ``update:web1:7``: whoever runs the same key again
goes on at the first step that is not done, with the state of the first start; a key that is finished gives its result,
and does nothing.

A workflow never waits for a person: it ends, and the decision starts the next one.

DBOS takes longer to import than most commands take for all the rest: it is imported only when a run has to be begun, gone on with or
cancelled.  Whether a key has a run that is not finished is asked of the database itself first: its table ``workflow_status`` is a
documented one of DBOS's (its ``system tables``).

Where DBOS is not installed, the journal of a run is kept in memory.  What a killed command had done is known all the same, by the
catalog and the host's entries: its repetition begins a new attempt, whose steps find what is there.

DBOS imports the driver of PostgreSQL, YAML, cron schedules and the object-relational half of SQLAlchemy, half of all that it
loads, whatever database it is given.  An update on SQLite uses none of them: they are loaded when they are first used.
"""

from __future__ import annotations

import importlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote

from goldroot.errors import NewerVersion, Refused

if TYPE_CHECKING:
    from goldroot.workflow.durable import DbosEngine
    from goldroot.workflow.inprocess import InProcess

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


class Run(Protocol):
    """How :meth:`Engine.run` is called."""

    def __call__(self, workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State: ...


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

    def unfinished(self) -> list[str]:
        """The keys of the runs that have begun and are not finished, oldest first, and of those that a cancel ended."""
        ...

    def cancel(self, key: str) -> bool:
        """Ask for the end of a run: seen before its next step.  ``False``: there is no such run, or it has ended."""
        ...

    def forget(self, key: str) -> None:
        """Remove a run that nobody will go on with; again: nothing.

        :raises Busy: another process runs this key now.
        """
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


#: What all runs are registered as.
BODY = "goldroot.workflow"

#: What DBOS calls a run that has come to its end, and one that was killed or that an error stopped.
FINISHED = "SUCCESS"
UNFINISHED = ("PENDING", "ERROR")


class LazyEngine:
    """A :class:`goldroot.workflow.Engine` that becomes the durable one when it has to."""

    def __init__(self, database: str | os.PathLike[str], locks: str | os.PathLike[str]) -> None:
        self._database, self._locks = os.fspath(database), os.fspath(locks)
        self._engine: DbosEngine | InProcess | None = None

    @property
    def run(self) -> Run:
        """See :meth:`goldroot.workflow.Engine.run`."""
        return self._durable().run

    def find(self, key: str) -> Pending | None:
        """See :meth:`goldroot.workflow.Engine.find`."""
        if self._engine is None and surely_finished(self._database, key):
            return None
        return self._durable().find(key)

    def pending(self) -> list[Pending]:
        """See :meth:`goldroot.workflow.Engine.pending`."""
        return self._durable().pending()

    def unfinished(self) -> list[str]:
        """See :meth:`goldroot.workflow.Engine.unfinished`."""
        found = read_unfinished(self._database)
        return self._durable().unfinished() if found is None else found

    def cancel(self, key: str) -> bool:
        """See :meth:`goldroot.workflow.Engine.cancel`."""
        return self._durable().cancel(key)

    def forget(self, key: str) -> None:
        """See :meth:`goldroot.workflow.Engine.forget`."""
        self._durable().forget(key)

    def close(self) -> None:
        """End what was opened."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _durable(self) -> Engine:
        if self._engine is None:
            if load_engine():
                from goldroot.workflow.durable import DbosEngine

                self._engine = DbosEngine(self._database, self._locks)
            else:
                from goldroot.workflow.inprocess import InProcess

                self._engine = InProcess()
        return self._engine


def surely_finished(database: str, key: str) -> bool:
    """Whether a database of runs in SQLite says that nothing of a key is left to do; ``False`` where that is not sure.

    It is sure where an attempt of the key has come to its end, or none was ever begun.
    """
    query = "SELECT status FROM workflow_status WHERE workflow_uuid >= ? AND workflow_uuid < ?"
    found = _read(database, query, range_of(f"{key}#"))
    return found is not None and (not found or FINISHED in found)


def read_unfinished(database: str) -> list[str] | None:
    """As :meth:`Engine.unfinished`, by a database of runs in SQLite; ``None`` where that cannot be read."""
    query = "SELECT workflow_uuid FROM workflow_status WHERE name = ? AND status IN (?, ?) ORDER BY created_at"
    found = _read(database, query, (BODY, *UNFINISHED))
    return None if found is None else list(dict.fromkeys(attempt.rpartition("#")[0] for attempt in found))


def _read(database: str, query: str, values: Sequence[str]) -> list[str] | None:
    """The first column of what a question to a database of runs finds; ``None`` where this cannot be asked."""
    path = database.removeprefix("sqlite:///")
    if "://" in path:
        return None
    if not os.path.exists(path):
        return []
    try:
        # Not mode=ro: such a reader leaves its files of the write-ahead log behind.
        with closing(sqlite3.connect(f"file:{quote(os.path.abspath(path))}?mode=rw", uri=True)) as connection:
            return [found for (found,) in connection.execute(query, values)]
    except sqlite3.Error:
        return None


def load_engine() -> bool:
    """Import the durable engine now: before a fork, so that the copies have it.  Nothing of it is begun.

    :returns: whether DBOS is installed.  It is not everywhere: the driver of PostgreSQL that it asks for has no wheel for s390x.
    """
    try:
        import_lean("dbos", NOT_ON_SQLITE)
        import goldroot.workflow.durable  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "dbos":
            raise
        return False
    return True


@contextmanager
def open_engine(database: str | os.PathLike[str], locks: str | os.PathLike[str]) -> Iterator[Engine]:
    """The durable engine, closed at the end of the block.

    :param database: a path (SQLite; made when missing) or a URL ``postgresql://...``; a file of the engine's own, not
        the catalog's.
    :param locks: the directory of the locks, one per key.
    """
    engine = LazyEngine(database, locks)
    try:
        yield engine
    finally:
        engine.close()


#: What DBOS imports beside what it needs.  (YAML: its own configuration file.  Cron: workflows that are begun by a clock.)
NOT_ON_SQLITE = ("psycopg", "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "yaml", "croniter", "dateutil.parser")


class Later:
    """A module, or what it has by a dotted name.  It is loaded when it is called or derived from."""

    def __init__(self, module: str, *names: str) -> None:
        self._module = module
        self._names = names

    @property
    def _loaded(self) -> bool:
        return not isinstance(sys.modules.get(self._module), Later | None)

    def _now(self) -> Any:
        if not self._loaded:
            sys.modules.pop(self._module, None)  # the stand-in, within the block
        found: Any = importlib.import_module(self._module)
        for name in self._names:
            found = getattr(found, name)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the marks by which Python itself looks for abilities: nothing is loaded for these
            raise AttributeError(name)
        return getattr(self._now(), name) if self._loaded else Later(self._module, *self._names, name)

    def __getitem__(self, _: Any) -> Later:
        """What a class is subscripted with, in an annotation."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._now()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Any, ...]:
        """Who derives a class from it needs it now."""
        return (self._now(),)

    def __instancecheck__(self, one: object) -> bool:
        """Nothing has a class of a module that nobody has loaded."""
        return self._loaded and isinstance(one, self._now())


@contextmanager
def loaded_later(*modules: str) -> Iterator[None]:
    """What the block imports gets a :class:`Later` for each of these modules that is not loaded yet; nobody else does."""
    stand_ins: dict[str, Any] = {name: Later(name) for name in modules if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, one in stand_ins.items():
            if sys.modules.get(name) is one:
                del sys.modules[name]


def import_lean(name: str, later: Sequence[str]) -> None:
    """Import a package with :class:`Later` for these modules; plainly, where one of its versions cannot do with them."""
    if name in sys.modules:
        return
    try:
        with loaded_later(*later):
            importlib.import_module(name)
    except Exception:  # noqa: BLE001  whatever it is that a stand-in cannot do
        for half in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[half]
        importlib.import_module(name)
