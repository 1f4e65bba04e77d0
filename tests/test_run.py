"""Programs that goldroot runs: one that says what somebody else likes gets no more memory and time than it may have."""

from __future__ import annotations

import os
import time

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
