"""Rooms in ``work/``: what a running command writes for a while, secrets among it.

::

    SITE/work/
    ├── review-k3x9/nginx.conf           locked as long as a command, or the editor that it started, is in it
    └── keys-web1-p0d2/ssh_host_rsa_key

The lock of a room is flock(2) on its directory, so that the kernel gives it back however its holder ends: a room that
nobody holds was left by a command that was killed, and goes with the next one that comes by.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from goldroot import private
from goldroot.site.site import Site

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Room:
    """An empty directory (0700) of this command's own; ``handle`` holds it, for a child that shall hold it too."""

    path: str
    handle: int


@contextmanager
def work_room(site: Site, use: str) -> Iterator[Room]:
    """A room for the block; those that killed commands left are removed first."""
    with _alone(site) as work:
        _sweep(work)
        path = tempfile.mkdtemp(prefix=f"{use}-", dir=work)
        handle = os.open(path, _OPEN | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield Room(path, handle)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def sweep_rooms(site: Site) -> None:
    """Remove what commands that were killed left in ``work/``."""
    if os.path.isdir(site.path("work")) and os.listdir(site.path("work")):
        with _alone(site) as work:
            _sweep(work)


@contextmanager
def _alone(site: Site) -> Iterator[str]:
    """Between the making of a room and its lock nobody sweeps; held for milliseconds, so waiting is right."""
    work = site.path("work")
    private.make_directory(work)
    handle = os.open(work, _OPEN | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield work
    finally:
        os.close(handle)


def _sweep(work: str) -> None:
    # What cannot be removed, because it is another user's, must not stop a command that has nothing to do with it.
    for name in os.listdir(work):
        with suppress(OSError):
            _remove_unheld(os.path.join(work, name))


def _remove_unheld(path: str) -> None:
    handle = os.open(path, _OPEN)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    finally:
        os.close(handle)
