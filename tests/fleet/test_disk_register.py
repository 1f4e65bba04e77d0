"""Every disk has a row from before its making to after its removal, and a killed making or removal is found by it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.catalog import DiskRow, disks
from goldroot.fleet import clones
from goldroot.fleet.rollback.fallback import plan_prune, prune_fallbacks
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry, own_disks
from goldroot.image import retire_gold
from goldroot.site import Site
from goldroot.site.disks import DiskRegister
from goldroot.workflow import InProcess
from support.fleet import IMAGE, next_gold
from support.killing import kill_at

WEB = "WEB1"


def rows(site: Site, owner: str = WEB) -> dict[str, DiskRow]:
    with site.catalog.read() as tx:
        return disks.of_owner(tx, site.host.name, owner)


def states(site: Site, owner: str = WEB) -> list[str]:
    return sorted(row.state for row in rows(site, owner).values())


def named(site: Site, owner: str = WEB) -> set[str]:
    entry = site.host.find(owner)
    return set() if entry is None else {disk.id for disk in entry.disks.values()}


def bytes_of(site: Site, owner: str = WEB) -> set[str]:
    """The ids of an entry's disks that the store has anything of."""
    store = f"{site.root}/store"
    ids = {*os.listdir(f"{store}/disks"), *(name.removesuffix(".json") for name in os.listdir(f"{store}/labels"))}
    return {id for id in ids if id.startswith(f"{owner.lower()}-")}


def forget_begun(site: Site) -> None:
    """The host's own notes are lost, as where its store came from a backup."""
    store = f"{site.root}/store"
    shutil.rmtree(f"{store}/begun")


def told(site: Site, owner: str = WEB) -> None:
    """Register and entry agree, and no bytes are left over."""
    found = rows(site, owner)
    assert set(found) == named(site, owner) == bytes_of(site, owner)
    assert {row.state for row in found.values()} <= {"made"}


def again(site: Site) -> Site:
    """As another command sees it."""
    return Site.open(site.root)


@pytest.mark.slow
def test_the_rows_say_what_each_disk_was_made_for(site: Site, engine: InProcess) -> None:
    made = clones.create_clone(site, "web1", IMAGE).clone.last
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    run_update(site, engine, "web1")
    entry = find_entry(site.host, WEB)
    found = rows(site)
    assert {found[id].made_for for id in own_disks(entry).values()} == {entry.marks["1"].by}
    assert {found[id].made_for for id in own_disks(entry, "5").values()} == {made}
    assert {row.purpose for row in found.values()} == {"clone"}
    assert {row.purpose for row in rows(site, "SMALLGOLD").values()} == {"gold"}
    for owner in (WEB, "SMALLGOLD", "SMALLGOLD2", "SMALLRWMNT"):
        told(site, owner)


#: One of them is for each run.
KILLED_MAKING = [
    "host.disk-made",
    *(
        pytest.param(point, marks=pytest.mark.crash)
        for point in ("disk.intended", "host.disk-labelled", "host.disk-named", "disk.made:1")
    ),
]


def pruned(site: Site) -> None:
    prune_fallbacks(site, plan_prune(site, ["web1"], force=True))


@pytest.mark.parametrize("point", KILLED_MAKING)
@pytest.mark.parametrize("then", ["the same", "delete"])
def test_a_making_that_was_killed_is_found_by_its_row(site: Site, point: str, then: str) -> None:
    kill_at(point, lambda: clones.create_clone(again(site), "web1", IMAGE))
    assert "intended" in states(site)
    forget_begun(site)
    if then == "delete":
        clones.delete_clone(site, "web1")
        assert rows(site) == {} and bytes_of(site) == set()
    else:
        clones.create_clone(site, "web1", IMAGE)
        told(site)


@pytest.mark.slow
@pytest.mark.parametrize("point", KILLED_MAKING)
@pytest.mark.parametrize("then", ["the same", "cancel"])
def test_the_disks_of_an_update_that_was_killed_are_finished_or_removed(
    site: Site, engine: InProcess, point: str, then: str
) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    before = named(site)
    kill_at(point, lambda: run_update(again(site), InProcess(), "web1"))
    assert "intended" in states(site)
    forget_begun(site)
    if then == "cancel":
        cancel_update(site, "web1")
        assert named(site) == before
    else:
        assert run_update(site, engine, "web1").outcome == "done"
        assert len(named(site)) == 2 * len(before)
    told(site)


KILLED_REMOVAL = [
    "host.disk-unnamed",
    *(pytest.param(point, marks=pytest.mark.crash) for point in ("disk.going", "host.disk-removed", "disk.removed:1")),
]


@pytest.mark.slow
@pytest.mark.parametrize("point", KILLED_REMOVAL)
def test_a_removal_that_was_killed_is_finished_by_the_next_command(site: Site, engine: InProcess, point: str) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    run_update(site, engine, "web1")
    kill_at(point, lambda: pruned(again(site)))
    assert "deleting" in states(site)
    forget_begun(site)
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    run_update(site, engine, "web1")  # another command
    told(site)


@pytest.mark.slow
def test_a_slot_that_was_being_filled_or_emptied_is_found_by_its_rows(site: Site) -> None:
    kill_at("host.disk-made", lambda: next_gold(again(site), {"etc/plain.conf": "gold 2\n"}))
    assert "intended" in states(site, "SMALLGOLD2")
    forget_begun(site)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    told(site, "SMALLGOLD2")
    kill_at("host.disk-unnamed", lambda: retire_gold(again(site), IMAGE, 1, remove=True))
    forget_begun(site)
    retire_gold(site, IMAGE, 1, remove=True)
    assert rows(site, "SMALLGOLD") == {} and bytes_of(site, "SMALLGOLD") == set()


def test_disks_of_an_older_site_are_registered_by_the_next_command(site: Site, engine: InProcess) -> None:
    made = clones.create_clone(site, "web1", IMAGE).clone.last
    with sqlite3.connect(site.catalog_file) as database:
        database.execute("DELETE FROM disks")
    database.close()
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    told(site)
    kept = own_disks(find_entry(site.host, WEB), "5")
    assert {rows(site)[id].made_for for id in kept.values()} == {made}


def test_a_catalog_that_is_older_than_a_removal_forgets_its_disks(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    run_update(site, engine, "web1")
    before = rows(site)
    pruned(site)
    with site.catalog.begin() as tx:
        disks.register(tx, before.values())
    DiskRegister(site, site.host, WEB, "clone").tidy()
    told(site)


def lose(site: Site) -> str:
    """Somebody takes a kept disk out of the entry by hand."""
    entry = find_entry(site.host, WEB)
    address = next(address for address in sorted(entry.disks) if address.startswith("5"))
    file = Path(f"{site.root}/store", "entries", f"{WEB}.json")
    data = json.loads(file.read_text())
    lost = data["disks"].pop(address)
    file.write_text(json.dumps(data))
    assert entry.disks[address].id in json.dumps(lost)
    return entry.disks[address].id


@pytest.mark.slow
def test_a_disk_that_its_machine_does_not_name_any_more_is_told_and_goes_with_the_server(
    site: Site, engine: InProcess
) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    run_update(site, engine, "web1")
    assert clones.show_clone(site, "web1")["lost"] == []
    id = lose(site)
    assert clones.show_clone(site, "web1")["lost"] == [id]
    assert id in bytes_of(site), "nobody removes it unasked"
    clones.delete_clone(site, "web1")
    assert bytes_of(site) == set() and rows(site) == {}


def test_one_that_cannot_go_yet_stays_noted(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    register = DiskRegister(site, site.host, WEB, "clone")
    (live, *_) = sorted(named(site))
    with site.catalog.begin() as tx:
        disks.set_state(tx, [live], "deleting")  # nothing says so of a live disk; its host refuses, too
    register.tidy()
    assert rows(site)[live].state == "deleting" and live in named(site)


def test_a_disk_is_registered_before_it_is_made(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    create = type(site.host).create_disk

    def creating(self: object, new: object) -> object:
        seen.append(rows(site)[new.id].state)  # type: ignore[attr-defined]
        return create(self, new)  # type: ignore[arg-type]

    monkeypatch.setattr(type(site.host), "create_disk", creating)
    clones.create_clone(site, "web1", IMAGE)
    assert seen and set(seen) == {"intended"}
    assert {replace(row, state="made") for row in rows(site).values()} == set(rows(site).values())
