"""What a machine's start does with disks that are not what they were, and with a store that is full: nothing, and says why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Damaged, GoldrootError, HostError, NoSpace, StillRunning
from goldroot.hosts import Entry, Link
from support.hosts import MIB, Lab, applied, found, gold, hold, live, need_programs, new_disk, qemu_lab

pytestmark = pytest.mark.root

QEMU = ("qemu-system-x86_64", "setpriv")


def made(place: Path) -> Lab:
    """WEB1 with a disk of its own, and a root that has something to boot, which no guest ever runs."""
    lab = qemu_lab(place, accelerator="tcg", architecture="x86_64", memory=64, paths={"B1": ["/"], "B5": ["/etc"]})
    lab.host.define(Entry("GOLD", "owner", marks={"1": gold(1)}))
    lab.host.create_disk(new_disk(lab, "root", "GOLD", "1B1", size=16 * MIB))
    with hold(lab.host, "GOLD"), lab.host.open_disks({"root": "rw"}) as opened:
        boot = Path(opened["root"].path, "boot")
        boot.mkdir()
        (boot / "vmlinuz-6.1").write_bytes(os.urandom(2 * MIB))
        (boot / "initrd.img-6.1").write_bytes(b"initial")
    lab.host.seal_disk("root", "erofs")
    lab.host.define(Entry("WEB1", "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": live()}))
    lab.host.create_disk(new_disk(lab, "WEB1-1B5", "WEB1", "1B5"))
    applied(lab.host.apply(replace(found(lab.host, "WEB1"), startable=True)))
    return lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    need_programs(*QEMU)
    lab = made(tmp_path)
    yield lab
    lab.host.stop("WEB1", 0)


def image(lab: Lab, id: str) -> Path:
    return Path(str(lab.host.info([id])[id].where["path"]))


def refused(lab: Lab, error: type[GoldrootError], words: str) -> GoldrootError:
    """It is not started, says why, and is off and whole: once its disk is back it would start."""
    with pytest.raises(error, match=words) as caught:
        lab.host.start("WEB1")
    assert lab.host.power("WEB1").state == "off"
    assert found(lab.host, "WEB1").startable
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize("id", ["WEB1-1B5", "root"])
def test_a_disk_whose_file_is_missing(lab: Lab, id: str) -> None:
    image(lab, id).unlink()
    refused(lab, GoldrootError, id)


@pytest.mark.slow
@pytest.mark.parametrize("id", ["WEB1-1B5", "root"])
def test_a_disk_whose_file_was_cut_off_also_where_it_is_packed(lab: Lab, id: str) -> None:
    path = image(lab, id)
    os.chmod(path, 0o600)
    os.truncate(path, path.stat().st_size - 4096)
    error = refused(lab, Damaged, "was cut off")
    assert path.name in error.brief
    with pytest.raises(Damaged, match="cut off"), lab.host.open_disks({id: "ro"}):
        pass


@pytest.mark.slow
def test_a_root_that_is_another_disk_has_nothing_to_boot(lab: Lab) -> None:
    path = image(lab, "root")
    path.unlink()
    subprocess.run(["mkfs.ext4", "-q", path, "4M"], check=True)
    refused(lab, Damaged, "cannot be mounted as erofs")


@pytest.mark.slow
def test_a_link_in_the_place_of_a_disk_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    path = image(lab, "WEB1-1B5")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(lab, GoldrootError, "not a file")


@pytest.mark.slow
def test_a_disk_that_another_qemu_has_open(lab: Lab) -> None:
    need_programs("qemu-io")
    with subprocess.Popen(
        ["qemu-io", "-f", "raw", image(lab, "WEB1-1B5")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.read(1)  # its prompt: it has the file open
        with pytest.raises(StillRunning, match=f"process {other.pid}"):
            lab.host.start("WEB1")
        with pytest.raises(StillRunning):
            lab.host.hold("WEB1").__enter__()
        other.kill()
    assert lab.host.power("WEB1").state == "off"


@pytest.mark.slow
def test_a_full_store_is_told_and_nothing_is_left_by_half(tmp_path: Path) -> None:
    need_programs(*QEMU)
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=True)
    try:
        lab = made(place)
        free = os.statvfs(place)
        (place / "others").write_bytes(bytes(free.f_bavail * free.f_frsize - MIB))
        refused(lab, NoSpace, "no room")
        (place / "others").unlink()
        with pytest.raises(HostError):  # there is room again: what it boots is read, and is not a kernel
            lab.host.start("WEB1")
        del lab
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
