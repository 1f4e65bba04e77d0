"""Workers: results in order, and whatever happens to one is an error for the caller, never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot.errors import Failed, TreeChanged
from goldroot.tree.workers import run_tasks

Tell = Callable[[int], None]


def children() -> list[str]:
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return file.read().split()


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(jobs: int) -> None:
    told: list[int] = []

    def work(task: int, tell: Tell) -> bytes:
        tell(1)
        return bytes([task]) * 70_000  # more than a pipe holds

    assert run_tasks(work, 20, jobs=jobs, progress=told.append) == [bytes([task]) * 70_000 for task in range(20)]
    assert sum(told) == 20
    assert children() == []


def test_work_is_done_in_other_processes(tmp_path: Path) -> None:
    def work(task: int, tell: Tell) -> int:
        (tmp_path / str(task)).touch()
        while len(os.listdir(tmp_path)) < 2:  # each waits until the other has begun: so they are two
            time.sleep(0.01)
        return os.getpid()

    pids = run_tasks(work, 2, jobs=2)
    assert os.getpid() not in pids
    assert len(set(pids)) == 2


def test_no_tasks() -> None:
    assert run_tasks(lambda task, tell: task, 0, jobs=2) == []


def test_an_error_for_people_arrives_as_it_is() -> None:
    def work(task: int, tell: Tell) -> int:
        if task == 3:
            raise TreeChanged("it changed", meaning="m", todo="t")
        return task

    with pytest.raises(TreeChanged, match="it changed") as caught:
        run_tasks(work, 8, jobs=2)
    assert (caught.value.meaning, caught.value.todo) == ("m", "t")
    assert children() == []


def test_a_bug_shows_where_it_is() -> None:
    def work(task: int, tell: Tell) -> float:
        return 1 / task

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_tasks(work, 4, jobs=2)


@pytest.mark.parametrize("how", ["killed", "exit"])
def test_a_worker_that_dies_is_an_error_and_no_hang(how: str) -> None:
    def work(task: int, tell: Tell) -> int:
        if task == 2:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(3)
        time.sleep(0.01)
        return task

    with pytest.raises(Failed, match="signal 9" if how == "killed" else "status 3"):
        run_tasks(work, 6, jobs=2)
    assert children() == []


def test_a_worker_killed_after_its_last_task_is_an_error_or_done() -> None:
    """A worker that is killed between two messages leaves no half message behind that is taken for a result."""

    def work(task: int, tell: Tell) -> bytes:
        if task == 1:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        return bytes(3_000_000)

    try:
        assert run_tasks(work, 4, jobs=2) == [bytes(3_000_000)] * 4
    except Failed:
        pass
    assert children() == []


def test_an_error_in_the_callers_progress_ends_the_workers() -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    def work(task: int, tell: Tell) -> None:
        tell(1)
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run_tasks(work, 2, jobs=2, progress=stop)
    assert children() == []


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert run_tasks(lambda task, tell: os.getpid(), 3, jobs=2) == [os.getpid()] * 3
    finally:
        done.set()
        thread.join()


PROGRAM = """
import atexit, os, sys, time
from goldroot.tree.workers import run_tasks
atexit.register(print, "at exit")
sys.stdout.write("buffered ")
def work(task, tell):
    {body}
run_tasks(work, 2, jobs=2)
"""


def test_nothing_of_the_callers_end_runs_in_a_worker() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body="pass")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "buffered at exit\n"
    assert done.stderr == ""


SIGNALLED = """
import os, signal
from goldroot.tree.workers import run_tasks

def fork_and_hit():
    pid = fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C reaches all of a terminal's processes, the youngest too
    return pid

fork, os.fork = os.fork, fork_and_hit
try:
    print(run_tasks(lambda task, tell: task, 2, jobs=2))
except BaseException as error:
    print(f"{error!r} in the caller's code", flush=True)
"""


def test_a_signal_in_the_first_moments_of_a_worker_runs_nothing_of_the_callers() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 1]\n", "", 0)


def test_workers_die_with_the_process_that_forked_them() -> None:
    body = "os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM.format(body=body)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline() + process.stdout.readline()
    pids = [int(word) for word in line.split() if word.isdigit()]
    process.kill()
    process.wait()
    process.stdout.read()  # ends when the last worker has closed it
    process.stdout.close()
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            for _ in range(200):
                os.kill(pid, 0)
                time.sleep(0.01)
