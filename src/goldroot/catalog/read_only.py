"""Looking into a catalog whose file system has no room for the files that SQLite keeps beside it.

A reader of a write-ahead log needs its index, a file, and makes it where it is missing.  Where that cannot be made, and
the log is empty, the catalog's file says everything, and SQLite can read it alone (``immutable``, see
https://sqlite.org/uri.html) as long as nobody changes it.  That nobody does is seen to by the lock by which SQLite itself
keeps others out (https://sqlite.org/lockingv3.html): every open connection to such a catalog shares it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from goldroot.errors import GoldrootError

#: The bytes that every connection to the file shares a lock on (``SHARED_FIRST``, ``SHARED_SIZE`` of SQLite's os.h).
SHARED, SIZE = 0x4000_0002, 510

#: How long others may keep the catalog, in seconds: a command has it for milliseconds.
PATIENCE = 2.0


class _Look(sqlite3.Connection):
    """A connection that keeps others out until it is closed."""

    lock = -1

    def close(self) -> None:
        super().close()
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def looking_engine(path: str, otherwise: GoldrootError) -> Engine:
    """An engine that can only read, and makes no file; each of its connections is one of :func:`look_into`."""
    return sa.create_engine(
        sa.URL.create("sqlite", database=path), creator=lambda: look_into(path, otherwise), poolclass=NullPool
    )


def look_into(path: str, otherwise: GoldrootError) -> sqlite3.Connection:
    """A connection that can only read, and makes no file.

    :param otherwise: raised where that cannot be done: the log is not empty, or somebody else holds the database.
    """
    lock = _locked(path, otherwise)
    try:
        if any(_has_content(path + beside) for beside in ("-wal", "-journal")):
            raise otherwise
        address = f"file:{quote(path)}?mode=ro&immutable=1"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, factory=_Look)
    except BaseException:
        os.close(lock)
        raise
    connection.lock = lock
    return connection


def _locked(path: str, otherwise: GoldrootError) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        raise otherwise from None
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, SIZE, SHARED)
            return handle
        except OSError:
            if time.monotonic() >= end:
                os.close(handle)
                raise otherwise from None
        time.sleep(0.01)


def _has_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False
