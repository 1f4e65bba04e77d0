"""zipl itself, of s390-tools, writes the boot record that a machine of s390x under emulation boots from.

The disk is not a DASD: it has the layout of a SCSI disk, which zipl is told, as loop devices say nothing of themselves.  Words
and descriptors are those that a DASD's zipl is given, and the guest sees its disks at the device numbers that z/VM would give.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from goldroot.hosts import SystemDisk
from goldroot.hosts.storefiles import OpenedDisk
from goldroot.hosts.zvm.booting import Booting, write_record
from goldroot.hosts.zvm.dasd import Dasds
from support.guest import INIT, extract_kernel, put_boot
from support.hosts import need_programs

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

QEMU_USER = "qemu-s390x-static"
#: Where the one partition begins, in bytes and in blocks.
BEGIN, BLOCK = 1 << 20, 512

#: The program of s390x, in a root of its own, told what a loop device does not say.
ZIPL = """\
#!/bin/sh
export LO="$(cat {room}/whole)"
exec unshare --mount --propagation private sh -c '
    mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && mount -t sysfs sysfs {root}/sys || exit 3
    exec chroot {root} /{qemu} /sbin/zipl "$@" --targetbase "$LO" --targettype SCSI --targetblocksize {block} --targetoffset {begin}
' zipl "$@" >>{room}/said 2>&1
"""
#: No agent is at the other end: it tells what it has to tell, and ends.
ENDS = (
    INIT[: INIT.index("[ -e /system/etc/dirty ]")]
    + 'echo "told: $(cat /proc/cmdline)"\numount /system/etc /run/goldroot/1B5 /system; poweroff -f\n'
)


@contextmanager
def disk(image: Path, form: str = "ext4") -> Iterator[tuple[str, Path]]:
    """A disk with one partition and a file system: the device of all of it, and where it is mounted."""
    with ExitStack() as stack:
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(128 << 20)
                entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (BEGIN // BLOCK).to_bytes(4, "little")
                entry += ((128 << 20) // BLOCK - BEGIN // BLOCK).to_bytes(4, "little")
                file.seek(446)
                file.write(entry)
                file.seek(510)
                file.write(b"\x55\xaa")
        loops = []
        for begin in (0, BEGIN):
            loop = run("losetup", "--find", "--show", "--offset", str(begin), str(image)).strip()
            stack.callback(run, "losetup", "--detach", loop)
            loops.append(loop)
        if run("blkid", "-o", "value", "-s", "TYPE", loops[1], ok=(0, 2)).strip() != form:
            run(f"mkfs.{form}", "-q", loops[1])
        place = image.with_suffix("")
        place.mkdir(exist_ok=True)
        run("mount", loops[1], str(place))
        stack.callback(run, "umount", str(place))
        yield loops[0], place


def run(*words: str, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in ok, (words, done.stdout, done.stderr)
    return done.stdout


def booted(*disks: tuple[str, Path]) -> list[str]:
    """What a guest says that has these disks, and boots by the record of the first one; there is no kernel beside."""
    words = ["qemu-system-s390x", "-M", "s390-ccw-virtio", "-accel", "tcg", "-m", "512", "-nographic", "-no-reboot"]
    for number, (address, image) in enumerate(disks):
        words += ["-drive", f"file={image},format=raw,if=none,id=disk{number}"]
        device = {"driver": "virtio-blk-ccw", "drive": f"disk{number}", "devno": f"fe.0.0{address.lower()}"}
        words += ["-device", json.dumps(device | ({} if number else {"bootindex": 1}))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout + done.stderr).splitlines()


def test_a_guest_of_s390x_boots_by_the_record_and_puts_its_root_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_programs(QEMU_USER, "qemu-system-s390x", "mmdebstrap", "losetup", "unshare")
    if os.geteuid() != 0 or not os.access("/dev/loop-control", os.W_OK):
        pytest.skip("needs root and loop devices")
    unpacked = extract_kernel(tmp_path / "unpacked", "s390x", "s390-tools")
    shutil.copy(shutil.which(QEMU_USER) or "", unpacked / QEMU_USER)
    for name in ("dev", "proc", "sys"):
        (unpacked / name).mkdir(exist_ok=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "zipl").write_text(
        ZIPL.format(room=tmp_path, root=unpacked, qemu=QEMU_USER, block=BLOCK, begin=BEGIN // BLOCK)
    )
    (programs / "zipl").chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    root, local = tmp_path / "root.img", tmp_path / "local.img"
    with disk(root) as (whole, top), disk(local) as (_, etc), ExitStack() as stack:
        (tmp_path / "whole").write_text(whole)
        put_boot(unpacked, top, ENDS)
        for name in ("etc", "tmp"):
            (top / name).mkdir()
        (etc / "etc").mkdir()
        (etc / "etc/hostname").write_text("web1\n")
        opened = OpenedDisk(os.open(top, os.O_RDONLY | os.O_DIRECTORY))
        stack.callback(opened.close)
        disks = {"1B1": SystemDisk(("/",), "ro", opened), "1B5": SystemDisk(("/etc",), "rw")}
        told = write_record(Booting(parameters="ro panic=-1"), Dasds(), "WEB1", disks)
        assert told == ""
        words = Booting(parameters="ro panic=-1").words("WEB1", disks)
        # Again, as after a kill; and what stands beside the bootmap may go.
        assert write_record(Booting(parameters="ro panic=-1"), Dasds(), "WEB1", disks) == ""
        assert {one.name for one in (top / "boot").iterdir() if "-" not in one.name} == {"bootmap"}
        for one in (top / "boot").glob("*-*"):
            one.unlink()
    lines = booted(("1B1", root), ("1B5", local))
    assert "up as web1 on s390x" in lines, lines[-40:]
    assert "the root was written" not in lines
    assert "etc was written" in lines
    (devices,) = (line.split() for line in lines if line.startswith("channel devices"))
    assert {"0.0.01b1", "0.0.01b5"} <= set(devices)
    assert f"told: {words}" in [line.rstrip() for line in lines]

    # A copy of its files has no boot record: that is what each copy needs.
    copy = tmp_path / "copy.img"
    with disk(root) as (_, there), disk(copy) as (_, here):
        run("cp", "-a", f"{there}/.", str(here))
    assert not [line for line in booted(("1B1", copy), ("1B5", local)) if line.startswith("up as")]
