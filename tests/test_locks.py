"""Locks between commands, with real second processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import goldroot
from goldroot.errors import BadInput, Busy
from goldroot.locks import held_by, lock, lock_file

HOLD = """
import sys
from goldroot.locks import lock
with lock(sys.argv[1], 0, "goldroot update run web1"):
    print("held", flush=True)
    sys.stdin.read()
print("given back", flush=True)
"""


@contextmanager
def other_command(path: str) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the lock until its standard input is closed."""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(goldroot.__file__))}
    args = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other


def test_the_second_command_is_told_who_holds_it(tmp_path: Path) -> None:
    path = lock_file(tmp_path / "locks", "clone:web1")
    with other_command(path) as other:
        with pytest.raises(Busy) as caught, lock(path, wait=0):
            raise AssertionError("never here")
        assert caught.value.brief.startswith(
            f"clone:web1 is in use by `goldroot update run web1` (process {other.pid}, since 20"
        )
        held = held_by(path)
        assert held is not None
        assert (held.pid, held.command) == (other.pid, "goldroot update run web1")
    with lock(path, wait=0):
        pass
    assert held_by(path) is None


def test_the_second_command_waits_and_says_for_whom(tmp_path: Path) -> None:
    path = lock_file(tmp_path, "x")
    with other_command(path) as other:
        assert other.stdin is not None
        said: list[str] = []

        def let_go(text: str) -> None:
            said.append(text)
            other.stdin.close()  # type: ignore[union-attr]

        with lock(path, None, on_wait=let_go):
            assert [f"process {other.pid}" in text for text in said] == [True]


def test_a_killed_command_leaves_no_lock(tmp_path: Path) -> None:
    path = lock_file(tmp_path, "x")
    with other_command(path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with lock(path, wait=0):
            held = held_by(path)
            assert held is not None
            assert held.pid == os.getpid()


def test_waiting_ends_at_its_time(tmp_path: Path) -> None:
    path = lock_file(tmp_path, "x")
    with other_command(path), pytest.raises(Busy), lock(path, wait=0.1):
        raise AssertionError("never here")


def most_at_once(path: str, times: int, *, once: bool = False) -> int:
    """How many of four threads held the lock at once."""
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(times):
            with lock(path, once=once):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most[0]


def test_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    assert most_at_once(lock_file(tmp_path, "x"), 1) == 1


def test_a_name_becomes_one_file_in_the_directory(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "a/b", "clone:web1", "x y"):
        path = lock_file(tmp_path, name)
        assert os.path.dirname(path) == str(tmp_path)
        with lock(path, wait=0):
            pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "x.lock").symlink_to("target")
    with pytest.raises(BadInput, match="symbolic link"), lock(tmp_path / "x.lock", wait=0):
        raise AssertionError("never here")
    assert (tmp_path / "target").read_text() == "precious"


def test_an_exception_gives_the_lock_back(tmp_path: Path) -> None:
    path = lock_file(tmp_path, "x")
    with pytest.raises(ZeroDivisionError), lock(path, wait=0):
        raise ZeroDivisionError
    assert held_by(path) is None
    assert stat.S_ISREG(os.stat(path).st_mode)


def test_the_lock_of_what_comes_once_leaves_no_file_and_is_still_held_by_one(tmp_path: Path) -> None:
    assert most_at_once(lock_file(tmp_path, "x"), 20, once=True) == 1
    assert os.listdir(tmp_path) == []


def test_who_waited_for_what_comes_once_begins_anew(tmp_path: Path) -> None:
    """What it holds then is not a lock any more: the next one would find no file, and hold another."""
    path = lock_file(tmp_path, "x")
    waits = threading.Event()
    held: list[bool] = []

    def wait() -> None:
        with lock(path, on_wait=lambda _: waits.set()):
            held.append(held_by(path) is not None)

    second = threading.Thread(target=wait)
    with lock(path, once=True):
        second.start()
        assert waits.wait(60)
    second.join()
    assert held == [True]
