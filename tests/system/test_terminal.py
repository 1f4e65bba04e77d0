"""A shell for a person: a terminal of the system's own, and the caller's out of reach."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import goldroot
from system.conftest import Machine

pytestmark = pytest.mark.root

SCRIPT = """
import os, sys
sys.path.insert(0, {source!r})
from goldroot.system import Bound, How, run_in
handle = os.open({root!r}, os.O_RDONLY)
done = run_in([Bound(handle, b"", False)], {command!r}, How(ok=None, capture=False))
print("ended", done.status, flush=True)
"""


def words(machine: Machine, *command: str) -> list[str]:
    source = os.path.dirname(os.path.dirname(goldroot.__file__))
    return [sys.executable, "-c", SCRIPT.format(source=source, root=str(machine.root), command=list(command))]


class Typist:
    """Somebody at a terminal, in which a command runs."""

    def __init__(self, command: list[str]) -> None:
        self.master, slave = pty.openpty()
        self.name = os.ttyname(slave)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        termios.tcsetwinsize(slave, (33, 99))
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def see(self, wanted: str, times: int = 1) -> None:
        while self.seen.count(wanted) < times:
            ready, _, _ = select.select([self.master], [], [], 60)
            assert ready, f"{wanted!r} does not come: {self.seen!r}"
            self.seen += os.read(self.master, 4096).decode()

    def __enter__(self) -> Typist:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(60)
        os.close(self.master)
        os.close(self.slave)

    def end(self) -> int:
        """How the command ended, of itself."""
        return self.process.wait(60)


def test_a_shell_has_a_terminal_of_its_own(machine: Machine) -> None:
    with Typist(words(machine, "/bin/sh")) as typist:
        typist.see("# ")
        typist.type("echo $((6*7)); tty; set -o monitor && echo jobs; ls -l /proc/self/fd /proc/$$/fd; echo 'e''nd'\n")
        typist.see("end\r\n")
        assert "42\r\n" in typist.seen and "/dev/pts/0\r\n" in typist.seen and "jobs\r\n" in typist.seen
        assert typist.name == "/dev/pts/0" or typist.name not in typist.seen
        # What the terminal echoes says nothing of who reads it: a ^C before `cat` has the terminal is the shell's.
        typist.type("cat\nhal''lo\n")
        typist.see("hal''lo\r\n", times=2)
        typist.type("\x03")
        typist.see("^C\r\n")
        typist.type("echo ba''ck\n")
        typist.see("back\r\n")
        typist.type("exit 7\n")
        typist.see("ended 7\r\n")
        assert termios.tcgetattr(typist.slave) == typist.before
        assert typist.end() == 0


def test_its_size_is_that_of_ours(machine: Machine) -> None:
    from support.roots import add_program

    add_program(machine.root, "/bin/stty")
    with Typist(words(machine, "/bin/sh", "-c", "stty size; read x; stty size")) as typist:
        typist.see("33 99")
        termios.tcsetwinsize(typist.slave, (44, 88))
        os.killpg(typist.process.pid, 28)
        typist.type("\n")
        typist.see("44 88")
        typist.see("ended 0")
        assert typist.end() == 0


def test_without_a_terminal_the_streams_are_passed_on(machine: Machine, tmp_path: Path) -> None:
    """The caller's file is not among the command's descriptors: it could change its mode, or read it."""
    file = tmp_path / "out"
    script = "cat; echo said; echo wrong >&2; chmod 4777 /proc/self/fd/1; ls -l /proc/self/fd; exit 5"
    with open(file, "wb") as out:
        done = subprocess.run(
            words(machine, "/bin/sh", "-c", script), input=b"given\n", stdout=out, stderr=subprocess.PIPE
        )
    said = file.read_text()
    assert said.startswith("given\nsaid\n") and said.endswith("ended 5\n") and b"wrong\n" in done.stderr
    assert str(file) not in said and file.stat().st_mode & 0o7777 == 0o644
