"""Consoles that no ssh reaches: spooled by the guest, sent to the management guest's reader by SMAPI, received by vmur."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, HostError
from goldroot.hosts.zvm import ZvmConfig, ZvmHost, open_host
from goldroot.hosts.zvm.consoles import Spooled
from goldroot.zvm.smapi import Clock
from support.hosts import make_machine, make_slot
from support.zvmfleet import ZvmFleet
from support.zvmlab import ZvmLab

UP = "web1 login:"


class Later:
    """A clock on which the guest says something more each time that somebody waits."""

    def __init__(self, lab: ZvmLab, *said: str) -> None:
        self._lab, self._said, self._now = lab, list(said), 0.0
        self.clock = Clock(now=lambda: self._now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self._now += seconds
        if seconds and self._said and "WEB1" in self._lab.sim.system.active():
            self._lab.sim.system.says("WEB1", self._said.pop(0))


@pytest.fixture
def lab(tmp_path: Path) -> ZvmLab:
    lab = ZvmLab(tmp_path)
    make_slot(lab)
    make_machine(lab)
    return lab


def spooling(lab: ZvmLab, *said: str, up: str = "", within: float = 300.0) -> ZvmHost:
    """The host that reads consoles; the guest says these lines while it is waited for."""
    parts = lab.host._parts  # type: ignore[attr-defined]
    client = lab.client()
    client.clock = Later(lab, *said).clock
    spooled = Spooled(vmur=str(lab.root / "cp/vmur"), up=up, within=within)
    return ZvmHost("here", str(lab.root / "store"), replace(parts, client=client, spooled=spooled))


@pytest.mark.slow
def test_a_console_is_read_piece_by_piece_and_begins_with_the_logon(lab: ZvmLab) -> None:
    host, system = spooling(lab), lab.sim.system
    host.start("WEB1")
    assert host.console("WEB1", 10) == []
    system.says("WEB1", "kernel: it began", "kernel: it is up")
    assert host.console("WEB1", 10) == ["kernel: it began", "kernel: it is up"]
    assert system.reader("GOLDMGMT") == [], "what was read is in no reader any more"
    # What another command, that was killed, has left in the reader, and others' files there.
    system.says("WEB1", "cron: hello")
    system.spool_console("WEB1", "GOLDMGMT")
    system.says("MAINT", "DMSMAINT")
    system.spool_console("MAINT", "GOLDMGMT")
    system.says("WEB1", "cron: again")
    assert host.console("WEB1", 3) == ["kernel: it is up", "cron: hello", "cron: again"]
    assert [line.split()[0] for line in system.reader("GOLDMGMT")] == ["MAINT"]
    assert (lab.root / "store/guests/WEB1.console").stat().st_mode & 0o077 == 0
    # From the next logon on it is another system's.
    host.stop("WEB1", 0)
    assert host.console("WEB1", 3) == []
    host.start("WEB1")
    system.says("WEB1", "kernel: once more")
    assert host.console("WEB1", 10) == ["kernel: once more"]
    assert lab.sim.bugs == []


@pytest.mark.slow
def test_a_start_is_done_when_the_console_says_so(lab: ZvmLab) -> None:
    spooling(lab, "kernel: it began", UP, up="login:").start("WEB1")
    lab.host.stop("WEB1", 0)
    with pytest.raises(HostError, match="does not show 'login:' after 20 seconds") as failed:
        spooling(lab, "kernel: it began", "kernel: panic", up="login:", within=20).start("WEB1")
    assert failed.value.lines == ["console: kernel: it began", "console: kernel: panic"]
    # One that runs is asked again: it may have come since.
    lab.sim.system.says("WEB1", UP)
    spooling(lab, up="login:", within=20).start("WEB1")


@pytest.mark.slow
def test_a_reader_that_cannot_be_read_is_told(lab: ZvmLab) -> None:
    host = spooling(lab)
    host.start("WEB1")
    lab.sim.system.says("WEB1", "kernel: it began")
    (lab.root / "cp/vmur").write_text("#!/bin/sh\necho 'vmur: no reader' >&2\nexit 1\n")
    with pytest.raises(HostError, match="vmur list ended with status 1: vmur: no reader"):
        host.console("WEB1", 10)


@pytest.mark.parametrize(
    "values",
    [
        {"console_up": "login:"},
        {"console": "spool", "user": "GOLDADM"},
        {"console": "spool", "console_time": 0},
    ],
)
def test_a_table_that_says_no_sense_of_consoles_is_refused(values: dict[str, object], tmp_path: Path) -> None:
    said = {"server": "127.0.0.1", "user": "GOLDMGMT", "guest": "GOLDMGMT", "group": "LINUX", **values}
    with pytest.raises(BadInput):
        open_host("here", ZvmConfig(**said), str(tmp_path))  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_update_that_does_not_come_up_by_its_console_goes_back(
    fleet: ZvmFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.write_table('console = "spool"\nconsole_up = "login:"\nconsole_time = 1\nboot = "outside"')
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    said = {
        1: ("kernel: it is up", UP),
        2: ("kernel: it is up", UP),
        3: ("kernel: panic",),
        4: ("kernel: it is up", UP),
    }
    control, logons = fleet.sim.system.cp, iter(said)
    logon = control.logon

    def speaking(name: str) -> object:
        guest = logon(name)
        guest.console += said[next(logons)]
        return guest

    monkeypatch.setattr(control, "logon", speaking)
    fleet("machine", "start", "web1")
    fleet.publish({"etc/plain.conf": "2\n"})
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet("machine", "console", "web1").splitlines()[-1] == UP
    fleet.publish({"etc/plain.conf": "3\n"})
    status, text = fleet.ends("update", "run", "web1")
    assert status != 0
    assert "its console does not show 'login:'" in text
    assert "console: kernel: panic" in text
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
    assert fleet.data("machine", "list", "web1")["machines"][0]["runs"] == "current"
