"""`goldroot image rename`: everything that names an image follows, and what cannot is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldroot.catalog import clones, entries, gold, images
from goldroot.catalog.schema import metadata
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import Refused
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from goldroot.site.renamed import table_renamed
from support.commands import data, said
from support.fleet import IMAGE, moved_site, on_clone, text, write
from support.former import path_of
from support.killing import kill_at, points_of

RENAME = ["image", "rename", IMAGE, "big"]
BACK = ["image", "rename", "big", IMAGE]


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """web1 is on gold 2 and keeps a fallback on gold 1, web2 is on gold 1; there is a table of the image."""
    site = moved_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    config = Path(site.path("goldroot.toml"))
    config.write_text(
        config.read_text() + f'\n[images.{IMAGE}]\nslots = 4  # one more\n[images."{IMAGE}".limits]\ntime = 77\n'
    )
    site.close()
    return Site.open(site.root)


def named(site: Site) -> set[str]:
    """Every name that an image has in the catalog, the entries, the directory and the configuration."""
    found = set(os.listdir(site.path("images")))
    with site.catalog.read() as tx:
        for table in metadata.sorted_tables:
            if "image" in table.c:
                found |= {row[0] for row in tx.rows(sa.select(table.c.image)) if row[0]}
        found |= {one.name for one in images.every(tx)}
    found |= {mark.image for entry in site.host.entries() for mark in entry.marks.values()}
    return found | set(Site.open(site.root).config.images)


def whole(site: Site, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """The site is sound under this name, and its servers go on: one is updated, one goes back."""
    assert named(site) == {name}
    assert data(capsys, "doctor")["findings"] == []
    code, out = said(capsys, "gold", "verify", name, "2")
    assert code == 0 and "is what was published" in out
    assert said(capsys, "gold", "verify", name, "1")[0] == 0


def test_everything_that_names_it_follows(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = named(moved)
    planned = data(capsys, *RENAME, "--plan")
    assert named(moved) == before == {IMAGE} and planned["plan"] is True
    done = data(capsys, *RENAME)
    assert {**done, "plan": True} == planned
    assert (done["image"], done["before"], done["clones"], done["versions"]) == ("big", IMAGE, ["web1", "web2"], [1, 2])
    assert "SMALLRWMNT" in done["machines"] and "SMALLGOLD2" in done["machines"]
    whole(moved, capsys, "big")
    config = Path(moved.path("goldroot.toml")).read_text()
    assert (
        "[images.big]\nslots = 4  # one more\n[images.big.limits]\n" in config
        and IMAGE not in config.split("[images.")[1]
    )
    assert data(capsys, "gold", "show", "big", "1")["image"] == IMAGE, "the record is as it was signed"
    assert "before it was small" in said(capsys, "log", "big")[1]
    assert said(capsys, "image", "list")[1].splitlines()[1].startswith("big ")
    site = Site.open(moved.root)
    on_clone(site, "web2", {"etc/own.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 0 and text(site, "web2", "etc/own.conf") == "mine\n"
    assert said(capsys, "rollback", "web1")[0] == 0
    assert said(capsys, "clone", "create", "web3", "--image", "big")[0] == 0
    assert data(capsys, "doctor")["findings"] == []
    site.close()


@pytest.mark.slow
def test_gold_goes_on_under_the_new_name(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *RENAME)[0] == 0
    for number in (3, 4):
        system = System(moved, "big", MAINTENANCE)
        write(path_of(system, "1B5"), "etc/app.conf", f"{number}\n")
        assert said(capsys, "gold", "publish", "big", "--untested")[0] == 0
        assert data(capsys, "gold", "show", "big", str(number))["image"] == "big"
        assert said(capsys, "update", "run", "web1", "web2")[0] in (0, 1)
    assert "BIGGOLD4" in {row["slot"] for row in data(capsys, "linked")}
    assert data(capsys, "doctor")["findings"] == []


def test_it_is_said_in_words_and_again(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *RENAME, "--plan")[1].startswith("The image small would be called big.\n  2 servers go on")
    assert "The signed records of gold 1, 2 name it as it was called then" in said(capsys, *RENAME)[1]
    assert said(capsys, *RENAME) == (0, "The image small is called big already.\n")
    assert data(capsys, *RENAME)["done"] is True
    code, out = said(capsys, "image", "rename", IMAGE, "huge")
    assert code == 3 and "there is no image 'small'" in out
    code, out = said(capsys, *BACK)
    assert code == 0 and "signed records" not in out, "they name it so"
    whole(moved, capsys, IMAGE)


def test_what_is_refused(moved: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words, meant in (
        (("rename", IMAGE, "Big"), "cannot be an image's name"),
        (("rename", IMAGE, "../x"), "cannot be an image's name"),
        (("rename", IMAGE, IMAGE), "is called small already"),
        (("rename", "none", "big"), "there is no image 'none'"),
    ):
        code, out = said(capsys, "image", *words)
        assert code in (2, 3) and meant in out, out
    os.mkdir(moved.path("images", "big"))
    assert "images/big is there" in said(capsys, *RENAME)[1]
    os.rmdir(moved.path("images", "big"))
    with moved.lock("clone-web1", doing="something else"):
        code, out = said(capsys, *RENAME)
        assert "something else" in out
    on_clone(moved, "web2", {"etc/plain.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 1
    for words in ([*RENAME, "--plan"], RENAME):
        code, out = said(capsys, *words)
        assert code == 3 and "updates of web2 are in flight" in out and "goldroot update cancel web2" in out
    assert said(capsys, "update", "cancel", "web2")[0] == 0
    config = Path(moved.path("goldroot.toml"))
    kept = config.read_text()
    config.write_text(kept + "[images.big]\n")
    assert "tables for both" in said(capsys, *RENAME)[1]
    config.write_text(kept)
    assert named(moved) == {IMAGE}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("slots = 3\n", "slots = 3\n"),
        ("[images.small]\na = 1", "[images.big]\na = 1"),
        (" [ images . 'small' . limits ] # x\n", " [ images . big . limits ] # x\n"),
        (
            '[images.small2]\n[images."small"]\nb = "[images.small]"',
            '[images.small2]\n[images.big]\nb = "[images.small]"',
        ),
        ("[images.other]\nsmall = 1\n", "[images.other]\nsmall = 1\n"),
    ],
)
def test_the_table_of_the_configuration(text: str, wanted: str) -> None:
    assert table_renamed(text, "small", "big") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "images = { small = { slots = 4 } }",
        "images.small.slots = 4",
        "[images]\nsmall.slots = 4",
        "[images.small]\n[images.big]\n",
        'x = """\n[images.small]\n"""\n[images.small]\n',
    ],
)
def test_a_configuration_that_is_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        table_renamed(text, "small", "big")


POINTS = [
    "image-renaming-begun",
    "image-renaming-mark:3",
    "image-renaming-moved",
    "image-renaming-settings",
    "image-renaming-catalog",
]


@pytest.mark.parametrize(
    "point", [POINTS[1], *(pytest.param(one, marks=pytest.mark.slow) for one in POINTS if one != POINTS[1])]
)
@pytest.mark.parametrize("words", [RENAME, pytest.param(BACK, marks=pytest.mark.slow)], ids=["finished", "taken back"])
def test_what_was_killed_is_refused_told_and_finished(
    point: str, words: list[str], moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.close()
    kill_at(point, lambda: guarded(cli, RENAME))
    on_catalog = [one["image"] for one in data(capsys, "image", "list")]
    for other in (["update", "run", "web2"], ["gold", "verify", on_catalog[0]], ["clone", "delete", "web1"]):
        code, out = said(capsys, *other)
        assert code == 3 and "is being renamed to big" in out and "goldroot image rename small big" in out, (other, out)
    (found,) = data(capsys, "doctor")["findings"]
    assert (found["kind"], found["command"]) == ("cut-off", "goldroot image rename small big")
    code, out = said(capsys, "image", "rename", IMAGE, "huge")
    assert code == 3 and "Finish it first: goldroot image rename small big" in out
    code, out = said(capsys, *words)
    assert code == 0, out
    whole(moved, capsys, words[-1])
    assert said(capsys, "update", "run", "web2")[0] == 0


@pytest.mark.slow
def test_a_renaming_that_is_killed_anywhere_is_finished_by_its_repetition(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.close()
    points = points_of(lambda: guarded(cli, RENAME))
    assert {one.partition(":")[0] for one in points} >= {one.partition(":")[0] for one in POINTS}
    assert guarded(cli, BACK) == 0
    for point in points:
        kill_at(point, lambda: guarded(cli, RENAME))
        code, out = said(capsys, *RENAME)
        assert code == 0, (point, out)
        whole(moved, capsys, "big")
        assert said(capsys, *BACK)[0] == 0


@pytest.mark.slow
def test_a_lost_catalog_is_found_again_under_the_new_name(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *RENAME)[0] == 0
    moved.close()
    for beside in ("", "-wal", "-shm"):
        Path(moved.path("catalog.sqlite") + beside).unlink(missing_ok=True)
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 0
    assert data(capsys, "doctor")["findings"] == []
    site = Site.open(moved.root)
    with site.catalog.read() as tx:
        assert [one.name for one in images.every(tx)] == ["big"]
        assert {one.image for one in clones.every(tx)} == {"big"}
        assert {one.number for one in gold.every(tx, "big")} == {1, 2}
        assert entries.of_system(tx, "big", "maintenance").name == "SMALLRWMNT"  # type: ignore[union-attr]
    site.close()
    assert said(capsys, "update", "run", "web2")[0] == 0


@pytest.mark.slow
def test_an_older_catalog_learns_of_it(moved: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    moved.close()
    shutil.copy(moved.path("catalog.sqlite"), tmp_path / "kept")
    assert said(capsys, *RENAME)[0] == 0
    for beside in ("-wal", "-shm"):
        Path(moved.path("catalog.sqlite") + beside).unlink(missing_ok=True)
    shutil.copy(tmp_path / "kept", moved.path("catalog.sqlite"))
    (found,) = data(capsys, "doctor")["findings"]
    assert found["command"] == "goldroot image rename small big"
    assert said(capsys, *RENAME)[0] == 0
    whole(moved, capsys, "big")


@pytest.mark.slow
def test_a_backup_keeps_the_former_names(moved: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, *RENAME)[0] == 0
    assert said(capsys, "backup", str(tmp_path / "b.tar"))[0] == 0
    os.unlink(moved.path("images", "big", "former-names"))
    assert said(capsys, "gold", "verify", "big", "1")[0] != 0
    assert said(capsys, "restore", str(tmp_path / "b.tar"))[0] == 0
    whole(moved, capsys, "big")


@pytest.mark.parametrize("content", ["", "x", "[]", '{"from": "small"}', "[" * 100_000])
def test_a_renaming_that_cannot_be_read_is_told(content: str, moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    Path(moved.path("images", ".renaming")).write_text(content)
    for words in (("doctor",), ("update", "plan", "web1"), ("image", "rename", IMAGE, "other")):
        code, out = said(capsys, *words)
        assert (
            code == 4 and "does not say which image is being renamed" in out and "goldroot image rename OLD NEW" in out
        )
    assert said(capsys, "status")[0] == 0
