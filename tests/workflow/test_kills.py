"""The durable engine in real processes that are really killed."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import goldroot

STORY = str(Path(__file__).parent / "story.py")
RESULT = {"clone": "web1", "one": 1, "two": 2, "three": 3}
STEPS = ("one", "two", "three")
POINTS = [f"story.{step}.{what}" for step in STEPS for what in ("begun", "done", "recorded")]


def tell_story(directory: Path, *args: str, crash_at: str = "", log: str = "") -> subprocess.CompletedProcess[str]:
    source = os.path.dirname(os.path.dirname(goldroot.__file__))
    env = {**os.environ, "PYTHONPATH": source, "GOLDROOT_CRASH_AT": crash_at, "GOLDROOT_CRASH_LOG": log}
    args = (sys.executable, STORY, str(directory), *args)
    return subprocess.run(args, env=env, capture_output=True, text=True, check=False)


def kill_and_finish(directory: Path, key: str, point: str) -> list[str]:
    """Kill a run at a point, finish it, and return the names of the steps that were done, in order."""
    directory.mkdir()
    assert tell_story(directory, key, crash_at=point).returncode == -signal.SIGKILL
    done = tell_story(directory, key)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == RESULT
    return [line.split()[0] for line in (directory / "did").read_text().splitlines()]


@pytest.mark.parametrize(
    ("point", "did"),
    [
        ("story.two.done", ["one", "two", "two", "three"]),  # the work done, the result not noted: done again
        pytest.param("story.two.recorded", ["one", "two", "three"], marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_killed_is_finished_by_running_it_again(tmp_path: Path, point: str, did: list[str]) -> None:
    assert kill_and_finish(tmp_path / "site", "update:web1:7", point) == did


@pytest.mark.crash
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point(tmp_path: Path, point: str) -> None:
    _, step, what = point.split(".")
    at = STEPS.index(step)
    again = [step] if what == "done" else []
    assert kill_and_finish(tmp_path / "site", "k:1", point) == [*STEPS[: at + 1], *again, *STEPS[at + 1 :]]


@pytest.mark.crash
def test_killed_again_and_again(tmp_path: Path) -> None:
    for point in itertools.chain.from_iterable(zip(POINTS, POINTS, strict=True)):
        tell_story(tmp_path, "k:1", crash_at=point)
    done = tell_story(tmp_path, "k:1")
    assert json.loads(done.stdout) == RESULT
    # Each attempt says what was done before it, so the earlier ones need not be kept.
    with sqlite3.connect(tmp_path / "workflow.sqlite") as database:
        assert database.execute("SELECT status FROM workflow_status").fetchall() == [("SUCCESS",)]


def test_a_run_is_quiet_and_leaves_nothing_running(tmp_path: Path) -> None:
    log = tmp_path / "points"
    done = tell_story(tmp_path, "k:1", log=str(log))  # the story asserts that one thread is left
    assert (done.returncode, done.stderr) == (0, "")
    assert log.read_text().splitlines() == POINTS


@pytest.mark.slow
def test_another_process_is_told_who_runs_the_key(tmp_path: Path) -> None:
    from goldroot.locks import lock, lock_file

    with lock(lock_file(tmp_path / "locks", "workflow:k:1"), holder_text="goldroot update run web1"):
        refused = tell_story(tmp_path, "k:1")
    assert refused.returncode == 5
    assert f"goldroot update run web1` (process {os.getpid()}" in refused.stdout
    assert not (tmp_path / "did").exists()


def test_a_thread_that_takes_its_time_to_end_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import concurrent.futures.thread as pool

    from goldroot.workflow import open_engine
    from workflow.story import story

    begun: list[threading.Thread] = []
    work = pool._worker  # type: ignore[attr-defined]

    def slow(*args: object) -> None:
        begun.append(threading.current_thread())
        work(*args)
        time.sleep(0.2)

    monkeypatch.setattr(pool, "_worker", slow)
    with open_engine(tmp_path / "workflow.sqlite", tmp_path / "locks") as engine:
        engine.run(story(tmp_path), "k:1", {"clone": "web1"})
    assert begun
    assert [thread for thread in begun if thread.is_alive()] == []
