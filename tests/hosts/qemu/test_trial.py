"""Trials of machines, by emulation: a set boots in isolation, and not a byte of any disk is another one afterwards."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.errors import Refused, Unreachable
from goldroot.hosts import Around, NetLink, Trial
from support.guest import extract_kernel
from support.hosts import Lab, need_programs, prepare
from support.killing import in_a_copy
from support.qemu_guests import booting, until_said

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    need_programs("qemu-img")
    return extract_kernel(tmp_path_factory.mktemp("kernel") / "unpacked")


@pytest.fixture
def ready(tmp_path: Path, unpacked: Path) -> Iterator[Lab]:
    """Set 5 of WEB1 is prepared: the same root, and an /etc of its own."""
    with booting(tmp_path, unpacked, "x86_64") as lab:
        prepare(lab, slot="GOLD")
        with lab.host.open_disks({"WEB1-5B5": "rw"}) as opened:
            etc = Path(opened["WEB1-5B5"].path, "etc")
            etc.mkdir()
            (etc / "hostname").write_text("merged\n")
        yield lab


def said(trial: Trial, script: str) -> list[str]:
    for _ in range(200):
        try:
            return trial.command(["/bin/sh", "-c", script], 30).out.decode().split("\n")[:-1]
        except Unreachable:
            time.sleep(0.1)
    raise AssertionError(trial.console(100))


def until(trial: Trial, words: str) -> list[str]:
    for _ in range(2400):
        if words in (lines := trial.console(200)):
            return lines
        time.sleep(0.05)
    raise AssertionError(lines)


def digests(lab: Lab) -> dict[str, str]:
    """Of every file that is a disk."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (lab.root / "store/disks").iterdir()}


def left(lab: Lab) -> list[str]:
    return [path.name for path in (lab.root / "store/running").iterdir()]


def test_nothing_of_a_trial_reaches_a_disk_or_a_network(ready: Lab) -> None:
    """It has its server's links and addresses, writes all that it can, and sends to whoever would hear it."""
    before = digests(ready)
    around = Around((NetLink("eth0", ("192.0.2.10/24", "2001:db8::10/64")), NetLink("lan1")), ())
    with socket.create_server(("0.0.0.0", 0)) as outside:
        outside.setblocking(False)
        with ready.host.trial("WEB1", "5", around=around) as trial:
            lines = until(trial, "ready")
            assert "up as merged on x86_64" in lines and "etc was written" in lines
            assert not [line for line in lines if "root was written" in line or "disk was written" in line]
            assert "links: eth0 lan1 lo" in lines, "they were there before anything looked"
            found = said(trial, "ip -o address")
            assert [line for line in found if "eth0" in line and "192.0.2.10/24" in line]
            assert [line for line in found if "eth0" in line and "2001:db8::10/64" in line]
            script = (
                "dd if=/dev/urandom of=/system/etc/x bs=1M count=8; rm /system/etc/hostname; sync; ls /system/etc/x"
            )
            assert said(trial, script)[-1] == "/system/etc/x"
            port = outside.getsockname()[1]
            assert said(trial, f"for to in 10.0.2.2 192.0.2.1; do echo letter | nc -w 1 $to {port}; done; echo") != []
        with pytest.raises(BlockingIOError):
            outside.accept()
    assert digests(ready) == before
    assert left(ready) == []
    with ready.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        assert Path(opened["WEB1-5B5"].path, "etc/hostname").read_text() == "merged\n"


def test_the_server_runs_on_beside_its_trial_and_one_that_is_held_can_be_tried(ready: Lab) -> None:
    ready.host.start("WEB1")
    with ready.host.trial("WEB1", "5") as trial:
        until(trial, "ready")
        until_said(ready, "up as web1")
        assert ready.host.power("WEB1").state == "on"
        with pytest.raises(Refused, match="tried already"), ready.again().trial("WEB1", "5"):
            pass
    assert left(ready) == ["WEB1"]
    assert ready.host.stop("WEB1", 120) == "asked"
    with ready.host.hold("WEB1"), ready.host.trial("WEB1", "1", read_only=["1B5"]) as trial:
        lines = until(trial, "ready")
        assert "up as web1 on x86_64" in lines and "etc was written" not in lines


def test_a_trial_ends_with_the_process_that_asked_for_it(ready: Lab) -> None:
    def try_and_die() -> None:
        with ready.again().trial("WEB1", "5"):
            os.kill(os.getpid(), signal.SIGKILL)

    before = digests(ready)
    assert in_a_copy(try_and_die) == -signal.SIGKILL
    for _ in range(200):
        if ready.host.tidy():
            break
        time.sleep(0.05)
    assert "WEB1.trial" not in left(ready)
    assert digests(ready) == before


def test_a_system_that_ends_has_ended_and_is_not_started_again(ready: Lab) -> None:
    with ready.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        Path(opened["WEB1-5B5"].path, "etc/run").write_text("echo c > /proc/sysrq-trigger\n")
    with ready.host.trial("WEB1", "5") as trial:
        for _ in range(2400):
            if trial.gone():
                break
            time.sleep(0.05)
        with pytest.raises(Refused, match="has ended"):
            trial.command(["true"], 10)
        assert [line for line in trial.console(60) if "sysrq triggered crash" in line.lower()]
