"""Which disk lies where: z/VM's directory entries hold no ids, so extents are looked up in a registry.

What goldroot needs of one is :class:`Extents`; the catalog's table of disks can be it.  :class:`ExtentsFile` is one in
a file of the host's store.  A row is written before anything is made, and goes after everything is gone::

    intended -> made <-> emptying
       |          |         |
       +----------+---------+-> deleting -> (no row)
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from goldroot import files
from goldroot.errors import Damaged, HostError, NoSpace
from goldroot.hosts.sets import check_disk_id
from goldroot.hosts.storefiles import Label
from goldroot.hosts.zvm.reading import Extent

State = Literal["intended", "made", "emptying", "deleting"]


@dataclass(frozen=True, slots=True)
class Row:
    """A disk: what was asked for, how far that is, and where it lies as soon as that is known."""

    id: str
    owner: str
    address: str  #: where it was made; later it may stand elsewhere
    size: int  #: bytes, as they were asked for
    form: str
    sealed: str = ""
    state: State = "intended"
    extent: Extent | None = None


class Extents(Protocol):
    """The registry.  Each call is done, durably, when it returns."""

    def create(self) -> None:
        """Make what it needs; what is there stays."""

    def find(self, id: str) -> Row | None:
        """The row of a disk."""

    def at(self, extent: Extent) -> Row | None:
        """The row of the disk on an extent."""

    def coming(self, owner: str, address: str) -> Row | None:
        """The row of a disk that is intended for an address and whose extent is not known."""

    def ids(self) -> list[str]:
        """The ids of all disks: for lists."""

    def deleting(self) -> list[str]:
        """The ids of disks whose removal was begun."""

    def write(self, row: Row) -> None:
        """Put it in the place of the one of that id.

        :raises HostError: another disk lies on its extent.
        """

    def remove(self, id: str) -> None:
        """Again: nothing."""


_TABLE = """
CREATE TABLE IF NOT EXISTS disks (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, address TEXT NOT NULL, size INTEGER NOT NULL, form TEXT NOT NULL,
    sealed TEXT NOT NULL, state TEXT NOT NULL, volume TEXT, start INTEGER, length INTEGER,
    UNIQUE (volume, start, length)
) STRICT
"""
_COLUMNS = "id, owner, address, size, form, sealed, state, volume, start, length"


class ExtentsFile:
    """A registry in an SQLite file.

    :param path: the file; :meth:`create` makes it.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def create(self) -> None:
        files.make_directory(os.path.dirname(self._path))
        files.prepare(self._path)
        with self._open() as database:
            database.execute(_TABLE)

    def find(self, id: str) -> Row | None:
        return self._one("id = ?", id)

    def at(self, extent: Extent) -> Row | None:
        return self._one("volume = ? AND start = ? AND length = ?", extent.volume, extent.start, extent.size)

    def coming(self, owner: str, address: str) -> Row | None:
        return self._one("owner = ? AND address = ? AND volume IS NULL", owner, address)

    def ids(self) -> list[str]:
        with self._open() as database:
            return [id for (id,) in database.execute("SELECT id FROM disks ORDER BY id")]

    def deleting(self) -> list[str]:
        with self._open() as database:
            return [id for (id,) in database.execute("SELECT id FROM disks WHERE state = 'deleting' ORDER BY id")]

    def write(self, row: Row) -> None:
        where = (row.extent.volume, row.extent.start, row.extent.size) if row.extent else (None, None, None)
        values = (row.id, row.owner, row.address, row.size, row.form, row.sealed, row.state, *where)
        changes = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
        marks = ", ".join("?" * len(values))
        with self._open() as database:
            try:
                database.execute(
                    f"INSERT INTO disks ({_COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}", values
                )
            except sqlite3.IntegrityError as error:
                raise HostError(
                    f"the extent {row.extent} of disk {row.id} is another disk's",
                    meaning="Two disks cannot lie in one place: the registry or the directory is not right.",
                    todo="Compare the directory entries with what goldroot knows of its disks.",
                ) from error

    def remove(self, id: str) -> None:
        with self._open() as database:
            database.execute("DELETE FROM disks WHERE id = ?", (id,))

    def _one(self, where: str, *values: object) -> Row | None:
        with self._open() as database:
            found = database.execute(f"SELECT {_COLUMNS} FROM disks WHERE {where}", values).fetchone()
        if found is None:
            return None
        id, owner, address, size, form, sealed, state, volume, start, length = found
        extent = None if volume is None else Extent(volume, start, length)
        return Row(id, owner, address, size, form, sealed, state, extent)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement, which is a transaction of its own: no other process waits for this one."""
        database = None
        try:
            database = sqlite3.connect(f"file:{self._path}?mode=rw", uri=True, timeout=60, isolation_level=None)
            yield database
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise
            if files.says_full(error.sqlite_errorcode, self._path):
                raise NoSpace(
                    f"no space left for the registry of disks {self._path!r}",
                    meaning="Nothing was changed in it.", todo="Make room, then run the same command again.",
                ) from error  # fmt: skip
            raise Damaged(
                f"the registry of disks {self._path!r} cannot be used: {error}",
                meaning="Which minidisk is which disk is not known without it; nothing was changed.",
                todo="Put the store's directory back, or the file of a backup.",
            ) from error
        finally:
            if database is not None:
                database.close()


class RowLabels:
    """The rows as labels of disks, for what is the same for every kind of host."""

    def __init__(self, extents: Extents) -> None:
        self._extents = extents

    def create(self) -> None:
        """Make the registry."""
        self._extents.create()

    def find(self, id: str) -> Label | None:
        """What was asked for, and the form that it was sealed in."""
        row = self._extents.find(check_disk_id(id))
        return None if row is None else Label(row.id, row.owner, row.size, row.form, row.sealed)

    def write(self, label: Label) -> None:
        """Where it lies, and how far it is, stays."""
        row = self._extents.find(label.id)
        assert row is not None, "a row is there before any label of it"
        self._extents.write(replace(row, size=label.size, form=label.form, sealed=label.sealed))

    def remove(self, id: str) -> None:
        """The disk is gone."""
        self._extents.remove(id)


def disk_at(extents: Extents, owner: str, address: str, extent: Extent) -> str | None:
    """The id of the disk on an extent that stands in an entry, as :data:`goldroot.hosts.zvm.reading.Registry`."""
    row = extents.at(extent)
    if row is not None and row.owner == owner:
        return row.id if row.state in ("made", "emptying") else ""
    return "" if extents.coming(owner, address) is not None else None
