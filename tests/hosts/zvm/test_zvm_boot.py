"""What a guest boots from: parameters, boot records of each copy of a disk, and the order in which they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from goldroot.errors import BadInput
from goldroot.hosts import Entry, Link, SystemDisk
from goldroot.hosts.storefiles import OpenedDisk
from goldroot.hosts.zvm.booting import LONGEST, Booting, holding, write_record
from goldroot.hosts.zvm.dasd import Dasds
from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.writing import Words
from support.dasd_shims import write_zipl
from support.fleet import ROOT
from support.zvmfleet import ZvmFleet

#: As layouts have them: the paper's, one with a root of its own, and one with a kernel on 1B0.
READ_ONLY_ROOT = {
    "1B1": SystemDisk(("/",), "ro"),
    "1B5": SystemDisk(("/etc", "/root", "/srv"), "rw"),
    "1B6": SystemDisk(("/var",), "rw"),
}
OWN_ROOT = {"1B1": SystemDisk(("/",), "rw"), "1B2": SystemDisk(("/usr",), "ro"), "1B6": SystemDisk(("/var",), "rw")}
KERNEL_APART = {"1B0": SystemDisk(("/boot",), "ro"), **READ_ONLY_ROOT}


@pytest.mark.parametrize(
    ("disks", "path", "address"),
    [
        (READ_ONLY_ROOT, "/boot", "1B1"),
        (READ_ONLY_ROOT, "/etc/fstab", "1B5"),
        (READ_ONLY_ROOT, "/etcetera", "1B1"),
        (OWN_ROOT, "/usr/lib/modules", "1B2"),
        (KERNEL_APART, "/boot", "1B0"),
        (KERNEL_APART, "/", "1B1"),
    ],
)
def test_the_disk_of_a_path_is_that_of_the_longest_listed_one(
    disks: Mapping[str, SystemDisk], path: str, address: str
) -> None:
    assert holding(disks, path) == address


def test_a_kernel_is_told_where_its_disks_are() -> None:
    assert Booting().words("WEB1", READ_ONLY_ROOT) == (
        "boot=goldroot dasd=0.0.01b1,0.0.01b5,0.0.01b6 rd.dasd=0.0.01b1 rd.dasd=0.0.01b5 rd.dasd=0.0.01b6 ro"
    )
    own = Booting(initial="system", parameters="ro quiet", own={"WEB1": "rd.zfcp=0.0.1900"})
    assert own.words("WEB1", KERNEL_APART).split() == [
        "root=/dev/disk/by-path/ccw-0.0.01b1-part1", "dasd=0.0.01b0,0.0.01b1,0.0.01b5,0.0.01b6", "rd.dasd=0.0.01b0",
        "rd.dasd=0.0.01b1", "rd.dasd=0.0.01b5", "rd.dasd=0.0.01b6", "ro", "quiet", "rd.zfcp=0.0.1900",
    ]  # fmt: skip
    assert "zfcp" not in own.words("WEB2", KERNEL_APART)


def test_more_than_a_kernel_takes_is_refused() -> None:
    room = LONGEST - len(Booting(parameters="").words("WEB1", READ_ONLY_ROOT)) - 1
    assert len(Booting(parameters="x" * room).words("WEB1", READ_ONLY_ROOT)) == LONGEST
    with pytest.raises(BadInput, match="the kernel of WEB1 would be told 896 bytes, and takes 895"):
        Booting(parameters="x" * (room + 1)).words("WEB1", READ_ONLY_ROOT)


def test_a_server_on_golds_root_is_told_the_rest_by_ipl() -> None:
    linked = Entry("WEB1", "machine", links={"1B1": Link("S10GOLD", "1B1")})
    style = Style(Words(Names({})), parameters={"WEB1": "rd.zfcp=0.0.1900", "DB1": "x" * 65})
    assert style.lines(linked) == ("USER {user} NOLOG 512M 1G G", " IPL 1B1 PARM rd.zfcp=0.0.1900", " MACHINE ESA")
    # A root of its own has a boot record of its own, which says it.
    assert style.lines(Entry("WEB1", "machine")) == Style(style.words).lines(linked)
    assert style.lines(Entry("WEB2", "machine", links=linked.links)) == Style(style.words).lines(linked)
    with pytest.raises(BadInput, match="the parameters of DB1 are too long for IPL"):
        style.lines(Entry("DB1", "machine", links=linked.links))
    # A template that says it already stays as it is.
    mine = Style(style.words, {"machine": ("USER {user} NOLOG", "IPL 01B1 PARM mine")}, style.parameters)
    assert mine.lines(linked)[1] == "IPL 01B1 PARM mine"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[dict[str, SystemDisk]]:
    """The disks of a system, open."""
    roots = {"1B1": tmp_path / "root", "1B6": tmp_path / "var"}
    for root in roots.values():
        root.mkdir()
    (roots["1B1"] / "boot").mkdir()
    for version in ("6.1.0-9", "6.1.0-10"):
        (roots["1B1"] / f"boot/vmlinuz-{version}").write_text(f"kernel {version}")
        (roots["1B1"] / f"boot/initrd.img-{version}").write_text(f"initial {version}")
    opened = {address: OpenedDisk(os.open(root, os.O_RDONLY | os.O_DIRECTORY)) for address, root in roots.items()}
    yield {
        "1B1": SystemDisk(("/",), "ro", opened["1B1"]),
        "1B5": SystemDisk(("/etc",), "rw"),
        "1B6": SystemDisk(("/var",), "rw", opened["1B6"]),
    }
    for one in opened.values():
        one.close()


def test_zipl_is_given_descriptors_of_the_newest_kernel_and_of_what_finds_the_disks(
    system: dict[str, SystemDisk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_zipl(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    boot = tmp_path / "root/boot"
    os.utime(boot, ns=(1, 10**18))
    assert write_record(Booting(), Dasds(), "WEB1", system) == ""
    called = json.loads(log.read_text())
    assert called["target"] == str(boot)
    assert called["image"] == "kernel 6.1.0-10"
    assert called["words"][:2] == ["--noninteractive", "--add-files"]
    assert called["parameters"] == Booting().words("WEB1", system)
    own, hook = called["ramdisk"].split("070701", 1)
    assert own.rstrip("\0") == "initial 6.1.0-10"
    assert len(own) % 4 == 0
    for line in ("disk 1B1 ro ext4\n", "disk 1B5 rw ext4\n", "path 1B1 /\npath 1B5 /etc\npath 1B6 /var\n"):
        assert line in hook
    assert (boot / "bootmap").exists()
    assert boot.stat().st_mtime_ns == 10**18
    assert sorted(path.name for path in boot.iterdir() if "-" in path.name) == [
        "initrd.img-6.1.0-10", "initrd.img-6.1.0-9", "vmlinuz-6.1.0-10", "vmlinuz-6.1.0-9",
    ]  # fmt: skip
    assert (boot / "initrd.img-6.1.0-10").read_text() == "initial 6.1.0-10"

    assert write_record(Booting(initial="system"), Dasds(), "WEB1", system) == ""
    assert json.loads(log.read_text())["ramdisk"] == "initial 6.1.0-10"


def test_what_cannot_be_booted_is_told_and_nothing_is_called(
    system: dict[str, SystemDisk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_zipl(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    boot = tmp_path / "root/boot"
    assert write_record(Booting(record="outside"), Dasds(), "WEB1", system) == ""
    assert write_record(Booting(), Dasds(), "WEB1", {**system, "1B1": SystemDisk(("/",), "ro")}) == ""
    (boot / "vmlinuz-6.1.0-10").unlink()
    (boot / "vmlinuz-6.1.0-10").symlink_to("/etc/passwd")
    assert "not a plain file" in write_record(Booting(), Dasds(), "WEB1", system)
    (boot / "vmlinuz-6.1.0-10").unlink()
    os.mkfifo(boot / "vmlinuz-6.1.0-10")
    assert "not a plain file" in write_record(Booting(), Dasds(), "WEB1", system)
    for one in boot.iterdir():
        one.unlink()
    assert "no kernel in /boot" in write_record(Booting(), Dasds(), "WEB1", system)
    boot.rmdir()
    boot.symlink_to("/boot")
    assert "no directory /boot" in write_record(Booting(), Dasds(), "WEB1", system)
    assert not log.exists()


# -- by the commands of a site, where the simulator's stand-in for zipl names the very directory that it wrote into


def record(fleet: ZvmFleet, name: str, address: str = "1B1") -> dict[str, object]:
    """The boot record of a disk; it must be of that very disk."""
    boot = fleet.place(name, address) / "boot"
    said: dict[str, object] = json.loads((boot / "bootmap").read_text())
    assert said["boot"] == boot.stat().st_ino, "it lists another disk's blocks"
    return said


@pytest.mark.slow
def test_each_copy_of_a_root_has_a_boot_record_of_its_own(fleet: ZvmFleet) -> None:
    fleet.write_table('own_parameters = { DB1 = "rd.zfcp=0.0.1900", WEB1 = "quiet" }')
    kernel = {"boot/vmlinuz-6.1": "kernel 1", "boot/initrd.img-6.1": "initial 1"}
    fleet.image({**ROOT, **kernel})
    assert record(fleet, "S10RWMNT")["sizes"][0] == len("kernel 1")  # type: ignore[index]
    gold = record(fleet, "S10GOLD")
    assert gold["parameters"] == Booting().words("", READ_ONLY_ROOT)
    fleet("clone", "create", "web1", "--image", "s10")
    fleet("clone", "create", "db1", "--image", "s10", "--read-write")
    assert any(line.split() == ["IPL", "1B1", "PARM", "QUIET"] for line in map(str.upper, fleet.directory("WEB1")))
    assert any(line.split() == ["IPL", "1B1"] for line in fleet.directory("DB1"))
    assert str(record(fleet, "DB1")["parameters"]).endswith("ro rd.zfcp=0.0.1900")
    drift = fleet.data("clone", "diff", "db1", ok=1)["entries"]
    assert [one["path"] for one in drift] == ["/etc/hostname", "/etc/hosts", "/etc/machine-id"]
    assert fleet("gold", "verify", "s10", "1")

    # The maintenance system writes its own: that is not a change of the image.
    fleet.write("S10RWMNT", {"boot/bootmap": "of its own zipl"})
    assert fleet.data("maintain", "diff", "s10") == []
    fleet.publish({"boot/vmlinuz-6.2": "kernel two", "boot/initrd.img-6.2": "initial 2"})
    assert record(fleet, "S10GOLD2")["sizes"][0] == len("kernel two")  # type: ignore[index]
    assert record(fleet, "S10GOLD")["sizes"] == gold["sizes"]
    # A zipl in the server is not the server's work, either: nothing is asked.
    fleet.write("DB1", {"boot/bootmap": "of the server's own zipl"})
    fleet("update", "run", "db1", "web1")
    assert record(fleet, "DB1")["sizes"][0] == len("kernel two")  # type: ignore[index]
    (back,) = fleet.data("rollback", "db1", "--plan")["plans"]
    assert (back["from"], back["to"], back["written_since"]) == (2, 1, [])
    fleet("rollback", "db1")
    assert fleet.text("DB1", "1B1", "boot/bootmap") == "of the server's own zipl"


@pytest.mark.slow
def test_a_root_without_a_kernel_is_published_and_told(fleet: ZvmFleet) -> None:
    fleet("init", str(fleet.site_dir))
    fleet.image()
    fleet.write("S10RWMNT", {"etc/plain.conf": "2\n"})
    assert "no guest can boot from it" in fleet("gold", "publish", "s10", "--untested", "--unchanged")
    fleet.write_table('boot = "outside"')
    assert "boot from it" not in fleet("gold", "publish", "s10", "--untested", "--unchanged")
