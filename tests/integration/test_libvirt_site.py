"""End to end with libvirt's machines: a whole Debian, by emulation, that others start, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.hosts import need_programs
from support.libvirtd import need_libvirt
from support.systemd_roots import systemd_root
from support.whole_site import WholeSite, in_memory

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(2400)]

PACKAGES = "linux-image-cloud-amd64,initramfs-tools,busybox,qemu-guest-agent,udev"
HOSTS = """
default_host = "local"

[hosts.local]
kind = "directory"

[hosts.machines]
kind = "libvirt"
uri = "{uri}"
prefix = "site-"
store = "machines"
accelerator = "tcg"
memory = 768
processors = 2
disk_size = 2000
parameters = "ro quiet panic=-1"
"""


@pytest.fixture
def fleet() -> Iterator[WholeSite]:
    uri = need_libvirt()
    need_programs("mkfs.erofs", "mkfs.ext4", "mmdebstrap")
    with in_memory(["web1"], HOSTS.format(uri=uri)) as fleet:
        yield fleet


def domains(name: str = "site-WEB1") -> Any:
    """The domain of a server, or none of that name."""
    import libvirt

    connection = libvirt.open(need_libvirt())
    return next((one for one in connection.listAllDomains() if one.name() == name), None)


def test_a_server_that_virsh_starts_moves_to_the_next_gold_and_back(fleet: WholeSite) -> None:
    fleet.configure('health = ["units"]\nhealth_time = 900\ntrial_time = 900')
    fleet("image", "import", "debian", "--from", str(systemd_root("bookworm", PACKAGES)))
    fleet("gold", "publish", "debian", "--untested")
    fleet("gold", "replicate", "debian", "1", "--to", "machines")
    fleet("clone", "create", "web1", "--image", "debian", "--host", "machines")
    domains().create()
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", "hostname; . /etc/os-release; echo $VERSION_ID") == "web1\n12"
    assert fleet.inside("web1", "findmnt -no FSTYPE,OPTIONS /").startswith("erofs  ro")
    fleet.inside("web1", "echo mine > /etc/mine; sync")
    assert "/etc/mine" in fleet("clone", "diff", "web1", ok=1)

    fleet("maintain", "run", "debian", "sh", "-ec", "echo 2 > /usr/share/golden; echo gold >> /etc/issue.net")
    fleet("gold", "publish", "debian", "--untested")
    fleet("gold", "replicate", "debian", "2", "--to", "machines")
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.inside("web1", "cat /usr/share/golden /etc/mine; tail -n 1 /etc/issue.net") == "2\nmine\ngold"
    fleet("rollback", "web1")
    assert fleet.up("web1") == "running"
    assert fleet.inside("web1", "cat /etc/mine; ls /usr/share/golden 2>/dev/null || echo none") == "mine\nnone"
    assert "has shut down" in fleet("machine", "stop", "web1")
    fleet("clone", "delete", "web1")
    assert domains() is None
