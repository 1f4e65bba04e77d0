"""Named crash points: places where a test kills the process, to see that running it again finishes the work.

``GOLDROOT_CRASH_AT=NAME`` kills the process (SIGKILL, so that nothing is tidied up) when it comes to the point of that
name; ``NAME:3`` when it comes there for the third time.  ``GOLDROOT_CRASH_LOG=FILE`` writes down the name of every
point that is passed, one a line: so a test finds out which there are.  Without them a point costs a microsecond.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

AT = "GOLDROOT_CRASH_AT"
LOG = "GOLDROOT_CRASH_LOG"

_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """A place named ``name`` at which a crash must do no harm."""
    if AT in os.environ or LOG in os.environ:
        _pass(name)


def _pass(name: str) -> None:
    log = os.environ.get(LOG)
    if log:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, name.encode() + b"\n")
        finally:
            os.close(handle)
    wanted, nth = _wanted(os.environ.get(AT, ""))
    if name == wanted:
        _passed[name] += 1
        if _passed[name] == nth:
            os.kill(os.getpid(), signal.SIGKILL)


def _wanted(text: str) -> tuple[str, int]:
    name, _, nth = text.rpartition(":")
    return (name, int(nth)) if name and nth.isdecimal() else (text, 1)
