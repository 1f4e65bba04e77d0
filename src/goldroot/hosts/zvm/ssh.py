"""Commands on other Linux guests, by ssh(1): inside servers, and CP's on the management guest.

Whom ssh goes to, by which key and which port, is for ``~/.ssh/config`` to say; nobody is asked for a password.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.errors import BadInput, ProgramFailed, Refused, Unreachable
from goldroot.run import Done, run

#: What ssh may be told to go to: nothing that it would read as an option.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@%\[\]-]*")
#: Seconds in which a connection is made.
CONNECTS = 10
#: How ssh ends where it did not come there (ssh(1), EXIT STATUS).
NOT_THERE = 255

OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECTS}", "-o", "ServerAliveInterval=15")


@dataclass(frozen=True, slots=True)
class Remote:
    """A Linux that ssh leads to; it is not asked before it is used.

    :param host: ``HOST`` or ``USER@HOST``.
    :raises BadInput: ssh could not go there.
    """

    host: str

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise BadInput(
                f"{self.host!r} is not a host that ssh could go to",
                todo="Write HOST or USER@HOST; all else (a port, a key) goes into ~/.ssh/config.",
            )

    def command(self, argv: Sequence[str], timeout: float | None = None) -> Done:
        """Run a command there, and return how it ended and what it said.

        :param timeout: in seconds.
        :raises Unreachable: ssh does not come there.
        :raises ProgramFailed: it did not end in time.
        """
        done = run(["ssh", *OPTIONS, "--", self.host, shlex.join(argv)], ok=None, timeout=timeout)
        if done.status == NOT_THERE:
            said = done.err.decode("utf-8", "replace").strip().splitlines()
            raise Unreachable(
                f"ssh does not come to {self.host}" + (f": {said[-1]}" if said else ""),
                todo=f"Try: ssh -o BatchMode=yes {self.host} true",
            )
        return done


@dataclass(frozen=True, slots=True)
class Servers:
    """Where ssh leads to the servers of a host.

    :param pattern: ``{name}`` stands for an entry's name in small letters; "": only those in ``own`` can be reached.
    :param own: entry's name -> where it is reached otherwise.
    """

    pattern: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pattern or self.own)

    def check(self) -> None:
        """:raises BadInput: one of them cannot be a host."""
        for host in (self.pattern.replace("{name}", "x"), *self.own.values()):
            if host:
                Remote(host)

    def reach(self, name: str) -> Remote:
        """:raises Refused: it is not said how."""
        host = self.own.get(name) or self.pattern.replace("{name}", name.lower())
        if not host:
            raise Refused(
                f"it is not known how {name} is reached by ssh",
                todo=f'Say it in the host\'s table: ssh = "root@{{name}}.example.com", or ssh_own = {{ {name} = "..." }}.',
            )
        return Remote(host)

    def console(self, name: str, lines: int) -> list[str]:
        """The last lines of a server's journal since its boot, or of its kernel's log; none where it is not reached."""
        script = f"journalctl -b -q --no-pager -n {lines} 2>/dev/null || dmesg | tail -n {lines}"
        try:
            return self.reach(name).command(["/bin/sh", "-c", script], timeout=30).text().splitlines()[-lines:]
        except (ProgramFailed, Unreachable, Refused):
            return []
