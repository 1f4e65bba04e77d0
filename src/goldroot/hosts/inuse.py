"""Who works on a disk or runs a machine: goldroot's own commands, by files that are locked, and any process, by /proc.

The kernel gives a lock of ``flock`` back when its process ends.  A disk's lock is shared by readers and exclusive for whoever writes,
seals, empties or deletes.  A machine's lock is exclusive for whoever runs or holds it, and shared by those who read its live disks and
want them still.  Who holds one exclusively writes into it who that is; who shares one is asked of the kernel.

In /proc, two views are needed together.  A process in our mount namespace shows the disk's path in its links; one in
a namespace of its own (a chroot with private mounts, a container) shows some other path there, but its mountinfo names
the directory that is mounted.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from goldroot import files
from goldroot.hosts.storefiles import store_errors
from goldroot.locks import command_line

#: Seconds between tries: whoever only asks holds a lock for a moment.
TRIES = (0.0, 0.02, 0.1, 0.4, 1.0)


@dataclass(slots=True)
class Taken:
    """A lock, until it is closed or this process and its forked copies end."""

    handle: int
    path: str
    signed: bool = False  #: whether it says who has it
    left: bool = False  #: whether it said so of somebody before, who did not give it back in order

    def close(self) -> None:
        """Give it back; again: nothing."""
        if self.handle >= 0 and self.signed:
            _write(self.handle, None)
        self.leave()

    def leave(self) -> None:
        """Give it back with what it says, so that the next command finds what is left to do; again: nothing."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
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
    pid: int = 0  #: of the process that wrote it, where that is the one that has the lock

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}" if self.since else self.who


class InUse:
    """The ``locks/`` directory of a store."""

    def __init__(self, store: str) -> None:
        self._directory = os.path.join(store, "locks")

    def create(self) -> None:
        """Make the directory; what is there stays."""
        files.make_directory(self._directory)

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
                taken.left = os.fstat(taken.handle).st_size > 0
                if note is not None or taken.left:  # a killed holder's words go
                    _write(taken.handle, note)
                taken.signed = note is not None
                return taken
        return None

    def take_left(self, name: str, note: Note | None = None) -> Taken | None:
        """The lock of what a killed command may have left; ``None``: a command that lives has it.

        Forked copies of a killed process hold its locks until they have ended, too, which is a moment later: they are waited
        for.  Nobody waits for a command that lives.
        """
        if (taken := self.take(name, note=note, patient=False)) is not None:
            return taken
        holder = self.note(name).pid
        return self.take(name, note=note) if holder and _has_no_memory(holder) else None

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
            return Note(**files.json_of(content))
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
    return Note(what, f"`{command_line()}` (process {os.getpid()})", utc_now(), live or {}, os.getpid())


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
                    return _who(int(words[4]))
    except OSError:
        pass
    return "another command"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: device, directory within its file system, place, options of both levels."""

    device: str
    root: str
    place: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sought:
    """What is looked for: the directories, and what names them in /proc."""

    places: frozenset[str]
    below: tuple[str, ...]  #: how the name of what stands in one of them begins
    identities: frozenset[tuple[int, int]]
    sources: Sequence[tuple[str, str]]  #: as mountinfo of any namespace names them: device and path in it
    writing: bool

    def has(self, target: str) -> bool:
        return target in self.places or target.startswith(self.below)


def user_of(paths: Sequence[str], *, writing: bool = True) -> str | None:
    """Why one of these directories is in use, for a person; ``None`` where nothing is seen.

    A command asks this several times, and it reads of every process on the machine: what is asked of each is little.

    :param paths: absolute directories of disks.
    :param writing: only uses that may write count (files open for writing, working directories, roots, writable
        mounts); ``False`` counts readers too.
    """
    sought = _sought([os.path.realpath(path) for path in paths], writing)
    seen: set[str] = set()
    for pid in _processes():
        reason = None if _has_no_memory(pid) else _held_by(pid, sought)
        if reason is None and (space := _readlink(f"/proc/{pid}/ns/mnt")) not in seen:
            seen.add(space)
            reason = _mounted_in(pid, sought)
        if reason:
            return reason
    return None


def _sought(real: list[str], writing: bool) -> _Sought:
    mounts = _mounts("self")
    return _Sought(
        frozenset(real),
        tuple(path.rstrip("/") + "/" for path in real),
        frozenset(_identity(path) for path in real if os.path.isdir(path)),
        [source for path in real if (source := _source(path, mounts))],
        writing,
    )


def _processes() -> Iterator[int]:
    """Every process but this one, whose own reading is of no use."""
    me = str(os.getpid())
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and name != me)


def _has_no_memory(pid: int) -> bool:
    """Whether it is a thread of the kernel, as most are, or has ended: it has no file open and none mapped."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:
        return True
    except OSError:
        pass  # not ours to look at, or a program that was removed
    return False


def _held_by(pid: int, sought: _Sought) -> str | None:
    for name, words in (("cwd", "works in"), ("root", "has its root in")):
        target = _readlink(f"/proc/{pid}/{name}")
        if sought.has(target) or (target and _identity(f"/proc/{pid}/{name}") in sought.identities):
            return f"{_who(pid)} {words} {target}"
    for target in _open_files(pid, sought):
        return f"{_who(pid)} has {target} open"
    return next((f"{_who(pid)} has {target} mapped" for target in _mapped(pid, sought)), None)


def _open_files(pid: int, sought: _Sought) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        target = _readlink(f"/proc/{pid}/fd/{name}")
        if sought.has(target) and (not sought.writing or _writable(pid, name)):
            yield target


def _writable(pid: int, handle: str) -> bool:
    for line in _lines(f"/proc/{pid}/fdinfo/{handle}"):
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _mapped(pid: int, sought: _Sought) -> Iterator[str]:
    """Files that are mapped; for writing, those whose pages go back to the file (``rw-s``)."""
    content = _content(f"/proc/{pid}/maps")
    if not any(os.fsencode(path) in content for path in sought.places):
        return  # most processes, and the lines are many
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(None, 5)
        if len(fields) == 6 and sought.has(fields[5]) and (not sought.writing or fields[1][1] + fields[1][3] == "ws"):
            yield fields[5]


def _mounted_in(pid: int, sought: _Sought) -> str | None:
    """A mount, in the namespace of ``pid``, of one of the disks, of a directory of one, or of an overlay on one."""
    devices = {device for device, _ in sought.sources}
    for mount in _mounts(pid, devices):
        if sought.writing and "rw" not in mount.options:
            continue
        bound = any(mount.device == device and _inside(mount.root, root) for device, root in sought.sources)
        if (bound and mount.place not in sought.places) or any(map(sought.has, _layers(mount, sought.writing))):
            return f"it is mounted at {mount.place} (seen from process {pid}, {_command(pid)})"
    return None


def _layers(mount: Mount, writing: bool) -> Iterator[str]:
    """The directories that an overlay stands on; its lower ones are only read."""
    for option in mount.super_options:
        name, _, value = option.partition("=")
        if name in ("upperdir", "workdir"):
            yield value
        elif name in ("lowerdir", "lowerdir+") and not writing:
            yield from value.split(":")


def _source(path: str, mounts: list[Mount]) -> tuple[str, str] | None:
    """Where a directory lies, as mountinfo of any namespace would name a mount of it: device and path in it."""
    above = [mount for mount in mounts if _inside(path, mount.place)]
    # Of several at one place the last one hides the others.
    best = max(reversed(above), key=lambda mount: len(mount.place), default=None)
    if best is None:
        return None
    rest = os.path.relpath(path, best.place)
    return best.device, best.root if rest == "." else os.path.normpath(os.path.join(best.root, rest))


def _mounts(pid: int | str, devices: Set[str] | None = None) -> list[Mount]:
    """The mounts that a process sees; with ``devices``, those of these alone, and those that stand on directories."""
    found = []
    for line in _lines(f"/proc/{pid}/mountinfo"):
        fields = line.split(" ")
        if devices is not None and fields[2] not in devices and "dir" not in fields[-1]:
            continue  # on a machine with containers the others are many
        after = fields.index("-") + 1
        options = tuple(fields[5].split(",")), tuple(fields[after + 2].split(","))
        found.append(Mount(fields[2], _unescape(fields[3]), _unescape(fields[4]), *options))
    return found


def _unescape(text: str) -> str:
    """Octal escapes of mountinfo (space, tab, newline, backslash)."""
    if "\\" in text:
        for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            text = text.replace(code, char)
    return text


def _inside(target: str, place: str) -> bool:
    return target == place or target.startswith(place.rstrip("/") + "/")


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _readlink(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _lines(path: str) -> list[str]:
    """Lines of a /proc file; none when the process is gone or not ours to look at."""
    return os.fsdecode(_content(path)).split("\n")[:-1]


def _content(path: str) -> bytes:
    """Of a file below /proc: read without Python's layers, which cost as much again."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(handle, 1 << 16), b""))
    except OSError:  # it ended meanwhile
        return b""
    finally:
        os.close(handle)


def _who(pid: int) -> str:
    return f"process {pid} ({_command(pid)})"


def _command(pid: int) -> str:
    return next(iter(_lines(f"/proc/{pid}/comm")), "gone")
