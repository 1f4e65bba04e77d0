"""Opening the catalog: what is there, what is not, what is something else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import goldroot
from goldroot.catalog import Catalog, events, gold, images, migrate, open_catalog, store
from goldroot.catalog.migrate import HEAD, scripts
from goldroot.catalog.schema import REVISIONS, metadata
from goldroot.catalog.store import make_engine
from goldroot.errors import BadInput, Busy, NewerVersion, NoSpace, NotFound, Refused

OPEN = """
import sys
from goldroot.catalog import open_catalog
with open_catalog(sys.argv[1], create=len(sys.argv) > 2) as catalog, catalog.begin():
    print("alembic" in sys.modules)
"""


def start_opening(path: Path, *more: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(goldroot.__file__))}
    args = [sys.executable, "-c", OPEN, str(path), *more]
    return subprocess.Popen(args, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Catalog:
    return open_catalog(path, create=True)


def test_it_is_made_only_on_demand(path: Path) -> None:
    with pytest.raises(NotFound, match="no catalog"):
        open_catalog(path)
    assert not path.exists()
    path.touch()  # as a killed `init` may leave it
    with pytest.raises(NotFound, match="empty"):
        open_catalog(path)
    open_catalog(path, create=True).close()
    open_catalog(path).close()


@pytest.mark.slow
def test_a_catalog_is_opened_and_made_without_alembic(catalog: Catalog, path: Path) -> None:
    both = start_opening(path), start_opening(path.with_name("new"), "create")
    assert [command.communicate()[0] for command in both] == ["False\n", "False\n"]


@pytest.mark.slow
def test_two_commands_that_make_it_at_once_make_one(path: Path) -> None:
    both = [start_opening(path, "create") for _ in range(2)]
    assert [(command.communicate()[1], command.returncode) for command in both] == [("", 0), ("", 0)]


def test_the_settings_that_the_house_stands_on(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        wanted = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30000}
        assert {name: tx.value(sa.text(f"PRAGMA {name}")) for name in wanted} == wanted


def test_the_migrations_make_what_the_code_speaks_of(catalog: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with catalog.begin() as tx:
        assert compare_metadata(MigrationContext.configure(tx._connection), metadata) == []
    config = Config()
    config.set_main_option("script_location", scripts())
    config.set_main_option("path_separator", "os")
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS


def shape(connection: sa.Connection) -> dict[str, object]:
    """Everything that a database says of its tables, in whatever order."""
    inspector = sa.inspect(connection)
    said = {}
    for table in inspector.get_table_names():
        for what in ("columns", "foreign_keys", "indexes", "unique_constraints", "check_constraints"):
            said[f"{table}: {what}"] = sorted(map(plain, getattr(inspector, f"get_{what}")(table)))
        said[f"{table}: key"] = plain(inspector.get_pk_constraint(table))
    return said


def plain(said: Any) -> str:
    """Words that are the same for equal tables: parts of SQL have no ``repr`` that is."""
    if isinstance(said, dict):
        return str({name: plain(value) for name, value in said.items()})
    return str(said)


def test_a_new_catalog_is_what_the_migrations_come_to(catalog: Catalog, tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "migrated.sqlite", create=True)
    with engine.connect().execution_options(goldroot_writes=True) as connection, connection.begin():
        migrate._upgrade(connection)
        migrated, revision = shape(connection), migrate.stored(connection)
    engine.dispose()
    with catalog.read() as tx:
        assert shape(tx._connection) == migrated
        assert migrate.stored(tx._connection) == revision == HEAD
    assert "updates: columns" in migrated


def test_a_catalog_of_a_newer_version_is_left_alone(catalog: Catalog, path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerVersion, match=f"9999, this one speaks {HEAD}") as caught:
        open_catalog(path)
    assert "newer goldroot" in caught.value.todo


@pytest.mark.parametrize("content", [b"not a database, but text " * 100, b"\x00" * 4096, b"SQLite format 3\x00junk"])
def test_something_else_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a goldroot catalog"):
        open_catalog(path, create=True)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(BadInput, match="tables of something else"):
        open_catalog(path, create=True)


def test_a_directory_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a directory"):
        open_catalog(tmp_path)


def test_an_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(BadInput, match="mysql"):
        open_catalog("mysql://root@localhost/x")


def test_an_exception_undoes_the_whole_transaction(catalog: Catalog) -> None:
    with pytest.raises(ZeroDivisionError), catalog.begin() as tx:
        images.create(tx, "s10", "readonly-root", {})
        gold.begin_publish(tx, "s10")
        raise ZeroDivisionError
    with catalog.read() as tx:
        assert images.every(tx) == []
        assert events.latest(tx) == []


@pytest.fixture
def full(path: Path, catalog: Catalog) -> Iterator[Path]:
    """The catalog on a file system that has no inode left."""
    with catalog.begin() as tx:
        images.create(tx, "debian", "readonly-root", {})
    catalog.close()
    place = path.parent / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=2", "none", place], check=True)
    try:
        shutil.copyfile(path, place / path.name)
        yield place / path.name
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.root
def test_without_an_inode_it_can_be_looked_at_and_not_written(full: Path) -> None:
    with open_catalog(full) as catalog:
        for _ in range(2):
            with catalog.read() as tx:
                assert [image.name for image in images.every(tx)] == ["debian"]
        with pytest.raises(NoSpace, match="no space left"), catalog.begin():
            pass
    assert os.listdir(full.parent) == [full.name]


@pytest.mark.root
def test_while_it_is_only_looked_at_nobody_changes_it(full: Path) -> None:
    with open_catalog(full) as catalog, catalog.read() as tx:
        assert images.every(tx)
        subprocess.run(["mount", "-o", "remount,nr_inodes=9", full.parent], check=True)
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('DELETE FROM images')"
        other = subprocess.run([sys.executable, "-c", code, full], text=True, capture_output=True, check=False)
        assert "database is locked" in other.stderr
    with open_catalog(full) as catalog, catalog.begin() as tx:
        images.set_layout_and_os(tx, "debian", layout="shared-usr")


@pytest.mark.slow
@pytest.mark.root
def test_what_stands_in_a_log_is_not_passed_over(path: Path, full: Path) -> None:
    """A command that was killed has left a log, and there is no room for its index."""
    code = (
        "import os, sys\nfrom goldroot.catalog import images, open_catalog\ncatalog = open_catalog(sys.argv[1])\n"
        "with catalog.begin() as tx:\n    images.set_layout_and_os(tx, 'debian', layout='shared-usr')\n"
        "    kept = catalog._engine.connect(); kept.exec_driver_sql('SELECT * FROM images')\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
    subprocess.run(["mount", "-o", "remount,nr_inodes=3", full.parent], check=True)
    shutil.copyfile(f"{path}-wal", f"{full}-wal")
    assert os.path.getsize(f"{full}-wal")
    with pytest.raises(NoSpace, match="no space left"):
        open_catalog(full)


def test_one_writer_at_a_time_and_the_second_is_told(
    path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WAIT", 0.05)
    with open_catalog(path) as second, catalog.begin() as tx:
        images.create(tx, "s10", "readonly-root", {})
        with pytest.raises(Busy), second.begin():
            raise AssertionError("never here")
        with second.read() as picture:
            assert images.every(picture) == []  # readers do not wait, and see what was there before


def test_what_would_go_into_a_catalog_that_was_exchanged_is_an_error(catalog: Catalog, path: Path) -> None:
    """As by a restore.  The file that is open lives on without a name, and who wrote to it was told that it is done."""
    with catalog.begin() as tx:
        images.create(tx, "s10", "readonly-root", {})
    for beside in ("", "-wal", "-shm"):
        os.rename(f"{path}{beside}", f"{path}.aside{beside}")
    with pytest.raises(Busy, match="another catalog was put in place"), catalog.begin() as tx:
        images.create(tx, "s11", "readonly-root", {})
    open_catalog(path, create=True).close()
    with pytest.raises(Busy, match="another catalog was put in place"), catalog.begin() as tx:
        images.create(tx, "s11", "readonly-root", {})
    with catalog.read() as tx:
        assert [one.name for one in images.every(tx)] == ["s10"]


def test_a_read_transaction_does_not_write(catalog: Catalog) -> None:
    with catalog.read() as tx, pytest.raises(AssertionError, match="read transaction"):
        images.create(tx, "s10", "readonly-root", {})


def test_a_broken_reference_is_refused_in_words(catalog: Catalog) -> None:
    with pytest.raises(Refused, match="FOREIGN KEY"), catalog.begin() as tx:
        images.touched(tx, "nobody", "maintenance")


def test_events_are_the_newest_in_their_order(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        for number in range(5):
            tx.event("happened", f"clone:web{number % 2}", number=number)
        assert [event.data["number"] for event in events.latest(tx, limit=3)] == [2, 3, 4]
        assert [event.data["number"] for event in events.latest(tx, "clone:web1")] == [1, 3]
        assert events.latest(tx)[0].at.endswith("Z")
