"""One namespace of machine names: each name once, chosen at the making, and a refusal says whose it is."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldroot.catalog import Catalog, Tx, clones, copies, entries, events, gold, images, migrate, open_catalog, updates
from goldroot.errors import Busy, Refused

OLD = Path(__file__).with_name("catalog-0001.sql")


@pytest.fixture
def catalog(database: str) -> Iterator[Catalog]:
    with open_catalog(database, create=True) as made:
        yield made


@pytest.fixture
def tx(catalog: Catalog) -> Iterator[Tx]:
    """A transaction, with the image ``img`` and its first gold version."""
    with catalog.begin() as opened:
        images.create(opened, "img", "readonly-root", {})
        gold.begin_publish(opened, "img")
        gold.finish_publish(opened, "img", 1, digests={}, signature={})
        yield opened


def system_of(tx: Tx, image: str) -> str:
    """The name of an image's test system."""
    found = entries.of_system(tx, image, "test")
    assert found is not None
    return found.name


def names(tx: Tx) -> dict[str, str]:
    return {entry.name: str(entry) for entry in entries.every(tx)}


def test_an_image_has_names_for_its_systems_and_slots(tx: Tx) -> None:
    assert names(tx) == {
        "IMGGOLD": "slot 1 of image img",
        "IMGGOLD2": "slot 2 of image img",
        "IMGGOLD3": "slot 3 of image img",
        "IMGRWMNT": "the maintenance system of image img",
        "IMGRWTST": "the test system of image img",
    }
    assert system_of(tx, "img") == "IMGRWTST"


def test_a_clone_has_one_from_its_making_to_its_end(tx: Tx) -> None:
    assert clones.create(tx, "web1", "img", 1, "read-only").machine == "WEB1"
    assert clones.get(tx, "web1").machine == entries.of_clone(tx, "web1") == "WEB1"
    assert str(entries.find(tx, "web1", "local")) == "the machine of clone web1"
    clones.begin_delete(tx, "web1")
    assert entries.of_clone(tx, "web1") == "WEB1"
    clones.forget(tx, "web1")
    assert entries.find(tx, "WEB1", "local") is None
    assert clones.create(tx, "web1", "img", 1, "read-only").machine == "WEB1"


@pytest.mark.parametrize(
    ("clone", "whose"),
    [
        ("imgrwtst", "IMGRWTST is the test system of image img"),
        ("imgrwmnt", "IMGRWMNT is the maintenance system of image img"),
        ("imggold2", "IMGGOLD2 is slot 2 of image img"),
        ("ImgGold", "IMGGOLD is slot 1 of image img"),
    ],
)
def test_a_clone_cannot_be_called_as_a_system_or_slot(tx: Tx, clone: str, whose: str) -> None:
    for take in (
        lambda: entries.check_free_for_clone(tx, clone, "local"),
        lambda: clones.create(tx, clone, "img", 1, "read-only"),
    ):
        with pytest.raises(Refused, match=whose) as caught:
            take()
        assert caught.value.todo == "Take another name for the clone."
    assert clones.every(tx) == []


def test_case_makes_no_other_machine(tx: Tx) -> None:
    clones.create(tx, "web1", "img", 1, "read-only")
    with pytest.raises(Refused, match="WEB1 is the machine of clone web1") as caught:
        clones.create(tx, "Web1", "img", 1, "read-only")
    assert "goldroot clone delete web1" in caught.value.todo


@pytest.mark.parametrize("clone", ["newrwtst", "newrwmnt", "newgold", "newgold3"])
def test_an_image_cannot_be_made_over_a_clone(tx: Tx, clone: str) -> None:
    clones.create(tx, clone, "img", 1, "read-only")
    before = names(tx)
    for take in (entries.check_free_for_image, images.reserve):
        with pytest.raises(Refused, match=f"image new would need .* {clone.upper()} is the machine of clone {clone}"):
            take(tx, "new", 3, "local")
    assert {name: whose for name, whose in names(tx).items() if "image new" not in whose} == before


def test_a_slot_that_comes_later_takes_another_name(tx: Tx) -> None:
    clones.create(tx, "imggold4", "img", 1, "read-only")
    clones.create(tx, "imggold4b", "img", 1, "read-only")
    assert entries.free_for_slot(tx, "img", 4, "local") == "IMGGOLD4C"
    assert copies.add_slot(tx, "img", "local").name == "IMGGOLD4C"
    assert [slot.name for slot in copies.all_slots(tx, "img")] == ["IMGGOLD", "IMGGOLD2", "IMGGOLD3", "IMGGOLD4C"]
    for name in ("imggold4", "imggold4b"):
        clones.begin_delete(tx, name)
        clones.forget(tx, name)
    assert copies.all_slots(tx, "img")[3].name == "IMGGOLD4C", "a name is chosen once"
    assert clones.create(tx, "imggold4", "img", 1, "read-only").machine == "IMGGOLD4"


def test_a_reserved_image_keeps_others_out_and_can_be_begun_again(tx: Tx) -> None:
    assert images.reserve(tx, "new", 3, "local") is False
    with pytest.raises(Refused, match="NEWRWTST is the test system of image new") as caught:
        clones.create(tx, "newrwtst", "img", 1, "read-only")
    assert "goldroot image import new" in caught.value.todo
    assert images.reserve(tx, "new", 2, "local") is True, "it was begun before"
    images.create(tx, "new", "readonly-root", {}, slot_count=2)
    assert [slot.name for slot in copies.all_slots(tx, "new")] == ["NEWGOLD", "NEWGOLD2"]
    assert entries.find(tx, "NEWGOLD3", "local") is None
    with pytest.raises(Refused, match="there is an image 'new' already"):
        images.reserve(tx, "new", 2, "local")
    entries.release_image(tx, "new")
    assert system_of(tx, "new") == "NEWRWTST", "the names of an image that is there are not given back"


def test_names_of_an_import_that_came_to_nothing_are_free_again(tx: Tx) -> None:
    images.reserve(tx, "new", 2, "local")
    entries.release_image(tx, "new")
    assert clones.create(tx, "newrwtst", "img", 1, "read-only").machine == "NEWRWTST"


def test_two_that_want_one_name_at_once_get_it_once(database: str) -> None:
    with open_catalog(database, create=True) as catalog, catalog.begin() as tx:
        images.create(tx, "img", "readonly-root", {})
        gold.begin_publish(tx, "img")
        gold.finish_publish(tx, "img", 1, digests={}, signature={})
    outcome: list[str] = []
    start = threading.Barrier(2)

    def begin(take: str) -> None:
        with open_catalog(database) as own:
            start.wait()
            try:
                with own.begin() as mine:
                    if take == "image":
                        images.reserve(mine, "new", 2, "local")
                    else:
                        clones.create(mine, "newrwtst", "img", 1, "read-only")
                outcome.append("made")
            except (Refused, Busy) as error:
                outcome.append(error.brief)

    both = [threading.Thread(target=begin, args=(take,)) for take in ("image", "clone")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(outcome)[1] == "made"
    assert "NEWRWTST is the" in sorted(outcome)[0]


# -- catalogs of before


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalog that the first version wrote, with clones whose machines have the names of systems and slots."""
    path = tmp_path / "catalog.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(OLD.read_text())
    database.close()
    return path


@pytest.mark.slow
def test_an_old_catalog_gets_the_names_that_its_host_has(old: Path) -> None:
    with open_catalog(old) as catalog, catalog.read() as tx:
        assert names(tx) == {
            "IMGRWMNT": "the maintenance system of image img",
            "IMGRWTST": "the test system of image img",  # it was made: the clone's definition is not there any more
            "IMGGOLD": "slot 1 of image img",  # it holds a version
            "NEWRWMNT": "the maintenance system of image new",
            "IMGRWTSTB": "the machine of clone imgrwtst",
            "IMGGOLDB": "the machine of clone imggold",
            "IMGGOLD2": "the machine of clone imggold2",  # the slot was never used
            "NEWRWTST": "the machine of clone newrwtst",  # the test system was never made
            "WEB1": "the machine of clone web1",
            "NEWRWTSTB": "the test system of image new",
            "IMGGOLD2B": "slot 2 of image img",
            "IMGGOLD3": "slot 3 of image img",
            "NEWGOLD": "slot 1 of image new",
            "NEWGOLD2": "slot 2 of image new",
        }
        told = [
            (one.subject, one.data["wanted"], one.data["name"]) for one in events.latest(tx) if "renamed" in one.what
        ]
        assert told == [
            ("clone:imggold", "IMGGOLD", "IMGGOLDB"),
            ("clone:imgrwtst", "IMGRWTST", "IMGRWTSTB"),
            ("image:new", "NEWRWTST", "NEWRWTSTB"),
            ("image:img", "IMGGOLD2", "IMGGOLD2B"),
        ]


def test_what_an_old_catalog_has_is_on_the_host_local(old: Path) -> None:
    with sqlite3.connect(old) as database:
        database.execute(
            "INSERT INTO gold_versions SELECT image, 2, 'publishing', digests, fingerprint, untested, started_at, NULL, note, "
            "signature FROM gold_versions WHERE image = 'img' AND number = 1"
        )
        database.execute("UPDATE slots SET version = 2 WHERE image = 'img' AND number = 3")
    database.close()
    with open_catalog(old) as catalog, catalog.read() as tx:
        assert {one.host for one in (*clones.every(tx), *entries.every(tx), *images.every(tx))} == {"local"}
        assert [(one.version, one.host, one.slot, one.state) for one in copies.every(tx, "img")] == [
            (1, "local", 1, "whole"), (2, "local", 3, "filling"),
        ]  # fmt: skip
        assert gold.get(tx, "img", 1).slot_name == "IMGGOLD"


def test_an_old_catalog_is_whole_afterwards(old: Path) -> None:
    with open_catalog(old) as catalog, catalog.begin() as tx:
        assert tx.rows(sa.text("PRAGMA foreign_key_check")) == []
        assert [version.slot_name for version in gold.every(tx, "img")] == ["IMGGOLD"]
        assert [slot.version for slot in copies.all_slots(tx, "img")] == [1, None, None]
        assert updates.in_flight(tx, "web1") is not None
        assert gold.begin_publish(tx, "img").slot_name == "IMGGOLD2B"


def test_a_migration_that_fails_leaves_the_old_catalog(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migrate._upgrade

    def cut_off(connection: sa.Connection) -> None:
        real(connection)
        raise ZeroDivisionError

    monkeypatch.setattr(migrate, "_upgrade", cut_off)
    with pytest.raises(ZeroDivisionError):
        open_catalog(old)
    with sqlite3.connect(old) as database:
        assert database.execute("SELECT name FROM slots WHERE image = 'new'").fetchall() == [
            ("NEWGOLD",),
            ("NEWGOLD2",),
        ]
    monkeypatch.undo()
    with open_catalog(old) as catalog, catalog.read() as tx:
        assert clones.get(tx, "web1").machine == "WEB1"
