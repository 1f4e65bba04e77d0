"""From an error of a database driver to one for a person."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from goldroot.errors import BadInput, Busy, DatabaseDamaged, Failed, GoldrootError, NoPermission, NoSpace, Refused
from goldroot.files import says_full

WAITED = "Run the command again when the other one has finished."


def as_error(error: DBAPIError, url: URL) -> GoldrootError:
    """The error for a person; never with a password in it."""
    where = repr(url.database) if url.drivername.startswith("sqlite") else url.render_as_string(hide_password=True)
    if isinstance(error, IntegrityError):
        return Refused(
            f"the catalog at {where} refuses this change: {_said(error)}",
            meaning="Something else refers to it, or it exists already; nothing was changed.",
        )
    code = getattr(error.orig, "sqlite_errorcode", None)
    if "Could not decode" in str(error.orig):  # it comes without a code
        return damaged_catalog(where, _said(error))
    if code is not None:
        return _of_sqlite(code & 0xFF, where, _said(error), full=says_full(code, url.database))
    return Failed(
        f"the database {where} reported an error: {_said(error)}",
        meaning="The change was not made.",
        todo="See that the server runs and accepts this user, then run the command again.",
    )


def _of_sqlite(code: int, where: str, said: str, *, full: bool) -> GoldrootError:
    if code == sqlite3.SQLITE_NOTADB:
        return not_a_catalog(where, said)
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged_catalog(where, said)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another command holds the catalog at {where}", todo=WAITED)
    if full:
        return no_space(where)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return NoPermission(
            f"the catalog at {where} cannot be opened or written: {said}",
            todo="Run it as the owner of the site; the catalog's directory must be writable too.",
        )
    return Failed(
        f"the catalog at {where} reported an error: {said}",
        meaning="The change was not made.",
        todo="Look at the file system (room, errors in the kernel's log), then run the same command again.",
    )


def not_a_catalog(where: str, said: str) -> BadInput:
    """The error for a file or database that is something else."""
    return BadInput(
        f"{where} is not a goldroot catalog: {said}",
        meaning="It was not changed.",
        todo="Name the right site, or put the catalog back from a backup; `goldroot doctor --repair` makes it again.",
    )


def no_space(where: str) -> NoSpace:
    """The error for a catalog on a full file system."""
    return NoSpace(
        f"no space left for the catalog at {where}",
        meaning="The change was not made.",
        todo="Make room (goldroot fallback prune, clone delete and update cancel work all the same), then run the same command "
        "again.",
    )


def exchanged(where: str) -> Busy:
    """The error for who still has the former catalog open, after a restore or a repair."""
    return Busy(
        f"another catalog was put in place of {where} while this command ran",
        meaning="A goldroot restore or doctor --repair did that. What was done on the hosts stands, and this was not noted.",
        todo="Run the command again.",
    )


def damaged_catalog(where: str, said: str) -> DatabaseDamaged:
    """The error for a catalog whose file was damaged: a disk that lost a block, a copy that was cut off, a bit that flipped."""
    return DatabaseDamaged(
        f"the catalog at {where} is damaged: {said}",
        meaning="The servers and their disks are as they were: what they are made of stands in the stores. It was not changed.",
        todo="Put it back from a backup (`goldroot restore`); an older one is brought up to what the stores say. Where there is "
        "none, `goldroot doctor --repair` makes it again from the stores, and keeps this one under another name.",
    )


def _said(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
