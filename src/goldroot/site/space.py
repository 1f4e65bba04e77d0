"""Space for commands: rooms in ``work/`` for what one writes for a while, and a little that is kept for when the disk is full.

::

    SITE/work/
    ├── review-k3x9/nginx.conf           locked as long as a command, or the editor that it started, is in it
    └── keys-web1-p0d2/ssh_host_rsa_key
    SITE/reserve         1 MiB of nothing; one more in each store that is on another file system

What is in a room may be secret.  Its lock is flock(2) on its directory, so that the kernel gives it back however its holder ends: a
room that nobody holds was left by a command that was killed, and goes with the next one that comes by.

A removal writes before it frees: the catalog's log, an entry without the disk that goes.  Where the file system is full, the
reserve is given up for the time of such a command, and made again when there is room.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from goldroot import files
from goldroot.files import has_room
from goldroot.site.config import store_of
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
    files.make_directory(work)
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


NAME = "reserve"
#: Bytes that are kept.
SIZE = 1 << 20
#: Bytes of which a reserve is of any use.
LEAST = 64 << 10
#: Below so many free bytes a removal may not come to its end.
LOW = 512 << 10


def keep_reserve(site: Site) -> None:
    """See that the reserve is there, wherever there is room for more than that."""
    for place in _places(site):
        file = os.path.join(place, NAME)
        with suppress(OSError):  # who cannot make it, or has no room, works on without
            if _size(file) < SIZE and has_room(place, 2 * SIZE):
                _make(file, SIZE)


@contextmanager
def making_room(site: Site) -> Iterator[None]:
    """For a command that frees room: where there is none, it has the reserve in the block."""
    given: list[str] = []
    for place in _places(site):
        with suppress(OSError):
            if not has_room(place, LOW):
                os.unlink(os.path.join(place, NAME))
                given.append(place)
    try:
        yield
    finally:
        # At once, and of the last room too: what filled the disk may go on filling it, and the next command needs it again.
        for place in given:
            _make_again(place)
        keep_reserve(site)


def _make_again(place: str) -> None:
    """As large as there is room: the catalog's log still holds some, and several small ones may have to go before there is more."""
    for size in range(SIZE, LEAST - 1, -LEAST):
        with suppress(OSError):
            if has_room(place, size):
                _make(os.path.join(place, NAME), size)
                return


def _size(file: str) -> int:
    try:
        return os.lstat(file).st_size
    except FileNotFoundError:
        return 0


def _places(site: Site) -> list[str]:
    """The site, and stores on other file systems than it and each other: one directory of each."""
    found: dict[int, str] = {}
    stores = (store_of(table, site.root) for table in site.config.hosts.values())
    for place in (site.root, *stores):
        with suppress(OSError):
            found.setdefault(os.stat(place).st_dev, place)
    return list(found.values())


def _make(file: str, size: int) -> None:
    """Under another name first: a part of it would be of no use, and look like all."""
    new = f"{file}.{os.getpid()}.new"
    handle = files.open_new(new, exclusive=True)
    try:
        os.posix_fallocate(handle, 0, size)
        os.rename(new, file)
    except OSError:
        os.unlink(new)
        raise
    finally:
        os.close(handle)
