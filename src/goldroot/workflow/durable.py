"""The durable engine: DBOS keeps the journal, in SQLite or PostgreSQL.

How DBOS is used, and why so:

* A key's run is a chain of *attempts*, the DBOS workflows ``KEY#1``, ``KEY#2``...  An attempt that did not come to its
  end (killed, or stopped by an error) is not recovered by DBOS, which would do it later, in a background thread, and
  together with everybody else's.  The next ``run`` of the key reads which steps it finished, and begins the next
  attempt behind them: at once, in the calling thread.  An attempt's input says what was done before it, so that older
  attempts can be deleted.
* A process holds the key's lock while it runs it, so an unfinished attempt that it finds is nobody's.  Each process has
  an executor id of its own, so that no launch picks up another one's work.
* The application version is constant: what DBOS would compute from the code changes with every release.
* A cancel is an attribute of the attempt, looked at before each step: DBOS's own cancel cannot compensate.
* SQLite runs with a write-ahead log and ``synchronous=NORMAL``: a kill loses nothing, a power cut may lose the last
  results, and those steps are done again.

Crash points: ``WORKFLOW.STEP.begun``, ``.done`` (the work is, the result is not noted), ``.recorded``.
"""

from __future__ import annotations

import contextvars
import logging
import os
import shlex
import socket
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetWorkflowID,
    WorkflowSerializationFormat,
    WorkflowStatus,
)
from sqlalchemy import event

from goldroot import crash, files
from goldroot.errors import DatabaseDamaged, Failed, NoSpace
from goldroot.files import is_full
from goldroot.locks import lock, lock_file
from goldroot.workflow.port import (
    BODY,
    UNFINISHED,
    Moment,
    Pending,
    Progress,
    State,
    Step,
    Workflow,
    cancelled,
    check_steps,
    plain,
    range_of,
    with_results,
)

APPLICATION = "goldroot"
APPLICATION_VERSION = "1"
CANCEL = "cancel_asked"

#: Of a documented table of DBOS's: names in a range.
IN_RANGE = "SELECT workflow_uuid FROM workflow_status WHERE workflow_uuid >= :first AND workflow_uuid < :end"

#: How DBOS names the threads that run its calls, and what it logs by.
THREADS, LOGGER = "dbos-executor", "dbos"

#: How long a writer waits for another one on SQLite, and a close for a thread that ends, in seconds.
WAIT = 30.0


class StepFailed(Exception):
    """A step raised an exception; DBOS notes its words, the caller gets the exception itself."""


@dataclass
class Attempt:
    """One DBOS workflow: its number within the key's chain, and what it found done when it began."""

    status: WorkflowStatus
    number: int
    workflow: str = ""
    done: list[str] = field(default_factory=list)
    state: State = field(default_factory=dict)

    @property
    def cancel_asked(self) -> bool:
        return bool((self.status.attributes or {}).get(CANCEL))


@dataclass
class Job:
    """What the body of a running attempt needs, and DBOS does not keep: the code, and whom to tell."""

    workflow: Workflow
    key: str
    attempt: str
    progress: Progress | None
    #: The attempts before it, which it makes superfluous.
    earlier: Sequence[Attempt] = ()
    failure: BaseException | None = None
    #: The caller's, without DBOS's: a step may run another workflow, which is not a part of this one.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def do(self, step: Step, state: State) -> State:
        try:
            if _asked_to_cancel(self.attempt):
                raise cancelled(self.key)
            self.point(step, "begun")
            result = plain(self.context.run(step.do, plain(state)))
            self.point(step, "done")
            return result
        except Exception as error:
            self.failure = error
            raise StepFailed(str(error)) from error

    def point(self, step: Step, what: str) -> None:
        crash.point(f"{self.workflow.name}.{step.name}.{what}")

    def tell(self, moment: Moment) -> None:
        if self.progress is not None:
            self.progress(moment)


_jobs: dict[str, Job] = {}


@DBOS.workflow(name=BODY, serialization_type=WorkflowSerializationFormat.PORTABLE)
def _body(begin: dict[str, Any]) -> dict[str, Any]:
    """The attempt: the steps that are not done."""
    attempt = DBOS.workflow_id
    assert attempt is not None
    job, state = _jobs[attempt], dict(begin["state"])
    of = len(job.workflow.steps)
    # It says itself what was done before it. At its end would be too late: of a run that is finished nobody looks for more.
    job.context.run(_delete, job.earlier)
    for number in range(len(begin["done"]), of):
        step = job.workflow.steps[number]
        job.tell(Moment(step.name, number + 1, of, "begins"))
        state = with_results(state, [DBOS.run_step({"name": step.name}, job.do, step, state)])
        job.point(step, "recorded")
        job.tell(Moment(step.name, number + 1, of, "done"))
    return state


@contextmanager
def _running(job: Job) -> Iterator[None]:
    """What DBOS runs in the block is this attempt; an error of a step leaves it as the step raised it."""
    _jobs[job.attempt] = job
    try:
        with SetWorkflowID(job.attempt):
            yield
    except StepFailed:
        assert job.failure is not None
        raise job.failure from None
    finally:
        del _jobs[job.attempt]


class DbosEngine:
    """A :class:`goldroot.workflow.Engine`.  DBOS is launched by the first call that needs it; one engine at a time.

    :param database: a path (SQLite) or a URL ``postgresql://...``.
    :param locks: the directory of the locks.
    """

    def __init__(self, database: str | os.PathLike[str], locks: str | os.PathLike[str]) -> None:
        self._database = os.fspath(database)
        self._locks = os.fspath(locks)
        self._engine: sa.Engine | None = None
        self._launching = threading.Lock()

    def run(self, workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State:
        """See :meth:`goldroot.workflow.Engine.run`."""
        with lock(lock_file(self._locks, f"workflow:{key}"), wait=0, once=True), self._launched() as engine:
            attempts = _attempts(engine, key)
            last = attempts[-1] if attempts else None
            if last is None:
                begin = {"workflow": workflow.name, "done": [], "state": plain(state)}
            elif last.status.status == "SUCCESS":
                return plain(last.status.output)
            else:
                begin = self._after(workflow, key, last)
            with _running(Job(workflow, key, f"{key}#{last.number + 1 if last else 1}", progress, attempts)):
                return plain(_body(begin))

    def _after(self, workflow: Workflow, key: str, last: Attempt) -> dict[str, Any]:
        """What the next attempt finds done."""
        check_steps(workflow, key, last.workflow, last.done)
        if last.cancel_asked:
            if last.status.status == "PENDING":
                DBOS.cancel_workflow(last.status.workflow_id)
            raise cancelled(key)
        return {"workflow": last.workflow, "done": last.done, "state": last.state}

    def find(self, key: str) -> Pending | None:
        """See :meth:`goldroot.workflow.Engine.find`."""
        with self._launched() as engine:
            attempts = _attempts(engine, key)
            return None if not attempts or _ended(attempts[-1]) else _pending(key, attempts[-1])

    def pending(self) -> list[Pending]:
        """See :meth:`goldroot.workflow.Engine.pending`."""
        with self._launched() as engine:
            last = [(key, _attempts(engine, key)[-1]) for key in _unfinished()]
            return [_pending(key, attempt) for key, attempt in last if not _ended(attempt)]

    def unfinished(self) -> list[str]:
        """See :meth:`goldroot.workflow.Engine.unfinished`."""
        with self._launched():
            return _unfinished()

    def forget(self, key: str) -> None:
        """See :meth:`goldroot.workflow.Engine.forget`."""
        with lock(lock_file(self._locks, f"workflow:{key}"), wait=0, once=True), self._launched() as engine:
            _delete(_attempts(engine, key))

    def cancel(self, key: str) -> bool:
        """See :meth:`goldroot.workflow.Engine.cancel`."""
        with self._launched() as engine:
            attempts = _attempts(engine, key)
            if not attempts or _ended(attempts[-1]):
                return False
            DBOS.update_workflow_attributes(attempts[-1].status.workflow_id, {CANCEL: True})
            return True

    def close(self) -> None:
        """End DBOS's threads and close its database.

        DBOS does not wait for the threads that ran its calls; a process that forks with one of them would be unsafe.
        """
        if self._engine is not None:
            DBOS.destroy()
            for thread in threading.enumerate():
                if thread.name.startswith(THREADS):
                    thread.join(WAIT)
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _launched(self) -> Iterator[sa.Engine]:
        try:
            with self._launching:
                if self._engine is None:
                    self._engine = _launch(self._database)
                engine = self._engine
            yield engine
        except sa.exc.DBAPIError as error:
            file = self._database.removeprefix("sqlite:///")
            if "://" not in file and is_full(file):
                raise NoSpace(
                    "no space left for the workflow database",
                    meaning="What is done is kept; the step that was under way is done again.",
                    todo="Make room, then run the same command again.",
                ) from error
            if _is_damaged(error):
                raise DatabaseDamaged(
                    f"the workflow database {file!r} is damaged: {str(error.orig).strip()}",
                    meaning="It holds only which steps of a run are done; what goes on is in the catalog and on the hosts.",
                    todo=f"Put it aside (mv {shlex.quote(file)} {shlex.quote(file)}.damaged), then run the same command again.",
                ) from error
            raise Failed(
                f"the workflow database reported an error: {str(error.orig).strip()}",
                meaning="What is done is kept; the step that was under way is done again.",
                todo="Fix the cause (space, permissions, the server), then run the same command again.",
            ) from error


def _is_damaged(error: sa.exc.DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "Could not decode" in str(error.orig)


def _launch(database: str) -> sa.Engine:
    engine = _make_engine(database)
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": engine.url.render_as_string(hide_password=False),
        "system_database_engine": engine,
        "application_version": APPLICATION_VERSION,
        "executor_id": f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        "serializer": DBOSPortableJSONSerializer(),
        # Nothing of DBOS's own on the terminal: what went wrong arrives as an exception.
        "log_level": "CRITICAL",
        "enable_otlp": False,
        # Nobody sends messages here; and with it, the shutdown waits for a listener.
        "use_listen_notify": False,
        "notification_listener_polling_interval_sec": 0.02,
    }
    # It keeps the stream for errors that it saw first, which may be closed by now where a process runs several commands.
    logging.getLogger(LOGGER).handlers.clear()
    try:
        DBOS(config=config)
        DBOS.launch()
    except BaseException:
        DBOS.destroy()
        engine.dispose()
        raise
    return engine


def _make_engine(database: str) -> sa.Engine:
    if "://" in database and not database.startswith("sqlite:///"):
        url = sa.make_url("postgresql+psycopg://" + database.split("://", 1)[1])
        return sa.create_engine(url, connect_args={"connect_timeout": 10, "application_name": APPLICATION})
    path = os.path.abspath(database.removeprefix("sqlite:///"))
    files.prepare(path)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path),
        connect_args={"timeout": WAIT},
    )
    event.listen(engine, "connect", _settings)
    return engine


def _settings(connection: Any, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _key_and_number(attempt: str) -> tuple[str, int]:
    key, _, number = attempt.rpartition("#")
    return key, int(number)


def _unfinished() -> list[str]:
    found = DBOS.list_workflows(name=BODY, status=list(UNFINISHED), load_input=False, load_output=False)
    return list(dict.fromkeys(_key_and_number(status.workflow_id)[0] for status in found))


def _attempts(engine: sa.Engine, key: str) -> list[Attempt]:
    """The attempts of a key, oldest first; the last one with what is done."""
    found = [
        Attempt(status, _key_and_number(status.workflow_id)[1])
        for status in _beginning(engine, f"{key}#")
        if _key_and_number(status.workflow_id)[0] == key
    ]
    found.sort(key=lambda attempt: attempt.number)
    if found:
        _read(found[-1])
    return found


def _beginning(engine: sa.Engine, start: str) -> list[WorkflowStatus]:
    """The runs whose names begin so.

    DBOS asks SQLite for them in a way that reads every run that ever was; a range of names is looked up in its index.
    """
    if engine.dialect.name != "sqlite":
        return DBOS.list_workflows(name=BODY, workflow_id_prefix=start)
    with engine.connect() as connection:
        names = (
            connection.execute(sa.text(IN_RANGE), dict(zip(("first", "end"), range_of(start), strict=True)))
            .scalars()
            .all()
        )
    return DBOS.list_workflows(name=BODY, workflow_ids=list(names)) if names else []


def _read(attempt: Attempt) -> None:
    assert attempt.status.input is not None
    begin = attempt.status.input["args"][0]
    finished = [step for step in DBOS.list_workflow_steps(attempt.status.workflow_id) if step["error"] is None]
    attempt.workflow = begin["workflow"]
    attempt.done = [*begin["done"], *(step["function_name"] for step in finished)]
    attempt.state = with_results(begin["state"], [step["output"] for step in finished])


def _ended(attempt: Attempt) -> bool:
    status = attempt.status.status
    return status not in ("PENDING", "ERROR") or (status == "ERROR" and attempt.cancel_asked)


def _pending(key: str, attempt: Attempt) -> Pending:
    error = str(attempt.status.error) if attempt.status.status == "ERROR" else ""
    return Pending(key, attempt.workflow, tuple(attempt.done), error, attempt.cancel_asked, attempt.state)


def _asked_to_cancel(attempt: str) -> bool:
    found = DBOS.list_workflows(workflow_ids=[attempt], load_input=False, load_output=False)
    return any((status.attributes or {}).get(CANCEL) for status in found)


def _delete(attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        DBOS.delete_workflow(attempt.status.workflow_id)
