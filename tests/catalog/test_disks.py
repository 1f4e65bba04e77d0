"""The register of disks: rows before anything is made, none when nothing is left."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldroot.catalog import Catalog, DiskRow, disks, open_catalog
from goldroot.catalog.schema import disks as table
from goldroot.errors import Refused

ONE = DiskRow("web1-1B5-aaaaaaaaaa", "local", "WEB1", "clone", "work000001", "5B5")
TWO = DiskRow("web1-1B6-bbbbbbbbbb", "local", "WEB1", "clone", "work000001", "5B6")
ELSEWHERE = DiskRow("web1-1B5-cccccccccc", "west", "WEB1", "clone", "work000002", "1B5", "made")


@pytest.fixture
def catalog(database: str) -> Iterator[Catalog]:
    with open_catalog(database, create=True) as made:
        yield made


def states(catalog: Catalog, host: str = "local") -> dict[str, str]:
    with catalog.read() as tx:
        return {id: row.state for id, row in disks.of_owner(tx, host, "WEB1").items()}


def test_a_disk_is_intended_made_deleting_and_gone(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        disks.register(tx, [ONE, TWO, ELSEWHERE])
    assert states(catalog) == {ONE.id: "intended", TWO.id: "intended"}
    assert states(catalog, "west") == {ELSEWHERE.id: "made"}
    with catalog.begin() as tx:
        disks.set_state(tx, [ONE.id, TWO.id], "made")
        disks.set_state(tx, [TWO.id, "no-such-disk"], "deleting")
    assert states(catalog) == {ONE.id: "made", TWO.id: "deleting"}
    with catalog.begin() as tx:
        disks.forget(tx, [TWO.id])
        disks.forget(tx, [TWO.id])
    assert states(catalog) == {ONE.id: "made"}


def test_a_row_says_what_the_disk_is_for_and_since_when(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        disks.register(tx, [ONE])
        (row,) = disks.of_owner(tx, "local", "WEB1").values()
    assert row.since.endswith("Z")
    assert replace(row, since="") == ONE


def test_registering_again_changes_nothing(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        disks.register(tx, [ONE])
        disks.set_state(tx, [ONE.id], "made")
        disks.register(tx, [replace(ONE, made_for="another")])
        assert disks.of_owner(tx, "local", "WEB1")[ONE.id].made_for == "work000001"
        disks.register(tx, [])
    assert states(catalog) == {ONE.id: "made"}


@pytest.mark.parametrize("column", ["state", "purpose"])
def test_the_database_itself_takes_no_other_word(catalog: Catalog, column: str) -> None:
    with pytest.raises(Refused), catalog.begin() as tx:
        disks.register(tx, [ONE])
        tx.write(sa.update(table).values({column: "something"}))


def test_the_disks_of_one_entry_are_found_by_an_index(catalog: Catalog) -> None:
    with catalog.read() as tx:
        if tx._connection.dialect.name != "sqlite":
            pytest.skip("SQLite says it in words")
        plan = tx.rows(sa.text("EXPLAIN QUERY PLAN SELECT * FROM disks WHERE host = 'local' AND owner = 'WEB1'"))
    assert "ix_disks_host_owner" in str(plan)


@pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed")
def test_a_catalog_of_the_second_edition_gets_an_empty_register(tmp_path: Path) -> None:
    archive = Path(__file__).parents[1] / "data" / "site-second-edition.tar.xz"
    subprocess.run(["tar", "--no-same-owner", "-xf", archive, "-C", tmp_path, "site/catalog.sqlite"], check=True)
    path = tmp_path / "site" / "catalog.sqlite"
    with sqlite3.connect(path) as database:
        clones = database.execute("SELECT count(*) FROM clones").fetchone()
    database.close()
    with open_catalog(path) as catalog, catalog.read() as tx:
        assert tx.rows(sa.text("SELECT * FROM disks")) == []
        assert tx.first(sa.text("SELECT count(*) FROM clones")) == clones
