"""How much a command may take; and watching what the kernel does not count."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from goldroot.errors import LimitReached

MIB = 1 << 20

#: How often free space is looked at, in seconds: a fast drive takes some hundred MiB meanwhile.
LOOK = 0.1

#: This part of a file system stays free for others, in thousandths; not more than so many bytes.
FREE_PART, MOST_FREE = 20, 256 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may take.  A number of 0 means no limit."""

    memory: int = 4096 * MIB  #: bytes of all its processes (with a control group), or of each one
    processes: int = 2048  #: at the same time
    output: int = 64 * MIB  #: bytes that it may say, where they are kept
    disk: int = 32768 * MIB  #: bytes by which the file systems of its disks may fill up
    time: float = 0.0  #: seconds; 0: what the caller finds right


class Watch:
    """The time and the space of one run.

    :param handles: of disks that can be written.
    :param seconds: how long it may run; ``None``: as long as it likes.
    """

    def __init__(self, name: str, limits: Limits, handles: Sequence[int], seconds: float | None) -> None:
        self.name, self.limits, self.seconds = name, limits, seconds
        self.until = None if seconds is None else time.monotonic() + seconds
        found = {os.fstat(handle).st_dev: handle for handle in handles}
        self.spaces = [(handle, os.fstatvfs(handle)) for handle in found.values()]
        self.output = 0

    def said(self, count: int) -> None:
        """Count output. :raises LimitReached:"""
        self.output += count
        if self.limits.output and self.output > self.limits.output:
            raise reached(self.name, "output", f"said more than {_size(self.limits.output)}")

    def wait(self) -> float | None:
        """Seconds until :meth:`look` is due; ``None``: never."""
        left = None if self.until is None else max(self.until - time.monotonic(), 0.0)
        return left if not self.spaces else LOOK if left is None else min(LOOK, left)

    def look(self) -> None:
        """:raises LimitReached: the time is over, or too much space is used."""
        if self.until is not None and time.monotonic() >= self.until:
            raise reached(self.name, "time", f"did not end within {self.seconds:g} s")
        for handle, before in self.spaces:
            now = os.fstatvfs(handle)
            if self.limits.disk and (before.f_bfree - now.f_bfree) * now.f_frsize > self.limits.disk:
                raise reached(self.name, "disk", f"wrote more than {_size(self.limits.disk)}")
            if _short(before, now):
                raise reached(self.name, "disk", "left almost no space on the file system of its disks")


def _short(before: os.statvfs_result, now: os.statvfs_result) -> bool:
    """Whether so little is left that others would feel it, and it became less since the beginning."""
    kept = min(now.f_blocks * now.f_frsize * FREE_PART // 1000, MOST_FREE)
    blocks = now.f_bavail * now.f_frsize < kept and now.f_bavail < before.f_bavail
    inodes = now.f_files > 0 and now.f_favail < now.f_files * FREE_PART // 1000 and now.f_favail < before.f_favail
    return blocks or inodes


def reached(name: str, limit: str, what: str) -> LimitReached:
    """The error for a limit, which is named as in goldroot.toml."""
    return LimitReached(
        f"{name} {what}",
        limit=limit,
        meaning="It was ended, with everything that it had started.",
        todo=f"Look at why; where it is right so, raise the limit: {limit} in [limits] of goldroot.toml.",
    )


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count % MIB == 0 else f"{count} bytes"
