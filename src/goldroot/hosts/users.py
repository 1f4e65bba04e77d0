"""Who uses a disk on this machine: processes and mounts, as far as /proc lets us see.

Two views are needed together.  A process in our mount namespace shows the disk's path in its links under /proc; one in
a namespace of its own (a chroot with private mounts, a container) shows some other path there, but its mountinfo names
the directory that is mounted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: device, directory within its file system, place, options of both levels."""

    device: str
    root: str
    place: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]


def user_of(paths: Sequence[str], *, writing: bool = True) -> str | None:
    """Why one of these directories is in use, for a person; ``None`` where nothing is seen.

    :param paths: absolute directories of disks.
    :param writing: only uses that may write count (files open for writing, working directories, roots, writable
        mounts); ``False`` counts readers too.
    """
    real = [os.path.realpath(path) for path in paths]
    identities = {_identity(path): path for path in real if os.path.isdir(path)}
    sources = [source for path in real for source in _source(path)]
    seen: set[str] = set()
    for pid in _processes():
        reason = _held_by(pid, real, identities, writing)
        if reason is None and (space := _readlink(f"/proc/{pid}/ns/mnt")) not in seen:
            seen.add(space)
            reason = _mounted_in(pid, real, sources, writing)
        if reason:
            return reason
    return None


def _processes() -> Iterator[int]:
    """Every process but this one, whose own reading is no use."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())


def _held_by(pid: int, paths: list[str], identities: dict[tuple[int, int], str], writing: bool) -> str | None:
    for name, words in (("cwd", "works in"), ("root", "has its root in")):
        target = _readlink(f"/proc/{pid}/{name}")
        if _inside(target, paths) or (target and _identity(f"/proc/{pid}/{name}") in identities):
            return f"{_who(pid)} {words} {target}"
    for target in _open_files(pid, writing):
        if _inside(target, paths):
            return f"{_who(pid)} has {target} open"
    return next((f"{_who(pid)} has {t} mapped" for t in _mapped(pid, paths, writing) if _inside(t, paths)), None)


def _open_files(pid: int, writing: bool) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        target = _readlink(f"/proc/{pid}/fd/{name}")
        if target.startswith("/") and (not writing or _writable(pid, name)):
            yield target


def _writable(pid: int, handle: str) -> bool:
    for line in _lines(f"/proc/{pid}/fdinfo/{handle}"):
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _mapped(pid: int, paths: list[str], writing: bool) -> Iterator[str]:
    """Files that are mapped; for writing, those whose pages go back to the file (``rw-s``)."""
    text = _text(f"/proc/{pid}/maps")
    if not any(path in text for path in paths):
        return  # most processes, and the lines are many
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/") and (not writing or fields[1][1] + fields[1][3] == "ws"):
            yield fields[5]


def _mounted_in(pid: int, paths: list[str], sources: list[tuple[str, str]], writing: bool) -> str | None:
    """A mount, in the namespace of ``pid``, of one of the disks, of a directory of one, or of an overlay on one."""
    for mount in _mounts(pid):
        if writing and "rw" not in mount.options:
            continue
        bound = any(mount.device == device and _inside(mount.root, [root]) for device, root in sources)
        if (bound and mount.place not in paths) or any(_inside(path, paths) for path in _layers(mount, writing)):
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


def _source(path: str) -> list[tuple[str, str]]:
    """Where a directory lies, as mountinfo of any namespace would name a mount of it: device and path in it."""
    above = [mount for mount in _mounts("self") if _inside(path, [mount.place])]
    # Of several at one place the last one hides the others.
    best = max(reversed(above), key=lambda mount: len(mount.place), default=None)
    if best is None:
        return []
    rest = os.path.relpath(path, best.place)
    return [(best.device, best.root if rest == "." else os.path.normpath(os.path.join(best.root, rest)))]


def _mounts(pid: int | str) -> list[Mount]:
    found = []
    for line in _lines(f"/proc/{pid}/mountinfo"):
        fields = line.split(" ")
        after = fields.index("-") + 1
        options = tuple(fields[5].split(",")), tuple(fields[after + 2].split(","))
        found.append(Mount(fields[2], _unescape(fields[3]), _unescape(fields[4]), *options))
    return found


def _unescape(text: str) -> str:
    """Octal escapes of mountinfo (space, tab, newline, backslash)."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def _inside(target: str, paths: Sequence[str]) -> bool:
    return any(target == path or target.startswith(path.rstrip("/") + "/") for path in paths)


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
    return _text(path).splitlines()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _who(pid: int) -> str:
    return f"process {pid} ({_command(pid)})"


def _command(pid: int) -> str:
    return next(iter(_lines(f"/proc/{pid}/comm")), "gone")
