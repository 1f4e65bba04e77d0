"""A container that runs, for its supervisor; and how a command that could not be begun in one is told."""

from __future__ import annotations

import os
import signal
import subprocess

from goldroot.errors import HostError
from goldroot.hosts.nspawn.container import first_inside
from goldroot.run import Done


class Container:
    """A container, see :class:`goldroot.hosts.machines.Running`."""

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


def as_a_shell(done: Done, word: str) -> Done:
    """What could not be begun, in the words and with the status of a shell: 127 not found, 126 not to be run."""
    said = done.err.decode("utf-8", "replace")
    if done.status not in (126, 127) or not said.startswith("nsenter: failed to execute"):
        return done
    why = said.rstrip().rpartition(": ")[2]
    told = "not found in the server" if done.status == 127 else f"cannot be run in the server: {why}"
    return Done(done.status, b"", f"{word}: {told}\n".encode())
