"""Disks of both types on one host: cylinders at some places of a server, fixed blocks at others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, HostError
from goldroot.hosts import NewDisk
from goldroot.hosts.zvm import ZvmConfig, open_host
from goldroot.hosts.zvm.fixed_blocks import BothTypes
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.pool import ECKD, FBA, Pool
from goldroot.hosts.zvm.simulated import Trees
from support.hosts import fill, make_machine, make_slot
from support.zvmfleet import ZvmFleet
from support.zvmlab import ZvmLab

MIXED = 'disk_types = { B6 = "FBA" }\ndisk_groups = { B6 = "FIXED" }'


def with_fixed_blocks(lab: ZvmLab | ZvmFleet) -> None:
    """A volume of fixed blocks more, in a group of its own."""
    lab.sim.system.dasd.add_volume("FB0001", 1 << 20)
    lab.sim.system.dasd.add_group("FIXED", ["FB0001"])


# -- pools and devices


def test_a_place_has_its_type_and_group_in_every_set() -> None:
    pool = Pool("LINUX", usual=1 << 20, others={"B6": Pool("FIXED", usual=1 << 20, geometry=FBA)})
    assert [pool.at(address).group for address in ("1B5", "1B6", "5B6", "FB6")] == ["LINUX", *["FIXED"] * 3]
    assert (pool.units_at("1B5"), pool.units_at("5B6")) == (ECKD.units(1 << 20), 2048 + 2)
    assert [one.group for one in pool.all()] == ["LINUX", "FIXED"]
    assert Pool("LINUX").all() == [Pool("LINUX")]


def test_another_type_needs_another_group(tmp_path: Path) -> None:
    def config(**values: object) -> ZvmConfig:
        return ZvmConfig("127.0.0.1", "GOLDADM", "GOLDMGMT", "LINUX", **values)  # type: ignore[arg-type]

    with pytest.raises(BadInput, match="disks at B6 are of another type, and come from group LINUX as all others"):
        open_host("here", config(disk_types={"b6": "FBA"}), str(tmp_path))
    with pytest.raises(BadInput, match="is not a place"):
        open_host("here", config(disk_types={"1B6": "ECKD"}), str(tmp_path))
    host = open_host("here", config(disk_types={"b6": "FBA"}, disk_groups={"B6": "fixed", "B7": "big"}), str(tmp_path))
    pool = host._parts.pool
    assert {place: (one.group, one.geometry) for place, one in pool.others.items()} == {
        "B6": ("FIXED", FBA),
        "B7": ("BIG", ECKD),
    }
    assert isinstance(host._parts.medium, BothTypes)
    assert not isinstance(open_host("here", config(), str(tmp_path))._parts.medium, BothTypes)


def test_what_a_device_is_says_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medium = BothTypes(str(tmp_path))
    with pytest.raises(HostError, match="does not say of which type"):
        medium.tag(str(tmp_path / "ccw-0.0.f000"))
    cylinders, blocks = tmp_path / "eckd", tmp_path / "fba"
    cylinders.write_bytes(b"\0" * 8192 + "VOL1VOL10XCYL1".encode("cp500"))
    blocks.write_bytes(b"\0" * 512 + "LNX10XBLK1".encode("cp500"))
    monkeypatch.setattr(medium, "discipline", lambda device: "FBA" if device == str(blocks) else "ECKD")
    assert (medium.tag(str(cylinders)), medium.tag(str(blocks))) == ("0XCYL1", "0XBLK1")


# -- by the port


class MixedLab(ZvmLab):
    """Disks at 1B6 are fixed blocks, and copies are made by blocks where they can be."""

    def parts_here(self, parts: Parts) -> Parts:
        with_fixed_blocks(self)
        medium = Trees(parts.medium._cp)  # type: ignore[attr-defined]
        medium.blocks = True
        return replace(parts, medium=medium, pool=Pool("LINUX", others={"B6": Pool("FIXED", geometry=FBA)}))


@pytest.mark.slow
def test_a_copy_from_one_type_to_the_other_is_one_of_files(tmp_path: Path) -> None:
    lab = MixedLab(tmp_path)
    make_slot(lab)
    make_machine(lab)
    heard: list[str] = []
    lab.sim.system.heard = lambda where, text: heard.append(text)
    info = lab.host.create_disk(NewDisk("web1-1B6", "WEB1", "1B6", 8 << 20, "directory", "WEB1-1B5"))
    assert not any("FLASHCOPY" in text for text in heard)
    assert (info.where["volume"], info.where["size"], info.size) == ("FB0001", (8 << 11) + 2, ((8 << 11) + 2) * 512)
    with lab.host.open_disks({"web1-1B6": "ro"}) as opened:
        assert Path(opened["web1-1B6"].path, "hostname").read_bytes() == b"WEB1"
    statements = [line.split()[:3] for line in lab.sim.system.entry("WEB1")]
    assert ["MDISK", "01B6", "9336"] in statements
    assert ["MDISK", "01B5", "3390"] in statements
    # Its copy of one moment is a temporary disk of its own type.
    fill(lab.host, "web1-1B6", {"new": b"1"}, owner="WEB1")
    lab.host.start("WEB1")
    with lab.host.open_disks({"web1-1B6": "ro", "WEB1-1B5": "ro"}, view="live"):
        pass
    defined = sorted(" ".join(text.split()[1:2] + text.split()[4:]) for text in heard if text.startswith("DEFINE"))
    assert defined == [f"T3390 CYL {ECKD.units(8 << 20)}", f"TFB-512 BLK {(8 << 11) + 2}"]
    lab.host.stop("WEB1", 0)
    assert lab.host.room([8 << 20]) is None
    assert "group FIXED has no room" in (lab.host.room([1 << 50]) or "")
    assert lab.halves() == []


# -- by the commands of a site


@pytest.mark.slow
def test_a_server_with_both_types_is_made_updated_and_put_back(fleet: ZvmFleet) -> None:
    with_fixed_blocks(fleet)
    fleet.write_table(MIXED)
    fleet.image()
    plan = fleet("clone", "create", "web1", "--image", "s10", "--plan", "--commands")
    assert "MDISK 01B5 3390" in plan
    assert "MDISK 01B6 9336" in plan
    fleet("clone", "create", "web1", "--image", "s10")
    fleet("machine", "start", "web1")
    fleet.publish({"etc/plain.conf": "2\n"})
    plan = fleet("update", "run", "web1", "--plan", "--commands")
    assert "DEFINE TFB-512" in plan
    fleet("update", "run", "web1")
    for user in ("S10GOLD", "S10GOLD2", "S10RWMNT", "WEB1"):
        disks = [line.split() for line in fleet.directory(user) if "MDISK" in line]
        assert {(words[1][-2:], words[2]) for words in disks} <= {("B1", "3390"), ("B5", "3390"), ("B6", "9336")}, user
        assert any(words[2] == "9336" for words in disks), user
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
    room = next(one for one in fleet.data("zvm", "doctor")["points"] if one["key"] == "room")
    assert room["what"] == "Has group LINUX and FIXED room?"
    assert ["cylinders" in room["saw"][0], "blocks" in room["saw"][1]] == [True, True]
    fleet("rollback", "web1")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "plain\n"
