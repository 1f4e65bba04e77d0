"""Consoles of guests that no ssh reaches: what they have spooled, by SMAPI into the management guest's reader.

``Image_Console_Get`` closes the spooled console of a guest and sends it to the reader of whoever calls SMAPI, which has to
be the management guest; ``vmur`` of s390-tools receives it there.  This is how Feilong's smtLayer has it (getVM.py:
class T, type CON).  A guest spools its console where its entry says ``COMMAND SPOOL CONSOLE START``.  What was received is
kept in the host's store, since it is in no reader any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from goldroot.errors import GoldrootError, HostError
from goldroot.hosts.storefiles import write_whole
from goldroot.hosts.zvm.members import Members
from goldroot.run import Done, run
from goldroot.zvm.smapi import CallRefused, Clock

#: Characters of a console that are kept.
KEPT = 1 << 18
#: Seconds between two looks.
LOOK = 5.0

Program = Callable[[Sequence[str]], Done]


def here(argv: Sequence[str]) -> Done:
    """A program of this Linux, which is the management guest."""
    return run(argv, ok=None, timeout=60)


@dataclass(frozen=True, slots=True)
class Spooled:
    """How consoles are read.

    :param program: runs a program on the management guest.
    :param up: text that a booted server's console shows; "": a start is not judged by it.
    :param within: seconds after a logon in which it has to.
    """

    program: Program = here
    vmur: str = "vmur"
    up: str = ""
    within: float = 300.0


class Consoles:
    """:param folder: of what was received, a file for each guest."""

    def __init__(self, members: Members, spooled: Spooled, folder: str, clock: Clock) -> None:
        self._members, self._spooled, self._folder, self._clock = members, spooled, folder, clock

    def lines(self, user: str) -> list[str]:
        """What a guest has said since its logon by goldroot, as far as it is kept.

        :raises HostError: the reader cannot be read.
        """
        said = self._kept(user)
        try:
            self._members.clients[self._members.home(user)].call("Image_Console_Get", user)
        except CallRefused:
            pass  # it has said nothing since the last time: what was sent then may wait in the reader still
        for number in self._waiting(user):
            piece = self._vmur("receive", "-t", "-O", number).text()
            said = f"{said}{piece}"[-KEPT:]
            write_whole(self._file(user), said.encode())
        return said.splitlines()

    def forget(self, user: str) -> None:
        """What it said before a logon is not what it says after it."""
        with suppress(HostError):
            self.lines(user)
        with suppress(FileNotFoundError):
            os.unlink(self._file(user))

    def wait(self, user: str) -> None:
        """Return when a guest that was just logged on is up, by its console; at once, where that is not judged.

        :raises HostError: it is not, with the end of what it said.
        """
        begun = self._clock.now()
        while self._spooled.up:
            said = self.lines(user)
            if any(self._spooled.up in line for line in said):
                return
            if self._clock.now() - begun >= self._spooled.within:
                error = HostError(
                    f"{user} was logged on, and its console does not show {self._spooled.up!r} after {self._spooled.within:g} seconds",
                    todo="Its entry has to spool its console: COMMAND SPOOL CONSOLE START.",
                )
                error.lines = [f"console: {line}" for line in said if line.strip()][-10:]
                raise error
            self._clock.sleep(LOOK)

    def _waiting(self, user: str) -> list[str]:
        """The numbers of this guest's consoles in the reader, the oldest first."""
        words = [line.split() for line in self._vmur("list").text().splitlines()]
        return [one[1] for one in words if len(one) > 3 and (one[0], one[2], one[3]) == (user, "T", "CON")]

    def _vmur(self, *argv: str) -> Done:
        try:
            done = self._spooled.program([self._spooled.vmur, *argv])
        except GoldrootError as error:
            raise HostError(f"the reader of the management guest cannot be read: {error.brief}") from error
        if done.status != 0:
            lines = done.err.decode("utf-8", "replace").strip().splitlines()
            raise HostError(
                f"the reader of the management guest cannot be read: vmur {argv[0]} ended with status {done.status}"
                + (f": {lines[-1]}" if lines else ""),
                todo="Is it online? chccwdev -e 000c",
            )
        return done

    def _kept(self, user: str) -> str:
        try:
            with open(self._file(user), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _file(self, user: str) -> str:
        return os.path.join(self._folder, f"{user}.console")
