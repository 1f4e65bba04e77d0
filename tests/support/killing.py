"""Killing a function at the crash points that it passes: it runs in a forked copy of this process."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from goldroot import crash


def points_of(act: Callable[[], object]) -> list[str]:
    """The crash points that a function passes, as ``NAME:N``; it has done its work then."""
    with tempfile.NamedTemporaryFile() as log:
        assert _forked(act, {crash.LOG: log.name}) == 0
        names = Path(log.name).read_text().split()
    seen: Counter[str] = Counter()
    points = []
    for name in names:
        seen[name] += 1
        points.append(f"{name}:{seen[name]}")
    return points


def kill_at(point: str, act: Callable[[], object]) -> None:
    """Run a function until it is killed at a point that it passes."""
    assert _forked(act, {crash.AT: point}) == -signal.SIGKILL, f"it did not come to {point}"


def in_a_copy(act: Callable[[], object]) -> int:
    """How a forked copy that does this ends: its status, or the signal below 0."""
    return _forked(act, {})


def _forked(act: Callable[[], object], env: dict[str, str]) -> int:
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads are the test runner's own
        pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.environ.update(env)
            crash._passed.clear()
            act()
            status = 0
        except BaseException:  # noqa: BLE001  whatever it is, the test is told
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
