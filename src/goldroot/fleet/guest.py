"""A machine's running system, as what asks how it does needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goldroot.errors import GoldrootError
from goldroot.hosts import Host
from goldroot.run import Done

#: When a server is asked that was off at its switch.
NEXT_START = "at next start"


@dataclass(frozen=True)
class Guest:
    """A machine's running system, see :class:`goldroot.system.Inside`."""

    host: Host
    name: str

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        return self.host.command(self.name, argv, timeout)

    def gone(self) -> bool:
        return self.host.power(self.name).state == "off"


def console_end(host: Host, machine: str, lines: int = 10) -> list[str]:
    """The last lines of a machine's console that say something; none where it cannot be read."""
    try:
        return [line for line in host.console(machine, lines) if line.strip()]
    except GoldrootError:
        return []


def console_words(host: Host, machine: str) -> str:
    """The end of a machine's console, for an error."""
    said = console_end(host, machine)
    return f"Its console's last lines: {' | '.join(said)}" if said else "Its console says nothing."
