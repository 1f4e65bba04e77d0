"""Gold versions: published once, signed, never written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from goldroot.accounts import AccountTables
from goldroot.catalog import clones, copies, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import BadSignature, Failed, NoFreeSlot, NoSpace, NotFound, NotTested, Refused
from goldroot.image.gold import all_versions, diff_gold, retire_gold, verify_gold
from goldroot.image.gold_version import open_version, read_gold_record
from goldroot.image.maintain import test_system as run_tests
from goldroot.image.publish import plan_publish, publish_gold
from goldroot.image.renumber import collisions
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site
from support.former import Attached, LinkTo, Machine, former, gold_path, path_of
from support.trees import dump_tree

PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n"


def change(site: Site, path: str, text: str) -> None:
    """A change of the maintenance system."""
    system = System(site, "small", MAINTENANCE)
    address = system.layout.disk_of(os.fsencode(path)).address
    Path(path_of(system, address), path).write_text(text)


def link_clone(site: Site, name: str, number: int) -> None:
    """A clone as the fleet makes it: in the catalog, and as a machine that links the shared disk and owns a copy."""
    gold = open_version(site, "small", number)
    with site.catalog.begin() as tx:
        clones.create(tx, name, "small", number, "read-only")
        clones.activate(tx, name)
    disk = f"{name}.1B5.1"
    Path(former(site).create_disk(disk), "etc").mkdir()
    passwd = Path(gold_path(gold, "1B5"), "etc/passwd").read_bytes()
    Path(former(site).disk_path(disk), "etc/passwd").write_bytes(passwd)
    machine = Machine(name.upper(), disks={"1B5": Attached(disk)}, links={"1B1": LinkTo(gold.slot, "1B1")})
    former(site).define(machine)


def slots(site: Site) -> dict[str, int | None]:
    with site.catalog.read() as tx:
        return {slot.name: slot.version for slot in copies.all_slots(tx, "small")}


def test_a_version_is_what_the_maintenance_system_was(bare: Site) -> None:
    done = publish_gold(bare, "small", untested=True, note="first")
    assert (done.version.number, done.version.slot_name, done.version.note) == (1, "SMALLGOLD", "first")
    gold = open_version(bare, "small")
    system = System(bare, "small", MAINTENANCE)
    for address in gold.addresses:
        assert dump_tree(gold_path(gold, address)) == dump_tree(path_of(system, address))
        assert len(gold.manifest(address)) == len(dump_tree(gold_path(gold, address)))
    assert [(package.name, package.version) for package in gold.packages] == [("app", "1.0")]
    assert gold.numbers["users"] == {"root": 0, "daemon": 1, "mail": 101}
    assert gold.accounts.users[b"mail"] == 101
    assert gold.record["os"]["pretty_name"] == "Small Linux 1"
    assert {disk.mode for disk in former(bare).get("SMALLGOLD").disks.values()} == {"ro"}
    assert former(bare).get("SMALLGOLD").kind == "owner"


@pytest.mark.root
@pytest.mark.parametrize("plan", [True, False])
def test_what_cannot_be_signed_is_not_begun(plan: bool, bare: Site) -> None:
    """A key that others may read is nobody's alone."""
    os.chmod(bare.key.private, 0o644)
    before = former(bare).disks()
    with pytest.raises(Failed, match="used by others than its owner"):
        if plan:
            plan_publish(bare, "small")
        else:
            publish_gold(bare, "small", untested=True)
    assert former(bare).disks() == before
    with bare.catalog.read() as tx:
        assert catalog_gold.every(tx, "small") == []


def test_what_was_not_tested_in_both_forms_is_refused(small: Site) -> None:
    with pytest.raises(NotTested, match="read-write and read-only") as caught:
        publish_gold(small, "small")
    assert "--untested" in caught.value.todo
    assert all_versions(small, "small") == []
    run_tests(small, "small")
    assert open_untested(small) == []
    change(small, "etc/app.conf", "level = 2\n")
    with pytest.raises(NotTested):
        publish_gold(small, "small")
    assert open_untested(small, untested=True) == ["read-write", "read-only"]


def open_untested(site: Site, *, untested: bool = False) -> list[str]:
    """Publish, and what the new record says of tests."""
    number = publish_gold(site, "small", untested=untested).version.number
    record = read_gold_record(site, "small", number)
    assert isinstance(record["untested"], list)
    return record["untested"]


def test_a_failed_test_is_no_test(bare: Site) -> None:
    state = plan_publish(bare, "small").fingerprint
    with bare.catalog.begin() as tx:
        images.add_test(tx, "small", "read-write", state, passed=True, log="")
        images.add_test(tx, "small", "read-only", state, passed=False, log="")
    with pytest.raises(NotTested, match="in read-only form since"):
        publish_gold(bare, "small")


def test_gold_is_never_written(bare: Site) -> None:
    """Rule 1: no slot that a clone, a fallback or any machine links is overwritten, whatever else is published."""
    for number, name in ((1, "web1"), (2, "web2"), (3, "web3")):
        change(bare, "etc/app.conf", f"level = {number}\n")
        publish_gold(bare, "small", untested=True)
        link_clone(bare, name, number)
    golds = {
        n: [dump_tree(gold_path(open_version(bare, "small", n), a)) for a in ("1B1", "1B5", "1B6")] for n in (1, 2, 3)
    }
    with pytest.raises(NoFreeSlot, match=r"clone web1.*clone web2.*clone web3"):
        publish_gold(bare, "small", untested=True)
    for number, before in golds.items():
        after = [dump_tree(gold_path(open_version(bare, "small", number), a)) for a in ("1B1", "1B5", "1B6")]
        assert after == before
        assert verify_gold(bare, "small", number).whole


@pytest.mark.slow
def test_a_link_that_the_catalog_does_not_know_holds_a_slot_too(bare: Site) -> None:
    for _ in range(3):
        publish_gold(bare, "small", untested=True)
    for number in (1, 2):
        machine = Machine(f"OTHER{number}", links={"5B1": LinkTo(open_version(bare, "small", number).slot, "1B1")})
        former(bare).define(machine)
    with pytest.raises(NoFreeSlot) as caught:
        publish_gold(bare, "small", untested=True)
    assert "OTHER1 links it at 5B1" in caught.value.meaning
    former(bare).delete("OTHER1")
    assert publish_gold(bare, "small", untested=True).version.slot_name == "SMALLGOLD"


def test_the_oldest_free_slot_is_taken_and_its_disks_go(bare: Site) -> None:
    for _ in range(3):
        publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    before = {disk.disk for disk in former(bare).get("SMALLGOLD2").disks.values()}
    assert publish_gold(bare, "small", untested=True).version.slot_name == "SMALLGOLD2"
    assert slots(bare) == {"SMALLGOLD": 1, "SMALLGOLD2": 4, "SMALLGOLD3": 3}
    assert len(before) == 3 and not before & set(former(bare).disks())
    with pytest.raises(NotFound, match="given its slot"):
        open_version(bare, "small", 2)
    assert read_gold_record(bare, "small", 2)["version"] == 2, "the record stays"


def test_a_retired_version_is_removed_only_when_nobody_holds_it(bare: Site) -> None:
    for _ in range(2):
        publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    with pytest.raises(Refused, match="cannot be removed: it is held by clone web1"):
        retire_gold(bare, "small", 1, remove=True)
    assert [version.state for version in all_versions(bare, "small")] == ["published", "published"]
    assert retire_gold(bare, "small", 1).state == "retired"
    assert verify_gold(bare, "small", 1).whole
    assert retire_gold(bare, "small", 2, remove=True).slot is None
    assert former(bare).get("SMALLGOLD2").disks == {}
    assert not [disk for disk in former(bare).disks() if disk.startswith("smallgold2-")]


def test_a_plan_says_which_slot_and_who_leaves_it(bare: Site) -> None:
    assert (plan_publish(bare, "small").slot, plan_publish(bare, "small").leaves) == ("SMALLGOLD", None)
    for number in (1, 2, 3):
        publish_gold(bare, "small", untested=True)
        link_clone(bare, f"web{number}", number) if number != 2 else None
    plan = plan_publish(bare, "small")
    assert (plan.slot, plan.leaves, plan.full) == ("SMALLGOLD2", 2, "")
    link_clone(bare, "web2", 2)
    plan = plan_publish(bare, "small")
    assert plan.slot == "" and "clone web2" in plan.full


@pytest.mark.slow
def test_a_slot_more_in_the_configuration_is_a_slot_more(bare: Site) -> None:
    for number in (1, 2, 3):
        publish_gold(bare, "small", untested=True)
        link_clone(bare, f"web{number}", number)
    with pytest.raises(NoFreeSlot) as caught:
        publish_gold(bare, "small", untested=True)
    assert "goldroot.toml" in caught.value.todo
    with open(bare.path("goldroot.toml"), "w") as file:
        file.write("slots = 4\n")
    again = Site.open(bare.root)
    assert plan_publish(again, "small").slot == "SMALLGOLD4"
    assert len(slots(again)) == 3
    assert publish_gold(again, "small", untested=True).version.slot_name == "SMALLGOLD4"
    again.close()


@pytest.mark.parametrize("quick", [False, True])
def test_a_changed_disk_is_found(bare: Site, quick: bool) -> None:
    publish_gold(bare, "small", untested=True)
    gold = open_version(bare, "small")
    file = Path(gold_path(gold, "1B5"), "etc/app.conf")
    times = file.stat()
    file.write_text("level = 7\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    Path(gold_path(gold, "1B6"), "var/new").touch()
    found = verify_gold(bare, "small", 1, quick=quick)
    changes = [(change.path, change.what, change.axes) for part in found.changes.values() for change in part]
    assert changes == [(b"etc/app.conf", "changed", ("content",)), (b"var/new", "added", ())]
    assert not found.whole


@pytest.mark.slow
@pytest.mark.parametrize("name", ["record.json", "record.json.sig", "accounts.json", "packages.json", "1B5.manifest"])
def test_a_changed_record_is_found(bare: Site, name: str) -> None:
    publish_gold(bare, "small", untested=True)
    publish_gold(bare, "small", untested=True)
    change(bare, "etc/app.conf", "level = 2\n")
    publish_gold(bare, "small", untested=True)
    directory = Path(bare.image_path("small", "gold"))
    data = bytearray((directory / "1" / name).read_bytes())
    if name.endswith("manifest"):
        data = bytearray((directory / "3" / name).read_bytes())
    else:
        data[len(data) // 2] ^= 1
    (directory / "1" / name).write_bytes(data)
    with pytest.raises(BadSignature):
        gold = open_version(bare, "small", 1)
        assert gold.packages
        assert gold.numbers
        gold.manifest("1B5")


def test_a_record_of_another_version_is_found(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    publish_gold(bare, "small", untested=True)
    directory = Path(bare.image_path("small", "gold"))
    for name in ("record.json", "record.json.sig"):
        (directory / "2" / name).write_bytes((directory / "1" / name).read_bytes())
    with pytest.raises(BadSignature, match="is that of small 1"):
        open_version(bare, "small", 2)
    (directory / "2" / "record.json").unlink()
    with pytest.raises(BadSignature, match="is missing"):
        open_version(bare, "small", 2)


def test_the_record_is_canonical_and_holds_no_secret(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    directory = Path(bare.image_path("small", "gold", "1"))
    document = (directory / "record.json").read_text()
    assert document == json.dumps(json.loads(document), sort_keys=True, separators=(",", ":")) + "\n"
    for name in ("record.json", "accounts.json", "packages.json"):
        assert "19000" not in (directory / name).read_text(), "nothing of shadow"


def test_what_differs_between_two_versions(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    change(bare, "etc/app.conf", "level = 2\n")
    change(bare, "etc/passwd", PASSWD + "mail:x:102:101::/:/bin/sh\n")
    status = "Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 2.0\n"
    change(bare, "var/lib/dpkg/status", status)
    publish_gold(bare, "small", untested=True)
    found = diff_gold(bare, "small", 1, 2)
    assert [change.path for change in found.changes] == [b"etc/app.conf", b"etc/passwd", b"var/lib/dpkg/status"]
    assert [(each.name, each.old, each.new) for each in found.packages] == [("app", "1.0", "2.0")]
    assert [str(each) for each in found.renumbered] == ["user mail moves from 101 to 102"]


def test_renumbered_accounts_are_told(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    change(bare, "etc/passwd", PASSWD + "mail:x:102:101::/:/bin/sh\n")
    done = publish_gold(bare, "small", untested=True)
    assert [(each.name, each.old, each.new) for each in done.plan.renumbered] == [("mail", 101, 102)]
    assert read_gold_record(bare, "small", 2)["renumbered"] == ["user mail moves from 101 to 102"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("local", "gold", "said"),
    [
        (
            "app:x:102:102::/:/bin/sh\n",
            "mail:x:102:101::/:/bin/sh\n",
            r"own user app has 102, which gold gives to mail",
        ),
        ("web:x:1150:1::/:/bin/sh\n", "web:x:1103:1::/:/bin/sh\n", r"own user web \(1150\) comes with gold as 1103"),
        ("web:x:150:1::/:/bin/sh\n", "web:x:1103:1::/:/bin/sh\n", r"own user web \(150\) comes with gold as 1103"),
    ],
)
def test_a_collision_with_a_clones_account_is_refused(bare: Site, local: str, gold: str, said: str) -> None:
    publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    passwd = Path(former(bare).at("WEB1", "1B5").path, "etc/passwd")
    passwd.write_text(passwd.read_text() + local)
    change(bare, "etc/passwd", PASSWD + gold)
    with pytest.raises(Refused, match=said):
        publish_gold(bare, "small", untested=True)
    assert len(all_versions(bare, "small")) == 1
    done = publish_gold(bare, "small", untested=True, renumber_ok=True)
    assert read_gold_record(bare, "small", done.version.number)["collisions"]


def test_a_system_account_that_comes_with_gold_is_told_and_stops_nothing(bare: Site) -> None:
    """The merge does not ask about it either: a package that a server installed before gold had it."""
    publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    passwd = Path(former(bare).at("WEB1", "1B5").path, "etc/passwd")
    passwd.write_text(passwd.read_text() + "web:x:150:1::/:/bin/sh\n")
    change(bare, "etc/passwd", PASSWD + "web:x:103:1::/:/bin/sh\n")
    done = publish_gold(bare, "small", untested=True)
    said = "web1: its own user web (150) comes with gold as 103, and its files follow"
    assert read_gold_record(bare, "small", done.version.number)["collisions"] == [said]


@pytest.mark.parametrize(("passwd", "asks"), [("UID_MIN 500\n", True), ("GID_MIN 500\n", False), ("", False)])
def test_which_account_is_a_persons_says_login_defs_of_the_clone(passwd: str, *, asks: bool) -> None:
    base = AccountTables.of({"passwd": b""})
    new = AccountTables.of({"passwd": b"web:x:601:1::/:/bin/sh\n"})
    own = AccountTables.of({"passwd": b"web:x:600:1::/:/bin/sh\n", "login.defs": passwd.encode()})
    assert [met.asks for met in collisions("web1", base, own, new)] == [asks]


def test_the_same_account_on_both_sides_is_no_collision(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    passwd = Path(former(bare).at("WEB1", "1B5").path, "etc/passwd")
    passwd.write_text(passwd.read_text() + "web:x:150:150::/:/bin/sh\n")
    change(bare, "etc/passwd", passwd.read_text())
    assert plan_publish(bare, "small").collisions == ()


@pytest.mark.parametrize(
    "gold", ["mail:x:101:101::/:/bin/sh\n", "new:x:101:101::/:/bin/sh\nmail:x:102:101::/:/bin/sh\n"]
)
def test_a_second_name_of_golds_account_is_no_collision(bare: Site, gold: str) -> None:
    mail = "mail:x:101:101::/:/bin/sh\n"
    change(bare, "etc/passwd", PASSWD + mail)
    publish_gold(bare, "small", untested=True)
    link_clone(bare, "web1", 1)
    passwd = Path(former(bare).at("WEB1", "1B5").path, "etc/passwd")
    passwd.write_text(passwd.read_text() + "toor:x:0:0::/root:/bin/sh\npost:x:101:101::/:/bin/sh\n")
    change(bare, "etc/passwd", PASSWD + gold)
    assert plan_publish(bare, "small").collisions == ()


def test_a_plan_of_a_publish_writes_nothing_in_the_catalog(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    change(bare, "etc/app.conf", "level = 2\n")
    with bare.catalog.read() as tx:
        before = images.system(tx, "small", "maintenance")
    plan_publish(bare, "small")
    with bare.catalog.read() as tx:
        assert images.system(tx, "small", "maintenance") == before


def test_a_clone_that_cannot_be_read_is_noted(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    with bare.catalog.begin() as tx:
        clones.create(tx, "lost", "small", 1, "read-only")
        clones.activate(tx, "lost")
    assert [note.kind for note in plan_publish(bare, "small").notes] == ["accounts-unread", "unchanged"]


@pytest.mark.slow
@pytest.mark.root
def test_a_full_disk_publishes_nothing_and_the_next_run_does(bare: Site, tmp_path: Path) -> None:
    publish_gold(bare, "small", untested=True)
    change(bare, "usr/large", "x" * 3_000_000)
    place = tmp_path / "narrow"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=True)
    try:
        subprocess.run(["cp", "-a", bare.root, place / "site"], check=True)
        (place / "ballast").write_bytes(bytes(3_000_000))
        narrow = Site.open(str(place / "site"))
        with pytest.raises(NoSpace, match="no space left"):
            publish_gold(narrow, "small", untested=True)
        assert [version.number for version in all_versions(narrow, "small") if version.state == "published"] == [1]
        assert verify_gold(narrow, "small", 1).whole
        (place / "ballast").unlink()
        assert publish_gold(narrow, "small", untested=True).version.number == 2
        assert verify_gold(narrow, "small", 2).whole
        narrow.close()
    finally:
        subprocess.run(["umount", place], check=True)


def test_what_does_not_exist(bare: Site) -> None:
    with pytest.raises(NotFound, match="no gold version yet"):
        open_version(bare, "small")
    with pytest.raises(NotFound, match="no image 'other'"):
        open_version(bare, "other")
    with pytest.raises(NotFound, match="no gold version 7"):
        open_version(bare, "small", 7)
    with pytest.raises(NotFound, match="no image"):
        publish_gold(bare, "other")
