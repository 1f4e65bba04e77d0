"""Running a command in a system that stands on several disks, without any right over what is outside.

The disks are bound onto one root in namespaces of their own: nothing of it is seen outside, and all of it ends with the
command, however that ends.  How it is confined, in which order, and what each form leaves open, stands in
docs/explanation/isolation.md; what happens between here and the command, in :mod:`goldroot.system.inside.enter`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from goldroot.errors import ProgramFailed, Refused
from goldroot.run import Done
from goldroot.system.groups import groups
from goldroot.system.inside import calls
from goldroot.system.inside.places import place
from goldroot.system.limits import Limits, Watch, reached
from goldroot.system.streams import Streams
from goldroot.system.talk import UNKNOWN, filters, hold, lost
from goldroot.system.words import Mode

__all__ = ["Bound", "Confined", "How", "Mode", "run_in", "shell_of"]

#: What a command in a system sees: nothing of the caller's.  The programs of the shared root come before those that a
#: server has put into /usr/local.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LC_ALL": "C.UTF-8",
    "container": "goldroot",
    "APT_CONFIG": "/run/goldroot/apt.conf",
    "SYSTEMD_OFFLINE": "1",
    "DEBIAN_FRONTEND": "noninteractive",
}

#: The most that file systems in memory hold; the memory limit holds for all of it together.
SIZES = {"run": 64 << 20, "tmp": 1 << 30, "shm": 256 << 20}

UNLIMITED = 1 << 22  #: of processes; the kernel's own limit


class Bound(NamedTuple):
    """``path`` of the disk stands at ``path`` of the system; the first one is the root, with the path ``b""``.

    ``handle`` is a descriptor of the disk's root directory; who opened it closes it.
    """

    handle: int
    path: bytes
    read_only: bool


@dataclass(frozen=True, slots=True)
class Confined(Done):
    """How a confined command ended; ``mode`` is how it was confined, ``why`` why not better.

    ``limit`` names the limit that it ran into without being ended for it (``processes``, ``memory``), or is "".
    """

    mode: Mode = "shift"
    why: str = ""
    limit: str = ""

    def as_dict(self) -> dict[str, object]:
        """As JSON data; with how it was confined."""
        return {**Done.as_dict(self), "confined": self.mode, "why": self.why}


@dataclass(frozen=True, slots=True)
class How:
    """How a command is run in a system.

    :param ok: exit statuses that count as success; ``None`` takes any.  A signal counts as 128 and its number.
    :param capture: ``False`` passes on what is typed and said: to a terminal of the command's own, where ours is one.
    :param timeout: in seconds, where ``limits`` names no time.
    :param network: ``False``: no network but an idle loopback; ``True``: this machine's, with its name servers.
    :param label: shown in the prompt of Debian's shells, so that nobody mistakes the system for the one around it.
    :param limits: see :class:`Limits`.
    :param mode: the form that it must have; ``None``: the strongest one that this machine has for the caller.
    :param told: is given the form, and why it is not the strongest one, before the command starts.
    """

    ok: Sequence[int] | None = (0,)
    capture: bool = True
    timeout: float | None = None
    network: bool = False
    stdin: bytes | None = None
    label: str = ""
    limits: Limits = field(default_factory=Limits)
    mode: Mode | None = None
    told: Callable[[Mode, str], None] | None = None


def run_in(binds: Sequence[Bound], command: Sequence[str], how: How = How()) -> Confined:
    """Run ``command`` in the system that ``binds`` make, as its root, without any right over what is outside.

    Whatever the command starts ends with it.  It ends with this process, too, even where that is killed.

    :param command: empty: only put the system together.
    :raises NoPermission: this machine has no form for the caller, or not the one that is wanted.  Nothing was run.
    :raises Refused: files that the command makes could be reached by others here.
    :raises Failed: the system could not be put together.
    :raises LimitReached: it was ended because it took too much, or failed because it would have.
    :raises ProgramFailed: the command ended with another status.
    """
    limits = how.limits
    writable = [bound.handle for bound in binds if not bound.read_only]
    for bound in binds:
        refuse_unplaced(bound.handle)
    for handle in writable:
        refuse_open(handle)
    name = command[0] if command else "the system"
    watch = Watch(name, limits, writable, limits.time or how.timeout)
    with groups(limits) as group, closing(Streams(watch, capture=how.capture, stdin=how.stdin)) as streams:
        plan = {
            "binds": [tuple(bound) for bound in binds],
            "command": list(command),
            "env": {**ENVIRONMENT, **_terminal_kind(streams), **({"debian_chroot": how.label} if how.label else {})},
            "resolv_conf": _resolv_conf() if how.network else "",
            "network": how.network,
            "mode": how.mode,
            "groups": group.paths,
            "memory": limits.memory or -1,
            "processes": limits.processes or UNLIMITED,
            "sizes": {name: min(size, limits.memory or size) for name, size in SIZES.items()},
            "stdin": streams.feeds,
            "terminal": streams.terminal,
            "filters": filters(),
        }
        said = hold(plan, [bound.handle for bound in binds], streams, how.told)
        limit = "memory" if group.hit("memory") else "processes" if said.full or group.hit("processes") else ""
    if said.status == UNKNOWN and not limit:
        raise lost(bytes(streams.err))
    done = Confined(said.status, bytes(streams.out), bytes(streams.err), said.mode, said.why, limit)
    if said.status != UNKNOWN and (how.ok is None or said.status in how.ok):
        return done
    raise _failed(name, done)


def _failed(name: str, done: Confined) -> ProgramFailed:
    said = done.err.decode("utf-8", "replace").strip()
    if done.limit:
        return reached(
            name, done.limit, f"ended with status {done.status}: it wanted more {done.limit} than it may have"
        )
    last = f": {said.splitlines()[-1]}" if said else ""
    return ProgramFailed(f"{name} ended with status {done.status}{last}", status=done.status, stderr=said)


def _terminal_kind(streams: Streams) -> dict[str, str]:
    return {"TERM": os.environ.get("TERM", "dumb")} if streams.terminal else {}


def _resolv_conf() -> str:
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def shell_of(root: Bound) -> str:
    """The shell that a person is given: bash, where the system has it."""
    for path in ("bin/bash", "usr/bin/bash"):
        handle = place(root.handle, path, directory=False)
        if handle is not None:
            os.close(handle)
            return "/bin/bash"
    return "/bin/sh"


def refuse_unplaced(handle: int) -> None:
    """A disk that is an image is mounted nowhere; the system gets a copy of that mount.

    :raises Refused: this kernel copies only mounts that stand somewhere.
    """
    if not _stands_nowhere(handle):
        return
    try:
        os.close(calls.clone_mount(handle))
    except OSError as error:
        raise Refused(
            f"commands cannot be run on disks that are images with this kernel ({error.strerror})",
            meaning="Linux before 6.15 copies only mounts that stand somewhere, and images are mounted nowhere. Nothing was run.",
            todo="Use Linux 6.15 or newer, or a host whose disks are directories.",
        ) from error


def _stands_nowhere(handle: int) -> bool:
    """Whether a disk is a mount without a place here (an image) on which set-uid bits count for nothing: no path leads
    there."""
    with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as file:
        mount = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        placed = any(line.split(" ", 1)[0] == mount for line in file)
    return not placed and bool(os.fstatvfs(handle).f_flag & os.ST_NOSUID)


def refuse_open(handle: int) -> None:
    """A set-uid file that is made on a disk is one on this machine, too, for everybody who can reach it.

    :raises Refused: no directory above the disk is closed to all others (mode 0700).
    """
    if _stands_nowhere(handle):
        return
    here = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    try:
        before = None
        while (status := os.fstat(here)) and (status.st_dev, status.st_ino) != before:
            if not status.st_mode & 0o077:
                return
            before = status.st_dev, status.st_ino
            above = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = above
    finally:
        os.close(here)
    path = os.readlink(f"/proc/self/fd/{handle}")
    raise Refused(
        f"other users of this machine can reach the disk {path}",
        meaning="A set-uid program that a system makes for itself would be one here, for them. Nothing was run.",
        todo=f"Close the store to others, or a directory above it: chmod 0700 {os.path.dirname(path)}",
    )
