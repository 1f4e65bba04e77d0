"""A domain's XML: goldroot changes its own part, and leaves an administrator's as it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from goldroot.errors import Damaged
from goldroot.hosts.libvirt.copying import backup_text
from goldroot.hosts.libvirt.domain import (
    Blank,
    Joined,
    Ours,
    drives_of,
    entry_of,
    new,
    next_start,
    others_of,
    redefined,
    shape_of,
    targets_of,
)
from goldroot.hosts.qemu.arguments import BOARDS, Drive

STORE = "/srv/a & 'b' <c>"
BLANK = Blank("WEB1", BOARDS["x86_64"], "x86_64", "tcg", 512, 2, "boot=goldroot ro", "/log & co", "default", "+0:+0")
OURS = Ours(
    '{"name": "WEB1 <&>"}',
    STORE,
    "/boot/k",
    "/boot/i",
    [Drive("1B1", f"{STORE}/disks/gold-1B1.erofs", "ro"), Drive("1B5", f"{STORE}/disks/web1-1B5.ext4", "rw")],
    frozenset(["1B1"]),
)
EXTRA = (
    "<disk type='file' device='disk'><source file='/elsewhere.img'/><target dev='vdx' bus='virtio'/>"
    "<serial>6B5</serial></disk>"
)


def disks(text: str) -> dict[str, ET.Element]:
    return {disk.findtext("serial") or "": disk for disk in ET.fromstring(text).findall("devices/disk")}


def test_a_new_domain_has_what_its_table_says() -> None:
    root = ET.fromstring(new(BLANK))
    assert root.get("type") == "qemu"
    assert (root.findtext("name"), root.findtext("memory"), root.findtext("vcpu")) == ("WEB1", "512", "2")
    assert root.findtext("os/cmdline") == "console=ttyS0 boot=goldroot ro"
    assert [one.get("file") for one in root.findall("devices/serial/log")] == ["/log & co"]
    assert [one.get("network") for one in root.findall("devices/interface/source")] == ["default"]
    assert root.findtext("seclabel/label") == "+0:+0"
    assert root.find("features/acpi") is not None, "its power button is pressed by that"
    alone = ET.fromstring(new(replace(BLANK, accelerator="kvm", network="", account="")))
    assert alone.get("type") == "kvm"
    assert [one.get("mode") for one in alone.findall("cpu")] == ["host-passthrough"]
    assert alone.find("devices/interface") is None
    assert alone.find("seclabel") is None


def test_a_guest_of_s390x_has_the_papers_device_numbers() -> None:
    text = redefined(new(replace(BLANK, board=BOARDS["s390x"], architecture="s390x")), OURS)
    numbers = {serial: disk.find("address").attrib for serial, disk in disks(text).items()}  # type: ignore[union-attr]
    assert numbers["1B5"] == {"type": "ccw", "cssid": "0xfe", "ssid": "0x0", "devno": "0x01b5"}
    assert ET.fromstring(text).find("features") is None


def test_shared_disks_are_read_only_and_shareable_and_own_ones_neither() -> None:
    text = redefined(new(BLANK), OURS)
    flags = {
        serial: [tag for tag in ("readonly", "shareable") if disk.find(tag) is not None]
        for serial, disk in disks(text).items()
    }
    assert flags == {"1B1": ["readonly", "shareable"], "1B5": []}
    assert {disk.find("driver").get("type") for disk in disks(text).values()} == {"raw"}  # type: ignore[union-attr]
    assert entry_of(text) == (STORE, OURS.entry)
    assert next_start(text, STORE) == ("/boot/k", "/boot/i", {drive.address: drive for drive in OURS.drives}, [], [])


def test_the_next_definition_keeps_what_an_administrator_wrote() -> None:
    text = redefined(new(BLANK), OURS)
    text = text.replace("</devices>", f"{EXTRA}<watchdog model='i6300esb'/></devices>").replace(">512<", ">4096<")
    text = text.replace("boot=goldroot ro", "boot=goldroot ro debug").replace('discard="unmap"', 'cache="none"')
    text = text.replace("<metadata>", "<metadata><a:x xmlns:a='urn:theirs'>theirs</a:x>")
    root = ET.fromstring(text)
    ET.SubElement(root, "{http://libvirt.org/schemas/domain/qemu/1.0}commandline")
    text = ET.tostring(root, encoding="unicode")
    drives = [Drive("1B1", f"{STORE}/disks/gold2-1B1.erofs", "ro"), Drive("1B5", f"{STORE}/disks/web1-5B5.ext4", "rw")]
    after = redefined(text, replace(OURS, entry="{}", kernel="/boot/k2", drives=drives))
    assert drives_of(after, STORE) == {drive.address: drive for drive in drives}
    root = ET.fromstring(after)
    assert root.findtext("memory") == "4096"
    assert root.find("devices/watchdog") is not None
    assert root.findtext("os/cmdline") == "console=ttyS0 boot=goldroot ro debug"
    assert root.findtext("os/kernel") == "/boot/k2"
    assert root.findtext("metadata/{urn:theirs}x") == "theirs"
    assert root.find("{http://libvirt.org/schemas/domain/qemu/1.0}commandline") is not None
    assert len(root.findall("metadata/*")) == 2, "one entry, in the place of the older one"
    there = disks(after)
    assert there["1B5"].find("driver").get("cache") == "none"  # type: ignore[union-attr]
    assert there["6B5"].find("source").get("file") == "/elsewhere.img"  # type: ignore[union-attr]
    names = list(targets_of(after))
    assert len(names) == len(set(names)) == 3


def test_a_trial_is_as_large_as_its_administrator_made_the_domain() -> None:
    text = redefined(new(BLANK), OURS)
    assert shape_of(text) == (512, 2, "console=ttyS0 boot=goldroot ro")
    grown = text.replace('unit="MiB">512<', 'unit="KiB">4194304<').replace("<vcpu>2<", "<vcpu placement='static'>6<")
    assert shape_of(grown)[:2] == (4096, 6)


def test_a_disk_that_comes_and_goes_leaves_the_others_where_they_are() -> None:
    text = redefined(new(BLANK), OURS)
    more = redefined(text, replace(OURS, drives=[*OURS.drives, Drive("1B6", f"{STORE}/disks/web1-1B6.xfs", "rw")]))
    assert set(targets_of(text).items()) < set(targets_of(more).items())
    assert targets_of(redefined(more, OURS)) == targets_of(text)


def test_a_disk_of_somebody_else_at_an_address_is_seen() -> None:
    text = redefined(new(BLANK), OURS).replace("</devices>", EXTRA + "</devices>")
    assert others_of(text, STORE) == {"6B5"}
    assert others_of(text, "/another/store") == {"6B5", "1B1", "1B5"}
    assert others_of(text.replace("6B5", "DATA-1"), STORE) == set()


def test_a_tree_of_hashes_comes_and_goes_with_its_disk() -> None:
    tree = Drive("1B1-hashes", f"{STORE}/disks/gold-1B1.erofs.verity", "ro")
    both = replace(OURS, drives=[*OURS.drives, tree], shared=frozenset(["1B1", "1B1-hashes"]))
    text = redefined(new(BLANK), both)
    assert disks(text)["1B1-hashes"].find("shareable") is not None
    assert set(drives_of(text, STORE)) == {"1B1", "1B5"}, "it stands at no address"
    assert others_of(text, STORE) == set()
    assert next_start(text, STORE) != next_start(redefined(text, OURS), STORE)
    assert "1B1-hashes" not in disks(redefined(text, OURS))
    numbers = disks(redefined(new(replace(BLANK, board=BOARDS["s390x"], architecture="s390x")), both))
    assert numbers["1B1-hashes"].find("address") is None


def test_a_copy_of_a_domain_is_its_makers() -> None:
    text = redefined(new(BLANK), OURS)
    assert entry_of(text.replace("<name>WEB1<", "<name>WEB1-CLONE<")) is None
    assert "<name>WEB1<" in text


def test_a_link_and_published_ports_come_and_go_and_what_others_gave_stays() -> None:
    others = (
        "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:commandline><qemu:arg value='-global'/>"
        "<qemu:arg value='a.b=c'/><qemu:env name='A' value='b'/></qemu:commandline>"
    )
    text = new(BLANK).replace("<domain", "<domain ", 1)
    text = others + text[text.index(">") + 1 :]
    ports = (
        "-netdev",
        "user,id=goldroot-ports,restrict=on",
        "-device",
        '{"driver": "virtio-net-pci", "netdev": "goldroot-ports"}',
    )
    joined = replace(OURS, joined=Joined("bridge", "br0", "52:54:00:00:00:01"), ports=ports)
    there = redefined(redefined(text, joined), joined)
    assert cards(there) == [("network", {"network": "default"}), ("bridge", {"bridge": "br0"})]
    assert values(there) == ["-global", "a.b=c", *ports]
    assert "52:54:00:00:00:01" in there
    assert next_start(there, STORE) != next_start(redefined(text, OURS), STORE)

    # What its administrator makes of the card stays while it leads to the same kind.
    there = there.replace('<alias name="ua-goldroot" />', "<alias name='ua-goldroot'/><mtu size='9000'/>")
    elsewhere = redefined(there, replace(joined, joined=Joined("bridge", "br1", "52:54:00:00:00:01"), ports=()))
    assert cards(elsewhere)[1:] == [("bridge", {"bridge": "br1"})]
    assert '<mtu size="9000"' in elsewhere
    assert values(elsewhere) == ["-global", "a.b=c"]
    of_libvirt = redefined(elsewhere, replace(joined, joined=Joined("network", "lab", "52:54:00:00:00:01")))
    assert cards(of_libvirt)[1:] == [("network", {"network": "lab"})]
    assert cards(redefined(of_libvirt, OURS)) == [("network", {"network": "default"})]
    assert "commandline" not in redefined(redefined(new(BLANK), joined), OURS)


def cards(text: str) -> list[tuple[str, dict[str, str]]]:
    found = ET.fromstring(text).findall("devices/interface")
    return [(card.get("type", ""), dict(card.find("source").attrib)) for card in found]  # type: ignore[union-attr]


def values(text: str) -> list[str]:
    name = "{http://libvirt.org/schemas/domain/qemu/1.0}"
    return [arg.get("value", "") for arg in ET.fromstring(text).findall(f"{name}commandline/{name}arg")]


def test_what_cannot_be_read_is_told() -> None:
    assert entry_of(new(BLANK)) is None
    with pytest.raises(Damaged):
        entry_of("<domain")


def test_a_copy_names_each_disk() -> None:
    root = ET.fromstring(backup_text({"vda": "/a & b"}, ["vdb"]))
    there = {
        disk.get("name"): (disk.get("backup"), [one.get("file") for one in disk.findall("target")]) for disk in root[0]
    }
    assert there == {"vda": ("yes", ["/a & b"]), "vdb": ("no", [])}
