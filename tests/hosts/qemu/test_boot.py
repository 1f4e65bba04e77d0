"""Machines of QEMU that boot, by emulation: from the shared root, which they cannot write, and back to their disks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Damaged, HostError, Refused, StillRunning
from goldroot.hosts.qemu import kvm, monitor
from support.guest import extract_kernel
from support.hosts import Lab, hold, need_programs
from support.qemu_guests import booting, put, until_said

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return extract_kernel(tmp_path_factory.mktemp("kernel") / "unpacked")


@pytest.fixture
def lab(tmp_path: Path, unpacked: Path) -> Iterator[Lab]:
    """A slot ``GOLD`` with a root, and servers ``WEB1`` and ``WEB2``; what runs at the end is killed."""
    with booting(tmp_path, unpacked, "x86_64") as lab:
        yield lab


def test_two_servers_boot_from_one_root_that_neither_can_write(lab: Lab) -> None:
    before = lab.host.info(["root"])["root"].evidence
    for name in ("WEB1", "WEB2"):
        lab.host.start(name)
    for name in ("WEB1", "WEB2"):
        lines = until_said(lab, "ready", name)
        assert any(line.startswith(f"up as {name.lower()} on ") for line in lines), lines
        assert "etc was written" in lines
        assert not [line for line in lines if "no root" in line or "root was written" in line]
        assert not [line for line in lines if "disk was written" in line]
        assert (lab.host.power(name).state, lab.host.power(name).runs) == ("on", "current")
    with pytest.raises(StillRunning), lab.host.hold("WEB1"):
        pass
    with lab.host.open_disks({"WEB1-1B5": "ro", "root": "ro"}, view="live") as opened:
        assert opened["WEB1-1B5"].exact
        assert (Path(opened["WEB1-1B5"].path) / "etc/written").exists(), "as the guest has it now"
        with pytest.raises(OSError, match="Read-only"):
            (Path(opened["WEB1-1B5"].path) / "new").touch()
    assert lab.halves() == []
    assert lab.host.stop("WEB1", 120) == "asked"
    assert lab.host.power("WEB2").state == "on"
    assert "the agent was asked" in lab.host.console("WEB1", 20)
    with lab.host.open_disks({"WEB1-1B5": "ro"}) as opened:
        assert Path(opened["WEB1-1B5"].path, "etc/written").exists()
    assert lab.host.info(["root"])["root"].evidence == before


def test_a_server_of_s390x_has_the_papers_device_numbers(tmp_path: Path) -> None:
    unpacked = extract_kernel(tmp_path / "unpacked", "s390x")
    (tmp_path / "site").mkdir()
    with booting(tmp_path / "site", unpacked, "s390x") as lab:
        lab.host.start("WEB1")
        lines = until_said(lab, "ready")
        assert "up as web1 on s390x" in lines
        (devices,) = (line.split() for line in lines if line.startswith("channel devices"))
        assert {"0.0.01b1", "0.0.01b5"} <= set(devices)
        assert lab.host.stop("WEB1", 120) == "asked"


def test_what_does_not_fit_is_told_and_the_server_is_off_again(lab: Lab) -> None:
    with hold(lab.host, "WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        etc = Path(opened["WEB1-1B5"].path, "etc")
        etc.rename(etc.with_name("etc.old"))
    assert "the disk at 1B5 has no /etc" in told(lab, "WEB1")
    with hold(lab.host, "WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        path = str(lab.host.info(["WEB1-1B5"])["WEB1-1B5"].where["path"])
    Path(path).write_bytes(b"\0" * Path(path).stat().st_size)
    assert "the disk at 1B5 cannot be mounted as ext4" in told(lab, "WEB1")


@pytest.mark.skipif(not kvm.is_offered("x86_64"), reason="this machine does not offer KVM")
def test_where_kvm_is_offered_it_runs_the_kernel_or_the_server_is_emulated(tmp_path: Path, unpacked: Path) -> None:
    """Also where ``/dev/kvm`` is there and runs nothing, as inside some other machines."""
    with booting(tmp_path, unpacked, "x86_64", accelerator="") as lab:
        for starts in (1, 2):
            lab.host.start("WEB1")
            lines = until_said(lab, "ready", starts=starts)
            assert lab.host.stop("WEB1", 120) == "asked"
        (why,) = json.loads((tmp_path / "store/kvm").read_text())["kernels"].values()
        assert len([line for line in lines if "it is emulated: KVM does not run its kernel" in line]) == (
            2 if why else 0
        )


def told(lab: Lab, name: str) -> str:
    """What a machine that does not boot says; it ends by itself."""
    lab.host.start(name)
    for _ in range(2400):
        if lab.host.power(name).state == "off":
            break
        time.sleep(0.05)
    (line,) = [line for line in lab.host.console(name, 60) if "this server does not boot" in line][-1:]
    assert not [line for line in lab.host.console(name, 60) if line.startswith("up as")]
    return line


def test_gold_is_checked_as_it_is_read_by_a_guest_that_can(tmp_path: Path, unpacked: Path) -> None:
    need_programs("veritysetup")
    with booting(tmp_path, unpacked, "x86_64", verity=True, checking=True) as lab:
        lab.host.start("WEB1")
        lines = until_said(lab, "ready")
        assert "goldroot: the disk at 1B1 is checked as it is read" in lines
        assert "up as web1 on x86_64" in lines
        image = str(lab.host.info(["root"])["root"].where["path"])
        Path(f"{image}.roothash").write_text("0" * 64 + "\n")  # all of the disk is another one than that
        assert "the disk at 1B1" in told(lab, "WEB2")


def test_a_guest_that_cannot_check_gold_says_so(tmp_path: Path, unpacked: Path) -> None:
    need_programs("veritysetup")
    with booting(tmp_path, unpacked, "x86_64", verity=True) as lab:
        lab.host.start("WEB1")
        lines = until_said(lab, "ready")
        assert [
            line for line in lines if line.startswith("goldroot: the disk at 1B1 is not checked: that needs verity")
        ]
        assert "up as web1 on x86_64" in lines


def test_where_no_agent_listens_the_button_is_pressed(lab: Lab) -> None:
    put(lab, "WEB1", "no-agent")
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.stop("WEB1", 120) == "pressed"
    assert "the button was pressed" in lab.host.console("WEB1", 20)


def test_who_is_stopped_while_it_boots_is_asked_once_its_agent_listens(lab: Lab) -> None:
    lab.host.start("WEB1")
    assert lab.host.stop("WEB1", 120) == "asked"
    assert "the agent was asked" in lab.host.console("WEB1", 20)
    with lab.host.open_disks({"WEB1-1B5": "ro"}) as opened:
        assert Path(opened["WEB1-1B5"].path, "etc/written").exists()


def test_who_does_not_listen_is_killed_and_its_disk_is_dirty(lab: Lab) -> None:
    put(lab, "WEB1", "dirty")
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.stop("WEB1", 1) == "killed"
    with pytest.raises(Damaged, match="not unmounted"):
        lab.host.open_disks({"WEB1-1B5": "ro"}).__enter__()
    lab.host.start("WEB1")
    until_said(lab, "up as web1", starts=2)


def test_a_machine_that_is_stopped_by_its_monitor_says_so(lab: Lab) -> None:
    lab.host.start("WEB1")
    with monitor.qmp(str(lab.root / "store/running/WEB1")) as talk:
        talk.ask("stop")
    assert "QEMU says: paused" in lab.host.power("WEB1").why
    with monitor.qmp(str(lab.root / "store/running/WEB1")) as talk:
        talk.ask("cont")
        with pytest.raises(HostError, match="dance"):
            talk.ask("dance")


def test_the_machine_ends_with_its_supervisor(lab: Lab) -> None:
    lab.host.start("WEB1")
    said = re.search(r"process (\d+)", lab.host.power("WEB1").why)
    assert said
    os.kill(int(said[1]), signal.SIGKILL)
    for _ in range(200):
        if lab.host.power("WEB1").state == "off":
            break
        time.sleep(0.05)
    with lab.host.hold("WEB1"):
        pass


def test_a_qemu_that_does_not_start_says_why(lab: Lab) -> None:
    lab.host.config = replace(lab.host.config, options=["-nonsense"])
    with pytest.raises(HostError, match="ended at once") as caught:
        lab.host.start("WEB1")
    assert [line for line in caught.value.lines if "nonsense" in line], "the end of its console"
    assert lab.host.power("WEB1").state == "off"


def test_a_root_without_a_kernel_is_told(lab: Lab) -> None:
    lab.host.config = replace(lab.host.config, root="B5")
    with pytest.raises(Damaged, match="nothing to boot"):
        lab.host.start("WEB1")


def test_a_held_machine_is_started_by_no_qemu(lab: Lab) -> None:
    need_programs("qemu-io")
    path = str(lab.host.info(["WEB1-1B5"])["WEB1-1B5"].where["path"])

    def other_qemu() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 512", path], capture_output=True, text=True)

    with lab.host.hold("WEB1"):
        done = other_qemu()
        assert done.returncode != 0
        assert "lock" in done.stderr
        with pytest.raises(Refused, match="WEB1 is in use by"):
            lab.again().start("WEB1")
    with subprocess.Popen(["qemu-io", "-f", "raw", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # its prompt: it has the file open
        with pytest.raises(StillRunning), lab.host.hold("WEB1"):
            pass
        process.kill()
    assert other_qemu().returncode == 0
