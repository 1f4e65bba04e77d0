"""How many copies and logons go on at once, and what becomes of an operation of the directory manager that never ends."""

from __future__ import annotations

import os
import signal
import ssl
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Busy, HostError
from goldroot.hosts.inuse import InUse
from goldroot.hosts.zvm.host import ZvmHost
from goldroot.hosts.zvm.limits import Limits, Places
from goldroot.zvm.simulator import Listening
from goldroot.zvm.simulator import tls as certificates
from goldroot.zvm.simulator.operations import RUNNING, finish
from goldroot.zvm.smapi import Clock, Patience
from support.fleet import ROOT
from support.hosts import found, make_machine, make_slot, new_disk
from support.killing import in_a_copy
from support.zvmfleet import ZvmFleet, password
from support.zvmlab import ZvmLab


class Time:
    """A clock that goes on when somebody sleeps, and does something then."""

    def __init__(self) -> None:
        self.seconds, self.then = 0.0, (lambda: None)  # type: Callable[[], None]

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.then()


@pytest.fixture
def notes(tmp_path: Path) -> InUse:
    notes = InUse(str(tmp_path))
    notes.create()
    return notes


def test_who_comes_too_late_waits_for_a_place(notes: InUse) -> None:
    time = Time()
    places = Places(notes, Limits(copies=2, logons=1), time.clock(), patience=60)
    with ExitStack() as first, places.one("copies"):
        first.enter_context(places.one("copies"))
        with places.one("logons"):
            pass  # another kind has places of its own
        assert time.seconds == 0
        time.then = lambda: first.close() if time.seconds == 5 else None
        with places.one("copies"):
            assert time.seconds == 5


def test_who_waits_for_too_long_is_told_by_whom(notes: InUse) -> None:
    time = Time()
    places = Places(notes, Limits(copies=1), time.clock(), patience=60)
    with (
        places.one("copies"),
        pytest.raises(Busy, match=r"no more than 1 copies at once are wanted.* since 2"),
        places.one("copies"),
    ):
        pass
    assert time.seconds == 60
    with places.one("copies"):
        pass


def test_a_killed_command_gives_its_place_back(notes: InUse) -> None:
    places = Places(notes, Limits(copies=1), Time().clock(), patience=0)

    def die() -> None:
        with places.one("copies"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(die) == -signal.SIGKILL
    with places.one("copies"):
        pass


# -- at the host


@pytest.fixture
def lab(tmp_path: Path) -> ZvmLab:
    lab = ZvmLab(tmp_path)
    make_slot(lab, "DEBIANGOLD", 1)
    make_machine(lab)
    return lab


def impatient(lab: ZvmLab, **limits: int) -> ZvmHost:
    """A host that waits for nothing."""
    client = lab.client()
    client.patience = Patience(tries=2, pause=0, interval=0, operation=0)
    parts = replace(lab.host._parts, client=client, limits=Limits(**limits))  # type: ignore[attr-defined]
    return ZvmHost("here", str(lab.root / "store"), parts)


@pytest.mark.slow
def test_erasing_and_logging_on_take_a_place(lab: ZvmLab) -> None:
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=True))
    lab.host.create_disk(new_disk(lab, "extra", "WEB1", "5B5"))
    seen: list[tuple[str, list[str]]] = []
    lab.sim.system.heard = lambda where, text: seen.append(
        (text.split()[0], [name for name in InUse(str(lab.root / "store")).names() if taken(lab, name)])
    )
    host = impatient(lab, copies=1, logons=1)
    host.delete_disk("extra")
    host.start("WEB1")
    host.stop("WEB1", 0)
    lab.sim.system.heard = None
    held = {call: [name for name in names if name[:6] in ("copies", "logons")] for call, names in seen}
    assert held["Image_Disk_Delete_DM"] == ["copies-0"]
    assert held["Image_Activate"] == ["logons-0"]
    assert held["Image_Deactivate"] == []


def taken(lab: ZvmLab, name: str) -> bool:
    return not InUse(str(lab.root / "store")).free(name)


@pytest.mark.slow
@pytest.mark.parametrize("comes", [False, True], ids=["cancelled", "done late"])
def test_an_operation_that_hangs_is_told_and_the_same_call_finishes_it_later(lab: ZvmLab, comes: bool) -> None:
    operations = lab.sim.system.operations

    def end() -> None:
        for number, operation in list(operations._all.items()):
            if comes and operation.state == RUNNING:
                finish(operation)
            operations.cancel(number)

    lab.sim.faults.add("stuck-operation@Image_Disk_Create_DM#1")
    new = new_disk(lab, "new", "WEB1", "5B5")
    with pytest.raises(HostError, match=r"the minidisk 05B5 of WEB1 was not made, or not yet"):
        impatient(lab).create_disk(new)
    assert lab.halves() == []
    assert "new" not in {disk.id for disk in found(lab.host, "WEB1").disks.values()}
    end()
    lab.host.create_disk(new)
    assert found(lab.host, "WEB1").disks["5B5"].id == "new"

    lab.sim.faults.add("stuck-operation@Image_Disk_Delete_DM#1")
    with pytest.raises(HostError, match="is still going on"):
        impatient(lab).delete_disk("new")
    assert lab.halves() == []
    assert "new" not in {disk.id for disk in found(lab.host, "WEB1").disks.values()}, "nobody sees it any more"
    end()
    lab.host.delete_disk("new")
    assert not any("05B5" in line for line in lab.sim.system.entry("WEB1"))
    assert lab.host.disk_ids() == sorted(one for one in lab.host.disk_ids() if one != "new")


@pytest.mark.slow
def test_a_command_is_one_tls_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMAPI takes one request for each connection; all but the first of a command resume its session."""
    made: list[ssl.SSLContext] = []
    real = certificates.context

    def kept(pair: certificates.Certificate) -> ssl.SSLContext:
        made.append(real(pair))
        return made[-1]

    monkeypatch.setattr(certificates, "context", kept)
    fleet = ZvmFleet(tmp_path / "fleet", capsys, listening=Listening("127.0.0.1", tls=True))
    try:
        table = fleet.site_dir / "goldroot.toml"
        table.write_text(table.read_text().replace("tls = false", f'ca_file = "{fleet.sim.certificate}"'))
        password(monkeypatch, fleet)
        fleet.image(ROOT)
        fleet("clone", "create", "web1", "--image", "s10")
        fleet.publish({"etc/plain.conf": "2\n"})
        for words in (("update", "run", "web1"), ("rollback", "web1")):
            calls, before = fleet.sim.dispatcher.calls, made[0].session_stats()
            fleet(*words)
            after = made[0].session_stats()
            connections, resumed = (after[key] - before[key] for key in ("accept_good", "hits"))
            assert connections == fleet.sim.dispatcher.calls - calls > 10, words
            assert connections - resumed == 1, words
    finally:
        fleet.sim.stop()
