"""Control groups: how many processes a command has, and how much memory they have together.

They are the only limits that hold for the number of the host's root.  Where the machine lets us make none (a container, an
ordinary user), the other limits are all there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot.system.limits import Limits

TOP = "/sys/fs/cgroup"
_PREFIX = "goldroot-"


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
    try:
        for above, settings in _places(limits):
            _sweep(above)
            with suppress(OSError):
                _make(made, os.path.join(above, f"{_PREFIX}{os.getpid()}-{os.urandom(3).hex()}"), settings)
        yield made
    finally:
        for path in made.paths:
            with suppress(OSError):
                os.rmdir(path)


def _make(made: Groups, path: str, settings: dict[str, int]) -> None:
    os.mkdir(path, 0o755)
    written = 0
    for name, value in settings.items():
        with suppress(OSError), open(f"{path}/{name}", "w") as file:
            file.write(str(value))
            written += 1
    if written:
        made.paths.append(path)
    else:
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
    """Remove groups that killed commands left: only an empty one can be removed."""
    with suppress(OSError):
        for name in os.listdir(above):
            pid = name.removeprefix(_PREFIX).partition("-")[0]
            if name.startswith(_PREFIX) and not os.path.exists(f"/proc/{pid}"):
                with suppress(OSError):
                    os.rmdir(os.path.join(above, name))


def _count(path: str, word: str) -> int:
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(f"{word} "))
    except OSError:
        return 0
