"""End to end on another architecture: a whole Debian for s390x, by emulation, with the paper's layout and device numbers.

Its kernel was unpacked and not installed, so goldroot packs what it boots by.  Programs of it run here by qemu-user: those
that make the next gold, and those that an update runs in the merged system.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from support.foreign import running_s390x, s390x_root
from support.hosts import need_programs
from support.whole_site import WholeSite, in_memory

# Alone two minutes for the root and three for the rest, of which each of its four boots is half a minute; far more beside
# others' work.
pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(7200)]

HOSTS = """
default_host = "machines"

[hosts.machines]
kind = "qemu"
store = "machines"
architecture = "s390x"
accelerator = "tcg"
memory = 768
processors = 2
disk_size = 2000
parameters = "ro quiet panic=-1 systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
"""
SETTINGS = 'health = ["units"]\nhealth_time = 900\ntrial_time = 900\nstop_time = 300\n'


@pytest.fixture
def fleet() -> Iterator[WholeSite]:
    need_programs("qemu-system-s390x", "qemu-img", "mkfs.erofs", "mkfs.ext4", "setpriv", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with running_s390x(), in_memory(["web1"], HOSTS) as fleet:
        yield fleet


def test_a_server_of_s390x_moves_to_the_next_gold_and_back(fleet: WholeSite) -> None:
    fleet.configure(SETTINGS)
    fleet("image", "import", "debian", "--from", str(s390x_root("bookworm")))
    fleet("gold", "publish", "debian", "--untested")
    assert "s390x" in fleet("gold", "show", "debian", "1")
    fleet("clone", "create", "web1", "--image", "debian")
    fleet("machine", "start", "web1")
    assert fleet.up("web1") == "running"

    # It has the paper's disks at their numbers, a root that is gold's, and becomes itself.
    assert fleet.inside("web1", "uname -m; hostname; . /etc/os-release; echo $VERSION_ID") == "s390x\nweb1\n12"
    numbers = "for one in 1b1 1b5 1b6; do ls /sys/bus/ccw/devices/0.0.0$one/virtio*/block; done"
    root, local, var = fleet.inside("web1", numbers).split()
    sources = fleet.inside("web1", "for path in / /etc /var; do findmnt -nvo SOURCE $path; done")
    assert sources.split() == [f"/dev/{disk}" for disk in (root, local, var)]
    root_is_golds(fleet)
    fleet.inside("web1", "echo mine > /etc/mine; rm /etc/host.conf; sync")
    changed = [one["path"] for one in json.loads(fleet("clone", "diff", "web1", "--json", ok=1))["entries"]]
    assert changed.count("/etc/mine") == 1, changed

    # The next gold, by its own programs; they check the merged system, too, which is then tried, switched, started, asked.
    fleet("maintain", "run", "debian", "sh", "-ec", "uname -m > /usr/share/golden; echo gold >> /etc/issue.net")
    fleet("gold", "publish", "debian", "--untested")
    fleet.configure(f'{SETTINGS}checks = ["uname -m; false"]')
    assert "uname -m; false: ended with status 1: s390x" in fleet("update", "run", "web1", ok=4)
    fleet.configure(SETTINGS)
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.inside(
        "web1", "cat /usr/share/golden /etc/mine; tail -n 1 /etc/issue.net; ls /etc/host.conf 2>&1", ok=2
    ) == ("s390x\nmine\ngold\nls: cannot access '/etc/host.conf': No such file or directory")
    root_is_golds(fleet)

    # And back, with what it had.
    fleet("rollback", "web1")
    assert fleet.up("web1") == "running"
    assert fleet.inside(
        "web1", "cat /etc/mine; ls /usr/share/golden 2>/dev/null || echo none; grep -c gold /etc/issue.net", ok=1
    ) == ("mine\nnone\n0")
    root_is_golds(fleet)
    assert "has shut down" in fleet("machine", "stop", "web1")
    fleet("doctor")


def root_is_golds(fleet: WholeSite) -> None:
    """Inside, nothing can be written but what stands on the server's own disks."""
    assert fleet.inside("web1", "findmnt -no FSTYPE,OPTIONS /").startswith("erofs  ro")
    for path in ("/etc", "/var", "/usr/local"):
        assert fleet.inside("web1", f"findmnt -no FSTYPE,OPTIONS {path}").startswith("ext4   rw")
    assert "Read-only file system" in fleet.inside("web1", "touch /usr/x 2>&1", ok=1)
