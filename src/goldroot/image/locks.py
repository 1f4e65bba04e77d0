"""One command at a time on one thing: a lock that says who holds it, and that ends with its holder."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from goldroot.errors import Busy


@contextmanager
def lock(directory: str, name: str, *, wait: float = 0.0, doing: str = "") -> Iterator[None]:
    """Hold ``directory/name.lock`` exclusively while inside.

    :param wait: seconds to wait for another holder.
    :param doing: what the holder does, for whoever finds it locked.
    :raises Busy: another process holds it; the error says which.
    """
    path = os.path.join(directory, f"{name}.lock")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not _taken(handle, wait):
            raise _busy(name, handle)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} ({doing or ' '.join(sys.argv[:4])})".encode(), 0)
        yield
    finally:
        os.close(handle)


def _taken(handle: int, wait: float) -> bool:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)


def _busy(name: str, handle: int) -> Busy:
    who = os.pread(handle, 400, 0).decode("utf-8", "replace") or "another process"
    return Busy(
        f"{name} is being worked on by {who}",
        meaning="Nothing was changed.",
        todo="Wait until it has finished, then run the command again.",
    )
