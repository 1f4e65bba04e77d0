"""Killed around the stop, the start and the return: the next command finishes, and a server that ran runs again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import updates
from goldroot.fleet import clones, machines
from goldroot.fleet.update.update import run_update
from goldroot.hosts import registry
from goldroot.site import Site
from goldroot.workflow import InProcess
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, next_gold, on_clone, small_site

pytestmark = pytest.mark.crash

KILLED, HEALTH_FAILED = -9, 4
START = ["machine", "start", "web1"]
UPDATE, ROLLBACK, CANCEL = ["update", "run", "web1"], ["rollback", "web1"], ["update", "cancel", "web1"]

#: What a command passes from the stop on; what comes before it is killed in test_kills.py.
POWER = ("stopping", "held", "stopped", "before-switch", "switching", "switched", "switch-noted", "starting", "started",
         "returning", "returning-stopped", "settled", "noted")  # fmt: skip


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "KINDS", booting.kinds())


def goldroot(root: Path, args: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, *filter(None, sys.path)])
    env = {**os.environ, "GOLDROOT_SITE": str(root), "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-m", "support.booting", *args], env=env, capture_output=True, text=True)


def prepare(room: Path, until: str) -> Path:
    """web1 runs gold 1 and gold 2 is there; for a rollback web1 runs gold 2; ``bad``: gold 2 does not do well."""
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n"})
    machines.start_machine(site, "web1")
    if until == "rollback":
        run_update(site, InProcess(), "web1")
    if until == "bad":
        behave(site.host, 2, failed=["web.service"])
    site.close()
    return Path(site.root)


def points(root: Path, args: list[str], room: Path) -> list[str]:
    """The points around the power that the command passes."""
    log = room / "points"
    goldroot(root, args, GOLDROOT_CRASH_LOG=str(log))
    return [name for name in dict.fromkeys(log.read_text().split()) if name.partition(".")[2] in POWER]


def restored(kept: Path, root: Path) -> None:
    shutil.rmtree(root)
    subprocess.run(["cp", "-a", str(kept), str(root)], check=True)


def state(root: Path) -> tuple[int, str, str, list[str]]:
    """The version, how the machine is, and what is in flight."""
    site = Site.open(str(root))
    try:
        assert isinstance(site.host, BootingHost)
        with site.catalog.read() as tx:
            version = catalog_clones.get(tx, "web1").version
            going = [one.stands for one in updates.every(tx, "web1") if not one.ended]
        power = site.host.power("WEB1")
        return version, power.state, power.runs, going
    finally:
        site.close()


@pytest.mark.parametrize(
    ("until", "args", "status", "then"),
    [("update", UPDATE, 0, 2), ("bad", UPDATE, HEALTH_FAILED, 1), ("rollback", ROLLBACK, 0, 1)],
    ids=["update", "return", "rollback"],
)
def test_the_same_command_finishes_and_the_server_runs(
    room: Path, until: str, args: list[str], status: int, then: int
) -> None:
    root = prepare(room, until)
    kept = room / "kept"
    subprocess.run(["cp", "-a", str(root), str(kept)], check=True)
    names = points(root, args, room)
    assert len(names) >= 7
    assert state(root) == (then, "on", "current", [])
    for name in names:
        restored(kept, root)
        died = goldroot(root, args, GOLDROOT_CRASH_AT=name)
        assert died.returncode == KILLED, (name, died.stderr)
        again = goldroot(root, args)
        assert again.returncode == status, (name, again.stdout, again.stderr)
        assert state(root) == (then, "on", "current", []), name


@pytest.mark.parametrize("name", ["first-start", "starting", "started", "returning", "returning-stopped"])
def test_a_first_start_that_is_killed_is_finished_by_the_next(room: Path, name: str) -> None:
    root = prepare(room, "bad")
    assert goldroot(root, ["machine", "stop", "web1"]).returncode == 0
    assert goldroot(root, UPDATE).returncode == 0
    assert goldroot(root, START, GOLDROOT_CRASH_AT=f"update.{name}").returncode == KILLED
    again = goldroot(root, START)
    assert again.returncode == HEALTH_FAILED, (again.stdout, again.stderr)
    assert state(root) == (1, "on", "current", [])


@pytest.mark.parametrize("name", ["update.stopping", "update.stopped", "update.before-switch"])
def test_a_cancel_after_a_kill_before_the_switch_starts_it_again(room: Path, name: str) -> None:
    root = prepare(room, "update")
    assert goldroot(root, UPDATE, GOLDROOT_CRASH_AT=name).returncode == KILLED
    assert goldroot(root, CANCEL).returncode == 0
    assert state(root) == (1, "on", "current", [])


@pytest.mark.parametrize("name", ["update.cancelled", "reconcile.started"])
def test_a_cancel_that_is_killed_itself_is_finished(room: Path, name: str) -> None:
    root = prepare(room, "update")
    assert goldroot(root, UPDATE, GOLDROOT_CRASH_AT="update.before-switch").returncode == KILLED
    assert goldroot(root, CANCEL, GOLDROOT_CRASH_AT=name).returncode == KILLED
    assert goldroot(root, CANCEL).returncode in (0, 3)
    assert state(root) == (1, "on", "current", [])


def test_another_command_starts_what_was_switched_and_not_started(room: Path) -> None:
    root = prepare(room, "update")
    assert goldroot(root, UPDATE, GOLDROOT_CRASH_AT="update.switch-noted").returncode == KILLED
    assert goldroot(root, ROLLBACK).returncode == 0
    assert state(root) == (1, "on", "current", [])
