"""A site whose home is a host of QEMU's machines, by its commands: small systems that boot in seconds, by emulation."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guest import extract_kernel, put_boot
from support.hosts import need_programs
from support.roots import make_root
from support.whole_site import WholeSite

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(1800)]

HOST = """
default_host = "machines"

[hosts.machines]
kind = "qemu"
store = "machines"
accelerator = "tcg"
memory = 256
disk_size = 96
parameters = "quiet panic=-1"
"""
TRIED = 'health_time = 120\ntrial_time = 120\nstop_time = 60\ntests = ["test -e /system/etc/app.conf"]'


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    need_programs("qemu-img", "mkfs.erofs", "mkfs.ext4")
    return extract_kernel(tmp_path_factory.mktemp("kernel") / "unpacked")


@pytest.fixture
def fleet(unpacked: Path) -> Iterator[WholeSite]:
    """With an image, of which there is no gold yet."""
    memory = "/dev/shm"
    room = Path(tempfile.mkdtemp(prefix="goldroot-small-", dir=memory if os.access(memory, os.W_OK) else None))
    fleet = WholeSite(room / "site")
    fleet.root.mkdir()
    (fleet.root / "goldroot.toml").write_text(HOST)
    fleet("init", str(fleet.root))
    fleet.configure(TRIED)
    put_boot(unpacked, make_root(room / "root"))
    fleet("image", "import", "debian", "--from", str(room / "root"))
    try:
        yield fleet
    finally:
        fleet.stop(["web1"])
        shutil.rmtree(room)


def test_both_forms_of_a_test_system_boot_and_its_gold_is_published(fleet: WholeSite) -> None:
    """Its commands run in it while it runs; what they write does not stay."""
    said = fleet("maintain", "test", "debian")
    assert "read-only: passed (2 commands)" in said
    assert "read-write: passed (2 commands)" in said
    assert "untested" not in fleet("gold", "publish", "debian")


def next_gold(fleet: WholeSite, script: str) -> None:
    fleet("maintain", "run", "debian", "sh", "-c", script)
    fleet("gold", "publish", "debian", "--untested")


def came_back(fleet: WholeSite, words: str) -> str:
    """web1 is on gold 1 again and runs, on its old disks; what was said."""
    said = fleet("update", "run", "web1", ok=4)
    assert words in said, said
    assert "It is back on gold 1, on the disks that it had, and runs." in said
    assert fleet.runs()["web1"] == "current"
    until_up(fleet)
    assert fleet.inside("web1", "cat /system/etc/mine") == "mine"
    return said


def until_up(fleet: WholeSite) -> None:
    """Until the agent of web1 listens."""
    for _ in range(120):
        if fleet.run("machine", "run", "web1", "sh", "-c", "true").returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(fleet("machine", "console", "web1"))


def test_a_gold_that_does_not_run_is_stopped_by_its_trial_or_its_server_is_back_by_itself(fleet: WholeSite) -> None:
    quick = "health_time = 60\ntrial_time = 60\nstop_time = 60\n"
    fleet.configure(quick)
    fleet("gold", "publish", "debian", "--untested")
    fleet("clone", "create", "web1", "--image", "debian")
    fleet("machine", "start", "web1")
    until_up(fleet)
    fleet.inside("web1", "echo mine > /system/etc/mine; sync")

    # Its kernel has no initial file system that it could unpack: it panics.
    next_gold(fleet, "for one in /boot/initrd.img-*; do echo nothing > $one; done")
    before = digests(fleet)
    tried = fleet("update", "run", "web1", ok=4)
    assert "trial: it has ended" in tried
    assert "Nothing was switched" in tried and "console: " in tried, tried
    assert {name: before[name] for name in before if "1B" in name} == {
        name: digest for name, digest in digests(fleet).items() if name in before and "1B" in name
    }
    assert fleet.inside("web1", "cat /system/etc/mine") == "mine"
    fleet.configure(f'{quick}trial = "commands"')
    assert "console: " in came_back(fleet, "its boot is not over after 60 s")
    fleet("update", "cancel", "web1", ok=3)


def digests(fleet: WholeSite) -> dict[str, str]:
    """Of the disks that are gold's."""
    disks = sorted((fleet.root / "machines/disks").glob("*.erofs"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in disks}


def test_a_gold_whose_init_hangs_or_whose_network_is_dead_is_left_by_itself(fleet: WholeSite) -> None:
    asked = 'health = ["run ip link show ports0 | grep -q ,UP"]\n'
    fleet.configure(f'health_time = 60\nstop_time = 60\ntrial = "commands"\n{asked}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fleet("gold", "publish", "debian", "--untested")
    fleet("clone", "create", "web1", "--image", "debian", "--port", f"127.0.0.1:{port}:80")
    fleet("machine", "start", "web1")
    until_up(fleet)
    fleet.inside("web1", "echo mine > /system/etc/mine; sync")
    next_gold(fleet, "echo 'echo init hangs; sleep 100000' > /etc/run")
    assert "console: init hangs" in came_back(fleet, "its boot is not over after 60 s")
    next_gold(fleet, "echo 'ip link set ports0 down' > /etc/run")
    assert "run ip link show ports0 | grep -q ,UP: status 1" in came_back(fleet, "web1 did not come up well")
