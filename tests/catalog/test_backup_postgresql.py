"""`goldroot backup` and `restore` of a site whose catalog is in PostgreSQL."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldroot.catalog import copy_catalog, has_rows, images, open_catalog
from goldroot.catalog.schema import metadata
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import Refused
from goldroot.site import Site
from support.commands import data, said
from support.fleet import moved_site, on_clone
from support.killing import kill_at

pytestmark = pytest.mark.slow
Cluster = Callable[[], str]


def rows(where: str) -> dict[str, list[tuple[object, ...]]]:
    with open_catalog(where) as catalog, catalog.read() as tx:
        return {
            table.name: sorted((tuple(map(repr, row)) for row in tx.rows(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name != "events"
        }


def names(site: Site, url: str) -> None:
    config = Path(site.path("goldroot.toml"))
    lines = [line for line in config.read_text().splitlines() if not line.startswith("catalog =")]
    config.write_text("\n".join([f'catalog = "{url}"', *lines]) + "\n")


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster()


@pytest.fixture
def served(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The site of `moved_site`, its catalog in PostgreSQL; no file of SQLite is there."""
    site = moved_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    with open_catalog(url, create=True) as catalog:
        copy_catalog(site.catalog, catalog)
    site.close()
    for file in Path(site.root).glob("*.sqlite*"):
        file.unlink()
    names(site, url)
    again = Site.open(site.root)
    yield again
    again.close()


def test_it_goes_on_on_postgresql_after_a_copy(served: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers go on, too: nothing gets one that a row has already."""
    on_clone(served, "web2", {"etc/own.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert [one["id"] for one in data(capsys, "update", "list", "--all")] == [1, 2]
    assert data(capsys, "doctor")["findings"] == []


def test_a_backup_comes_back_into_an_empty_database(
    served: Site, url: str, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, file = rows(url), tmp_path / "b.tar"
    assert data(capsys, "backup", str(file), "--plan")["catalog"] is True
    made = data(capsys, "backup", str(file))
    assert made["catalog"] is True and not any("pg_dump" in one for one in made["left_out"])
    with tarfile.open(file) as tar:
        assert "site/catalog.sqlite" in tar.getnames()
    assert rows(url) == before and not list(Path(served.root).glob("*.sqlite"))
    code, out = said(capsys, "restore", str(file))
    assert code == 0 and "The catalog stays as it is" in out and "which is not empty" in out
    new = cluster()
    names(served, new)
    planned = data(capsys, "restore", str(file), "--plan")
    assert planned["catalog"] is True and "the catalog, in the database" in planned["put"]
    done = data(capsys, "restore", str(file))
    assert done["doctor"]["sound"] is True and done["catalog"] is True
    assert rows(new) == before
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert [one["id"] for one in data(capsys, "update", "list", "--all")] == [1, 2]


@pytest.mark.parametrize("point", ["restore.catalog-aside", "restore.catalog"])
def test_a_restore_that_was_killed_is_finished(
    point: str, served: Site, url: str, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, file = rows(url), tmp_path / "b.tar"
    assert said(capsys, "backup", str(file))[0] == 0
    served.close()
    new = cluster()
    names(served, new)
    kill_at(point, lambda: guarded(cli, ["restore", str(file)]))
    code, out = said(capsys, "restore", str(file))
    assert code == 0, out
    assert rows(new) == before


def test_a_site_goes_from_one_kind_to_the_other(
    served: Site, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, file = rows(url), tmp_path / "b.tar"
    assert said(capsys, "backup", str(file))[0] == 0
    config = Path(served.path("goldroot.toml"))
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("catalog =")))
    assert said(capsys, "restore", str(file))[0] == 0
    assert rows(served.path("catalog.sqlite")) == before
    assert data(capsys, "doctor")["findings"] == []


def test_what_is_written_meanwhile_is_not_in_it_by_half(url: str, tmp_path: Path) -> None:
    """The picture is of one moment: what another one commits after the first look is not seen."""
    with open_catalog(url, create=True) as catalog, open_catalog(str(tmp_path / "c"), create=True) as copy:
        with catalog.begin() as tx:
            images.create(tx, "small", "shared-usr", {})
        with catalog.read() as looking:
            assert [one.name for one in images.every(looking)] == ["small"]
            with catalog.begin() as tx:
                images.create(tx, "other", "shared-usr", {})
            assert [one.name for one in images.every(looking)] == ["small"]
        assert has_rows(catalog) and not has_rows(copy)
        copy_catalog(catalog, copy)
        with copy.begin() as tx:
            assert [one.name for one in images.every(tx)] == ["other", "small"]
            tx.event("image-deleted", "image:none")
        with pytest.raises(Refused):
            copy_catalog(catalog, copy)


def test_binary_and_odd_values_survive(served: Site, url: str, tmp_path: Path) -> None:
    from goldroot.catalog import decisions
    from goldroot.conflicts import Decision

    with served.catalog.begin() as tx:
        decisions.decide(tx, "small", "k" * 64, Decision("content", b"\x00\xff\n"), who="Jürgen 🙂", note="'; --\n")
    served.close()
    with open_catalog(url) as catalog, open_catalog(str(tmp_path / "c"), create=True) as copy:
        copy_catalog(catalog, copy)
    assert rows(str(tmp_path / "c")) == rows(url)
