"""The whole way to a minidisk: vmcp, chccwdev, dasdfmt and fdasd as programs, a file system on a block device."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from goldroot.errors import Busy, Damaged, StillRunning
from goldroot.hosts import Entry, Link, Mark, NewDisk, with_links, with_mark
from goldroot.hosts.zvm import Parts, ZvmHost
from goldroot.hosts.zvm.cp import Vmcp
from goldroot.hosts.zvm.dasd import Dasds
from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.extents import ExtentsFile
from goldroot.hosts.zvm.fixed_blocks import FixedBlocks
from goldroot.hosts.zvm.medium import tag_of
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.pool import FBA, Pool
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.simulator import Simulator, Storage
from support.dasd_shims import FIRST, write_shims
from support.hosts import content, fill, found
from support.killing import in_a_copy
from support.zvmsite import DIRECTORY, NAMES, VOLUMES, client

SINCE = "2026-11-26T09:30:00Z"
pytestmark = pytest.mark.slow


@dataclass
class Guest:
    sim: Simulator
    root: Path
    log: Path

    fixed: bool = False  #: disks of fixed blocks

    def host(self, *, snapshots: bool = False) -> ZvmHost:
        style = Style(Words(Names(NAMES)))
        extents = ExtentsFile(str(self.root / "store" / "disks.sqlite"))
        medium = (FixedBlocks if self.fixed else Dasds)(str(self.root / "by-path"))
        parts = Parts(
            client(self.sim),
            Vmcp(),
            medium,
            extents,
            "GOLDMGMT",
            style,
            Pool("FIXED", geometry=FBA) if self.fixed else Pool("LINUX"),
            pauses=(0, 0),
            snapshots=snapshots,
        )
        return ZvmHost("here", str(self.root / "store"), parts)

    def calls(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return [line for line in lines if not line.startswith("udevadm")]

    def left(self) -> list[str]:
        """Links, devices and loop devices that are still there."""
        links = [one.address for one in self.sim.system.query_virtual("GOLDMGMT") if one.address.startswith("F")]
        loops = [
            str(one.parent.parent)
            for one in Path("/sys/block").glob("loop*/loop/backing_file")
            if str(self.root) in one.read_text()
        ]
        return [*links, *loops, *map(str, (self.root / "by-path").iterdir())]


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """A slot and a machine that links it, with a disk each."""
    with management_guest(tmp_path, monkeypatch) as guest:
        yield guest


@pytest.fixture
def fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """The same, with disks of fixed blocks."""
    with management_guest(tmp_path, monkeypatch, fixed=True) as guest:
        yield guest


@contextmanager
def management_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fixed: bool = False) -> Iterator[Guest]:
    if os.geteuid() != 0 or not os.access("/dev/loop-control", os.W_OK):
        pytest.skip("needs root and loop devices: file systems are mounted")
    groups = {"LINUX": ["LX3001", "LX3002"], "FIXED": ["FB0001"]}
    storage = Storage(VOLUMES | {"FB0001": 1 << 20}, groups, str(tmp_path / "minidisks"))
    cp = tmp_path / "cp"
    with Simulator(DIRECTORY, storage=storage, active=("MAINT", "GOLDMGMT"), cp=str(cp)) as sim:
        first = FBA.labels if fixed else FIRST
        log = write_shims(tmp_path / "bin", str(cp / "cp.sock"), tmp_path / "by-path", first)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{cp}:{os.environ['PATH']}")
        guest = Guest(sim, tmp_path, log, fixed)
        host = guest.host()
        host.create()
        host.define(Entry("DEBIANGOLD", "owner", marks={"1": Mark("gold", "publish", "debian", "", 1, SINCE)}))
        host.create_disk(NewDisk("gold-1B5", "DEBIANGOLD", "1B5", 16 << 20, "ext4"))
        fill(host, "gold-1B5", {"version": b"1"}, owner="DEBIANGOLD")
        host.define(Entry("WEB1", "machine", marks={"1": Mark("live", "make", "debian", "web1", 1, SINCE)}))
        yield guest
        guest.host().tidy()
        assert guest.left() == []
        assert sim.bugs == []


def test_each_step_is_what_the_programs_are_called_for_and_nothing_is_left(guest: Guest) -> None:
    guest.calls()
    host = guest.host()
    host.create_disk(NewDisk("web1-1B5", "WEB1", "1B5", 8 << 20, "ext4"))
    tag = tag_of("web1-1B5")
    assert guest.calls() == [
        "chccwdev -e 0.0.f000",
        f"dasdfmt -b 4096 -d cdl -l {tag} -y {guest.root}/by-path/ccw-0.0.f000",
        f"fdasd -a -l {tag} {guest.root}/by-path/ccw-0.0.f000",
        "chccwdev -d 0.0.f000",
    ]
    fill(host, "web1-1B5", {"hostname": b"web1"}, owner="WEB1")
    assert guest.calls() == ["chccwdev -e 0.0.f000", "chccwdev -d 0.0.f000"]
    assert content(guest.host(), "web1-1B5") == {"hostname": b"web1"}
    assert guest.left() == []


@pytest.mark.parametrize("fault", ["", "no-flashcopy@CP_FLASHCOPY"])
def test_a_copy_is_a_disk_of_its_own_by_flashcopy_or_without(guest: Guest, fault: str) -> None:
    host = guest.host()
    if fault:
        guest.sim.faults.add(fault)
    assert host.copies("gold-1B5", "ext4") == "blocks"
    info = host.create_disk(NewDisk("copy", "WEB1", "5B5", 24 << 20, "ext4", copy_of="gold-1B5"))
    assert info.size >= 24 << 20
    with host.open_disks({"copy": "ro", "gold-1B5": "ro"}) as opened:
        one, other = (os.statvfs(opened[id].handle) for id in ("copy", "gold-1B5"))
        assert one.f_blocks > other.f_blocks, "all of the room is used"
        assert one.f_fsid != other.f_fsid
        same = [os.stat("version", dir_fd=opened[id].handle) for id in ("copy", "gold-1B5")]
        assert same[0].st_ino == same[1].st_ino
        assert same[0].st_ctime_ns == same[1].st_ctime_ns
        with pytest.raises(OSError, match="Read-only"):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=opened["copy"].handle)
    fill(host, "copy", {"more": b"2"})
    assert content(host, "copy") == {"version": b"1", "more": b"2"}
    assert content(host, "gold-1B5") == {"version": b"1"}


def test_a_running_machine_s_prepared_disk_is_written_beside_its_reading(guest: Guest) -> None:
    host = guest.host()
    host.create_disk(NewDisk("old", "WEB1", "1B5", 8 << 20, "ext4"))
    host.create_disk(NewDisk("new", "WEB1", "5B5", 8 << 20, "ext4"))
    host.apply(replace(found(host, "WEB1"), startable=True))
    host.start("WEB1")
    assert {one.address: one.detail[0] for one in guest.sim.system.query_virtual("WEB1") if one.kind == "dasd"} == {
        "01B5": "R/W",
        "05B5": "R/O",
    }
    fill(host, "new", {"merged": b"1"})
    guest.sim.system.link("MAINT", "WEB1", "05B5", "0F00", "RR")
    with pytest.raises(Busy, match=r"disk new is in use: MAINT has it at 0F00 \(R/O\)"):
        fill(host, "new", {"merged": b"2"})
    guest.sim.system.detach("MAINT", "0F00")
    assert content(host, "new") == {"merged": b"1"}
    assert host.stop("WEB1", 5) == "asked"


def test_a_running_machine_is_seen_as_it_was_in_one_moment(guest: Guest) -> None:
    host = guest.host(snapshots=True)
    host.create_disk(NewDisk("old", "WEB1", "1B5", 8 << 20, "ext4"))
    fill(host, "old", {"hostname": b"web1"}, owner="WEB1")
    host.apply(replace(found(host, "WEB1"), startable=True))
    host.start("WEB1")
    image = next((guest.root / "minidisks").glob(f"LX3001.{host.info(['old'])['old'].where['start']:09d}.img"))
    before = image.read_bytes()
    with host.open_disks({"old": "ro"}, view="live") as opened:
        assert opened["old"].exact
        assert Path(opened["old"].path, "hostname").read_bytes() == b"web1"
        guest.sim.faults.add("no-flashcopy@CP_FLASHCOPY")
        with pytest.raises(StillRunning, match="FLASHCOPY is refused"):
            host.open_disks({"old": "ro"}, view="live").__enter__()
    guest.sim.faults.clear()
    assert image.read_bytes() == before
    assert guest.left() == []
    with pytest.raises(StillRunning, match="logged on"):
        guest.host().open_disks({"old": "ro"}, view="live").__enter__()


def test_gold_that_somebody_has_is_not_written_whatever_the_entries_say(guest: Guest) -> None:
    host = guest.host()
    guest.sim.system.link("MAINT", "DEBGOLD", "11B5", "0F00", "RR")
    with pytest.raises(Busy, match=r"disk gold-1B5 is in use: DEBGOLD 11B5 is in use: HCPLNM104E .* R/O by MAINT"):
        fill(host, "gold-1B5", {"version": b"2"}, owner="DEBIANGOLD")
    assert content(host, "gold-1B5") == {"version": b"1"}


def test_another_minidisk_in_its_place_is_neither_read_nor_written(guest: Guest) -> None:
    host = guest.host()
    image = next(
        (guest.root / "minidisks").glob(f"LX3001.{host.info(['gold-1B5'])['gold-1B5'].where['start']:09d}.img")
    )
    with image.open("r+b") as file:
        file.seek(8192)
        file.write("VOL1VOL1OTHERS".encode("cp500"))
    for attempt in (
        lambda: content(host, "gold-1B5"),
        lambda: host.empty_disk("gold-1B5"),
        lambda: host.delete_disk("gold-1B5"),
    ):
        with pytest.raises(Damaged, match="label 'OTHERS'"):
            attempt()


@pytest.mark.parametrize("fault", ["link-stays@CP_DETACH#1", "link-stays@CP_DETACH#5", "cp-refused=6@CP_DETACH#9"])
def test_a_link_that_stays_is_given_back_in_the_end(guest: Guest, fault: str) -> None:
    guest.sim.faults.add(fault)
    host = guest.host()
    assert content(host, "gold-1B5") == {"version": b"1"}
    assert content(host, "gold-1B5") == {"version": b"1"}, "what stays hinders nobody"
    guest.sim.faults.clear()
    guest.host().tidy()
    assert guest.left() == []


@pytest.mark.parametrize("fault", ["cp-refused=53@CP_LINK#1", "cp-refused=203@CP_QUERY#2"])
def test_what_cp_refuses_is_told_and_leaves_nothing(guest: Guest, fault: str) -> None:
    guest.sim.faults.add(fault)
    with pytest.raises(Exception, match="CP refuses"):
        content(guest.host(), "gold-1B5")
    guest.sim.faults.clear()
    assert content(guest.host(), "gold-1B5") == {"version": b"1"}


def test_a_killed_command_s_links_and_devices_are_given_back_by_the_next(guest: Guest) -> None:
    def open_and_die() -> None:
        host = guest.host()
        with host.hold("DEBIANGOLD"), host.open_disks({"gold-1B5": "rw"}) as opened:
            Path(opened["gold-1B5"].path, "written").write_bytes(b"1")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(open_and_die) == -signal.SIGKILL
    assert guest.left() != []
    told = guest.host().tidy()
    assert told == ["gave back the link at F000 that a killed command left"]
    assert guest.left() == []
    with guest.host().open_disks({"gold-1B5": "ro"}) as opened:
        assert Path(opened["gold-1B5"].path, "version").read_bytes() == b"1"


def test_addresses_of_others_are_never_taken(guest: Guest) -> None:
    guest.sim.system.link("GOLDMGMT", "DEBGOLD", "11B5", "F000", "RR")
    assert content(guest.host(), "gold-1B5") == {"version": b"1"}
    assert guest.host().tidy() == []
    assert [one.address for one in guest.sim.system.query_virtual("GOLDMGMT") if one.address.startswith("F")] == [
        "F000"
    ]
    guest.sim.system.detach("GOLDMGMT", "F000")


def test_links_lead_to_gold_s_numbers(guest: Guest) -> None:
    host = guest.host()
    entry = with_links(found(host, "WEB1"), "1", "DEBIANGOLD", ["B5"])
    host.apply(with_mark(entry, "1", entry.marks["1"]))
    assert found(host, "WEB1").links == {"1B5": Link("DEBIANGOLD", "1B5")}
    assert any(" LINK DEBGOLD 11B5 01B5 RR" in line for line in guest.sim.system.entry("WEB1"))
    assert host.linked("DEBIANGOLD") == [("WEB1", "1B5", "1B5")]


def test_a_disk_of_fixed_blocks_has_a_label_and_no_formatting(fixed: Guest) -> None:
    fixed.calls()
    host = fixed.host()
    info = host.create_disk(NewDisk("web1-1B5", "WEB1", "1B5", 8 << 20, "ext4"))
    assert fixed.calls() == [
        "chccwdev -e 0.0.f000",
        f"blockdev --rereadpt {fixed.root}/by-path/ccw-0.0.f000",
        "chccwdev -d 0.0.f000",
    ]
    assert info.where == {"volume": "FB0001", "start": info.where["start"], "size": (8 << 11) + 2}
    assert info.size == ((8 << 11) + 2) * 512
    assert any(line.split()[:3] == ["MDISK", "01B5", "9336"] for line in fixed.sim.system.entry("WEB1"))
    image = fixed.root / "minidisks" / f"FB0001.{info.where['start']:09d}.img"
    assert image.stat().st_size == info.size
    with image.open("rb") as file:
        file.seek(512)
        assert file.read(10).decode("cp500") == f"LNX1{tag_of('web1-1B5')}"
    fill(host, "web1-1B5", {"hostname": b"web1"}, owner="WEB1")
    assert content(fixed.host(), "web1-1B5") == {"hostname": b"web1"}
    with image.open("r+b") as file:
        file.seek(512)
        file.write("LNX1OTHERS".encode("cp500"))
    with pytest.raises(Damaged, match="label 'OTHERS'"):
        content(host, "web1-1B5")


@pytest.mark.parametrize("fault", ["", "no-flashcopy@CP_FLASHCOPY"])
def test_a_disk_of_fixed_blocks_is_copied_and_seen_in_one_moment(fixed: Guest, fault: str) -> None:
    host = fixed.host(snapshots=True)
    if fault:
        fixed.sim.faults.add(fault)
    host.create_disk(NewDisk("copy", "WEB1", "1B5", 24 << 20, "ext4", copy_of="gold-1B5"))
    fixed.sim.faults.clear()
    fill(host, "copy", {"more": b"2"}, owner="WEB1")
    assert content(host, "copy") == {"version": b"1", "more": b"2"}
    assert host.room([1 << 20]) is None
    assert "has no room for a disk of" in (host.room([1 << 30]) or "")
    host.apply(replace(found(host, "WEB1"), startable=True))
    host.start("WEB1")
    with host.open_disks({"copy": "ro"}, view="live") as opened:
        assert Path(opened["copy"].path, "more").read_bytes() == b"2"
    host.stop("WEB1", 0)
