"""End to end with machines of s390x: a whole Debian by emulation, with the paper's device numbers, for which nothing was installed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.foreign_roots import s390x_root
from support.hosts import need_programs
from support.whole_site import WholeSite

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(7200)]

HOST = """
default_host = "machines"

[hosts.machines]
kind = "qemu"
store = "machines"
architecture = "s390x"
memory = 768
disk_size = 1500
parameters = "ro quiet panic=-1"
"""


@pytest.fixture
def fleet() -> Iterator[WholeSite]:
    need_programs("mkfs.erofs", "mkfs.ext4", "setpriv", "depmod")
    memory = "/dev/shm"
    room = Path(tempfile.mkdtemp(prefix="goldroot-s390x-", dir=memory if os.access(memory, os.W_OK) else None))
    fleet = WholeSite(room / "site")
    fleet.root.mkdir()
    (fleet.root / "goldroot.toml").write_text(HOST)
    fleet("init", str(fleet.root))
    try:
        yield fleet
    finally:
        fleet.stop(["web1"])
        shutil.rmtree(room)


def test_a_debian_of_s390x_boots_is_updated_and_goes_back(fleet: WholeSite) -> None:
    """Its root is gold's and cannot be written; its initial file system was packed on this machine."""
    root = s390x_root()
    fleet.configure('health = ["units"]\nhealth_time = 1200\ntrial = "none"')
    fleet("image", "import", "debian", "--from", str(root))
    fleet("gold", "publish", "debian", "--untested")
    fleet("clone", "create", "web1", "--image", "debian")
    fleet("machine", "start", "web1")
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", "uname -m; hostname; ls -d /sys/bus/ccw/devices/0.0.01b[156]") == (
        "s390x\nweb1\n/sys/bus/ccw/devices/0.0.01b1\n/sys/bus/ccw/devices/0.0.01b5\n/sys/bus/ccw/devices/0.0.01b6"
    )
    assert fleet.inside("web1", "findmnt -no FSTYPE,OPTIONS /").startswith("erofs  ro")
    assert "Read-only file system" in fleet.inside("web1", "touch /usr/x 2>&1", ok=1)
    fleet.inside("web1", "echo mine > /etc/mine; sync")

    mark = root / "usr/share/golden"
    mark.write_text("2\n")
    fleet("image", "import", "debian", "--from", str(root), "--replace")
    fleet("gold", "publish", "debian", "--untested")
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.inside("web1", "cat /usr/share/golden /etc/mine") == "2\nmine"
    fleet("rollback", "web1")
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", "cat /etc/mine; ls /usr/share/golden 2>/dev/null || echo none") == "mine\nnone"
    assert "has shut down" in fleet("machine", "stop", "web1")
