"""Programs that goldroot runs: one that says what somebody else likes gets no more memory and time than it may have."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from goldroot.errors import LimitReached, MissingProgram, ProgramFailed
from goldroot.run import run_stranger


def test_what_a_stranger_says_and_how_it_ends_is_returned() -> None:
    done = run_stranger(["sh", "-c", "echo out; echo err >&2; cat; exit 3"], timeout=20, most=100)
    assert (done.status, done.out, done.err) == (3, b"out\n", b"err\n")
    assert run_stranger(["sh", "-c", "kill -9 $$"], timeout=20, most=100).status == -9


@pytest.mark.parametrize("to", ["1", "2"])
def test_one_that_says_too_much_is_killed(to: str) -> None:
    with pytest.raises(LimitReached, match="sh said more than 1 MiB"):
        run_stranger(["sh", "-c", f"exec yes >&{to}"], timeout=60, most=1 << 20)


@pytest.mark.parametrize(
    "script", ["exec sleep 60", "exec >&- 2>&-; exec sleep 60", "while :; do echo; sleep 0.01; done"]
)
def test_one_that_does_not_end_is_killed(script: str) -> None:
    before = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"sh did not end within 0\.3 s"):
        run_stranger(["sh", "-c", script], timeout=0.3, most=1 << 20)
    assert time.monotonic() - before < 20


def test_one_that_leaves_something_in_the_background_has_ended() -> None:
    """A program that holds its output still is not waited for; what was said before is all there."""
    before = time.monotonic()
    script = "head -c 300000 /dev/zero; sleep 60 & echo $! >&2; exit 3"
    done = run_stranger(["sh", "-c", script], timeout=50, most=1 << 20)
    assert time.monotonic() - before < 40
    assert (done.status, len(done.out)) == (3, 300000)
    os.kill(int(done.err), signal.SIGKILL)


def test_what_a_killed_one_started_goes_with_it(tmp_path: Path) -> None:
    """nsenter(1) is killed, and the command inside is another process."""
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(ProgramFailed):
        run_stranger(["sh", "-c", script], timeout=1, most=100)
    pid = (tmp_path / "pid").read_text().strip()
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    os.kill(int(pid), signal.SIGKILL)
    raise AssertionError("it goes on")


def test_it_has_not_the_terminal_of_who_asked() -> None:
    """What a server runs would write to it, and type there."""
    script = "import sys; from goldroot.run import run_stranger\n"
    script += "sys.exit(run_stranger(['sh', '-c', 'echo mine > /dev/tty'], timeout=20, most=1000).status)"
    pid, lead = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", script])
    said = b""
    with suppress(OSError):  # EIO: it has ended
        while more := os.read(lead, 1000):
            said += more
    os.close(lead)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    assert b"mine" not in said


def test_nothing_of_it_stays_open() -> None:
    before = os.listdir("/proc/self/fd")
    for script in ("exec yes", "true"):
        try:
            run_stranger(["sh", "-c", script], timeout=20, most=1000)
        except LimitReached:
            assert script == "exec yes"
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(MissingProgram):
        run_stranger(["no-such-program"], timeout=1, most=1)
