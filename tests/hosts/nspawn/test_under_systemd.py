"""Where systemd is process 1: a supervisor has a scope of its own, and ``machinectl`` shows its container.

The tests' own machine may have no systemd as process 1: so this runs in a machine of QEMU, by emulation.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

import goldroot
from goldroot.hosts import Entry
from support.busybox import make_root
from support.guest import INIT, extract_kernel, put_boot
from support.hosts import MIB, Lab, applied, found, hold, live, need_programs, new_disk, qemu_lab

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(1500)]

PACKAGES = "systemd-sysv,systemd-container,dbus,python3-minimal,python3-zstandard,util-linux"

#: The beginning of the other guest's, and then the system of the root.
SWITCH = (
    INIT[: INIT.index("end()")]
    + """
mkdir -p /system
. /goldroot/mount.sh
mount -t ext4 "$(goldroot_device 1B1)" /system || echo "no root"
for name in dev proc sys; do mount --move /$name /system/$name; done
exec switch_root /system /sbin/init
"""
)

UNIT = """[Service]
Type=oneshot
Environment=PYTHONPATH=/goldroot/src
ExecStart=/usr/bin/python3 /goldroot/in_guest.py
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A machine whose only disk is a Debian with systemd, this goldroot, and a service that tries it."""
    need_programs("mmdebstrap", "qemu-system-x86_64")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    unpacked = extract_kernel(tmp_path / "unpacked")
    debian = tmp_path / "debian"
    words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", debian]
    subprocess.run(words, check=True)
    place = tmp_path / "site"
    place.mkdir()
    lab = qemu_lab(
        place, accelerator="tcg", memory=1024, processors=2, architecture="x86_64", parameters="quiet panic=-1"
    )
    lab.host.define(Entry("WEB1", "machine", marks={"1": live()}))
    lab.host.create_disk(new_disk(lab, "root", "WEB1", "1B1", size=1500 * MIB))
    with hold(lab.host, "WEB1"), lab.host.open_disks({"root": "rw"}) as opened:
        top, handle = Path(opened["root"].path), opened["root"].handle
        subprocess.run(["cp", "-a", f"{debian}/.", top], check=True, pass_fds=[handle])
        put_boot(unpacked, top, SWITCH)
        fill(top)
    applied(lab.host.apply(replace(found(lab.host, "WEB1"), startable=True)))
    return lab


def fill(top: Path) -> None:
    make_root(top / "goldroot/root")
    (source,) = goldroot.__path__
    shutil.copytree(source, top / "goldroot/src/goldroot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parents[2] / "support/in_guest.py", top / "goldroot/in_guest.py")
    units = top / "etc/systemd/system"
    (units / "goldroot.service").write_text(UNIT)
    (units / "multi-user.target.wants/goldroot.service").symlink_to("../goldroot.service")


def result(lab: Lab) -> dict[str, str]:
    for _ in range(3500):  # emulated, and beside others: this takes minutes
        lines = lab.host.console("WEB1", 300)
        said = [line.removeprefix("RESULT ") for line in lines if line.startswith("RESULT ")]
        if said:
            return dict(json.loads(said[0]))
        time.sleep(0.2)
    raise AssertionError(lines)


def test_a_supervisor_has_a_scope_and_machinectl_shows_its_container(lab: Lab) -> None:
    lab.host.start("WEB1")
    try:
        said = result(lab)
    finally:
        lab.host.stop("WEB1", 0)
    assert "error" not in said, said["error"]
    assert said["machines"].split()[:3] == ["web1", "container", "systemd-nspawn"]
    unit = said["unit"].strip().removeprefix("Unit=")
    assert unit.startswith("goldroot-here-WEB1-")
    assert unit.endswith(".scope")
    assert said["scopes"].split()[0] == unit
    assert said["supervisor"].strip() == f"0::/system.slice/{unit}"
    assert "up as 0" in said["console"]
    assert "the root was written" not in said["console"]
    assert said["inside"]["out"] == "0\n"  # type: ignore[index]
    assert said["stopped"] == "asked"
    assert said["machines after"] == ""
    assert said["scopes after"] == ""
