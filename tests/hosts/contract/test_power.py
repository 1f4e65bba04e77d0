"""What every host promises of power: whether a machine runs, and that it can be held off."""

from __future__ import annotations

import os
import signal

import pytest

from goldroot.errors import Busy, HostError, NotFound, Refused, StillRunning
from goldroot.hosts import exchange
from support.hosts import SINCE, Lab, found, make_machine, make_slot, prepare
from support.killing import in_a_copy


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """Two slots, and a machine whose set 5 is prepared for the second."""
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


def test_what_is_off_is_off(ready: Lab) -> None:
    power = ready.host.power("WEB1")
    assert (power.state, power.runs) == ("off", "nothing")
    assert ready.host.stop("WEB1", 0) == "off"
    with pytest.raises(NotFound):
        ready.host.power("NOBODY")


def test_a_machine_that_others_run_is_on_and_is_not_held(ready: Lab) -> None:
    with ready.runs("WEB1"):
        power = ready.host.power("WEB1")
        assert (power.state, power.runs) == ("on", "unknown")
        assert power.why
        with pytest.raises(StillRunning, match="WEB1"), ready.host.hold("WEB1"):
            pass
    with ready.host.hold("WEB1"):
        pass


def test_a_machine_runs_from_the_entry_as_it_was_when_it_started(ready: Lab) -> None:
    with ready.started("WEB1"):
        assert (ready.host.power("WEB1").state, ready.host.power("WEB1").runs) == ("on", "current")
        with pytest.raises(StillRunning, match="WEB1"), ready.host.hold("WEB1"):
            pass
        ready.host.apply(exchange(found(ready.host, "WEB1"), "5", "update", "kept", since=SINCE))
        assert ready.host.power("WEB1").runs == "older"


def test_a_machine_that_is_held_is_off_and_nobody_else_holds_it(ready: Lab) -> None:
    with ready.host.hold("WEB1") as held:
        assert ready.again().power("WEB1").state == "off"
        with pytest.raises(Busy, match=r"WEB1 is in use by .*process"), ready.again().hold("WEB1"):
            pass
        assert held.broken() is None


def test_what_goldroot_runs_itself_is_held_and_seen_to_run(ready: Lab) -> None:
    with ready.host.hold("WEB1", runs=True):
        assert (ready.again().power("WEB1").state, ready.again().power("WEB1").runs) == ("on", "current")
        with pytest.raises(StillRunning, match="WEB1"), ready.again().hold("WEB1"):
            pass
        live = found(ready.host, "WEB1").disks["1B5"].id
        with ready.host.open_disks({live: "rw"}) as opened:
            assert opened[live].exact
    assert ready.host.power("WEB1").state == "off"


def test_a_disk_that_somebody_reads_is_in_use(ready: Lab) -> None:
    disk = found(ready.host, "DEBIANGOLD").disks["1B5"].id
    assert ready.host.in_use([disk]) is None
    with ready.again().open_disks({disk: "ro"}):
        assert disk in (ready.host.in_use([disk]) or "")
    assert ready.host.in_use([disk]) is None


def test_who_starts_it_in_spite_of_the_hold_is_found_out(ready: Lab) -> None:
    with ready.host.hold("WEB1") as held:
        with ready.runs("WEB1"):
            assert ready.host.abilities.strong_hold or held.broken()
        assert held.broken() is None
        ready.host.apply(exchange(found(ready.host, "WEB1"), "5", "update", "kept", since=SINCE))
        with ready.used("WEB1-1B5") as could:  # from the disks that were live before
            assert not could or ready.host.abilities.strong_hold or held.broken()


def test_a_killed_holder_holds_no_longer(ready: Lab) -> None:
    def hold_and_die() -> None:
        with ready.again().hold("WEB1"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(hold_and_die) == -signal.SIGKILL
    assert ready.host.power("WEB1").state == "off"
    with ready.host.hold("WEB1"):
        pass


def test_a_slot_is_held_and_never_runs(ready: Lab) -> None:
    with ready.host.hold("DEBIANGOLD"):
        assert ready.host.power("DEBIANGOLD").state == "off"
    with pytest.raises(Refused):
        ready.host.start("DEBIANGOLD")


def test_who_does_not_start_machines_says_so(ready: Lab) -> None:
    if ready.host.abilities.boots:
        pytest.skip("this host starts machines")
    with pytest.raises(Refused, match="does not start machines"):
        ready.host.start("WEB1")
    with ready.runs("WEB1"), pytest.raises(StillRunning, match="WEB1"):
        ready.host.stop("WEB1", 0)
    with pytest.raises(Refused):
        ready.host.command("WEB1", ["true"], 1)
    assert ready.host.console("WEB1", 10) == []


def test_a_running_command_that_fails_leaves_the_answer_open(ready: Lab) -> None:
    if not ready.commanded:
        pytest.skip("this host knows by itself what runs")
    ready.host.running_command = ("/bin/sh", "-c", "exit 7")
    for attempt in (lambda: ready.host.power("WEB1"), lambda: ready.host.hold("WEB1").__enter__()):
        with pytest.raises(HostError, match="running command"):
            attempt()


pytestmark = pytest.mark.slow
