"""Trials: a set is started in isolation; nothing that it writes stays, and it ends with whoever asked for it."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import BadInput, Refused
from goldroot.hosts import Around, NetLink, Trial
from goldroot.hosts.machines import supervise
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


def test_it_has_links_that_lead_nowhere_before_its_system_looks(ready: Lab) -> None:
    """The names and addresses are there for what binds to them; what is sent to others arrives nowhere."""
    around = Around((NetLink("eth0", ("192.0.2.10/24", "2001:db8::10/64")), NetLink("lan1")), ())
    with ready.host.trial("WEB1", "5", around=around) as trial:
        until(trial, "ready")
        assert sorted(said(trial, "cat /etc/links")) == ["eth0", "lan1", "lo"], "process 1 saw them at its first look"
        assert "192.0.2.10" in "".join(said(trial, "cat /proc/net/fib_trie"))
        assert "eth0" in "".join(said(trial, "cat /proc/net/if_inet6"))
    assert left(ready) == []


def test_units_that_it_is_not_to_start_are_told_to_its_process_1(ready: Lab) -> None:
    with ready.host.trial("WEB1", "5", around=Around((), ("data.mount", "a\\x20b.swap"))) as trial:
        until(trial, "ready")
        words = trial.command(["cat", "/proc/1/cmdline"], 10).out.split(b"\0")
        assert {b"systemd.mask=data.mount", b"systemd.mask=a\\x20b.swap"} <= set(words)


def test_mail_jobs_and_identity_of_a_trial_touch_nothing_outside(ready: Lab) -> None:
    """The system that is tried empties its mail queue, runs its job, takes an identity: as it would as a server."""
    ready.host.start("WEB1")
    while "ready" not in ready.host.console("WEB1", 20):
        time.sleep(0.05)
    for id, name in (("WEB1-1B5", "server"), ("WEB1-5B5", "merged")):
        etc = ready.place_of(id) / "etc"
        (etc / "queue").mkdir()
        (etc / "queue/letter").write_text(f"of {name}\n")
        (etc / "machine-id").write_text("")
        (etc / "jobs").write_text("0\n")
    disks = {id: ready.place_of(id) for id in ("WEB1-1B5", "WEB1-5B5", "root")}
    before = {id: dump_tree(place) for id, place in disks.items()}
    with socket.create_server(("0.0.0.0", 0)) as outside:
        outside.setblocking(False)
        port, ours = outside.getsockname()[1], address_of_this_machine()
        send = "; ".join(f"busybox nc -w 1 {to} {port} < /etc/queue/letter" for to in (ours, "127.0.0.1", "192.0.2.1"))
        script = f"{send}; rm /etc/queue/letter; echo 0123 > /etc/machine-id; echo 1 > /etc/jobs; cat /etc/jobs"
        around = Around((NetLink("eth0", ("192.0.2.10/24",)),), ())
        with ready.host.trial("WEB1", "5", around=around) as trial:
            until(trial, "ready")
            assert said(trial, f"{script}; ls /etc/queue") == ["1"], "inside, all of it was done"
        with pytest.raises(BlockingIOError):
            outside.accept()
    assert {id: dump_tree(disks[id]) for id in before} == before
    assert ready.host.command("WEB1", ["cat", "/etc/queue/letter"], 10).out == b"of server\n"


def address_of_this_machine() -> str:
    """One by which others reach it, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        try:
            ours.connect(("192.0.2.254", 9))  # sends nothing: it only asks for the way
        except OSError:
            return "127.0.0.1"
        return str(ours.getsockname()[0])


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


def test_who_tidies_meanwhile_takes_nothing_away(ready: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command may begin while there is a directory, and not yet a supervisor."""
    begin, told = supervise.begin, []

    def tidied_before(*words: Any) -> None:
        told.extend(ready.again().tidy())
        begin(*words)

    monkeypatch.setattr(supervise, "begin", tidied_before)
    with ready.host.trial("WEB1", "5") as trial:
        until(trial, "ready")
        assert ready.again().tidy() == []
        with pytest.raises(Refused, match="WEB1 is tried already"), ready.again().trial("WEB1", "5"):
            pass
    assert told == [] and left(ready) == []
    assert not [name for name in os.listdir(ready.root / "store/locks") if name.startswith("trying-")]


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
