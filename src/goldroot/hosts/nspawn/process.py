"""A container that runs, for its supervisor; and a command in one: how it is begun, and how it has ended."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence

from goldroot.errors import HostError, NoPermission
from goldroot.hosts.nspawn.container import first_inside
from goldroot.run import Done, find

_HERE = os.path.dirname(os.path.abspath(__file__))


class Container:
    """A container, see :class:`goldroot.hosts.machines.Running`."""

    #: What systemd-nspawn ends with after a reboot inside, for whoever started it (EXIT_FORCE_RESTART, with --keep-unit).
    restarts = 133

    def __init__(self, process: subprocess.Popen[bytes], console: int) -> None:
        self._process = process
        self.pid = process.pid
        self.console = console

    def is_up(self) -> bool:
        return first_inside(self.pid) is not None

    def halt(self, how: str) -> None:
        if how == "pressed":
            raise HostError("a container has no power button")
        # What nspawn itself sends when it is asked: but asked twice, it ends at once.  Process 1 ends all that is inside.
        # Where there is no process 1, it has ended, or has not begun.
        if (pid := first_inside(self.pid)) is not None:
            os.kill(pid, signal.SIGRTMIN + 3 if how == "asked" else signal.SIGKILL)
        elif how == "killed":
            self._process.kill()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    def inside(self) -> int:
        if (pid := first_inside(self.pid)) is None:
            raise HostError("nothing runs inside")
        return pid


def words_inside(pid: int, argv: Sequence[str]) -> list[str]:
    """The words that run a command in the container whose first process that is: see :mod:`goldroot.hosts.nspawn.enter`.

    :raises NoPermission: there is no filter of system calls for this architecture.
    """
    filter_of_calls = os.path.join(_HERE, "filters", f"{platform.machine()}.bpf")
    if not os.path.exists(filter_of_calls):
        raise NoPermission(
            f"commands cannot be run in containers on {platform.machine()}",
            meaning="goldroot has no filter of system calls for this architecture. The command was not started.",
            todo="Use x86-64, arm64 (aarch64) or s390x.",
        )
    enter = [sys.executable, "-I", "-S", os.path.join(_HERE, "enter.py"), filter_of_calls]
    spaces = ["--user", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
    return [*enter, find("nsenter"), f"--target={pid}", *spaces, "--", *argv]


def as_a_shell(done: Done, word: str) -> Done:
    """How a command has ended, in the words and with the status of a shell.

    127: it was not found, 126: it could not be run, 128 and the number: it was ended by a signal.
    """
    if done.status < 0:
        return Done(128 - done.status, done.out, done.err)
    said = done.err.decode("utf-8", "replace")
    if done.status not in (126, 127) or not said.startswith("nsenter: failed to execute"):
        return done
    why = said.rstrip().rpartition(": ")[2]
    told = "not found in the server" if done.status == 127 else f"cannot be run in the server: {why}"
    return Done(done.status, b"", f"{word}: {told}\n".encode())
