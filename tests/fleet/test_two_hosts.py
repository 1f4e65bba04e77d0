"""A site with two hosts: gold has a copy on each, and a server lives on one and takes nothing from the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import copies, holders_of
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import BadSignature, NoFreeSlot, NotFound, Refused
from goldroot.fleet.clones import (
    USUAL,
    CloneForm,
    create_clone,
    delete_clone,
    identity_from,
    plan_clone,
    show_clone,
)
from goldroot.fleet.drift import find_drift
from goldroot.fleet.links import slot_links
from goldroot.fleet.rollback.fallback import plan_prune, prune_fallbacks
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.plan import plan_update
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry
from goldroot.image import System, import_image, open_version, removed_by, replicate_gold, retire_gold, verify_gold
from goldroot.image.gold_version import copy_directory
from goldroot.image.hashes import signed_hashes
from goldroot.image.replicate import plan_replicate
from goldroot.image.systems import MAINTENANCE
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, configured, next_gold, small_site
from support.hosts import need_mounts, need_programs
from support.killing import kill_at, points_of
from support.libvirtd import need_libvirt
from support.two_hosts import WEST, change, files_of, read, with_west


@pytest.fixture
def site(room: Path) -> Iterator[Site]:
    """Two hosts, and one gold version, on ``local``."""
    made = with_west(small_site(room))
    yield made
    made.close()


def copies_of(site: Site, number: int) -> dict[str, tuple[str, str]]:
    with site.catalog.read() as tx:
        return {one.host: (one.slot_name, one.state) for one in copies.every(tx, IMAGE, number)}


def versions_on(site: Site, host: str) -> list[int | None]:
    with site.catalog.read() as tx:
        return [slot.version for slot in copies.all_slots(tx, IMAGE, host)]


def state_of(site: Site, number: int) -> str:
    with site.catalog.read() as tx:
        return catalog_gold.get(tx, IMAGE, number).state


# -- making copies


def test_a_copy_stands_in_a_slot_of_its_host_and_is_what_was_published(site: Site) -> None:
    done = replicate_gold(site, IMAGE, None, "west")
    assert (done.new, done.source, done.copy.slot_name) == (True, "local", "SMALLGOLD")
    assert copies_of(site, 1) == {"local": ("SMALLGOLD", "whole"), "west": ("SMALLGOLD", "whole")}
    assert versions_on(site, "west") == [1, None, None]
    entry = find_entry(site.host_named("west"), "SMALLGOLD")
    assert (entry.marks["1"].state, entry.marks["1"].version) == ("gold", 1)
    assert {disk.mode for disk in entry.disks.values()} == {"ro"}
    assert all(site.host_named("west").info([disk.id])[disk.id].sealed for disk in entry.disks.values())
    for host in ("local", "west"):
        assert verify_gold(site, IMAGE, 1, host=host).whole
        assert verify_gold(site, IMAGE, 1, host=host, quick=True).whole
    gold = open_version(site, IMAGE, 1, "west")
    with gold.open() as opened:
        row = next(row for row in gold.manifest("1B5").rows() if row[0] == b"etc/hosts")
        assert os.stat(f"{opened['1B5'].path}/etc/hosts").st_ino in row, "its manifests have its own inodes"


def test_made_again_nothing_happens(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    before = find_entry(site.host_named("west"), "SMALLGOLD")
    assert plan_replicate(site, IMAGE, 1, "west").there
    assert not replicate_gold(site, IMAGE, 1, "west").new
    assert find_entry(site.host_named("west"), "SMALLGOLD") == before


def test_a_plan_says_the_slot_and_changes_nothing(site: Site) -> None:
    plan = plan_replicate(site, IMAGE, None, "west")
    assert (plan.number, plan.source, plan.slot, plan.leaves, plan.there) == (1, "local", "SMALLGOLD", None, False)
    assert copies_of(site, 1).keys() == {"local"}
    assert list(site.host_named("west").entries()) == []


def test_what_was_written_into_gold_is_not_copied(site: Site) -> None:
    gold = open_version(site, IMAGE, 1)
    path = Path(str(gold.host.info([gold.disks["1B5"]])[gold.disks["1B5"]].where["path"]), "etc/hosts")
    path.write_text("6.6.6.6 update.example.org\n")
    with pytest.raises(BadSignature, match="is not what was published: /etc/hosts"):
        replicate_gold(site, IMAGE, 1, "west")
    assert copies_of(site, 1).keys() == {"local"}


def test_a_copy_that_was_written_to_is_found_out_on_its_host_alone(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    gold = open_version(site, IMAGE, 1, "west")
    Path(str(gold.host.info([gold.disks["1B5"]])[gold.disks["1B5"]].where["path"]), "etc/hosts").write_text("x")
    assert verify_gold(site, IMAGE, 1, host="local").whole
    assert [str(one.path) for one in verify_gold(site, IMAGE, 1, host="west").changes["1B5"]] == ["b'etc/hosts'"]
    with pytest.raises(BadSignature):
        create_clone(site, "web1", IMAGE, form=WEST)
    create_clone(site, "web2", IMAGE)


def test_a_copy_is_made_from_another_copy_where_home_has_none(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    retire_gold(site, IMAGE, 1, remove=True, host="local")
    assert (copies_of(site, 1).keys(), state_of(site, 1)) == ({"west"}, "published")
    assert replicate_gold(site, IMAGE, 1, "local").source == "west"
    assert verify_gold(site, IMAGE, 1, host="local").whole


def test_a_host_that_is_not_there_and_a_version_that_is_retired(site: Site) -> None:
    with pytest.raises(NotFound, match="no host 'east'"):
        replicate_gold(site, IMAGE, 1, "east")
    with pytest.raises(NotFound, match="no gold version 9"):
        replicate_gold(site, IMAGE, 9, "west")
    next_gold(site, {"etc/plain.conf": "2\n"})
    retire_gold(site, IMAGE, 1)
    with pytest.raises(Refused, match="gold version 1 of small is retired"):
        replicate_gold(site, IMAGE, 1, "west")


@pytest.mark.slow
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_copy_that_is_killed_is_made_by_the_same_command(site: Site, room: Path, every: bool) -> None:
    def act() -> None:
        replicate_gold(Site.open(site.root), IMAGE, 1, "west")

    site.close()
    shutil.copytree(site.root, room / "kept", symlinks=True)
    some = ["publish-disk-built:2", "publish-before-visible:1"]
    passed = points_of(act) if every else some
    assert {"replicate-begun:1", "publish-sealed:1", "replicate-recorded:1", *some} <= set(passed) or not every
    for point in passed:
        shutil.rmtree(site.root)
        shutil.copytree(room / "kept", site.root, symlinks=True)
        kill_at(point, act)
        again = Site.open(site.root)
        if copies_of(again, 1).get("west", ("", ""))[1] != "whole":
            with pytest.raises((NotFound, Refused)):
                create_clone(again, "web1", IMAGE, form=WEST)
        assert replicate_gold(again, IMAGE, 1, "west").copy.state == "whole", point
        assert verify_gold(again, IMAGE, 1, host="west").whole
        west = again.host_named("west")
        named = {disk.id for entry in west.entries() for disk in entry.disks.values()}
        assert set(os.listdir(again.path("west", "disks"))) == named, point
        again.close()


# -- servers


def test_a_server_is_not_made_where_its_gold_has_no_copy(site: Site) -> None:
    for begin in (
        lambda: create_clone(site, "web1", IMAGE, form=WEST),
        lambda: plan_clone(site, "web1", IMAGE, form=WEST, identity=identity_from(site, "web1")),
    ):
        with pytest.raises(NotFound, match="gold version 1 of small has no copy on host west") as caught:
            begin()
        assert "goldroot gold replicate small 1 --to west" in caught.value.todo
    with pytest.raises(NotFound, match="no host 'east'"):
        create_clone(site, "web1", IMAGE, form=CloneForm("east"))
    with site.catalog.read() as tx:
        assert catalog_clones.every(tx) == []
    assert list(site.host_named("west").entries()) == []


@pytest.mark.slow
def test_a_server_lives_on_one_host_and_takes_nothing_from_another(site: Site, engine: InProcess) -> None:
    """The other host's store is away all the while."""
    replicate_gold(site, IMAGE, 1, "west")
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    replicate_gold(site, IMAGE, 2, "west")
    os.rename(site.path("store"), site.path("away"))
    create_clone(site, "web1", IMAGE, form=replace(WEST, number=1))
    shown = show_clone(site, "web1")
    assert (shown["host"], set(shown["links"].values())) == ("west", {"SMALLGOLD 1B1"})
    change(site, "web1", {"etc/hosts": "192.0.2.1 own\n"})
    assert plan_update(site, "web1").conflicts == []
    assert run_update(site, engine, "web1").outcome == "done"
    assert (read(site, "web1", "etc/plain.conf"), read(site, "web1", "etc/hosts")) == ("gold 2\n", "192.0.2.1 own\n")
    change(site, "web1", {"etc/since.conf": "since\n"})
    assert [one["path"] for one in find_drift(site, "web1").entries if one["path"] == "/etc/since.conf"]
    done = roll_back(site, engine, "web1", carry=True)
    assert done.outcome == "done", done
    assert (read(site, "web1", "etc/plain.conf"), read(site, "web1", "etc/since.conf")) == ("plain\n", "since\n")
    delete_clone(site, "web1")
    assert [entry.name for entry in site.host_named("west").entries() if entry.role == "machine"] == []


@pytest.mark.slow
def test_an_update_is_refused_where_the_new_gold_has_no_copy(site: Site, engine: InProcess) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    create_clone(site, "web2", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    for begin in (lambda: plan_update(site, "web1"), lambda: run_update(site, engine, "web1")):
        with pytest.raises((NotFound, Refused), match="host west") as caught:
            begin()
        assert "goldroot gold replicate small 2 --to west" in caught.value.todo
    with site.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").version == 1
        assert holders_of(tx, IMAGE, 2) == [], "nothing was begun"
    assert run_update(site, engine, "web2").outcome == "done"
    replicate_gold(site, IMAGE, 2, "west")
    assert run_update(site, engine, "web1").outcome == "done"


def test_two_hosts_may_have_machines_of_one_name(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    with pytest.raises(Refused, match="SMALLRWMNT is the maintenance system of image small"):
        create_clone(site, "smallrwmnt", IMAGE)
    create_clone(site, "smallrwmnt", IMAGE, form=WEST)
    assert show_clone(site, "smallrwmnt")["machine"] == "SMALLRWMNT"
    assert read(site, "smallrwmnt", "etc/hostname") == "smallrwmnt\n"
    with System(site, IMAGE, MAINTENANCE).open() as opened:
        assert Path(opened["1B5"].path, "etc/hostname").read_text() == "gold\n"


def test_the_default_host_is_the_first_or_the_one_that_is_named(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=USUAL)
    assert show_clone(site, "web1")["host"] == "local"
    again = with_west(site, 'default_host = "west"\n')
    create_clone(again, "web2", IMAGE)
    assert show_clone(again, "web2")["host"] == "west"
    again.close()


def test_a_making_that_was_cut_off_goes_on_on_its_host(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    site.close()
    kill_at("disk.made:1", lambda: create_clone(Site.open(site.root), "web1", IMAGE, form=WEST))
    again = Site.open(site.root)
    with pytest.raises(Refused, match="on host west was cut off"):
        create_clone(again, "web1", IMAGE, form=CloneForm("local"))
    assert create_clone(again, "web1", IMAGE).clone.host == "west"
    again.close()


@pytest.mark.slow
def test_a_switch_that_an_older_catalog_does_not_know_is_found_on_its_host(site: Site, engine: InProcess) -> None:
    """Its gold's copy and its publish are not known either."""
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    site.close()
    shutil.copy(site.catalog_file, f"{site.catalog_file}.old")
    now = Site.open(site.root)
    next_gold(now, {"etc/plain.conf": "gold 2\n"})
    replicate_gold(now, IMAGE, 2, "west")
    run_update(now, engine, "web1")
    now.close()
    for beside in ("-wal", "-shm"):
        Path(f"{site.catalog_file}{beside}").unlink(missing_ok=True)
    os.replace(f"{site.catalog_file}.old", site.catalog_file)
    older = Site.open(site.root)
    run_update(older, engine, "web1")
    assert copies_of(older, 2)["west"] == ("SMALLGOLD2", "whole")
    with older.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").version == 2
    assert read(older, "web1", "etc/plain.conf") == "gold 2\n"
    older.close()


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_a_number_that_servers_of_another_host_are_on_is_not_given_again(site: Site, room: Path, begun: bool) -> None:
    """The catalog is of before that version, or of when its publish had just begun."""
    site.close()
    if begun:
        kill_at("publish-begun:1", lambda: next_gold(Site.open(site.root), {"etc/plain.conf": "gold 2\n"}))
    before = Site.open(site.root)
    assert before.host_named("west"), "its store is known to be this site's"
    before.close()
    for beside in ("", "-wal", "-shm"):
        if os.path.exists(site.catalog_file + beside):
            shutil.copy(site.catalog_file + beside, room / f"old{beside}")
    now = Site.open(site.root)
    next_gold(now, {"etc/plain.conf": "gold 2\n"})
    replicate_gold(now, IMAGE, 2, "west")
    create_clone(now, "web1", IMAGE, form=WEST)
    now.close()
    for beside in ("", "-wal", "-shm"):
        Path(site.catalog_file + beside).unlink(missing_ok=True)
        if os.path.exists(room / f"old{beside}"):
            shutil.copy(room / f"old{beside}", site.catalog_file + beside)
    older = Site.open(site.root)
    assert next_gold(older, {"etc/plain.conf": "gold 3\n"}) == 3
    assert copies_of(older, 2)["west"] == ("SMALLGOLD", "whole")
    assert verify_gold(older, IMAGE, 2, host="west").whole
    older.close()


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("kind", ["qemu", "libvirt"])
def test_a_copy_may_be_on_a_host_of_another_kind(room: Path, engine: InProcess, kind: str) -> None:
    """Gold's disks are directories here and images there, and hold the same."""
    need_programs("mkfs.ext4", "mkfs.erofs")
    need_mounts("ext4", "erofs")
    table = f'kind = "{kind}"\ndisk_size = 16\n'
    if kind == "libvirt":
        table += f'uri = "{need_libvirt()}"\nprefix = "{room.name}-"\naccelerator = "tcg"\n'
    # There is no kernel in this gold: a trial would begin to nothing.
    site = configured(with_west(small_site(room), kind=table), 'trial = "none"')
    replicate_gold(site, IMAGE, 1, "west")
    assert verify_gold(site, IMAGE, 1, host="west").whole
    with site.catalog.read() as tx:
        copy = copies.find(tx, IMAGE, 1, "west")
    assert copy is not None and all(copy.evidence.values()), "inodes prove nothing on an image: the host has a proof"
    create_clone(site, "web1", IMAGE, form=WEST)
    assert [one["path"] for one in find_drift(site, "web1").entries] == [
        one["path"] for one in find_drift(site, create_clone(site, "web2", IMAGE).clone.name).entries
    ]
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    replicate_gold(site, IMAGE, 2, "west")
    assert run_update(site, engine, "web1").outcome == "done"
    host = site.host_named("west")
    disk = find_entry(host, "WEB1").disks["1B5"].id
    with host.open_disks({disk: "ro"}) as opened:
        assert Path(opened[disk].path, "etc/plain.conf").read_text() == "gold 2\n"
    files = [open_version(site, IMAGE, number, "west").disks["1B5"] for number in (1, 2)]
    older, image = (Path(str(host.info([id])[id].where["path"])) for id in files)
    image.write_bytes(older.read_bytes())
    with pytest.raises(BadSignature, match=r"is not what was published: /etc/plain\.conf"):
        create_clone(Site.open(site.root), "web3", IMAGE, form=WEST)
    site.close()


@pytest.mark.root
@pytest.mark.slow
def test_a_copy_on_images_has_signed_root_hashes_and_each_block_is_compared_with_them(room: Path) -> None:
    need_programs("mkfs.ext4", "mkfs.erofs", "veritysetup")
    need_mounts("ext4", "erofs")
    site = with_west(small_site(room), kind='kind = "qemu"\ndisk_size = 16\nverity = true\n')
    assert signed_hashes(open_version(site, IMAGE, 1)) == {}, "directories have none"
    replicate_gold(site, IMAGE, 1, "west")
    gold, host = open_version(site, IMAGE, 1, "west"), site.host_named("west")
    assert signed_hashes(gold) == {address: host.hashes([id])[id] for address, id in gold.disks.items()}
    assert len(set(signed_hashes(gold).values())) == len(gold.disks) > 0
    assert verify_gold(site, IMAGE, 1, host="west").whole

    image = Path(str(host.info([gold.disks["1B5"]])[gold.disks["1B5"]].where["path"]))
    with image.open("r+b") as file:
        file.seek(512)  # before the superblock: no file of it is another one
        file.write(b"somebody was here")
    assert verify_gold(site, IMAGE, 1, host="west", quick=True).whole
    with pytest.raises(BadSignature, match=r"the disk 1B5 .* is not, block by block, what was sealed"):
        verify_gold(site, IMAGE, 1, host="west")

    signed = Path(copy_directory(site, IMAGE, 1, "west"), "hashes.json")
    signed.write_text(signed.read_text().replace(signed_hashes(gold)["1B5"], "0" * 64))
    with pytest.raises(BadSignature, match="root hashes of gold version 1"):
        signed_hashes(gold)
    signed.with_suffix(".json.sig").unlink()
    with pytest.raises(BadSignature, match="have no signature"):
        signed_hashes(gold)
    site.close()


# -- who holds what


@pytest.mark.slow
def test_a_slot_is_held_by_the_servers_of_its_host_alone(site: Site, engine: InProcess) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    create_clone(site, "web2", IMAGE)
    for number in (2, 3, 4):
        next_gold(site, {"etc/plain.conf": f"gold {number}\n"})
        if number < 4:
            replicate_gold(site, IMAGE, number, "west")
            run_update(site, engine, "web1")
    assert versions_on(site, "local") == [1, 4, 3], "web2 holds 1, and nobody holds 2 there"
    assert versions_on(site, "west") == [1, 2, 3]
    with pytest.raises(NoFreeSlot, match="no free slot on host west") as caught:
        replicate_gold(site, IMAGE, 4, "west")
    assert "the fallback of web1" in caught.value.brief
    assert prune_fallbacks(site, plan_prune(site, ["web1"], force=True))
    assert replicate_gold(site, IMAGE, 4, "west").copy.slot_name == "SMALLGOLD"
    assert versions_on(site, "west") == [4, 2, 3]
    assert state_of(site, 2) == "published", "it has a copy on west still"
    assert create_clone(site, "web3", IMAGE, form=replace(WEST, number=2)).clone.version == 2
    with pytest.raises(NotFound, match="has no copy on host local"):
        create_clone(site, "web4", IMAGE, form=CloneForm(number=2))


def test_a_version_is_retired_with_its_last_copy(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    for where in ("", "west"):
        with pytest.raises(Refused, match="held by clone web1"):
            retire_gold(site, IMAGE, 1, remove=True, host=where)
    assert [one.host for one in removed_by(site, IMAGE, 1, "local")] == ["local"]
    retire_gold(site, IMAGE, 1, remove=True, host="local")
    assert (copies_of(site, 1).keys(), state_of(site, 1)) == ({"west"}, "published")
    with pytest.raises(NotFound, match="no copy on host local"):
        retire_gold(site, IMAGE, 1, remove=True, host="local")
    delete_clone(site, "web1")
    retire_gold(site, IMAGE, 1, remove=True, host="west")
    assert (copies_of(site, 1), state_of(site, 1)) == ({}, "retired")
    for store in ("store", "west"):
        left = [name for name in os.listdir(site.path(store, "disks")) if "gold" in name]
        assert left == []


def test_retiring_removes_every_copy(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    retire_gold(site, IMAGE, 1, remove=True)
    assert (copies_of(site, 1), state_of(site, 1)) == ({}, "retired")
    assert [find_entry(site.host_named(host), "SMALLGOLD").disks for host in ("local", "west")] == [{}, {}]


def test_who_is_on_which_slot_is_told_for_each_host(site: Site) -> None:
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    rows = {(row["host"], row["slot"]): row for row in slot_links(site) if row["version"]}
    assert {key: (row["clones"], row["links"]) for key, row in rows.items()} == {
        ("local", "SMALLGOLD"): ([], []),
        ("west", "SMALLGOLD"): (["web1"], ["WEB1 1B1"]),
    }


def test_an_image_has_its_home_where_it_was_imported(site: Site, room: Path) -> None:
    import_image(site, "other", str(room / "root"), host="west")
    assert System(site, "other", MAINTENANCE).host.name == "west"
    assert site.host.find("OTHERRWMNT") is None
    with site.catalog.read() as tx:
        assert {slot.host for slot in copies.all_slots(tx, "other")} == {"west"}


def test_an_import_that_was_cut_off_on_one_host_is_not_begun_on_another(site: Site, room: Path) -> None:
    root = str(room / "root")
    site.close()
    kill_at("disk.made:1", lambda: import_image(Site.open(site.root), "other", root, host="west"))
    again = Site.open(site.root)
    with pytest.raises(Refused, match="an import of other to host west was cut off"):
        import_image(again, "other", root)
    import_image(again, "other", root, host="west")
    again.close()


def test_a_store_is_known_by_what_the_catalog_has_on_its_host(site: Site) -> None:
    """A machine that the catalog knows on another host is a stranger."""
    replicate_gold(site, IMAGE, 1, "west")
    create_clone(site, "web1", IMAGE, form=WEST)
    assert files_of(site, "web1")
    os.unlink(site.path("west", "label"))
    with site.catalog.begin() as tx:
        tx.write(catalog_clones.clones.update().values(host="local"))
        tx.write(
            catalog_clones.entry_table.update().where(catalog_clones.entry_table.c.clone == "web1").values(host="local")
        )
    again = Site.open(site.root)
    with pytest.raises(Refused, match="the clone WEB1"):
        again.host_named("west")
    again.close()
