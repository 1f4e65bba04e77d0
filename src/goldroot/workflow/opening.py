"""The way to the durable engine, which imports DBOS (0.3 s) only for commands that open it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from goldroot.workflow.port import Engine


@contextmanager
def open_engine(database: str | os.PathLike[str], locks: str | os.PathLike[str]) -> Iterator[Engine]:
    """The durable engine, closed at the end of the block.

    :param database: a path (SQLite; made when missing) or a URL ``postgresql://...``; a file of the engine's own, not
        the catalog's.
    :param locks: the directory of the locks, one per key.
    """
    from goldroot.workflow.durable import DbosEngine

    engine = DbosEngine(database, locks)
    try:
        yield engine
    finally:
        engine.close()
