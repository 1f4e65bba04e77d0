"""End to end with machines: a whole Debian with its own kernel, by emulation, from one packed root that none can write.

Everything is done by commands, and asked inside the servers, by the agent that runs there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from support.hosts import need_programs
from support.systemd_roots import systemd_root
from support.whole_site import WholeSite, in_memory, put

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(7200)]

#: A kernel for machines, and each of the two programs that make an initial file system for it.
KERNEL = "linux-image-cloud-amd64,qemu-guest-agent,udev"
WITH = {"initramfs-tools": "initramfs-tools,busybox", "dracut": "dracut"}

HOSTS = """
default_host = "local"

[hosts.local]
kind = "directory"

[hosts.machines]
kind = "qemu"
store = "machines"
accelerator = "tcg"
memory = 768
processors = 2
disk_size = 2000
parameters = "ro quiet panic=-1"
"""
BAD = """[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo the shop is not there; exit 1'
"""


@pytest.fixture
def fleet() -> Iterator[WholeSite]:
    need_programs("qemu-system-x86_64", "mkfs.erofs", "mkfs.ext4", "setpriv", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with in_memory(["web1"], HOSTS) as fleet:
        yield fleet


@pytest.mark.parametrize("maker", WITH)
def test_machines_move_to_the_next_gold_and_back(fleet: WholeSite, maker: str) -> None:
    fleet.configure('health = ["units"]\nhealth_time = 900\ntrial_time = 900')
    fleet("image", "import", "debian", "--from", str(systemd_root("bookworm", f"{KERNEL},{WITH[maker]}")))
    converted(fleet, maker)
    fleet("gold", "publish", "debian", "--untested")
    fleet("gold", "replicate", "debian", "1", "--to", "machines")
    fleet("clone", "create", "web1", "--image", "debian", "--host", "machines")
    fleet("machine", "start", "web1")
    assert fleet.up("web1") == "running"

    # Its root is gold's, its own disks are where the layout has them, and it becomes itself.
    assert fleet.inside("web1", "hostname; . /etc/os-release; echo $VERSION_ID") == "web1\n12"
    assert fleet.inside("web1", "findmnt -no FSTYPE,OPTIONS /").startswith("erofs  ro")
    for path in ("/etc", "/var", "/usr/local"):
        assert fleet.inside("web1", f"findmnt -no FSTYPE {path}") == "ext4"
    assert "Read-only file system" in fleet.inside("web1", "touch /usr/x 2>&1", ok=1)
    fleet.inside("web1", "echo mine > /etc/mine; rm /etc/host.conf; touch /tmp/x; sync")
    changed = [one["path"] for one in json.loads(fleet("clone", "diff", "web1", "--json", ok=1))["entries"]]
    assert changed.count("/etc/mine") == 1, changed

    # The next gold: merged while it runs, tried beside it, switched, started, asked.
    fleet("maintain", "run", "debian", "sh", "-ec", "echo 2 > /usr/share/golden; echo gold >> /etc/issue.net")
    fleet("gold", "publish", "debian", "--untested")
    fleet("gold", "replicate", "debian", "2", "--to", "machines")
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.inside(
        "web1", "cat /usr/share/golden /etc/mine; tail -n 1 /etc/issue.net; ls /etc/host.conf 2>&1", ok=2
    ) == ("2\nmine\ngold\nls: cannot access '/etc/host.conf': No such file or directory")

    # A gold in which a unit fails: its trial stops the update, and without one the server is back by itself.
    unit, wants = "/usr/lib/systemd/system/shop.service", "/usr/lib/systemd/system/multi-user.target.wants"
    fleet(
        "maintain", "run", "debian", "sh", "-ec", f"{put(unit, BAD)}; mkdir -p {wants}; ln -s ../shop.service {wants}/"
    )
    fleet("gold", "publish", "debian", "--untested")
    fleet("gold", "replicate", "debian", "3", "--to", "machines")
    stopped = fleet("update", "run", "web1", ok=4)
    assert "trial: the unit shop.service has failed" in stopped
    assert "the shop is not there" in stopped, "the words of the journal"
    assert fleet.inside("web1", "systemctl is-system-running; cat /usr/share/golden") == "running\n2"
    fleet.configure('health = ["units"]\nhealth_time = 900\ntrial = "commands"')
    back = fleet("update", "run", "web1", ok=4)
    assert "web1 did not come up well after the update to gold 3: the unit shop.service has failed" in back
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", f"cat /etc/mine /usr/share/golden; test -e {unit} || echo none") == "mine\n2\nnone"

    # And back to the first.
    fleet("rollback", "web1")
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", "cat /etc/mine; ls /usr/share/golden 2>/dev/null || echo none") == "mine\nnone"
    assert "has shut down" in fleet("machine", "stop", "web1")


def converted(fleet: WholeSite, maker: str) -> None:
    """It is converted, and its initial file system has what puts a root together, by its own programs."""
    fleet("maintain", "run", "debian", "sh", "-c", "echo 'UUID=a-b / ext4 defaults 0 1' > /etc/fstab")
    assert "written: /etc/fstab" in fleet("image", "convert", "debian")
    listing = {"initramfs-tools": "lsinitramfs /boot/initrd.img-*", "dracut": "lsinitrd /boot/initrd.img-*"}[maker]
    listed = fleet("maintain", "run", "debian", "sh", "-c", listing)
    for path in (
        "goldroot/mount.sh",
        "goldroot/table",
        {"initramfs-tools": "scripts/goldroot"}.get(maker, "50-mount.sh"),
    ):
        assert path in listed, listed[-2000:]
    assert "are converted already" in fleet("image", "convert", "debian", "--plan")
