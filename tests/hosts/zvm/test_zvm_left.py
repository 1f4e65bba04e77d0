"""What a command leaves is found by its note, also while a forked copy of it still ends, and until it was really given back."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from goldroot.errors import HostError
from goldroot.hosts import Applied, Entry, Host, Mark, with_mark
from goldroot.hosts.inuse import InUse, new_note
from goldroot.hosts.zvm.cp import NO_DEVICE, CpRefused
from goldroot.hosts.zvm.links import Links, Minidisk
from goldroot.hosts.zvm.reading import Extent
from goldroot.zvm import directory as source
from support.hosts import make_slot
from support.killing import in_a_copy
from support.zvmlab import ZvmLab
from support.zvmsite import Site, simulator

SINCE = "2026-11-26T09:30:00Z"


def killed_with_a_copy(act: Callable[[Callable[[], None]], object], gate: tuple[int, int]) -> None:
    """Run a function that is given a way to end it: killed, while a forked copy of it stays until the gate is opened."""

    def end() -> None:
        if os.fork() == 0:
            os.close(gate[1])
            os.read(gate[0], 1)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(partial(act, end)) == -signal.SIGKILL
    os.close(gate[0])


def ends_at_the_first_sleep(monkeypatch: pytest.MonkeyPatch, locks: Path, gate: int) -> list[float]:
    """Whoever waits lets the copy end, and goes on when the kernel has given back all that it had; how long it waited."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        if not slept:
            os.close(gate)
            for path in locks.iterdir():
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
        slept.append(seconds)

    monkeypatch.setattr("goldroot.hosts.inuse.time.sleep", sleep)
    return slept


def never(seconds: float) -> None:
    pytest.fail("it waits for a command that lives")


def test_a_forked_copy_of_a_killed_command_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes, gate = InUse(str(tmp_path)), os.pipe()
    notes.create()

    def act(end: Callable[[], None]) -> None:
        assert notes.take("link-F00", note=new_note("disk")) is not None
        end()

    killed_with_a_copy(act, gate)
    assert notes.take("link-F00", patient=False) is None, "its copy has it still"
    slept = ends_at_the_first_sleep(monkeypatch, tmp_path / "locks", gate[1])
    taken = notes.take_left("link-F00")
    assert taken is not None
    assert taken.left
    assert len(slept) == 1
    taken.close()


def test_nobody_waits_for_a_command_that_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldroot.hosts.inuse.time.sleep", never)
    notes = InUse(str(tmp_path))
    notes.create()
    taken = notes.take("link-F00", note=new_note("disk"))
    assert taken is not None
    assert InUse(str(tmp_path)).take_left("link-F00") is None
    assert notes.note("link-F00").pid == os.getpid(), "who only looks changes nothing"
    taken.close()
    again = InUse(str(tmp_path)).take_left("link-F00")
    assert again is not None
    assert not again.left, "it was given back in order"
    again.close()


@pytest.mark.slow
def test_a_link_is_given_back_although_a_copy_of_the_killed_command_has_its_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, gate = ZvmLab(tmp_path), os.pipe()
    make_slot(lab, "DEBIANGOLD", 1)

    def act(host: Host, end: Callable[[], None]) -> None:
        with host.open_disks({"DEBIANGOLD-1B1": "ro"}):
            end()

    killed_with_a_copy(partial(act, lab.again()), gate)
    assert lab.halves() != []
    slept = ends_at_the_first_sleep(monkeypatch, tmp_path / "store" / "locks", gate[1])
    told = lab.again().tidy()
    assert any("gave back the link" in one for one in told)
    assert slept != []
    assert lab.halves() == []
    with lab.again().open_disks({"DEBIANGOLD-1B1": "ro"}):
        monkeypatch.setattr("goldroot.hosts.inuse.time.sleep", never)
        assert lab.again().tidy() == [], "that link is in use"


def site_of(tmp_path: Path) -> tuple[Site, Entry]:
    site = Site(simulator(tmp_path), tmp_path)
    site.sim.start()
    entries = site.entries()
    entries.define(Entry("WEB1", "machine", marks={"1": Mark("live", "making", "debian", "web1", 1, SINCE)}))
    return site, found_in(site)


def found_in(site: Site) -> Entry:
    entry: Entry | None = site.entries().find("WEB1")
    assert entry is not None
    return entry


def refuse(now: source.Entry | None) -> source.Entry | None:
    raise HostError("no")


#: Why a lock is not given back.
UNANSWERED = ("server-away@Image_Unlock_DM", "lost-request@Image_Unlock_DM,lost-request@Response_Recovery")


@pytest.mark.parametrize("faults", UNANSWERED)
def test_a_lock_that_could_not_be_given_back_is_given_back_by_the_next_command(tmp_path: Path, faults: str) -> None:
    site, entry = site_of(tmp_path)
    try:
        for fault in faults.split(","):
            site.sim.faults.add(fault)
        with pytest.raises(HostError, match="no"):
            site.manager().replace("WEB1", refuse)
        assert site.sim.system.manager.locks.image("WEB1") == "GOLDMGMT"
        assert site.manager().left() == ["WEB1"]
        # It may fail more than once, and then still be known.
        with pytest.raises(HostError):
            site.manager().unlock_left("WEB1")
        assert site.manager().left() == ["WEB1"]
        site.sim.faults.clear()
        wanted = with_mark(entry, "1", Mark("live", "update", "debian", "web1", 2, SINCE))
        assert site.entries().apply(wanted).outcome == "done"
        assert site.sim.system.manager.locks.image("WEB1") is None
        assert site.manager().left() == []
    finally:
        site.sim.stop()


def test_a_lock_that_was_kept_for_a_change_in_a_queue_is_given_back_by_the_next_command(tmp_path: Path) -> None:
    """The request was lost, and nothing could be asked: it may have waited in a queue, and did not."""
    site, entry = site_of(tmp_path)
    try:
        wanted = with_mark(entry, "1", Mark("live", "update", "debian", "web1", 2, SINCE))
        for fault in (
            "lost-request@Image_Replace_DM#1",
            "lost-request@Response_Recovery",
            "lost-request@Image_Lock_Query_DM",
        ):
            site.sim.faults.add(fault)
        assert site.entries().apply(wanted) == Applied("unknown", None)
        site.sim.faults.clear()
        assert site.sim.system.manager.locks.image("WEB1") == "GOLDMGMT"
        assert site.entries().apply(wanted).outcome == "done"
        assert site.sim.system.manager.locks.image("WEB1") is None
        assert site.manager().left() == []
    finally:
        site.sim.stop()


def test_an_entry_is_locked_although_a_copy_of_a_killed_command_has_its_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, entry = site_of(tmp_path)
    try:
        gate = os.pipe()

        def act(end: Callable[[], None]) -> None:
            def killed(now: source.Entry | None) -> source.Entry | None:
                end()
                return now

            site.manager().replace("WEB1", killed)

        killed_with_a_copy(act, gate)
        assert site.sim.system.manager.locks.image("WEB1") == "GOLDMGMT"
        slept = ends_at_the_first_sleep(monkeypatch, tmp_path / "locks", gate[1])
        wanted = with_mark(entry, "1", Mark("live", "update", "debian", "web1", 2, SINCE))
        assert site.entries().apply(wanted).outcome == "done"
        assert slept != []
        assert site.sim.system.manager.locks.image("WEB1") is None
        assert found_in(site).marks["1"].by == "update"
    finally:
        site.sim.stop()


class Mute:
    """CP, which is not asked in vain but for so many questions."""

    def __init__(self, questions: int) -> None:
        self.questions = questions

    def command(self, text: str) -> str:
        self.questions -= 1
        if self.questions < 0:
            raise CpRefused(text, 203, "HCPCQU203E it is too busy")
        raise CpRefused(text, NO_DEVICE, f"HCPQVD040E Device {text.split()[-1]} does not exist")


class NoDevices:
    def online(self, address: str) -> str:
        return address

    def offline(self, address: str) -> None:
        """There is none."""


@pytest.mark.parametrize("questions", [0, 1])
def test_an_address_that_cp_does_not_tell_of_is_free_for_the_next_one_in_this_process(
    tmp_path: Path, questions: int
) -> None:
    notes = InUse(str(tmp_path))
    notes.create()
    links = Links(Mute(questions), NoDevices(), notes, me="GOLDMGMT", addresses=["F000"])
    with pytest.raises(CpRefused), links.link(Minidisk("WEB1", "01B5", Extent("LX3001", 1, 10)), "R"):
        pass
    again = notes.take("link-F000", patient=False)
    assert again is not None
    again.close()
