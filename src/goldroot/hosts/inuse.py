"""Who works on a disk or runs a machine: files that are locked with ``flock``, which the kernel gives back.

A disk's lock is shared by readers and exclusive for whoever writes, seals, empties or deletes.  A machine's lock is
exclusive for whoever runs or holds it, and shared by those who read its live disks and want them still.  Who holds one
exclusively writes into it who that is; who shares one is asked of the kernel.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from goldroot import private
from goldroot.hosts.atomic import store_errors
from goldroot.locks import command_line

#: Seconds between tries: whoever only asks holds a lock for a moment.
TRIES = (0.0, 0.02, 0.1, 0.4, 1.0)


@dataclass(slots=True)
class Taken:
    """A lock, until it is closed or this process and its forked copies end."""

    handle: int
    path: str
    signed: bool = False  #: whether it says who has it

    def close(self) -> None:
        """Give it back; again: nothing."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            if self.signed:
                _write(handle, None)
            os.close(handle)

    def gone(self) -> None:
        """What was locked is gone for good: its file goes, and who waits for it sees that."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)


@dataclass(frozen=True, slots=True)
class Note:
    """Who holds a lock exclusively, and what for."""

    what: Literal["hold", "run", "disk", ""] = ""
    who: str = "another command"
    since: str = ""
    live: dict[str, Any] = field(default_factory=dict)  #: of a run: the disks and links that the machine was given

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}" if self.since else self.who


class InUse:
    """The ``locks/`` directory of a store."""

    def __init__(self, store: str) -> None:
        self._directory = os.path.join(store, "locks")

    def create(self) -> None:
        """Make the directory; what is there stays."""
        private.make_directory(self._directory)

    def make(self, name: str) -> None:
        """Make a lock's file when that comes into being which it is for: who only asks later makes none."""
        with store_errors(self._path(name)):
            os.close(self._open(name))

    def take(self, name: str, *, shared: bool = False, note: Note | None = None, patient: bool = True) -> Taken | None:
        """The lock of that name; ``None``: somebody else has it.

        :param note: for an exclusive one, what is written into it.
        :param patient: try again for a second or two.

        Who shares it takes away what a killed holder has written into it; :meth:`asked` does not.
        """
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        for wait in TRIES if patient else TRIES[:1]:
            if wait:  # sleeping for nothing still gives the processor away
                time.sleep(wait)
            if (taken := self._try(name, how)) is not None:
                if note is not None or os.fstat(taken.handle).st_size:  # a killed holder's words go
                    _write(taken.handle, note)
                taken.signed = note is not None
                return taken
        return None

    def asked(self, name: str) -> bool:
        """Whether nobody has the lock exclusively; nothing is written, so that a plan may ask."""
        if (taken := self._try(name, fcntl.LOCK_SH)) is None:
            return False
        taken.close()
        return True

    def free(self, name: str) -> bool:
        """Whether nobody has the lock at all, shared or not; nothing is written."""
        if (taken := self._try(name, fcntl.LOCK_EX)) is None:
            return False
        taken.close()
        return True

    def note(self, name: str) -> Note:
        """What whoever has the lock says of it, or the kernel."""
        try:
            with open(self._path(name), "rb") as file:
                status, content = os.fstat(file.fileno()), file.read(1 << 20)
        except FileNotFoundError:
            return Note()
        try:
            return Note(**json.loads(content))
        except (ValueError, TypeError):
            return Note(who=_holder(status))

    def names(self) -> list[str]:
        """The locks that have a file: for what tidies."""
        return sorted(os.listdir(self._directory))

    def _try(self, name: str, how: int) -> Taken | None:
        while True:
            with store_errors(self._path(name)):
                handle = self._open(name)
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            if self._stands(name, handle):
                return Taken(handle, self._path(name))
            os.close(handle)  # it went with what it was for, and there is a new one

    def _open(self, name: str) -> int:
        path, flags = self._path(name), os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, os.O_RDWR | flags)
        except FileNotFoundError:
            return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        except OSError:
            return os.open(path, os.O_RDONLY | flags)  # on a file system that is only read

    def _stands(self, name: str, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.lstat(self._path(name)))
        except FileNotFoundError:
            return False

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def entry_lock(name: str) -> str:
    """The name of an entry's lock."""
    return f"entry-{name}"


def disk_lock(id: str) -> str:
    """The name of a disk's lock."""
    return f"disk-{id}"


def new_note(what: Literal["hold", "run", "disk"], live: dict[str, Any] | None = None) -> Note:
    """What this process writes into a lock."""
    return Note(what, f"`{command_line()}` (process {os.getpid()})", utc_now(), live or {})


def utc_now() -> str:
    """The time, UTC, ISO 8601, to the microsecond: two changes of an entry can be told apart."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _write(handle: int, note: Note | None) -> None:
    """What stood there is of somebody who was killed."""
    with suppress(OSError):  # on a full disk it is held without a name
        os.ftruncate(handle, 0)
        if note is not None:
            os.pwrite(handle, json.dumps(asdict(note)).encode("utf-8", "surrogateescape"), 0)


def _holder(status: os.stat_result) -> str:
    """Who has a lock on this file, by the kernel's list."""
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            for line in locks:
                words = line.split()
                if len(words) > 5 and words[1] == "FLOCK" and words[5] == file and int(words[4]) > 0:
                    return f"process {words[4]} ({_command(words[4])})"
    except OSError:
        pass
    return "another command"


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "gone"
