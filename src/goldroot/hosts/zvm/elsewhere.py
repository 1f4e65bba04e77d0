"""A management guest that is another machine than this one, by ssh: CP's commands, and what of its disks can be told.

A disk is linked there, set online and its label read.  **Its files are not reached from here**: they are mounted where
goldroot runs, so commands that open them have to be run on that guest.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import NoReturn

from goldroot.errors import HostError, ProgramFailed, Refused
from goldroot.hosts.images.filesystems import WRITTEN
from goldroot.hosts.port import Use
from goldroot.hosts.zvm.cp import BUFFER, REFUSED, answer
from goldroot.hosts.zvm.dasd import BLOCK, BY_PATH, LABEL_BLOCK, label_in
from goldroot.hosts.zvm.medium import Record
from goldroot.hosts.zvm.ssh import Remote
from goldroot.run import Done


class RemoteVmcp:
    """The program ``vmcp`` on a guest that ssh leads to.

    :param program: its name or path there.
    """

    def __init__(self, remote: Remote, program: str = "vmcp") -> None:
        self._remote, self._program = remote, program

    def command(self, text: str) -> str:
        done = self._remote.command([self._program, "--buffer", str(BUFFER), *text.split()])
        if done.status not in (0, REFUSED):
            raise HostError(
                f"CP could not be asked {text!r} on {self._remote.host}: {_said(done)}",
                todo="Who comes by ssh has to be root of a guest of the z/VM system: is the module vmcp loaded there?",
            )
        return answer(text, done)

    def has(self, program: str) -> bool:
        """Whether that guest has a program."""
        return self._remote.command(["/bin/sh", "-c", 'command -v "$0"', program]).status == 0


class RemoteDasds:
    """As :class:`goldroot.hosts.zvm.medium.Medium`, as far as that can be from another machine.

    :param by_path: the directory there in which devices are named by their address.
    """

    forms: Collection[str] = tuple(WRITTEN)
    sealed_forms: Collection[str] = tuple(WRITTEN)
    blocks = True

    def __init__(self, remote: Remote, by_path: str = BY_PATH) -> None:
        self._remote, self._by_path = remote, by_path

    def least(self, form: str) -> int:
        """It is asked before a disk is made: what could not be formatted is not begun."""
        self._refuse()

    def online(self, address: str) -> str:
        self._run(["chccwdev", "-e", f"0.0.{address.lower()}"])
        device = f"{self._by_path}/ccw-0.0.{address.lower()}"
        for wait in (0.0, 1.0, 2.0, 4.0):
            time.sleep(wait)
            if self._remote.command(["test", "-e", device]).status == 0:
                return device
        raise HostError(f"the disk {address} was set online on {self._remote.host}, and there is no {device!r}")

    def offline(self, address: str) -> None:
        device = f"{self._by_path}/ccw-0.0.{address.lower()}"
        if self._remote.command(["test", "-e", device]).status == 0:
            self._remote.command(["udevadm", "settle"])
            self._run(["chccwdev", "-d", f"0.0.{address.lower()}"])

    def tag(self, device: str) -> str:
        words = ["dd", f"if={device}", f"bs={BLOCK}", f"skip={LABEL_BLOCK}", "count=1", "status=none"]
        return label_in(self._run(words).out)

    def format(self, device: str, form: str, tag: str) -> None:
        self._refuse()

    def copy(self, source: str, target: str) -> None:
        self._refuse()

    def own(self, device: str, form: str, tag: str) -> None:
        self._refuse()

    def seal(self, device: str, form: str) -> None:
        self._refuse()

    def mount(self, device: str, form: str, *, write: bool, use: Use, replay: bool = False) -> tuple[int, int]:
        self._refuse()

    def record(self, given: Record) -> None:
        self._refuse()

    def evidence(self, device: str, form: str) -> str:
        """There is none from here."""
        return ""

    def _run(self, words: Sequence[str]) -> Done:
        done = self._remote.command(words)
        if done.status != 0:
            raise ProgramFailed(f"{words[0]} on {self._remote.host} ended with status {done.status}: {_said(done)}")
        return done

    def _refuse(self) -> NoReturn:
        raise Refused(
            f"files of minidisks are not reached from here: the management guest is {self._remote.host}",
            meaning="By ssh it is asked who has which disk, and servers are logged on and off.",
            todo="Run this command on that guest, with the same site.",
        )


def _said(done: Done) -> str:
    lines = (done.err or done.out).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with status {done.status}"
