"""Names of machines, through the commands: who comes second is told whose a name is, and nothing of the first one's goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import copies, entries, schema
from goldroot.errors import Refused, UsageError
from goldroot.fleet import clones
from goldroot.image import TEST, System, import_image, plan_import, plan_publish, publish_gold
from goldroot.image import test_system as run_tests
from goldroot.site import Site
from support.fleet import IMAGE, dump, text
from support.former import former
from support.marks import slow

WHOSE = {
    "smallrwtst": "SMALLRWTST is the test system of image small",
    "smallrwmnt": "SMALLRWMNT is the maintenance system of image small",
    "smallgold": "SMALLGOLD is slot 1 of image small",
    "smallgold3": "SMALLGOLD3 is slot 3 of image small",
}


def plan(site: Site, name: str) -> object:
    identity = clones.identity_from(site, name)
    return clones.plan_clone(site, name, IMAGE, form=clones.USUAL, identity=identity)


@pytest.mark.parametrize("tested", [False, True])
@pytest.mark.parametrize("name", WHOSE)
def test_a_clone_is_not_called_as_a_system_or_slot(site: Site, name: str, tested: bool) -> None:
    if tested:
        run_tests(site, IMAGE)
    machines, disks = former(site).machines(), former(site).disks()
    for act in (plan, lambda site, name: clones.create_clone(site, name, IMAGE)):
        with pytest.raises(Refused, match=WHOSE[name]):
            act(site, name)
    assert (former(site).machines(), former(site).disks()) == (machines, disks)
    with site.catalog.read() as tx:
        assert catalog_clones.every(tx) == []


def test_a_test_system_never_takes_a_clones_machine(site: Site) -> None:
    """The test system is called something else where a clone of an older site has the name already."""
    with site.catalog.begin() as tx:
        tx.write(schema.entries.update().where(schema.entries.c.name == "SMALLRWTST").values(name="SMALLRWTSTB"))
    clones.create_clone(site, "smallrwtst", IMAGE)
    before = dump(site, "smallrwtst")
    run_tests(site, IMAGE)
    assert System(site, IMAGE, TEST).machine == "SMALLRWTSTB"
    assert dump(site, "smallrwtst") == before
    clones.delete_clone(site, "smallrwtst")
    assert not [disk for disk in former(site).disks() if disk.startswith("smallrwtst-")]
    assert System(site, IMAGE, TEST).exists()


@pytest.mark.slow
def test_a_clone_does_not_block_a_slot_that_comes_later(site: Site) -> None:
    clones.create_clone(site, "smallgold4", IMAGE)
    for number in range(2, 4):
        clones.create_clone(site, f"web{number}", IMAGE)  # holds the version before
        publish_gold(site, IMAGE, untested=True)
    clones.create_clone(site, "web4", IMAGE)
    Path(site.path("goldroot.toml")).write_text("slots = 4\n")
    before, again = dump(site, "smallgold4"), Site.open(site.root)
    assert plan_publish(again, IMAGE).slot == "SMALLGOLD4B"
    assert publish_gold(again, IMAGE, untested=True).version.slot_name == "SMALLGOLD4B"
    with again.catalog.read() as tx:
        assert [slot.name for slot in copies.all_slots(tx, IMAGE)][3:] == ["SMALLGOLD4B"]
    assert dump(again, "smallgold4") == before
    again.close()


@pytest.mark.parametrize("name", ["newrwtst", "newrwmnt", "newgold2"])
def test_an_image_is_not_made_over_a_clone(site: Site, room: Path, name: str) -> None:
    clones.create_clone(site, name, IMAGE)
    before, disks = dump(site, name), former(site).disks()
    for act in (plan_import, import_image):
        with pytest.raises(Refused, match=f"{name.upper()} is the machine of clone {name}"):
            act(site, "new", str(room / "root"))
    assert (dump(site, name), former(site).disks()) == (before, disks)
    assert not os.path.exists(site.path("images", "new"))
    clones.delete_clone(site, name)
    assert import_image(site, "new", str(room / "root")).machine == "NEWRWMNT"


def test_case_makes_no_other_clone(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    with pytest.raises(UsageError, match="'Web1' cannot be a clone's name"):
        clones.create_clone(site, "Web1", IMAGE)


def test_a_name_is_free_after_the_end(site: Site) -> None:
    for _ in range(2):
        assert clones.create_clone(site, "web1", IMAGE).machine.name == "WEB1"
        clones.delete_clone(site, "web1")
    with site.catalog.read() as tx:
        assert entries.find(tx, "WEB1", "local") is None


def test_a_machine_that_the_catalog_does_not_know_is_left_alone(site: Site, room: Path) -> None:
    from support.former import Attached, Machine

    former(site).create_disk("stranger")
    for name in ("WEB1", "NEWRWMNT", "SMALLRWTST"):
        former(site).define(Machine(name, disks={"1B5": Attached("stranger")} if name == "SMALLRWTST" else {}))
    with pytest.raises(Refused, match="has a machine WEB1 already, and this site's catalog does not know it"):
        clones.create_clone(site, "web1", IMAGE)
    with pytest.raises(Refused, match="has a machine NEWRWMNT already"):
        import_image(site, "new", str(room / "root"))
    with pytest.raises(
        Refused, match="the test system of image small, and the host has it as something else: stranger"
    ):
        run_tests(site, IMAGE)
    assert "stranger" in former(site).disks()
    assert former(site).get("SMALLRWTST").disks["1B5"].disk == "stranger"
    with site.catalog.read() as tx:
        assert not entries.every(tx, "new"), "names of what was refused are given back"
        assert catalog_clones.find(tx, "web1") is None


def killed(site: Site, point: str, *words: str) -> None:
    env = {**os.environ, "GOLDROOT_CRASH_AT": point, "GOLDROOT_SITE": site.root}
    done = subprocess.run(
        [sys.executable, "-c", "from goldroot.cli.main import main; main()", *words],
        env=env,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("point", ["import-named", "disk.made", "system-in-place", "import-before-catalog"])
def test_an_import_that_was_killed_keeps_its_names_until_it_is_finished(site: Site, room: Path, point: str) -> None:
    killed(site, point, "image", "import", "new", "--from", str(room / "root"))
    with pytest.raises(Refused, match="NEWRWTST is the test system of image new") as caught:
        clones.create_clone(site, "newrwtst", IMAGE)
    assert "goldroot image import new" in caught.value.todo
    assert import_image(site, "new", str(room / "root")).machine == "NEWRWMNT"
    its = {disk.disk for disk in former(site).get("NEWRWMNT").disks.values()}
    assert {disk for disk in former(site).disks() if disk.startswith("newrwmnt-")} == its and len(its) == 3


@pytest.mark.slow
@pytest.mark.parametrize("point", [slow("clone.disk-copied"), "clone.defined"])
def test_a_clone_that_was_killed_in_the_making_has_its_name(site: Site, room: Path, point: str) -> None:
    killed(site, point, "clone", "create", "newrwtst", "--image", IMAGE)
    with pytest.raises(Refused, match="NEWRWTST is the machine of clone newrwtst"):
        import_image(site, "new", str(room / "root"))
    clones.create_clone(site, "newrwtst", IMAGE)
    assert text(site, "newrwtst", "etc/hostname") == "newrwtst\n"
