"""Who uses a disk on this machine: processes and mounts, as far as /proc lets us see.

Two views are needed together.  A process in our mount namespace shows the disk's path in its links under /proc; one in
a namespace of its own (a chroot with private mounts, a container) shows some other path there, but its mountinfo names
the directory that is mounted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass


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
