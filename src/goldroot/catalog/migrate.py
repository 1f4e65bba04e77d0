"""Bringing a catalog's schema up to date, where it is another one.

An empty database gets the tables as they are now; an older catalog goes through the migrations, and only for that is
Alembic imported.  A test compares what both come to.
"""

from __future__ import annotations

import os

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from goldroot.catalog.problems import not_a_catalog
from goldroot.catalog.schema import REVISIONS, metadata
from goldroot.catalog.store import stored
from goldroot.errors import NewerVersion, NotFound

HEAD = REVISIONS[-1]

#: Where Alembic looks which revision a database has.
_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def bring_up_to_date(engine: Engine, *, create: bool) -> None:
    """See that the schema is the one that this code speaks.

    :raises NotFound: an empty database, and ``create`` is not set.
    :raises BadInput: a database of something else.
    :raises NewerVersion: a newer goldroot wrote it.
    """
    with engine.connect() as connection:
        _checked(connection, create=create)
    if engine.dialect.name == "sqlite":
        # A property of the file, kept from then on; it cannot be changed within a transaction.
        raw = engine.raw_connection()
        raw.cursor().execute("PRAGMA journal_mode=WAL")
        raw.close()
    with engine.connect().execution_options(goldroot_writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x676F6C64})
        # Another command may have done it while this one waited for the lock.
        revision = _checked(connection, create=create)
        if revision is None and engine.dialect.name == "sqlite":
            _create(connection)
        elif revision != HEAD:
            _upgrade(connection)


def _create(connection: Connection) -> None:
    """A new SQLite catalog, as the migrations would make it.  What only PostgreSQL needs stands in these alone."""
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection, checkfirst=False)
    connection.execute(_VERSION.insert().values(version_num=HEAD))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", scripts().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def scripts() -> str:
    """The directory of the migrations."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "migrations")


def _checked(connection: Connection, *, create: bool) -> str | None:
    """The stored revision, ``None`` for an empty database that may be filled."""
    where = repr(connection.engine.url.database)
    revision = stored(connection)
    if revision in REVISIONS:
        return revision
    if revision is not None:
        raise NewerVersion(
            f"the catalog {where} was written by a newer goldroot (its schema is {revision}, this one speaks {HEAD})",
            meaning="It was not changed.",
            todo="Use the newer goldroot for this site (`pip install -U goldroot`).",
        )
    if sa.inspect(connection).get_table_names():
        raise not_a_catalog(where, "it holds the tables of something else")
    if not create:
        raise NotFound(
            f"the catalog {where} is empty",
            todo="Make it again with `goldroot doctor --repair`, or put it back from a backup. `goldroot init DIR` makes a new site.",
        )
    return None
