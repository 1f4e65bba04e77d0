"""How a machine is stopped: by the gentlest way that it listens to, also where it listens to that only later."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goldroot.errors import StillRunning
from goldroot.hosts.images import Images
from goldroot.hosts.machines.powered import PoweredHost
from goldroot.hosts.port import Power

NEVER = float("inf")


@dataclass
class Guest:
    """When it listens to each way, and how long it takes to end by that; in seconds since it was started.

    :param told: each way that it was told, and when.
    """

    listens: dict[str, float]
    takes: dict[str, float]
    clock: float = 0.0
    ends: float = NEVER
    told: list[tuple[str, float]] = field(default_factory=list)

    def tell(self, how: str) -> bool:
        if self.is_off():
            return True
        if self.clock < self.listens.get(how, NEVER):
            return False
        self.told.append((how, self.clock))
        self.ends = min(self.ends, self.clock + self.takes.get(how, NEVER))
        return True

    def is_off(self) -> bool:
        return self.clock >= self.ends


class OneMachine(PoweredHost):
    """A host whose only machine is a guest that is not there."""

    ways = ("asked", "pressed", "killed")
    guest: Guest

    def power(self, name: str) -> Power:
        return Power("off", "", "", "nothing") if self.guest.is_off() else Power("on", "it runs", "", "current")

    def _begin(self, name: str) -> None: ...

    def _is_ours(self, name: str) -> bool:
        return True

    def _told(self, name: str, how: str) -> bool:
        return self.guest.tell(how)


def stopped(
    room: Path, patch: pytest.MonkeyPatch, listens: dict[str, float], takes: dict[str, float], patience: float = 60.0
) -> tuple[str, Guest]:
    """How a guest ended that was asked to as soon as it was started; its clock says when."""
    guest = Guest({"pressed": 0.0, "killed": 0.0, **listens}, {"killed": 0.0, **takes})
    patch.setattr(time, "monotonic", lambda: 1000.0 + guest.clock)

    def sleep(seconds: float) -> None:
        guest.clock += seconds

    patch.setattr(time, "sleep", sleep)
    host = OneMachine("here", str(room), Images(str(room)))
    host.guest = guest
    return host.stop("WEB1", patience), guest


def test_one_whose_agent_listens_is_asked_and_its_button_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how, guest = stopped(tmp_path, monkeypatch, {"asked": 0.0}, {"asked": 5.0})
    assert how == "asked"
    assert {way for way, _ in guest.told} == {"asked"}
    assert guest.clock == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("listens", [0.1, 3.0, 29.9])
def test_one_that_boots_is_asked_once_its_agent_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listens: float
) -> None:
    """It hears no button yet, and has as much time from then on as one that listened at once."""
    how, guest = stopped(tmp_path, monkeypatch, {"asked": listens}, {"asked": 25.0})
    assert how == "asked"
    first = next(when for way, when in guest.told if way == "asked")
    assert listens <= first <= listens + 2.1
    assert guest.clock <= listens + 2.1 + 25.1


def test_one_that_heard_the_button_first_ended_by_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks it just when it has ended is told that it was asked: that was not its end."""
    for takes in (1.0, 3.97, 4.0):
        how, _ = stopped(tmp_path, monkeypatch, {"asked": 30.0}, {"pressed": takes})
        assert how == "pressed"


def test_one_without_an_agent_waits_no_longer_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how, guest = stopped(tmp_path, monkeypatch, {}, {})
    assert how == "killed"
    assert guest.told[0] == ("pressed", 0.0)
    assert guest.clock == pytest.approx(30.0, abs=0.2), "half of its patience, which was for the button"


def test_one_whose_agent_hears_and_does_nothing_is_pressed_and_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for listens, longest in ((0.0, 60.0), (10.0, 40.2)):
        how, guest = stopped(tmp_path, monkeypatch, {"asked": listens}, {})
        assert how == "killed"
        assert {way for way, _ in guest.told} == {"asked", "pressed", "killed"}
        assert guest.clock == pytest.approx(longest, abs=0.4)


def test_an_agent_that_has_gone_was_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a system that ends it is among the first to go: nobody takes that for one that never listened."""
    guest = Guest({"asked": 0.0, "pressed": 0.0, "killed": 0.0}, {"asked": 20.0, "killed": 0.0})
    real = guest.tell

    def tell(how: str) -> bool:
        return False if how == "asked" and guest.told and not guest.is_off() else real(how)

    monkeypatch.setattr(guest, "tell", tell)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + guest.clock)
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(guest, "clock", guest.clock + seconds))
    host = OneMachine("here", str(tmp_path), Images(str(tmp_path)))
    host.guest = guest
    assert host.stop("WEB1", 60.0) == "asked"
    assert guest.told == [("asked", 0.0)]


def test_what_nothing_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StillRunning, match="nothing ended it"):
        stopped(tmp_path, monkeypatch, {}, {"killed": NEVER}, patience=0.0)
