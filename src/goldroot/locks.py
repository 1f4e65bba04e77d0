"""Locks between goldroot commands: one file each, locked with ``flock``; in the file stands who holds it.

The kernel gives a lock back when its holder ends, however it ends, so there are no stale locks.  A lock's file stays
where it is, but for that of a thing which comes once: its holder removes it at the end, and who waited for it sees that
what it holds is not a lock any more, and begins again.  Worker processes that a holder forks hold the
lock with it, so that it is not given back while an orphan of a killed command may still write.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from goldroot import files
from goldroot.errors import BadInput, Busy, NoPermission

#: How often a waiting command looks again, in seconds.
LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Who holds a lock: process id, command line, since when (UTC, ISO 8601)."""

    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid}, since {self.since})"


def lock_file(directory: str | os.PathLike[str], name: str) -> str:
    """The file of the lock with that name, for names with any character (``clone:web1``)."""
    return os.path.join(os.fspath(directory), quote(name, safe=":@+,= ") + ".lock")


@contextmanager
def lock(
    path: str | os.PathLike[str],
    wait: float | None = None,
    holder_text: str | None = None,
    *,
    on_wait: Callable[[str], None] | None = None,
    once: bool = False,
) -> Iterator[None]:
    """Hold the lock of this file in the block; its directory is made where it is missing.

    :param wait: seconds to wait for another holder; ``None`` waits as long as it takes, 0 not at all.
    :param holder_text: what this command is called in others' messages; by default its command line.
    :param on_wait: told once, in words, for whom it waits.
    :param once: nobody will want this lock again; its file is removed at the end.
    :raises Busy: another command holds it still; the error names it.
    """
    place = os.fspath(path)
    handle = _taken(place, wait, on_wait)
    try:
        _sign(handle, holder_text if holder_text is not None else command_line())
        yield
        os.ftruncate(handle, 0)
        if once:
            os.unlink(place)
    finally:
        os.close(handle)


def held_by(path: str | os.PathLike[str]) -> HeldBy | None:
    """Who holds the lock of this file now; ``None``: nobody.  It takes nothing, and may be out of date at once."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    finally:
        os.close(handle)
    return None


def refuse_held(path: str | os.PathLike[str]) -> None:
    """For those who only look: nothing is taken, and no file is made.

    :raises Busy: another command holds the lock of this file now; the error names it.
    """
    if (holder := held_by(path)) is not None:
        raise _busy(holder, os.fspath(path))


def command_line() -> str:
    """This process's command line, as a person would type it."""
    return shlex.join([os.path.basename(sys.argv[0]) or "goldroot", *sys.argv[1:]])


def _open(path: str) -> int:
    files.make_directory(os.path.dirname(path) or ".")
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, files.FILE_MODE)
    except PermissionError as error:
        raise NoPermission(f"the lock {path!r} may not be taken", todo="Run it as the owner of the site.") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInput(f"the lock {path!r} is a symbolic link", todo="Remove it: goldroot makes none.") from error
        raise


def _taken(path: str, wait: float | None, on_wait: Callable[[str], None] | None) -> int:
    """The lock's file, open and locked; one that its holder removed meanwhile is none."""
    while True:
        handle = _open(path)
        try:
            _acquire(handle, path, wait, on_wait)
            if _stands(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _stands(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _acquire(handle: int, path: str, wait: float | None, on_wait: Callable[[str], None] | None) -> None:
    end = None if wait is None else time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        if end is not None and time.monotonic() >= end:
            raise _busy(_read(handle), path)
        if on_wait is not None:
            on_wait(f"waiting for {_read(handle) or 'another command'}")
            on_wait = None
        time.sleep(LOOK_AGAIN)


def _busy(holder: HeldBy | None, path: str) -> Busy:
    name = os.path.basename(path).removesuffix(".lock")
    return Busy(
        f"{name} is in use by {holder or 'another command'}",
        meaning="Nothing was changed.",
        todo="Run the command again when that one has finished.",
    )


def _sign(handle: int, command: str) -> None:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"pid": os.getpid(), "command": command, "since": since})
    os.ftruncate(handle, 0)
    try:
        os.pwrite(handle, text.encode("utf-8", "surrogateescape"), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # it is held without a name, too
            raise


def _read(handle: int) -> HeldBy | None:
    """Who signed; ``None`` in the moment between the lock and the signature."""
    try:
        held = files.json_of(os.pread(handle, 65536, 0))
        return HeldBy(int(held["pid"]), str(held["command"]), str(held["since"]))
    except (ValueError, KeyError, TypeError):
        return None
