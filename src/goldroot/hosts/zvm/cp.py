"""CP commands on the management guest, where goldroot runs: what is said, and what the answers mean.

The commands go through ``vmcp`` of s390-tools, which ends with 1 where CP refuses and names CP's number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from goldroot.errors import HostError, ProgramFailed
from goldroot.run import Done, run

#: How vmcp ends where CP refuses.
REFUSED = 1
#: Bytes of an answer that vmcp takes.
BUFFER = 65536
#: CP's number for a device that is not there.
NO_DEVICE = 40

_NUMBER = re.compile(r"#(\d+)")
_DASD = re.compile(r"DASD ([0-9A-F]{4}) (\S+) (\S+)\s+(R/[OW])\s+(\d+) (CYL|BLK)\b")
_USER = re.compile(r"(\S+)\s+([0-9A-F]{3,4})\s+(R/[OW])")


class CpRefused(HostError):
    """CP does not do it; ``number`` is that of its message, ``text`` what it says."""

    kind = "cp-refused"

    def __init__(self, command: str, number: int, text: str) -> None:
        super().__init__(f"CP refuses {command!r}: {text or f'message {number}'}")
        self.number = number
        self.text = text


class Cp(Protocol):
    """A way to give CP commands as the management guest."""

    def command(self, text: str) -> str:
        """What CP answers.

        :raises CpRefused: it refuses.
        :raises HostError: it cannot be asked.
        """


class Vmcp:
    """The program ``vmcp`` on this machine, which is a guest of the z/VM system.

    :param program: its name or path.
    """

    def __init__(self, program: str = "vmcp") -> None:
        self._program = program

    def command(self, text: str) -> str:
        try:
            done = run([self._program, "--buffer", str(BUFFER), *text.split()], ok=(0, REFUSED))
        except ProgramFailed as error:
            raise HostError(
                f"CP could not be asked {text!r}: {error.brief}",
                todo="goldroot runs on a guest of the z/VM system, as root: is the module vmcp loaded there?",
            ) from error
        return answer(text, done)


def answer(text: str, done: Done) -> str:
    """What CP has said by ``vmcp``.

    :param text: the command.
    :raises CpRefused: it refuses.
    """
    if done.status == REFUSED:
        found = _NUMBER.search(done.err.decode("utf-8", "replace"))
        raise CpRefused(text, int(found[1]) if found else 0, done.text().strip())
    return done.text()


@dataclass(frozen=True, slots=True)
class Dasd:
    """A disk of the management guest, as QUERY VIRTUAL shows it; ``size`` in cylinders or blocks."""

    address: str
    volume: str
    access: str
    size: int


@dataclass(frozen=True, slots=True)
class User:
    """A guest that has a disk, at which address, and whether it may write."""

    name: str
    address: str
    access: str

    def __str__(self) -> str:
        return f"{self.name} has it at {self.address} ({self.access})"


def dasd(cp: Cp, address: str) -> Dasd | None:
    """The disk at an address of the management guest; ``None``: no device is there.

    :raises HostError: a device of another kind is.
    """
    try:
        said = cp.command(f"QUERY VIRTUAL {address}")
    except CpRefused as error:
        if error.number == NO_DEVICE:
            return None
        raise
    found = _DASD.search(said)
    if found is None:
        raise HostError(f"the device {address} of the management guest is not a disk: {said.strip()[:60]}")
    where, _, volume, access, size, _ = found.groups()
    return Dasd(where, volume, access, int(size))


def users(cp: Cp, address: str) -> list[User]:
    """Everybody who has the disk that stands at an address of the management guest; itself, too."""
    said = cp.command(f"QUERY LINKS {address}")
    return [User(*found) for found in _USER.findall(said)]
