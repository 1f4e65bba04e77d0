"""`goldroot fallback mount`: what is kept, mounted for one command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from goldroot.site import Site
from support.commands import said
from support.fleet import next_gold, on_clone

pytestmark = pytest.mark.root
COMMAND = "from goldroot.cli.begin import main; main()"


@pytest.fixture
def switched(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/app.conf": "new\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    on_clone(fleet, "web1", {"etc/plain.conf": "since\n"})
    return fleet


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, "fallback", "mount", "web1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def test_a_command_sees_the_disks_and_can_write_nothing(switched: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = mounts()
    script = (
        "cat 1B5/etc/plain.conf; pwd; echo $GOLDROOT_FALLBACK; "
        "touch 1B5/etc/x; touch x; cp /bin/true 1B5/etc/y; grep ' '$PWD /proc/self/mounts; exit 3"
    )
    done = run("sh", "-c", script)
    lines = done.stdout.splitlines()
    assert done.returncode == 3, done.stderr
    assert lines[0] == "mine" and lines[1] == lines[2], "the working directory, which is also in a variable"
    assert done.stderr.count("Read-only file system") == 3
    assert "1B5" in done.stderr.splitlines()[0] and "/etc" in done.stderr.splitlines()[0]
    shown = [line.split() for line in lines[3:]]
    assert len(shown) >= 2 and all({"nosuid", "nodev", "noexec", "ro"} <= set(one[3].split(",")) for one in shown)
    assert mounts() == before and os.listdir(switched.path("work")) == []
    plan = json.loads(said(capsys, "fallback", "mount", "--plan", "--json", "web1")[1])
    assert plan["plan"] is True and plan["fallback"] == 1 and "1B5" in plan["disks"]


def test_who_may_not_mount_is_told_before_anything_else(
    switched: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan, too: what it says would come true."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for words in ((), ("--plan",)):
        code, out = said(capsys, "fallback", "mount", *words, "web1")
        assert code == 4 and out.startswith("goldroot: only root may mount disks") and "fallback get web1" in out


@pytest.mark.slow
def test_nothing_is_left_after_a_kill(switched: Site, tmp_path: Path) -> None:
    before, pid = mounts(), tmp_path / "pid"
    script = f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 300"
    command = [sys.executable, "-c", COMMAND, "fallback", "mount", "web1", "sh", "-c", script]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        until(pid.exists)
        assert mounts() == before, "only the command sees them"
        running.send_signal(signal.SIGKILL)
    until(lambda: not is_alive(int(pid.read_text())))
    assert mounts() == before


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: object) -> None:
    end = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_command_that_is_not_there_is_told_by_its_status(switched: Site) -> None:
    done = run("/nosuch/command")
    assert done.returncode == 127 and "cannot be run" in done.stderr
