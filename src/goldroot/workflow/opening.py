"""The way to the durable engine, which imports DBOS only when a run has to be begun, gone on with or cancelled.

That takes longer than most commands take for all the rest.  So whether a key has a run that is not finished is asked
of the database itself first: its table ``workflow_status`` is a documented one of DBOS's (its ``system tables``).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from goldroot.workflow.port import Engine, Pending, Progress, State, Workflow, range_of

if TYPE_CHECKING:
    from goldroot.workflow.durable import DbosEngine

#: What DBOS calls a run that has come to its end.
FINISHED = "SUCCESS"


class LazyEngine:
    """A :class:`goldroot.workflow.Engine` that becomes the durable one when it has to."""

    def __init__(self, database: str | os.PathLike[str], locks: str | os.PathLike[str]) -> None:
        self._database, self._locks = os.fspath(database), os.fspath(locks)
        self._engine: DbosEngine | None = None

    def run(self, workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State:
        """See :meth:`goldroot.workflow.Engine.run`."""
        return self._durable().run(workflow, key, state, progress)

    def find(self, key: str) -> Pending | None:
        """See :meth:`goldroot.workflow.Engine.find`."""
        if self._engine is None and surely_finished(self._database, key):
            return None
        return self._durable().find(key)

    def pending(self) -> list[Pending]:
        """See :meth:`goldroot.workflow.Engine.pending`."""
        return self._durable().pending()

    def cancel(self, key: str) -> bool:
        """See :meth:`goldroot.workflow.Engine.cancel`."""
        return self._durable().cancel(key)

    def close(self) -> None:
        """End what was opened."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _durable(self) -> Engine:
        if self._engine is None:
            from goldroot.workflow.durable import DbosEngine

            self._engine = DbosEngine(self._database, self._locks)
        return self._engine


def surely_finished(database: str, key: str) -> bool:
    """Whether a database of runs in SQLite says that nothing of a key is left to do; ``False`` where that is not sure.

    It is sure where an attempt of the key has come to its end, or none was ever begun.
    """
    path = database.removeprefix("sqlite:///")
    if "://" in path:
        return False
    if not os.path.exists(path):
        return True
    try:
        # Not mode=ro: such a reader leaves its files of the write-ahead log behind.
        with closing(sqlite3.connect(f"file:{quote(os.path.abspath(path))}?mode=rw", uri=True)) as connection:
            query = "SELECT status FROM workflow_status WHERE workflow_uuid >= ? AND workflow_uuid < ?"
            found = [status for (status,) in connection.execute(query, range_of(f"{key}#"))]
    except sqlite3.Error:
        return False
    return not found or FINISHED in found


def load_engine() -> None:
    """Import the durable engine now: before a fork, so that the copies have it.  Nothing of it is begun."""
    import goldroot.workflow.durable  # noqa: F401


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
