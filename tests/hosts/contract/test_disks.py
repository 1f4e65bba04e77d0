"""What every host promises of disks: whose they are, when they may go, and that a second call finishes or does nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Damaged, GoldrootError, NoSpace, NotFound, Refused
from goldroot.hosts import Disk, Entry, NewDisk, new_disk_id
from support.hosts import (
    MIB,
    Lab,
    applied,
    content,
    fill,
    found,
    live,
    make_machine,
    make_slot,
    new_disk,
    prepare,
)


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """Two slots, and a machine whose set 5 is prepared for the second."""
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


# -- making


def test_a_new_disk_is_empty_and_stands_in_its_entry(ready: Lab) -> None:
    info = ready.host.create_disk(new_disk(ready, "new", "WEB1", "6B5"))
    assert (info.form, info.sealed) == (ready.form, False)
    assert ready.host.info(["new"]) == {"new": info}
    assert found(ready.host, "WEB1").disks["6B5"] == Disk("new", "ro"), "outside set 1 its machine never writes to it"
    assert content(ready.host, "new") == {}
    if ready.host.abilities.sizes:
        assert 8 * MIB <= info.size < 9 * MIB, "the host rounds up"


def test_again_it_is_returned_with_what_is_on_it(ready: Lab) -> None:
    new = new_disk(ready, "new", "WEB1", "6B5")
    made = ready.host.create_disk(new)
    fill(ready.host, "new", {"kept": b"1"})
    before = found(ready.host, "WEB1")
    assert ready.again().create_disk(new) == replace(made, used=ready.host.info(["new"])["new"].used)
    assert content(ready.host, "new") == {"kept": b"1"}
    assert found(ready.host, "WEB1") == before


def test_a_taken_address_is_refused(ready: Lab) -> None:
    before = found(ready.host, "WEB1")
    for address in ("5B5", "5B1"):
        with pytest.raises(Refused, match=f"{address} of WEB1 is taken"):
            ready.host.create_disk(new_disk(ready, "new", "WEB1", address))
    assert found(ready.host, "WEB1") == before
    ready.host.create_disk(new_disk(ready, "new", "WEB1", "6B5"))  # what that left is adopted


def test_a_disk_never_changes_its_owner(ready: Lab) -> None:
    make_machine(ready, "WEB2")
    with pytest.raises(Refused, match="disk WEB1-5B5 is WEB1's"):
        ready.host.create_disk(new_disk(ready, "WEB1-5B5", "WEB2", "6B5"))
    assert found(ready.host, "WEB2").disks.keys() == {"1B5"}
    assert content(ready.host, "WEB1-5B5") == {"hostname": b"merged"}


def test_a_disk_of_another_size_or_form_is_not_adopted(ready: Lab) -> None:
    with pytest.raises(Refused, match="disk WEB1-5B5 is there already"):
        ready.host.create_disk(new_disk(ready, "WEB1-5B5", "WEB1", "5B5", size=16 * MIB))
    with pytest.raises(BadInput, match="form 'tape'"):
        ready.host.create_disk(NewDisk("t", "WEB1", "6B5", 0, "tape"))
    assert content(ready.host, "WEB1-5B5") == {"hostname": b"merged"}


def test_a_lost_disk_is_not_made_in_silence(ready: Lab) -> None:
    ready.break_disk("WEB1-5B5")
    for attempt in (
        lambda: ready.host.create_disk(new_disk(ready, "WEB1-5B5", "WEB1", "5B5")),
        lambda: ready.host.open_disks({"WEB1-5B5": "ro"}).__enter__(),
        lambda: ready.host.open_disks({"WEB1-5B5": "rw"}).__enter__(),
        lambda: ready.host.empty_disk("WEB1-5B5"),
        lambda: ready.host.delete_disk("WEB1-5B5"),
    ):
        with pytest.raises(Damaged, match="WEB1-5B5"):
            attempt()
    assert found(ready.host, "WEB1").disks["5B5"].id == "WEB1-5B5"


def test_there_is_no_disk_without_an_entry(lab: Lab) -> None:
    with pytest.raises(NotFound, match="NOBODY"):
        lab.host.create_disk(new_disk(lab, "x", "NOBODY", "1B5"))
    with pytest.raises(NotFound):
        lab.host.info(["x"])


def test_an_owner_has_set_1_only(ready: Lab) -> None:
    with pytest.raises(BadInput, match="set 1"):
        ready.host.create_disk(new_disk(ready, "x", "DEBIANGOLD", "5B5"))


@pytest.mark.parametrize("id", ["", "..", "a/b", ".hidden", "-x", "x\n", "x" * 129, "ä"])
def test_ids_cannot_leave_the_host(ready: Lab, id: str) -> None:
    host = ready.host
    for attempt in (
        lambda: host.create_disk(new_disk(ready, id, "WEB1", "6B5")),
        lambda: host.create_disk(new_disk(ready, "new", "WEB1", "6B5", copy_of=id or "/")),
        lambda: host.empty_disk(id),
        lambda: host.seal_disk(id, ready.sealed),
        lambda: host.delete_disk(id),
        lambda: host.copies(id, ready.form),
        lambda: host.info([id]),
        lambda: host.open_disks({id: "ro"}).__enter__(),
    ):
        with pytest.raises(BadInput):
            attempt()


def test_ids_are_random_and_say_whose(lab: Lab) -> None:
    ids = {new_disk_id("WEB1", "5B5") for _ in range(100)}
    assert len(ids) == 100
    assert all(id.startswith("web1-1B5-") and len(id) == len("web1-1B5-") + 10 for id in ids)


# -- copies


def test_a_copy_has_what_the_source_has(ready: Lab) -> None:
    for place, source in (("6B5", "DEBIANGOLD-1B5"), ("6B6", "WEB1-5B5")):
        how = ready.host.copies(source, ready.form)
        assert how in ("blocks", "files")
        ready.host.create_disk(new_disk(ready, f"copy{place}", "WEB1", place, copy_of=source))
        assert content(ready.host, f"copy{place}") == content(ready.host, source)
        with ready.host.open_disks({source: "ro", f"copy{place}": "ro"}) as opened:
            name = next(name for name in content(ready.host, source))
            one, other = (Path(opened[id].path, name).stat() for id in (source, f"copy{place}"))
        assert (one.st_mtime_ns, one.st_uid, one.st_mode) == (other.st_mtime_ns, other.st_uid, other.st_mode)
        assert how == "files" or (one.st_ino, one.st_ctime_ns) == (other.st_ino, other.st_ctime_ns)


def test_a_copy_of_a_sealed_disk_can_be_written(ready: Lab) -> None:
    ready.host.seal_disk("DEBIANGOLD-1B5", ready.sealed)
    ready.host.create_disk(new_disk(ready, "copy", "WEB1", "6B5", size=16 * MIB, copy_of="DEBIANGOLD-1B5"))
    assert content(ready.host, "copy") == {"version": b"1"}
    fill(ready.host, "copy", {"more": b"2"})
    assert content(ready.host, "copy") == {"version": b"1", "more": b"2"}
    assert content(ready.host, "DEBIANGOLD-1B5") == {"version": b"1"}


def test_a_disk_that_is_written_to_is_not_copied(ready: Lab) -> None:
    with ready.host.open_disks({"WEB1-5B5": "rw"}), pytest.raises(GoldrootError, match="in use"):
        ready.again().create_disk(new_disk(ready, "copy", "WEB1", "6B5", copy_of="WEB1-5B5"))
    with ready.used("WEB1-5B5"), pytest.raises(GoldrootError, match="in use"):
        ready.host.create_disk(new_disk(ready, "copy", "WEB1", "6B5", copy_of="WEB1-5B5"))
    with pytest.raises(NotFound):
        ready.host.create_disk(new_disk(ready, "copy", "WEB1", "6B5", copy_of="nothing"))
    assert "6B5" not in found(ready.host, "WEB1").disks


# -- emptying


def test_an_emptied_disk_is_the_same_without_content(ready: Lab) -> None:
    before, entry = ready.host.info(["WEB1-5B5"])["WEB1-5B5"], found(ready.host, "WEB1")
    ready.host.seal_disk("WEB1-5B5", ready.sealed)
    for _ in range(2):
        ready.again().empty_disk("WEB1-5B5")
        after = ready.host.info(["WEB1-5B5"])["WEB1-5B5"]
        assert replace(after, used=before.used) == before
        assert content(ready.host, "WEB1-5B5") == {}
    assert found(ready.host, "WEB1").disks == entry.disks
    fill(ready.host, "WEB1-5B5", {"new": b"1"})


def test_a_live_disk_is_not_emptied(ready: Lab) -> None:
    with pytest.raises(Refused, match="live"):
        ready.host.empty_disk("WEB1-1B5")
    with ready.host.hold("WEB1"), pytest.raises(Refused, match="live"):
        ready.host.empty_disk("WEB1-1B5")
    assert content(ready.host, "WEB1-1B5") == {"hostname": b"WEB1"}
    entry = found(ready.host, "WEB1")
    ready.host.apply(replace(entry, startable=False))
    with pytest.raises(Refused, match="live"):
        ready.host.empty_disk("WEB1-1B5")
    with ready.host.hold("WEB1"):
        ready.host.empty_disk("WEB1-1B5")
    assert content(ready.host, "WEB1-1B5") == {}


def test_gold_is_emptied_only_where_nobody_links_it(ready: Lab) -> None:
    for slot in ("DEBIANGOLD", "DEBIANGOLD2"):  # one linked live, one prepared
        with pytest.raises(Refused, match=f"WEB1 links {slot} 1B1"):
            ready.host.empty_disk(f"{slot}-1B1")
        assert content(ready.host, f"{slot}-1B1") != {}
    ready.host.empty_disk("DEBIANGOLD-1B5")
    assert content(ready.host, "DEBIANGOLD-1B5") == {}


def test_an_open_disk_is_not_emptied(ready: Lab) -> None:
    with ready.again().open_disks({"WEB1-5B5": "ro"}), pytest.raises(Refused, match="in use"):
        ready.host.empty_disk("WEB1-5B5")
    with ready.used("WEB1-5B5"), pytest.raises(Refused, match="in use"):
        ready.host.empty_disk("WEB1-5B5")
    assert content(ready.host, "WEB1-5B5") == {"hostname": b"merged"}
    ready.host.empty_disk("WEB1-5B5")


# -- sealing


def test_a_sealed_disk_has_its_form_and_is_never_written(ready: Lab) -> None:
    sealed = ready.host.seal_disk("DEBIANGOLD2-1B5", ready.sealed)
    assert (sealed.sealed, sealed.form) == (True, ready.sealed)
    assert content(ready.host, "DEBIANGOLD2-1B5") == {"version": b"2"}
    assert ready.again().seal_disk("DEBIANGOLD2-1B5", ready.sealed) == sealed
    with ready.host.hold("DEBIANGOLD2"), pytest.raises(Refused, match="sealed"):
        ready.host.open_disks({"DEBIANGOLD2-1B5": "rw"}).__enter__()


def test_where_no_form_is_named_the_host_takes_its_usual_one(ready: Lab) -> None:
    host = ready.host
    made = host.create_disk(replace(new_disk(ready, "usual", "WEB1", "5B6"), form=""))
    assert (made.form, made.sealed) == (ready.form, False)
    sealed = host.seal_disk("usual", "")
    assert (sealed.form, sealed.sealed) == (ready.sealed, True)


def test_a_disk_is_sealed_in_a_form_that_there_is(ready: Lab) -> None:
    with pytest.raises(BadInput, match="tape"):
        ready.host.seal_disk("WEB1-5B5", "tape")
    with pytest.raises(NotFound):
        ready.host.seal_disk("nothing", ready.sealed)


def test_an_open_disk_is_not_sealed(ready: Lab) -> None:
    with ready.again().open_disks({"WEB1-5B5": "rw"}), pytest.raises(Refused, match="in use"):
        ready.host.seal_disk("WEB1-5B5", ready.sealed)
    assert not ready.host.info(["WEB1-5B5"])["WEB1-5B5"].sealed


def test_evidence_tells_whether_somebody_wrote(ready: Lab) -> None:
    first = ready.host.seal_disk("WEB1-5B5", ready.sealed).evidence
    assert ready.again().info(["WEB1-5B5"])["WEB1-5B5"].evidence == first
    if first:
        path = ready.place_of("WEB1-5B5")
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.write(b"\0")
        assert ready.host.info(["WEB1-5B5"])["WEB1-5B5"].evidence != first


# -- removing


def test_a_deleted_disk_is_gone_from_its_entry_and_the_second_time_is_nothing(ready: Lab) -> None:
    path = ready.place_of("WEB1-5B5")
    ready.host.delete_disk("WEB1-5B5")
    entry = found(ready.host, "WEB1")
    assert "5B5" not in entry.disks
    assert not path.exists()
    ready.again().delete_disk("WEB1-5B5")
    ready.host.delete_disk("never-was")
    assert found(ready.host, "WEB1") == entry
    with pytest.raises(NotFound):
        ready.host.info(["WEB1-5B5"])


def test_the_next_disk_at_its_address_has_nothing_of_it(ready: Lab) -> None:
    ready.host.delete_disk("WEB1-5B5")
    ready.host.create_disk(new_disk(ready, "next", "WEB1", "5B5"))
    assert content(ready.host, "next") == {}


def test_a_live_disk_is_not_deleted(ready: Lab) -> None:
    with pytest.raises(Refused, match="live"):
        ready.host.delete_disk("WEB1-1B5")
    assert content(ready.host, "WEB1-1B5") == {"hostname": b"WEB1"}
    ready.host.apply(replace(found(ready.host, "WEB1"), startable=False))
    ready.host.delete_disk("WEB1-1B5")
    assert found(ready.host, "WEB1").disks.keys() == {"5B5"}


def test_linked_gold_is_not_deleted(ready: Lab) -> None:
    for slot in ("DEBIANGOLD", "DEBIANGOLD2"):
        with pytest.raises(Refused, match=f"WEB1 links {slot} 1B1"):
            ready.host.delete_disk(f"{slot}-1B1")
        assert content(ready.host, f"{slot}-1B1") != {}


def test_an_open_disk_is_not_deleted(ready: Lab) -> None:
    with ready.again().open_disks({"WEB1-5B5": "ro"}), pytest.raises(Refused, match="in use"):
        ready.host.delete_disk("WEB1-5B5")
    with ready.used("WEB1-5B5"), pytest.raises(Refused, match="in use"):
        ready.host.delete_disk("WEB1-5B5")
    assert content(ready.host, "WEB1-5B5") == {"hostname": b"merged"}
    ready.host.delete_disk("WEB1-5B5")


def test_what_a_running_machine_was_given_is_not_deleted(ready: Lab) -> None:
    from goldroot.hosts import exchange

    with ready.started("WEB1"):
        ready.host.apply(exchange(found(ready.host, "WEB1"), "5", "update", "kept", since="now"))
        with pytest.raises(Refused, match="runs from disk WEB1-1B5"):
            ready.host.delete_disk("WEB1-1B5")
    ready.host.delete_disk("WEB1-1B5")


def test_what_is_on_a_disk_does_not_hinder_its_removal(ready: Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with ready.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        disk = Path(opened["WEB1-5B5"].path)
        (disk / "link").symlink_to(outside)
        (disk / "closed").mkdir(mode=0)
    ready.host.delete_disk("WEB1-5B5")
    assert (outside / "kept").exists()


# -- room


def test_room_is_told_before_it_is_needed(ready: Lab) -> None:
    assert ready.host.room([MIB, MIB]) is None
    assert ready.host.room([]) is None
    reason = ready.host.room([1 << 60])
    assert reason is not None
    assert str(1 << 60) in reason
    with pytest.raises(NoSpace, match=str(1 << 60)), ready.host.scratch(1 << 60):
        pass
    assert ready.halves() == []


def test_a_machine_is_made_and_removed_whole(lab: Lab) -> None:
    """As create and delete do it (HOSTS.md 6)."""
    make_slot(lab)
    make_machine(lab, startable=False)
    with lab.host.hold("WEB1"):
        entry = applied(lab.host.apply(replace(found(lab.host, "WEB1"), startable=True)))
        entry = applied(lab.host.apply(replace(entry, startable=False)))
        for disk in entry.disks.values():
            lab.host.delete_disk(disk.id)
        entry = applied(lab.host.apply(replace(found(lab.host, "WEB1"), links={})))
    lab.host.undefine("WEB1")
    assert lab.host.linked("DEBIANGOLD") == []
    assert lab.host.define(Entry("WEB1", "machine", marks={"1": live("again")})).serial == "0.0"


pytestmark = pytest.mark.slow
