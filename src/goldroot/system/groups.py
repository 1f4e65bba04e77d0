"""Control groups: how many processes a command has, and how much memory they have together.

They are the only limits that hold for the number of the host's root.  Where the machine lets us make none (a container, an
ordinary user), the other limits are all there is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from goldroot.system.limits import Limits

TOP = "/sys/fs/cgroup"
_PREFIX = "goldroot."
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Groups:
    """The groups of one command; ``paths`` are their directories."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def hit(self, limit: str) -> bool:
        """Whether the kernel has refused a process ("processes"), or ended one for want of memory ("memory")."""
        file, word = {"processes": ("pids.events", "max"), "memory": ("memory.events", "oom_kill")}[limit]
        names = (file, "memory.oom_control") if limit == "memory" else (file,)
        return any(_count(f"{path}/{name}", word) > 0 for path in self.paths for name in names)


@contextmanager
def groups(limits: Limits) -> Iterator[Groups]:
    """New groups with these limits, as far as they can be had; removed at the end."""
    made = Groups()
    with ExitStack() as stack:
        for above, settings in _places(limits):
            _sweep(above)
            with suppress(OSError):
                _make(made, stack, os.path.join(above, f"{_PREFIX}{os.urandom(6).hex()}"), settings)
        yield made


def _make(made: Groups, stack: ExitStack, path: str, settings: dict[str, int]) -> None:
    """One group.  It is locked as long as it is in use: numbers of processes mean nothing to another namespace."""
    os.mkdir(path, 0o755)
    stack.callback(_remove, path)
    handle = os.open(path, _OPEN)
    stack.callback(os.close, handle)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    written = 0
    for name, value in settings.items():
        with suppress(OSError), open(f"{path}/{name}", "w") as file:
            file.write(str(value))
            written += 1
    if written:
        made.paths.append(path)


def _remove(path: str) -> None:
    """Only an empty group can be removed."""
    with suppress(OSError):
        os.rmdir(path)


def _places(limits: Limits) -> Iterator[tuple[str, dict[str, int]]]:
    """Below which group a new one is made, and what it is told, in either version of control groups (cgroups(7))."""
    wanted = {"pids": limits.processes, "memory": limits.memory}
    for number, controllers, own in _own():
        if number == "0":
            settings = {f"{name}.max": value for name, value in wanted.items() if value}
            # A group that has processes of its own cannot hand controllers down; the one above it does.
            top = TOP if os.path.exists(f"{TOP}/cgroup.controllers") else ""
            if top and os.geteuid() == 0:
                yield top + os.path.dirname(own), settings
        elif (name := controllers) in wanted and wanted[name] and os.geteuid() == 0:
            file = "pids.max" if name == "pids" else "memory.limit_in_bytes"
            yield f"{TOP}/{name}{own}", {file: wanted[name]}


def _own() -> list[tuple[str, str, str]]:
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [(number, controllers, "" if own == "/" else own) for number, controllers, own in lines]


def _sweep(above: str) -> None:
    """Remove groups that killed commands left."""
    with suppress(OSError):
        for name in os.listdir(above):
            if name.startswith(_PREFIX):
                with suppress(OSError):
                    _remove_unheld(os.path.join(above, name))


def _remove_unheld(path: str) -> None:
    handle = os.open(path, _OPEN)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rmdir(path)
    finally:
        os.close(handle)


def _count(path: str, word: str) -> int:
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(f"{word} "))
    except OSError:
        return 0
