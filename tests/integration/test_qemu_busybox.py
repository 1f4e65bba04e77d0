"""A site whose home is a host of QEMU's machines, by its commands: small systems that boot in seconds, by emulation."""

from __future__ import annotations

import json
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


#: What a gold is given that does not run -> what is wrong with it, in a trial and after a switch; and words of its console.
BROKEN = {
    "its kernel does not boot": (
        "for one in boot/initrd.img-*; do echo nothing > $one; done",
        "trial: it has ended",
        "its boot is not over after 45 s",
        "Kernel panic",
    ),
    "its init hangs": (
        "echo 'echo init hangs; sleep 100000' > etc/run",
        "trial: its boot is not over after 45 s",
        "its boot is not over after 45 s",
        "init hangs",
    ),
    "its network is dead": (
        "echo 'ip link set ports0 down; echo the network is dead' > etc/run",
        "trial: run ip link show ports0 | grep -q ,UP: status 1",
        "run ip link show ports0 | grep -q ,UP: status 1",
        "the network is dead",
    ),
}
#: A boot takes 5 seconds alone, and some more beside others.
ASKED = """health = ["run ip link show ports0 | grep -q ,UP"]
health_time = 45
trial_time = 45
stop_time = 20
"""


@pytest.mark.parametrize("fault", BROKEN)
def test_a_gold_that_does_not_run_is_stopped_by_its_trial_or_left_by_itself(fleet: WholeSite, fault: str) -> None:
    """The server runs, with all that is its own, before, between and after."""
    script, in_trial, after_switch, said = BROKEN[fault]
    serving(fleet)
    next_gold(fleet, script)

    # Its trial tells: the server is not stopped, and its disks are those that it had.
    disks = live_disks(fleet)
    stopped = fleet("update", "run", "web1", ok=4)
    assert in_trial in stopped, stopped
    assert "Nothing was switched" in stopped, stopped
    assert said in stopped.partition("What the trial said:")[2], stopped
    assert fleet.inside("web1", "cat /only-in-memory /system/etc/mine") == "running\nmine", "it was not stopped"
    assert live_disks(fleet) == disks

    # Without a trial it is switched, does not come up well in its time, and is back on what it had.
    fleet.configure(f'{ASKED}trial = "none"')
    back = fleet("update", "run", "web1", ok=4)
    assert f"web1 did not come up well after the update to gold 2: {after_switch}" in back, back
    assert "It is back on gold 1, on the disks that it had, and runs." in back, back
    assert said in back.partition("What it said last:")[2], back
    assert fleet.runs()["web1"] == "current"
    until_up(fleet)
    assert fleet.inside("web1", "cat /system/etc/mine; test -e /only-in-memory || echo started again") == (
        "mine\nstarted again"
    )
    assert live_disks(fleet) == disks
    fleet("doctor")


def serving(fleet: WholeSite) -> None:
    """web1 runs from gold 1, and has something of its own, on its disk and in its memory."""
    fleet.configure(ASKED)
    fleet("gold", "publish", "debian", "--untested")
    fleet("clone", "create", "web1", "--image", "debian", "--port", f"127.0.0.1:{free_port()}:80")
    fleet("machine", "start", "web1")
    until_up(fleet)
    fleet.inside("web1", "echo mine > /system/etc/mine; echo running > /only-in-memory; sync")


def next_gold(fleet: WholeSite, script: str) -> None:
    fleet("maintain", "run", "debian", "sh", "-ec", f"cd /; {script}")
    fleet("gold", "publish", "debian", "--untested")


def live_disks(fleet: WholeSite) -> dict[str, str]:
    """The disks that web1 runs from, by address."""
    disks = json.loads(fleet("clone", "show", "web1", "--json"))["disks"]
    return {address: id for address, id in disks.items() if address.startswith("1")}


def until_up(fleet: WholeSite) -> None:
    """Until the agent of web1 listens."""
    for _ in range(240):
        if fleet.run("machine", "run", "web1", "sh", "-c", "true").returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(fleet("machine", "console", "web1"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
