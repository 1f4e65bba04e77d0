"""Crash points."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import goldroot
from goldroot import crash

PASS = (
    "from goldroot import crash\nfor name in ('a', 'b', 'a', 'b'):\n    crash.point(name)\n    print(name, flush=True)"
)


def passed(**env: str) -> tuple[int, str]:
    """Pass four points in a process of its own; its status and what it printed after each."""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(goldroot.__file__)), **env}
    done = subprocess.run([sys.executable, "-c", PASS], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("at", "status", "printed"),
    [
        ("a", -signal.SIGKILL, ""),
        ("b:2", -signal.SIGKILL, "aba"),
        ("b:3", 0, "abab"),
        ("c", 0, "abab"),
    ],
)
def test_the_process_is_killed_at_the_point_of_that_name(at: str, status: int, printed: str) -> None:
    assert passed(GOLDROOT_CRASH_AT=at) == (status, printed)


def test_the_points_can_be_listed(tmp_path: Path) -> None:
    assert passed(GOLDROOT_CRASH_LOG=str(tmp_path / "log"))[0] == 0
    assert (tmp_path / "log").read_text().split() == ["a", "b", "a", "b"]


def test_without_the_settings_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(crash.AT, raising=False)
    monkeypatch.delenv(crash.LOG, raising=False)
    crash.point("a")
