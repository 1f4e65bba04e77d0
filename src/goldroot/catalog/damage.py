"""Whether a file of SQLite is whole: the catalog, and the other databases of a site."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

from goldroot.catalog.problems import no_space
from goldroot.catalog.read_only import look_into
from goldroot.catalog.store import WAIT, has_index_room
from goldroot.errors import NoSpace


def damage_of(path: str) -> str:
    """Why a database cannot be read; "" where it can, where it is empty or not a file, and where it cannot be opened: that is
    told by who opens it.  Nothing is changed.

    https://sqlite.org/pragma.html#pragma_quick_check
    """
    if not path or not os.path.getsize(path):
        return ""
    try:
        with closing(_opened(path)) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
    except NoSpace:
        return ""
    except sqlite3.OperationalError as error:
        damaged = (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return str(error) if damaged else ""
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == ["ok"] else found[0]


def _opened(path: str) -> sqlite3.Connection:
    """For reading, on a full disk too."""
    if not has_index_room(path):
        return look_into(path, no_space(repr(path)))
    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=WAIT)
