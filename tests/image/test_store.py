"""No empty catalog over a store that has had a life, and no site on another one's store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from goldroot.catalog import Catalog, entries, label_of_store, open_catalog
from goldroot.errors import BadInput, HostError, NotFound, Refused
from goldroot.hosts import Entry, Mark, NewDisk, utc_now
from goldroot.ids import new_id
from goldroot.image.importing import import_image
from goldroot.image.maintain import test_system as run_tests
from goldroot.image.publish import publish_gold
from goldroot.site import Site, init_site, plan_init
from support.former import Attached, Machine, former
from support.roots import make_root

Make = Callable[[str], Site]


@pytest.fixture
def used(bare: Site) -> Site:
    """A site with a gold version, a test system and a clone's machine; closed."""
    run_tests(bare, "small")
    publish_gold(bare, "small")
    disk = "web1-1B5-1.1"
    former(bare).create_disk(disk)
    former(bare).define(Machine("WEB1", disks={"1B5": Attached(disk)}))
    bare.close()
    return bare


def everything(site: Site) -> dict[str, bytes]:
    """All files of a site and of its store, but for what SQLite keeps beside its own."""
    found = {}
    for top, _, files in os.walk(site.root):
        for name in files:
            path = os.path.join(top, name)
            if not name.endswith(("-shm", "-wal")) and not os.path.islink(path):
                found[path] = Path(path).read_bytes()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_init_makes_no_empty_catalog_over_what_is_there(used: Site, lost: str) -> None:
    for beside in ("", "-wal", "-shm"):
        Path(used.path("catalog.sqlite" + beside)).unlink(missing_ok=True)
    if lost == "empty":
        Path(used.path("catalog.sqlite")).touch()
    before = everything(used)
    for command in (init_site, plan_init):
        with pytest.raises(Refused, match=r"catalog of this site .* is missing or empty") as caught:
            command(used.root)
        said = caught.value.meaning
        assert "gold SMALLGOLD (small 1)" in said
        assert "the system SMALLRWMNT (image small)" in said
        assert "the system SMALLRWTST (image small)" in said
        assert "the clone WEB1" in said
        assert "images holds small" in said
        assert "from a backup" in caught.value.todo
    with pytest.raises(NotFound, match="catalog"):
        _ = Site.open(used.root).catalog
    assert everything(used) == before


def test_a_catalog_elsewhere_that_is_lost_is_missed_as_well(used: Site, tmp_path: Path) -> None:
    with open(used.path("goldroot.toml"), "w") as file:
        file.write(f'catalog = "sqlite:///{tmp_path}/elsewhere.sqlite"\n')
    with pytest.raises(Refused, match="is missing or empty"):
        init_site(used.root)
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_a_store_elsewhere_does_not_hide_that_the_site_was_used(used: Site, tmp_path: Path) -> None:
    shutil.rmtree(used.path("store"))
    for beside in ("", "-wal", "-shm"):
        Path(used.path("catalog.sqlite" + beside)).unlink(missing_ok=True)
    with pytest.raises(Refused, match="is missing or empty") as caught:
        init_site(used.root)
    assert "images holds small" in caught.value.meaning


def test_disks_without_a_definition_are_missed_as_well(empty: Site) -> None:
    former(empty).create_disk("web1-1B5-1.1")
    empty.close()
    os.unlink(empty.path("catalog.sqlite"))
    with pytest.raises(Refused, match="missing or empty") as caught:
        init_site(empty.root)
    assert "the disk web1-1B5-1.1" in caught.value.meaning


def test_a_store_that_cannot_be_read_is_no_empty_one(used: Site) -> None:
    os.unlink(used.path("catalog.sqlite"))
    Path(used.path("store", "entries", "WEB1.json")).write_text("{")
    with pytest.raises(Refused, match="missing or empty") as caught:
        init_site(used.root)
    assert "WEB1.json is not an entry of a machine" in caught.value.meaning


def test_a_catalog_that_is_something_else_is_told_as_before(used: Site) -> None:
    for beside in ("-wal", "-shm"):
        Path(used.path("catalog.sqlite" + beside)).unlink(missing_ok=True)
    Path(used.path("catalog.sqlite")).write_bytes(b"a letter " * 1000)
    with pytest.raises(BadInput, match="not a goldroot catalog"):
        init_site(used.root)


def test_a_complete_site_stays_what_it_is(used: Site) -> None:
    before = everything(used)
    init_site(used.root).close()
    assert plan_init(used.root) == []
    assert everything(used) == before


def test_an_unused_site_may_lose_its_catalog(tmp_path: Path) -> None:
    """As the making of one that was cut off before the end."""
    init_site(str(tmp_path / "site")).close()
    os.unlink(tmp_path / "site" / "catalog.sqlite")
    site = init_site(str(tmp_path / "site"))
    assert former(site).machines() == []
    site.close()


def test_steps_of_updates_that_are_left_are_a_sign_of_a_used_site(tmp_path: Path) -> None:
    """New updates would get the numbers of those, and count as done."""
    init_site(str(tmp_path / "site")).close()
    os.unlink(tmp_path / "site" / "catalog.sqlite")
    (tmp_path / "site" / "workflow.sqlite").touch()
    with pytest.raises(Refused, match="missing or empty") as caught:
        init_site(str(tmp_path / "site"))
    assert "workflow.sqlite holds the steps" in caught.value.meaning
    assert caught.value.todo.endswith("manifests, workflow.sqlite.")


def test_a_site_without_its_configuration_is_not_made_again(used: Site) -> None:
    os.unlink(used.path("goldroot.toml"))
    before = everything(used)
    for command in (init_site, plan_init):
        with pytest.raises(
            Refused, match=r"was a site \(it holds catalog.sqlite, store\), and its goldroot.toml is missing"
        ) as caught:
            command(used.root)
    assert everything(used) == before
    Path(used.path("goldroot.toml")).touch()  # what the error says of a site with the settings of a new one
    assert "touch" in caught.value.todo
    again = Site.open(used.root)
    assert former(again).get("SMALLGOLD").kind == "owner"
    again.close()


# -- whose a store is


def label_of(catalog: Catalog) -> str:
    with catalog.read() as tx:
        return label_of_store(tx, "local")


def test_store_and_catalog_have_one_label(small: Site) -> None:
    assert former(small).label() == label_of(small.catalog) != ""


@pytest.mark.parametrize("theirs", ["small", "empty"])
def test_another_sites_store_is_not_taken(copied: Make, tmp_path: Path, theirs: str) -> None:
    other = copied(theirs)
    assert former(other).label()
    other.close()
    os.rename(other.root, tmp_path / "other")
    site = init_site(str(tmp_path / "own"))
    assert former(site).label()
    Path(site.path("goldroot.toml")).write_text(f'[host]\nstore = "{tmp_path}/other/store"\n')
    with pytest.raises(Refused, match="is not that of this site: it carries the label of another") as caught:
        _ = Site.open(site.root).host
    assert "[host]" in caught.value.todo
    os.unlink(site.path("catalog.sqlite"))
    with pytest.raises(Refused, match="missing or empty"):
        init_site(site.root)


def unlabel(site: Site) -> None:
    """As an older goldroot left it."""
    site.close()
    os.unlink(site.path("store", "label"))
    with closing(sqlite3.connect(site.path("catalog.sqlite"))) as catalog, catalog:
        catalog.execute("DELETE FROM site")


def test_an_older_store_is_labelled_where_the_catalog_knows_it(small: Site) -> None:
    unlabel(small)
    again = Site.open(small.root)
    assert former(again).label() == label_of(again.catalog) != ""
    again.close()


def test_an_older_store_that_the_catalog_does_not_know_is_not_taken(small: Site, tmp_path: Path) -> None:
    publish_gold(small, "small", untested=True)
    unlabel(small)
    other = init_site(str(tmp_path / "other"))
    other.close()
    Path(other.path("goldroot.toml")).write_text(f'[host]\nstore = "{small.root}/store"\n')
    with pytest.raises(Refused, match=r"does not know what stands there: .*gold SMALLGOLD"):
        _ = Site.open(other.root).host
    assert not os.path.exists(small.path("store", "label"))


def test_what_a_killed_import_left_is_no_sign_of_another_site(small: Site) -> None:
    mark = Mark("live", new_id(), "new", "", 0, utc_now())
    small.host.define(Entry("NEWRWMNT", "machine", marks={"1": mark}))
    small.host.create_disk(NewDisk("newrwmnt-1B5-0123456789", "NEWRWMNT", "1B5", 0, "directory"))
    unlabel(small)
    again = Site.open(small.root)
    assert former(again).label()
    again.close()


def test_a_label_that_was_not_written_is_written_by_the_next(small: Site) -> None:
    label = former(small).label()
    small.close()
    os.unlink(small.path("store", "label"))  # killed between the catalog and the store
    again = Site.open(small.root)
    assert former(again).label() == label
    again.close()


def test_a_store_that_is_not_there_is_told_as_before(small: Site) -> None:
    small.close()
    os.rename(small.path("store"), small.path("gone"))
    again = Site.open(small.root)
    with pytest.raises(HostError, match="there is no store"):
        former(again).machines()
    again.close()


@pytest.mark.slow
def test_an_empty_catalog_that_somebody_made_by_hand_removes_nothing(used: Site, tmp_path: Path) -> None:
    """The catalog was lost, and not by `init` but by other means there is an empty one now."""
    for beside in ("", "-wal", "-shm"):
        Path(used.path("catalog.sqlite" + beside)).unlink(missing_ok=True)
    open_catalog(used.path("catalog.sqlite"), create=True).close()
    before = everything(used)
    again = Site.open(used.root)
    with pytest.raises(Refused, match="does not know what stands there"):
        import_image(again, "small", str(make_root(tmp_path / "root", shell=False)))
    with again.catalog.read() as tx:
        assert entries.every(tx) == []
    again.close()
    assert {path for path in before if "/locks/" not in path} <= set(everything(used))
    assert all(
        everything(used)[path] == text for path, text in before.items() if "/store/" in path or "/images/" in path
    )
