"""Opening the catalog, and transactions; what names may be kept.

::

    catalog = open_catalog("site/catalog.sqlite")
    with catalog.begin() as tx:              # one writer at a time, all or nothing
        gold.begin_publish(tx, "s10")
    with catalog.read() as tx:               # one consistent picture
        clones.all_of(tx, "s10")

There is one writer at a time on both kinds of database (``BEGIN IMMEDIATE``; an advisory lock on PostgreSQL), so that
"look, then write" within a transaction is one step for everybody else.  On SQLite the journal is a write-ahead log with
``synchronous=NORMAL``: a crash of the machine may lose the last transactions, never a part of one; every step of work
that spans disks and catalog is idempotent for that reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from goldroot import files
from goldroot.catalog.problems import as_error, damaged_catalog, exchanged, no_space
from goldroot.catalog.schema import REVISIONS, events
from goldroot.errors import BadInput, NoSpace, NotFound, UsageError, did_you_mean
from goldroot.files import has_room

if TYPE_CHECKING:
    AnyRow = Row[*tuple[Any, ...]]

#: How long a writer waits for another one, in seconds, before :class:`goldroot.errors.Busy`.
WAIT = 30.0

#: So many bytes are enough for the index of a write-ahead log, and for its beginning.
INDEX_ROOM = 64 << 10

#: The advisory lock of the one writer on PostgreSQL: any number that no other program is likely to use.
WRITER_LOCK = 0x676F6C64


def now(ahead: timedelta = timedelta(0)) -> str:
    """The present (or a time ``ahead``) as the catalog writes it: UTC, ISO 8601, to the second."""
    return (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")


class Tx:
    """A transaction: what the functions of this room take first.  Made by :class:`Catalog` alone."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._known: dict[
            object, AnyRow | None
        ] = {}  #: what :meth:`first` found; a transaction sees one picture until it writes

    @property
    def dialect(self) -> str:
        """The kind of database: sqlite, postgresql."""
        return self._connection.dialect.name

    def rows(self, statement: sa.Executable, **values: object) -> Sequence[AnyRow]:
        """All rows of a query; ``values`` as of :meth:`first`."""
        with self._readable():
            return self._connection.execute(statement, values).all()

    def first(self, statement: sa.Executable, **values: object) -> AnyRow | None:
        """The first row of a query, or ``None``.

        :param values: of the query's ``bindparam``: a query that is asked often is built once, which takes longer than
            to ask it.  Asked with the same values again, it is not asked of the database again, until something is written.
        """
        asked = (statement, *values.items())
        if not values or asked not in self._known:
            with self._readable():
                found = self._connection.execute(statement, values).first()
            if not values:
                return found
            self._known[asked] = found
        return self._known[asked]

    def value(self, statement: sa.Executable) -> Any:
        """The first column of the first row, or ``None``."""
        with self._readable():
            return self._connection.execute(statement).scalar()

    def write(self, statement: sa.Executable, rows: Sequence[Mapping[str, object]] | None = None) -> int:
        """Change something; returns the number of rows that it met (once per row of ``rows``)."""
        self._need_writer()
        return self._connection.execute(statement, rows).rowcount

    def add(self, table: sa.Table, **values: object) -> int:
        """Insert one row and return its number (0 for a table without one)."""
        self._need_writer()
        done = self._connection.execute(table.insert().values(**values))
        key = done.inserted_primary_key
        return key[0] if key is not None and len(key) == 1 and isinstance(key[0], int) else 0

    def event(self, what: str, subject: str, **data: Any) -> None:
        """Write down that ``what`` happened to ``subject`` (``image:s10``, ``clone:web1``); ``data`` must be JSON-able, and
        holds no secrets."""
        self.write(events.insert().values(at=now(), what=what, subject=subject, data=data))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What cannot be made into a value, such as text that should be JSON, was not written by goldroot so.

        :raises DatabaseDamaged: that is so.
        """
        try:
            yield
        except UnicodeEncodeError:
            raise  # it is what was asked for
        except (ValueError, TypeError) as error:
            raise damaged_catalog(repr(self._connection.engine.url.database), f"{error}") from error

    def _need_writer(self) -> None:
        if not self._writes:
            raise AssertionError("a write in a read transaction: use Catalog.begin()")
        self._known.clear()


class Catalog:
    """An open catalog: what exists and what happened.  Close it, or use it as a context manager."""

    def __init__(self, engine: Engine, *, full: NoSpace | None = None) -> None:
        """:param full: why the engine can only read, where that is so."""
        self._engine = engine
        self._writer = engine.execution_options(goldroot_writes=True)
        self._full = full
        self._wrote = False
        self._file = _file_of(engine)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction that writes: committed at the end of the block, undone when an exception leaves it.

        :raises Busy: another command held the catalog for longer than :data:`WAIT` seconds, or another catalog stands in its
            place now.
        :raises NoSpace: there was no room for the files of a writer when it was opened.
        """
        self.check_writable()
        with self._translated(), self._writer.begin() as connection:
            if _file_of(self._engine) != self._file:
                raise exchanged(repr(self._engine.url.database))
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            yield Tx(connection, writes=True)
            self._wrote = True

    def check_writable(self) -> None:
        """:raises NoSpace: there was no room for the files of a writer when it was opened."""
        if self._full is not None:
            raise self._full

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that only reads: one consistent picture, no waiting for writers."""
        reader = self._engine
        if reader.dialect.name == "postgresql":
            reader = reader.execution_options(isolation_level="REPEATABLE READ")
        with self._translated(), reader.begin() as connection:
            yield Tx(connection, writes=False)

    def close(self) -> None:
        """Close all connections; what was written is on the disk then, also while somebody else reads.

        The last connection brings the write-ahead log into the file, and syncs both.  A reader in another process keeps it from
        that, for hours perhaps, and without a sync the power could take everything since.
        """
        self._engine.dispose()
        if self._wrote and self._engine.dialect.name == "sqlite":
            with suppress(OSError):  # it is gone, as a rule
                handle = os.open(f"{self._engine.url.database}-wal", os.O_RDWR | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise as_error(error, self._engine.url) from error
        except UnicodeDecodeError as error:  # the driver's own, of what it wants to say of a file
            raise damaged_catalog(repr(self._engine.url.database), str(error)) from error


def open_catalog(where: str | os.PathLike[str], *, create: bool = False) -> Catalog:
    """Open the catalog at a path (SQLite) or a URL (``postgresql://...``); an older schema is brought up to date.

    :param create: make it where there is none yet.
    :raises NotFound: there is none, and ``create`` was not given.
    :raises BadInput: what is there is not a catalog.
    :raises NewerVersion: a newer goldroot wrote it.
    :raises NoPermission, NoSpace, Busy, Failed: the database said so.  Where there is no room and nobody else works on
        it, it is opened all the same, and can only be read.
    """
    engine = make_engine(where, create=create)
    try:
        return _up_to_date(engine, create=create)
    except NoSpace as error:
        engine.dispose()
        if create:
            raise
        return _only_looked_at(engine, error)
    except BaseException:
        engine.dispose()
        raise


def _file_of(engine: Engine) -> tuple[int, int] | None:
    """Which file stands where a catalog in SQLite was opened; ``None``: none, or it is not in a file.

    A restore puts another one in its place.  Who has the former one open could go on writing to it, and nobody would read that.
    """
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    try:
        found = None if path is None else os.stat(path)
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def is_there(where: str | os.PathLike[str]) -> bool:
    """Whether there is a catalog; an empty file or database is none.  Nothing is made or changed.

    :raises BadInput: what is there is something else. :raises NoPermission, Busy, Failed: the database said so.
    """
    try:
        engine = make_engine(where, create=False)
    except NotFound:
        return False
    try:
        _refuse_full(engine)
        return _has_schema(engine)
    except NoSpace as error:
        return _has_schema(_spare_engine(engine, error))
    finally:
        engine.dispose()


def _has_schema(engine: Engine) -> bool:
    with Catalog(engine)._translated(), engine.connect() as connection:
        return stored(connection) is not None


def _up_to_date(engine: Engine, *, create: bool) -> Catalog:
    if not create:
        _refuse_full(engine)
    catalog = Catalog(engine)
    with catalog._translated():
        _migrate(engine, create=create)
    return catalog


def _migrate(engine: Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        if stored(connection) == REVISIONS[-1]:
            return
    from goldroot.catalog.migrate import bring_up_to_date

    bring_up_to_date(engine, create=create)


def stored(connection: Connection) -> str | None:
    """The revision of the schema that a database has; ``None`` where it is not a catalog.

    Every command asks it first, so on SQLite it is asked in plain words: SQLAlchemy's inspector takes ten times as long.
    """
    if connection.dialect.name == "sqlite":
        there = connection.exec_driver_sql(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        )
        if there.first() is None:
            return None
    elif not sa.inspect(connection).has_table("alembic_version"):
        return None
    value = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if value is None else str(value)


def _refuse_full(engine: Engine) -> None:
    """:raises NoSpace: the index of the write-ahead log might not find room (:func:`has_index_room`)."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path is not None and not has_index_room(path):
        raise no_space(repr(path))


def has_index_room(path: str) -> bool:
    """Whether the index of a database's write-ahead log can be written, or is there as a whole.

    SQLite has it in memory, as a file with holes where a block of the file system is smaller than a page of memory: where no
    block is left, the kernel kills whoever writes into a hole (SIGBUS).
    """
    if has_room(os.path.dirname(os.path.abspath(path)), INDEX_ROOM):
        return True
    try:
        index = os.stat(f"{path}-shm")
    except FileNotFoundError:
        return False
    return 0 < index.st_size <= index.st_blocks * 512


def _only_looked_at(engine: Engine, full: NoSpace) -> Catalog:
    """The catalog for those who only read; one on a full disk is wanted most. :raises NoSpace: not even that can be."""
    spare = _spare_engine(engine, full)
    try:
        _migrate(spare, create=False)
    except DBAPIError:  # it is an older one, and cannot be brought up to date
        raise full from None
    return Catalog(spare, full=full)


def _spare_engine(engine: Engine, full: NoSpace) -> Engine:
    """An engine for those who only read, where there is no room for another. :raises NoSpace: there is none for this database."""
    from goldroot.catalog.read_only import looking_engine

    if engine.dialect.name != "sqlite":
        raise full
    return looking_engine(str(engine.url.database), full)


def make_engine(where: str | os.PathLike[str], *, create: bool) -> Engine:
    """The database engine for a path or URL, with the settings that the catalog stands on."""
    text = os.fspath(where)
    if "://" not in text or text.startswith("sqlite:///"):
        return _sqlite(text.removeprefix("sqlite:///"), create=create)
    if text.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        url = sa.make_url("postgresql+psycopg://" + text.split("://", 1)[1])
        return sa.create_engine(url, connect_args={"connect_timeout": 10, "application_name": "goldroot"})
    raise BadInput(
        f"goldroot cannot keep its catalog in {text.split('://', 1)[0]!r}",
        todo="Give a path (SQLite) or a URL that begins with postgresql://.",
    )


def _sqlite(path: str, *, create: bool) -> Engine:
    if not create and not os.path.exists(path):
        raise NotFound(
            f"there is no catalog at {path!r}",
            todo="Make it again with `goldroot doctor --repair`, put it back from a backup, or name the site that you mean with "
            "--site. `goldroot init DIR` makes a new site.",
        )
    if os.path.isdir(path):
        raise BadInput(f"the catalog {path!r} is a directory", todo="Name the catalog's file, or the site with --site.")
    if create:
        files.prepare(path)
    # A connection is kept: the end of the last one brings the write-ahead log to the disk, which each transaction would
    # wait for.
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path),
        poolclass=QueuePool,
        connect_args={"timeout": WAIT, "isolation_level": None},
    )
    event.listen(engine, "connect", _settings)
    event.listen(engine, "checkout", _refuse_carried)
    event.listen(engine, "begin", _begin)
    return engine


def _refuse_carried(_connection: object, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """A connection that was carried into a forked process is left alone there; it gets one of its own."""
    if record.info.setdefault("process", os.getpid()) != os.getpid():
        record.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
        raise DisconnectionError("it is another process's")


def _settings(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin(connection: Connection) -> None:
    """Take the write lock at once, where one will be needed: a lock that is taken later cannot be waited for."""
    writes = connection.get_execution_options().get("goldroot_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


#: Letters, digits, ``.``, ``_`` and ``-``, a letter or digit first; 63 at most, as a label of a host name has.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(kind: str, name: str) -> str:
    """The name, if it can be one.

    :param kind: what it is to name, for the message (``image``).
    :raises UsageError: it cannot.
    """
    if PLAIN.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
            todo="Take letters, digits, '.', '_' and '-', a letter or digit first, 63 at most.",
        )
    return name


def nearest(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'web1'?"`` where one of the known names is near; else nothing."""
    return f" {did_you_mean(name, known, cutoff=0.7)}".rstrip()
