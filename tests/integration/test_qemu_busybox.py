"""A site whose home is a host of QEMU's machines, by its commands: small systems that boot in seconds, by emulation."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.guest import extract_kernel, put_boot
from support.hosts import need_programs
from support.roots import make_root
from support.whole_site import WholeSite, in_memory

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
    with in_memory(["web1"], HOST) as fleet:
        fleet.configure(TRIED)
        root = make_root(fleet.root.parent / "root")
        put_boot(unpacked, root)
        fleet("image", "import", "debian", "--from", str(root))
        yield fleet


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
        "its boot is not over after 60 s",
        "Kernel panic",
    ),
    "its init hangs": (
        "echo 'echo init hangs; sleep 100000' > etc/run",
        "trial: its boot is not over after 60 s",
        "its boot is not over after 60 s",
        "init hangs",
    ),
    "its network is dead": (
        "echo 'ip link set ports0 down; echo the network is dead' > etc/run",
        "trial: run ip link show ports0 | grep -q ,UP: status 1",
        "run ip link show ports0 | grep -q ,UP: status 1",
        "the network is dead",
    ),
}
#: A boot takes 5 seconds alone, and many more beside others; what hangs takes all of the time that it is given.
ASKED = """health = ["run ip link show ports0 | grep -q ,UP"]
health_time = {limit}
trial_time = {limit}
stop_time = 20
"""


@pytest.mark.parametrize("fault", BROKEN)
def test_a_gold_that_does_not_run_is_stopped_by_its_trial_or_left_by_itself(fleet: WholeSite, fault: str) -> None:
    """The server runs, with all that is its own, before, between and after."""
    script, in_trial, after_switch, said = BROKEN[fault]
    limit = 60 if "not over" in after_switch else 120
    serving(fleet, limit)
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
    fleet.configure(f'{ASKED.format(limit=limit)}trial = "none"')
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


#: What becomes of a disk's file, and what is told of it by `machine start` and `update run`, and by `doctor`.
LOST = "is not there"
CUT = "was cut off"


def test_disks_that_are_not_what_they_were_are_told_by_each_command(fleet: WholeSite) -> None:
    """Missing, or cut off: nothing starts, and once they are back all goes on."""
    serving(fleet)
    next_gold(fleet, "echo 2 > etc/app.conf")
    fleet("machine", "stop", "web1")
    images = fleet.root / "machines/disks"
    own = images / f"{live_disks(fleet)['1B5']}.ext4"
    gold, _ = sorted(images.glob("*-1B1-*.erofs"), key=lambda one: one.stat().st_mtime_ns)  # the roots of 1 and 2
    for image in (own, gold):
        with put_back(image):
            image.unlink()
            told(fleet, LOST, LOST)
        with put_back(image):
            image.chmod(0o600)
            os.truncate(image, image.stat().st_size - 4096)
            told(fleet, CUT, CUT)
    assert fleet.runs()["web1"] == "nothing"
    fleet("doctor")
    fleet("machine", "start", "web1")
    until_up(fleet)
    assert fleet.inside("web1", "cat /system/etc/mine") == "mine"


AT = ("update.switching", "update.switched", "update.started")


@pytest.mark.parametrize("point", AT)
def test_a_host_that_is_lost_in_the_switch_of_a_server_that_runs(
    fleet: WholeSite, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it ends at once, with the machine that runs; the same command goes on, and the server runs from the new gold."""
    serving(fleet)
    fleet.configure(f'{ASKED.format(limit=120)}trial = "none"')
    next_gold(fleet, "echo 2 > etc/golden")
    with monkeypatch.context() as patch:
        patch.setenv("GOLDROOT_CRASH_AT", point)
        assert fleet.run("update", "run", "web1").returncode == -signal.SIGKILL
    cut_power(fleet)
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.inside("web1", "cat /system/etc/mine /system/etc/golden") == "mine\n2"
    fleet("doctor")


def test_a_server_whose_power_is_cut_replays_its_journal(fleet: WholeSite) -> None:
    """It is told while it is off, is not repaired by anybody else, and is well once it has started."""
    serving(fleet)
    fleet.inside("web1", "echo synced > /system/etc/synced; sync; echo late > /system/etc/late")
    cut_power(fleet)
    assert fleet.runs()["web1"] == "nothing"
    assert "was not unmounted" in fleet.run("clone", "diff", "web1").stderr
    fleet("machine", "start", "web1")
    until_up(fleet)
    assert fleet.inside("web1", "cat /system/etc/mine /system/etc/synced") == "mine\nsynced"
    fleet("machine", "stop", "web1")
    assert "/etc/synced" in fleet("clone", "diff", "web1", ok=1)


def cut_power(fleet: WholeSite) -> None:
    """The QEMU of web1 is killed, where one runs, and with it its supervisor ends."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if os.fsencode(fleet.root) in words and b"qemu-system" in words:
            os.kill(int(place.parent.name), signal.SIGKILL)
    for _ in range(200):
        if fleet.runs()["web1"] == "nothing":
            return
        time.sleep(0.1)
    raise AssertionError(fleet.runs())


def told(fleet: WholeSite, words: str, by_doctor: str) -> None:
    for command in (("machine", "start", "web1"), ("update", "run", "web1")):
        done = fleet.run(*command)
        assert done.returncode not in (0, 1), (command, done.stdout, done.stderr)
        assert words in done.stderr, (command, done.stdout, done.stderr)
    if by_doctor:
        assert fleet.runs()["web1"] == "nothing"
        assert by_doctor in fleet("doctor", ok=1)


@contextmanager
def put_back(image: Path) -> Iterator[None]:
    """What is done to a file in the block is undone at its end: it is the same file again, of the same inode."""
    kept = image.with_name("kept")
    os.rename(image, kept)
    shutil.copy2(kept, image)
    try:
        yield
    finally:
        os.rename(kept, image)


def serving(fleet: WholeSite, limit: int = 120) -> None:
    """web1 runs from gold 1, and has something of its own, on its disk and in its memory."""
    fleet.configure(ASKED.format(limit=limit))
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
