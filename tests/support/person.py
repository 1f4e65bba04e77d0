"""A person at a terminal who gives a command and answers what it asks."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType

#: Seconds after which a command that says nothing more is taken to hang; no test's result depends on it.
HANGS = 60


class Person:
    """A command on a terminal of its own; what it says is ``screen``.

    The terminal has 40 lines of 160 characters.
    """

    def __init__(self, *args: str, env: Mapping[str, str] | None = None) -> None:
        self.screen = ""
        self._seen = 0
        self._master, slave = pty.openpty()
        set_size(slave, 40, 160)
        self.command = subprocess.Popen(
            [sys.executable, "-c", "from goldroot.cli.begin import main; main()", *args],
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", **(env or {})},
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.command.poll() is None:
            self.command.kill()
        self.command.wait()
        os.close(self._master)

    def sees(self, words: str) -> str:
        """Wait for words that were not there when it was last asked; gives all that was said until then."""
        end = time.monotonic() + HANGS
        while (found := self.screen.find(words, self._seen)) < 0:
            assert self._read(end), f"{words!r} does not come; it says: {self.screen[self._seen :]}"
        said = self.screen[self._seen : found + len(words)]
        self._seen = found + len(words)
        return said

    def types(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def answers(self, question: str, keys: str) -> str:
        """Wait for a question, and press keys; gives what was said before."""
        said = self.sees(question)
        self.types(keys)
        return said

    def ends(self) -> int:
        """The exit code, at its end."""
        end = time.monotonic() + HANGS
        while self._read(end):
            pass
        return self.command.wait(HANGS)

    def has_echo(self) -> bool:
        """Whether the terminal shows what is typed, line by line, as a shell wants to find it."""
        wanted = termios.ECHO | termios.ICANON
        return termios.tcgetattr(self._master)[3] & wanted == wanted

    def kill(self) -> None:
        """The command is killed."""
        self.command.send_signal(signal.SIGKILL)
        self.command.wait()

    def _read(self, end: float) -> bool:
        """Read more; whether there was any."""
        if not select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            more = os.read(self._master, 1 << 16)
        except OSError:  # nobody has the other end any more
            return False
        self.screen += re.sub("\r+\n", "\n", more.decode("utf-8", "replace"))
        return bool(more)


def set_size(terminal: int, lines: int, columns: int) -> None:
    """Give a terminal a size."""
    import fcntl
    import struct

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
