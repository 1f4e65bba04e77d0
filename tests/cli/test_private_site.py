"""After a whole story no file of a site is anybody's but its owner's; an older site becomes so when it is opened."""

from __future__ import annotations

import functools
import json
import os
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goldroot.catalog import events
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.fleet import IMAGE, ROOT, next_gold, on_clone
from support.loose import loose
from support.trees import make_tree


@pytest.fixture(params=[0o000, pytest.param(0o022, marks=pytest.mark.slow)])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def goldroot(*args: str, ok: int = 0) -> None:
    assert guarded(cli, list(args)) == ok, args


def story(room: Path) -> None:
    """Import, test, gold, clones, an update with a review, a rollback, in ``room/site``."""
    make_tree(room / "root", ROOT)
    site = str(room / "site")
    goldroot("init", site)
    goldroot("image", "import", IMAGE, "--from", str(room / "root"))
    goldroot("maintain", "test", IMAGE)
    goldroot("gold", "publish", IMAGE)
    goldroot("clone", "create", "web1", "web2", "--image", IMAGE)
    opened = Site.open(site)
    on_clone(opened, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(opened, {"etc/plain.conf": "gold\n"})
    goldroot("update", "run", "web1", ok=1)
    (room / "secret").write_text("a private key\n")
    goldroot("review", "resolve", "web1", "--all", "--take", str(room / "secret"))
    goldroot("update", "run", "web1")
    goldroot("rollback", "web1")
    goldroot("update", "run", "web2")
    opened.close()


@pytest.fixture(scope="module")
def stories() -> Iterator[Callable[[int], Path]]:
    """The site of a story that was told under a umask: told once for all tests."""
    with tempfile.TemporaryDirectory(prefix="goldroot-story-") as place:

        @functools.cache
        def told(umask: int) -> Path:
            room = Path(place, f"{umask:o}")
            room.mkdir(0o755)
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv("GOLDROOT_SITE", str(room / "site"))
                story(room)
            return room / "site"

        yield told


@pytest.fixture
def site(tmp_path: Path, umask: int, stories: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site of one's own after the story."""
    subprocess.run(["cp", "-a", stories(umask), tmp_path / "site"], check=True)
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "site"))
    return Site.open(str(tmp_path / "site"))


@pytest.mark.slow
def test_a_whole_story_leaves_nothing_open(site: Site) -> None:
    with site.catalog.begin() as tx:  # while it is open, what SQLite keeps beside it is there
        tx.event("looked", "site")
        assert os.path.exists(site.path("catalog.sqlite-wal"))
        assert loose(site.root) == []
    assert stat.S_IMODE(os.stat(site.root).st_mode) == 0o700
    assert os.path.exists(site.path("workflow.sqlite"))
    assert [os.path.exists(os.path.join(place, "record.json")) for place in Path(site.path("records/web1")).iterdir()]
    site.close()
    assert loose(site.root) == []
    with site.catalog.read() as tx:
        assert not [one for one in events.latest(tx) if one.what == "closed-to-others"], "nothing had to be closed"
    site.close()


#: Columns that older catalogs have not.
LATER = {
    "clones": "last",
    "images": "host",
    "updates": "work back inputs migration disks seen told carry attempt",
    "fallbacks": "work gone",
    "conflicts": "own",
}


def make_old(site: Site) -> None:
    """As the first version left a site: open to others, without labels, with a catalog of its time."""
    site.close()
    for top, directories, files in os.walk(site.root):
        if top.endswith("/store/disks"):
            directories.clear()
        os.chmod(top, 0o755)
        for name in files:
            os.chmod(os.path.join(top, name), 0o644)
    os.unlink(site.path("store", "label"))
    with closing(sqlite3.connect(site.path("catalog.sqlite"))) as catalog, catalog:
        names = catalog.execute("SELECT name, image, slot FROM entries WHERE role = 'slot'").fetchall()
        catalog.execute(
            "CREATE TABLE old AS SELECT slots.image, slots.number, '' AS name, version FROM slots "
            "LEFT JOIN gold_copies ON slot = slots.number"
        )
        catalog.executemany("UPDATE old SET name = ? WHERE image = ? AND number = ?", names)
        catalog.execute("DROP TABLE gold_copies")
        catalog.execute("DROP TABLE slots")
        catalog.execute("UPDATE clones SET host = ''")
        first = (Path(__file__).parent.parent / "catalog" / "catalog-0001.sql").read_text()
        begin = first.index("CREATE TABLE slots")
        catalog.execute(first[begin : first.index(";", begin)])
        catalog.execute("INSERT INTO slots (image, number, name, version) SELECT image, number, name, version FROM old")
        for name in ("old", "disks", "entries", "site", "readings", "local_accounts", "identities"):
            catalog.execute(f"DROP TABLE {name}")
        for name in ("ix_updates_clone", "ix_fallbacks_clone", "uq_updates_work", "ix_fallbacks_work"):
            catalog.execute(f"DROP INDEX {name}")
        for table, names in LATER.items():
            for name in names.split():
                catalog.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        catalog.execute("UPDATE alembic_version SET version_num = '0001'")


@pytest.mark.slow
def test_an_older_site_is_closed_when_it_is_opened(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    make_old(site)
    before = {
        path: os.lstat(path).st_mode
        for top, _, files in os.walk(site.path("store", "disks"))
        for path in [top, *(os.path.join(top, name) for name in files)]
        if top != site.path("store", "disks")
    }
    assert len(loose(site.root)) > 20
    capsys.readouterr()
    goldroot("clone", "list", "--json")
    out, err = capsys.readouterr()
    assert [one["name"] for one in json.loads(out)] == ["web1", "web2"]
    assert "could be read by others, as an older goldroot made them; now only their owner can." in err
    assert loose(site.root) == []
    assert {path: os.lstat(path).st_mode for path in before} == before, "trees on disks keep their modes"
    goldroot("clone", "list")
    assert "others" not in capsys.readouterr().err, "it is told once"
    goldroot("update", "run", "web1")
    goldroot("maintain", "test", IMAGE)
    assert loose(site.root) == []
    again = Site.open(site.root)
    with again.catalog.read() as tx:
        assert [one.data["paths"] > 20 for one in events.latest(tx) if one.what == "closed-to-others"] == [True]
    again.close()


@pytest.mark.parametrize("name", ["catalog.sqlite", "keys/site", "goldroot.toml", "store", "records", "store/entries"])
def test_one_open_path_is_seen(tmp_path: Path, name: str) -> None:
    place = tmp_path / "site"
    assert guarded(cli, ["init", str(place)]) == 0
    assert loose(str(place)) == []
    (place / name).chmod(0o755)
    (place / "records" / "old").touch(0o644)
    assert guarded(cli, ["image", "list", "--site", str(place)]) == 0
    assert loose(str(place)) == []


def test_the_key_for_names_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "site"
    assert guarded(cli, ["init", str(place)]) == 0
    (place / "goldroot.toml").chmod(0o644)
    Site.open(str(place), looking=True).close()
    assert loose(str(place)) == [str(place / "goldroot.toml")]


def test_a_record_that_is_exported_is_its_owners(tmp_path: Path, umask: int) -> None:
    for side in ("base", "gold", "clone"):
        make_tree(tmp_path / side, {"etc/x": side})
    args = ["merge", *(word for side in ("base", "gold", "clone") for word in (f"--{side}", str(tmp_path / side)))]
    report = tmp_path / "record.json"
    guarded(cli, [*args, "--plan", "--report", str(report)])
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    report.chmod(0o640)
    guarded(cli, [*args, "--plan", "--report", str(report)])
    assert stat.S_IMODE(report.stat().st_mode) == 0o640, "a mode that somebody has chosen stays"
