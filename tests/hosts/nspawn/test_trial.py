"""Trials: a set is started in isolation; nothing that it writes stays, and it ends with whoever asked for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Refused
from goldroot.hosts import Trial
from support.hosts import Lab, found, prepare
from support.killing import in_a_copy
from support.trees import dump_tree

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """Set 5 of WEB1 is prepared: the same root, and an /etc of its own."""
    prepare(lab, slot="GOLD")
    with lab.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        etc = Path(opened["WEB1-5B5"].path, "etc")
        etc.mkdir()
        (etc / "hostname").write_text("merged\n")
    return lab


def said(trial: Trial, script: str) -> list[str]:
    return trial.command(["sh", "-c", script], 20).out.decode().split("\n")[:-1]


def until(trial: Trial, words: str) -> list[str]:
    for _ in range(400):
        if words in (lines := trial.console(100)):
            return lines
        time.sleep(0.05)
    raise AssertionError(lines)


def left(lab: Lab) -> list[str]:
    return [path.name for path in (lab.root / "store/running").iterdir()]


def test_what_is_prepared_is_tried_while_the_server_runs_and_nothing_of_it_stays(ready: Lab) -> None:
    ready.host.start("WEB1")
    disks = {id: ready.place_of(id) for id in ("WEB1-1B5", "WEB1-5B5", "root")}
    before = {id: dump_tree(place) for id, place in disks.items() if id != "WEB1-1B5"}
    with ready.host.trial("WEB1", "5") as trial:
        lines = until(trial, "ready")
        assert "etc was written" in lines and "the root was written" not in lines
        assert said(trial, "cat /etc/hostname; id -u; ls /sys/class/net") == ["merged", "0", "lo"]
        assert said(trial, "echo other > /etc/hostname; cat /etc/hostname; touch /usr/x || echo no") == ["other", "no"]
        assert not trial.gone()
        assert ready.host.command("WEB1", ["cat", "/etc/hostname"], 10).out == b"web1\n"
    assert {id: dump_tree(disks[id]) for id in before} == before
    assert left(ready) == ["WEB1"]
    assert ready.host.power("WEB1").state == "on"
    with ready.host.open_disks({"WEB1-5B5": "rw"}):
        pass


def test_owners_inside_are_those_on_the_disks(ready: Lab) -> None:
    etc = ready.place_of("WEB1-5B5") / "etc"
    os.chown(etc / "hostname", 2_000_000_000, 70_000)
    with ready.host.trial("WEB1", "5") as trial:
        script = "stat -c '%u %g' /etc/hostname; echo more >> /etc/hostname; stat -c '%u %g' /etc/hostname"
        assert said(trial, script) == ["2000000000 70000"] * 2, "also of a file that was written aside"


def test_own_disks_can_be_read_only(ready: Lab) -> None:
    with ready.host.trial("WEB1", "5", read_only=["1B5"]) as trial:
        assert said(trial, "touch /etc/x || echo no") == ["no"]


def test_a_trial_ends_with_the_process_that_asked_for_it(ready: Lab) -> None:
    def try_and_die() -> None:
        with ready.again().trial("WEB1", "5"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(try_and_die) == -signal.SIGKILL
    for _ in range(200):
        if ready.host.tidy():
            break
        time.sleep(0.05)
    assert "WEB1.trial" not in left(ready)
    with (
        ready.host.open_disks({"WEB1-5B5": "rw"}),
        pytest.raises(Refused, match="is in use by"),
        ready.host.trial("WEB1", "5"),
    ):
        pass


def test_one_that_does_not_begin_is_told_with_what_it_said(ready: Lab) -> None:
    (ready.place_of("WEB1-5B5") / "etc/hostname").unlink()
    (ready.place_of("WEB1-5B5") / "etc").rmdir()
    with pytest.raises(BadInput, match="/etc cannot be mounted"), ready.host.trial("WEB1", "5"):
        pass
    assert left(ready) == []
    assert found(ready.host, "WEB1").startable


def test_one_that_has_ended_cannot_be_asked(ready: Lab) -> None:
    with ready.host.trial("WEB1", "5") as trial:
        until(trial, "ready")
        trial.command(["sh", "-c", "kill -37 1"], 10)
        for _ in range(400):
            if trial.gone():
                break
            time.sleep(0.05)
        with pytest.raises(Refused, match="has ended"):
            trial.command(["true"], 10)
        assert "shutting down" in trial.console(20)
