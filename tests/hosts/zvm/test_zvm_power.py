"""Guests are logged on and off, and it is known what they run from; kills, lost answers and other administrators."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from goldroot.errors import Busy, Refused, StillRunning
from goldroot.hosts import SystemDisk, exchange
from goldroot.hosts.storefiles import OpenedDisk
from goldroot.hosts.zvm import ZvmHost
from goldroot.hosts.zvm.points import POINTS
from goldroot.zvm.simulator import Options
from support.hosts import SINCE, found, make_machine, make_slot, new_disk, prepare
from support.killing import kill_at, points_of
from support.points import named_points
from support.zvmlab import ME, ZvmLab

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(tmp_path: Path) -> ZvmLab:
    """Two slots, and a machine whose set 5 is prepared for the second."""
    lab = ZvmLab(tmp_path)
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


def switch(host: ZvmHost) -> None:
    host.apply(exchange(found(host, "WEB1"), "5", "update", "kept", since=SINCE))


def test_a_store_is_made_and_knows_its_disks(lab: ZvmLab) -> None:
    assert lab.host.is_made()
    assert lab.host.disk_ids() == sorted(
        ["DEBIANGOLD-1B1", "DEBIANGOLD-1B5", "DEBIANGOLD2-1B1", "DEBIANGOLD2-1B5", "WEB1-1B5", "WEB1-5B5"]
    )
    there = {str(one) for one in (lab.root / "store").iterdir()}
    assert there <= set(lab.host.own_paths)


def test_a_guest_has_the_devices_of_its_logon_until_it_is_logged_on_again(lab: ZvmLab) -> None:
    lab.host.start("WEB1")
    lab.host.start("WEB1")
    assert lab.host.power("WEB1").runs == "current"
    switch(lab.host)
    assert lab.host.power("WEB1").runs == "older"
    assert lab.again().power("WEB1").runs == "older", "also to who did not start it"
    assert lab.host.stop("WEB1", 0) == "killed"
    lab.host.start("WEB1")
    assert lab.host.power("WEB1").runs == "current"


def test_who_was_logged_on_by_others_runs_from_nobody_knows_what(lab: ZvmLab) -> None:
    lab.host.start("WEB1")
    lab.sim.system.clock = lambda clock=lab.sim.system.clock: clock() + 5  # type: ignore[misc]
    lab.sim.system.cp.clock = lab.sim.system.clock
    lab.sim.system.logoff("WEB1")
    lab.sim.system.logon("WEB1")
    assert (lab.host.power("WEB1").state, lab.host.power("WEB1").runs) == ("on", "unknown")
    lab.host.start("WEB1")
    assert lab.host.power("WEB1").runs == "unknown"


def test_what_a_guest_has_had_since_its_logon_is_not_deleted_though_it_is_not_whole(lab: ZvmLab) -> None:
    lab.host.start("WEB1")
    kill_at("zvm.disk-emptying", lambda: lab.again().empty_disk("WEB1-5B5"))
    with pytest.raises(Refused, match="attached since its logon"):
        lab.host.delete_disk("WEB1-5B5")
    lab.host.stop("WEB1", 0)
    lab.host.delete_disk("WEB1-5B5")
    assert lab.halves() == []


def test_a_removal_that_was_cut_off_is_finished_by_tidy_when_nobody_has_the_disk(lab: ZvmLab) -> None:
    where = lab.place_of("WEB1-5B5")
    kill_at("zvm.disk-going", lambda: lab.again().delete_disk("WEB1-5B5"))
    assert "5B5" in found(lab.host, "WEB1").others, "nobody sees it, and its address is taken"
    with lab.runs("WEB1"):
        assert lab.again().tidy() == []
    assert where.exists()
    assert lab.again().tidy() == ["removed what a killed command left of disk WEB1-5B5"]
    assert not where.exists()
    assert "5B5" not in found(lab.host, "WEB1").others
    assert lab.host.tidy() == []


def test_a_start_that_was_killed_is_known_by_the_next(lab: ZvmLab) -> None:
    kill_at("zvm.logged-on", lambda: lab.again().start("WEB1"))
    assert lab.host.power("WEB1").state == "on"
    lab.again().start("WEB1")
    assert lab.host.power("WEB1").runs == "current"


@pytest.mark.parametrize("fault", ["lost-reply", "cut-reply"])
def test_lost_answers_are_looked_up(lab: ZvmLab, fault: str) -> None:
    lab.sim.faults.add("lost-request@Response_Recovery")
    lab.sim.faults.add(f"{fault}@Image_Activate#1")
    lab.host.start("WEB1")
    assert lab.host.power("WEB1").runs == "current"
    lab.sim.faults.add(f"{fault}@Image_Deactivate#1")
    assert lab.host.stop("WEB1", 0) == "killed"
    assert lab.host.power("WEB1").state == "off"


def test_a_guest_that_goes_slowly_is_asked_first(tmp_path: Path) -> None:
    lab = ZvmLab(tmp_path)
    object.__setattr__(lab.sim.system, "options", Options(shutdown=0.2))
    make_slot(lab)
    make_machine(lab)
    lab.host.start("WEB1")
    assert lab.host.stop("WEB1", 30) == "asked"


def test_a_hold_keeps_other_guests_off_its_disks_and_finds_out_who_logs_it_on(lab: ZvmLab) -> None:
    with lab.host.hold("WEB1") as held:
        assert [(one.owner, one.detail[0]) for one in lab.sim.system.query_virtual(ME) if one.address[0] == "F"] == [
            ("WEB1", "R/W")
        ]
        with lab.used("WEB1-1B5") as could:
            assert not could
        with pytest.raises(Refused, match="held"):
            lab.again().start("WEB1")
        with lab.runs("WEB1"):
            assert held.broken() == "WEB1 is logged on"
    assert lab.halves() == []


def test_nobody_holds_what_another_guest_reads(lab: ZvmLab) -> None:
    lab.sim.system.link("MAINT", "WEB1", "01B5", "0F00", "RR")
    with pytest.raises(Busy, match="WEB1-1B5 is in use"), lab.host.hold("WEB1"):
        pass
    assert lab.halves() == []


def test_a_machine_is_not_started_whose_gold_is_being_written(lab: ZvmLab) -> None:
    entry = found(lab.host, "WEB1")
    lab.host.apply(replace(entry, links={}))
    with lab.host.hold("DEBIANGOLD"), lab.host.open_disks({"DEBIANGOLD-1B1": "rw"}):
        lab.again().apply(replace(found(lab.host, "WEB1"), links=entry.links))
        with pytest.raises(Refused, match="links disk DEBIANGOLD-1B1, which is being written"):
            lab.again().start("WEB1")
    lab.host.start("WEB1")


def test_a_guest_that_logs_on_in_the_middle_is_seen(lab: ZvmLab) -> None:
    lab.sim.faults.add("logon=WEB1@Image_Status_Query#1")
    with pytest.raises(StillRunning, match="WEB1"), lab.host.hold("WEB1"):
        pass
    assert lab.halves() == []


def test_each_point_that_the_source_names_is_in_the_list_and_is_passed(lab: ZvmLab) -> None:
    assert {name for name in named_points() if name.startswith("zvm.")} == set(POINTS)
    new = new_disk(lab, "new", "WEB1", "6B5", copy_of="WEB1-5B5")
    acts: list[Callable[[ZvmHost], object]] = [
        lambda host: host.create_disk(new),
        lambda host: host.seal_disk("new", lab.sealed),
        lambda host: host.empty_disk("new"),
        lambda host: host.delete_disk("new"),
        lambda host: host.define(replace(found(host, "WEB1"), name="WEB2", disks={}, startable=False)),
        lambda host: host.undefine("WEB2"),
        lambda host: host.start("WEB1"),
        lambda host: host._links.temporary(10).__enter__(),
        lambda host: bootable(host, lab.root / "system"),
    ]
    passed = {point.partition(":")[0] for act in acts for point in points_of(partial(act, lab.again()))}
    assert passed >= set(POINTS)


def bootable(host: ZvmHost, root: Path) -> None:
    """A system gets its boot record."""
    (root / "boot").mkdir(parents=True)
    for name in ("vmlinuz-1", "initrd.img-1"):
        (root / "boot" / name).write_text(name)
    opened = OpenedDisk(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
    assert host.make_bootable("WEB1", {"1B1": SystemDisk(("/",), "rw", opened)}) == ""
    opened.close()


def test_a_server_that_runs_at_another_member_is_found_by_its_links(lab: ZvmLab) -> None:
    there = lab.sim.system.second("ZVM2")
    there.logon("WEB1")
    host = lab.again()
    assert host.power("WEB1").state == "off", "of that member the table says nothing"
    live = found(host, "WEB1").disks["1B5"].id
    before = found(host, "WEB1").token
    with pytest.raises(Busy, match="R/W by WEB1"), host.hold("WEB1"):
        pass
    with pytest.raises(Busy, match="R/W by WEB1"), host.open_disks({live: "ro"}):
        pass
    with pytest.raises(Refused, match="WEB1 is logged on already, and it is not here"):
        host.start("WEB1")
    with pytest.raises(Refused, match="attached"):
        host.delete_disk(found(host, "WEB1").disks["5B5"].id)
    assert found(host, "WEB1").token == before
    assert lab.halves() == []
    there.logoff("WEB1")
    with host.hold("WEB1"):
        switch(host)
    host.start("WEB1")
    assert host.power("WEB1").runs == "current"
