"""How a running system does: what it says of itself, and whether that is good.

Everything is asked inside the system, with programs that every distribution has, so it is the same on every kind of host
that runs commands there: systemctl, bash (whose ``/dev/tcp`` opens a port), and the kernel's list of open ports.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from goldroot.errors import GoldrootError, UsageError
from goldroot.run import Done
from goldroot.system.journal import ONE_QUESTION, unit_lines

Kind = Literal["units", "port", "http", "run"]

#: What systemd calls itself once the boot is over; "none": the system has no systemd (systemctl(1), is-system-running).
_SETTLED = ("running", "degraded", "maintenance", "none")
#: Seconds: between two looks, and for which a bad answer has to stand: a unit may be started again.
_LOOK_AGAIN, _STANDS = 0.3, 3.0
#: Failed units that are kept of what a system says of itself, and characters of a name (systemd.unit(5)) or of an answer.
_MOST_UNITS, _LONGEST_NAME, _LONGEST_STATE = 1000, 255, 40
#: Seconds in which a service that has started may open its port.
_PORTS = 10.0
#: From here on the kernel draws ports by lot (ip_local_port_range, ip(7)).
_FIRST_OF_LOT = 32768

_LOOK = """\
command -v systemctl >/dev/null || echo none
systemctl is-system-running 2>/dev/null
echo ==
systemctl list-units --failed --plain --no-legend --no-pager 2>/dev/null
echo ==
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
"""
_OPEN = 'exec 3<>"/dev/tcp/127.0.0.1/$0"'
_GET = (
    f"{_OPEN}; "
    r'printf "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n" "$1" >&3; IFS= read -r line <&3; printf %s "$line"'
)
_STATUS = re.compile(r"HTTP/\d\S* +([23])\d\d\b")
#: How the kernel writes a port that somebody listens at (proc_net_tcp.rst): state 0A.
_LISTENS = re.compile(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One question of ``health = [...]``.

    :param text: as the person wrote it.
    :param port: of "port" and "http"; 0 else.
    :param what: the path of "http", the command of "run".
    """

    kind: Kind
    text: str
    port: int = 0
    what: str = ""


#: Without a word of the owner: no unit has failed that had not failed before.
USUAL_HEALTH = (HealthCheck("units", "units"),)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a running system says of itself: systemd's state, failed units, TCP ports at which something listens."""

    state: str = ""
    failed: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()

    @property
    def settled(self) -> bool:
        """Whether its boot is over."""
        return self.state in _SETTLED


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial came to, one line each: what is worse than now, what is only different, and the journal of what is worse."""

    wrong: Sequence[str]
    different: Sequence[str]
    journal: Sequence[str]


class Inside(Protocol):
    """A running system that can be asked."""

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        """Run a command inside."""

    def gone(self) -> bool:
        """Whether it does not run any more."""


def health_check(text: str) -> HealthCheck:
    """A question from its words: ``units``, ``port 22``, ``http 80 /path``, ``run COMMAND``.

    :raises UsageError: it is none of these.
    """
    kind, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if kind == "units" and not rest:
        return HealthCheck("units", text)
    if kind == "run" and rest:
        return HealthCheck("run", text, what=rest)
    if kind in ("port", "http"):
        number, _, path = rest.partition(" ")
        path = path.strip()
        whole = number.isascii() and number.isdecimal() and 0 < int(number) < 65536
        if whole and kind == "port" and not path:
            return HealthCheck("port", text, int(number))
        if whole and kind == "http" and re.fullmatch(r"(/[!-~]*)?", path):
            return HealthCheck("http", text, int(number), path or "/")
    raise UsageError(
        f"{text!r} is not a question about health", todo='Use "units", "port 22", "http 80 /path" or "run COMMAND".'
    )


def look_inside(system: Inside) -> Seen:
    """What a system says of itself, which is kept and shown: no more of it than a system has reason to say.

    Nothing where it cannot be asked yet.
    """
    try:
        said = system.command(["/bin/sh", "-c", _LOOK], ONE_QUESTION).text()
    except GoldrootError:
        return Seen()
    state, failed, ports = [*said.split("==\n"), "", ""][:3]
    words = state.split()
    units = (line.split()[0][:_LONGEST_NAME] for line in failed.splitlines() if line.strip())
    return Seen(
        words[0][:_LONGEST_STATE] if words else "",
        frozenset(islice(units, _MOST_UNITS)),
        frozenset(int(found, 16) for found in _LISTENS.findall(ports)),
    )


def until_healthy(
    system: Inside, checks: Sequence[HealthCheck], had_failed: Collection[str], limit: float,
    *, wait: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic,
) -> list[str]:  # fmt: skip
    """Ask until every answer is good; what is wrong in the end, one line each.

    Failed units are wrong once they have stood for some seconds after the boot; everything else gets all the time.

    :param had_failed: the units that had failed before.
    :param limit: seconds for all of it, the boot among it.
    """
    end, since = clock() + limit, None
    while True:
        seen = look_inside(system)
        units = list(wrong_units(seen, had_failed)) if any(check.kind == "units" for check in checks) else []
        if not units:
            since = None
        elif since is None:
            since = clock()
        wrong = units + [why for check in checks if (why := _asked(system, check))] if seen.settled else []
        if seen.settled and not wrong and _is_still_there(system, checks):
            return []
        if system.gone():
            return ["it has ended", *wrong]
        if since is not None and clock() >= since + _STANDS:
            return wrong
        if clock() >= end:
            return wrong or [f"its boot is not over after {limit:g} s (systemd says: {seen.state or 'nothing'})"]
        wait(_LOOK_AGAIN)


def _is_still_there(system: Inside, checks: Sequence[HealthCheck]) -> bool:
    """Whether it is after the questions what it was before them: the last thing that it did may have been to answer."""
    return all(check.kind == "units" for check in checks) or look_inside(system).settled


def wrong_units(seen: Seen, had_failed: Collection[str]) -> Iterator[str]:
    """What is wrong with the units of a system whose boot is over."""
    if seen.state == "maintenance":
        yield "it is in its emergency mode"
    elif seen.settled:
        yield from (f"the unit {unit} has failed" for unit in sorted(seen.failed - set(had_failed)))


def until_tried(
    system: Inside, checks: Sequence[HealthCheck], before: Seen | None, limit: float,
    *, wait: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic,
) -> Tried:  # fmt: skip
    """How a system that is tried does, compared with what its server is now.

    :param before: what the server says of itself; ``None``: it does not run, so failed units and ports are only told.
    :param limit: seconds for the boot and the answers.
    """
    asked = [check for check in checks if before is not None or check.kind != "units"]
    wrong = until_healthy(system, asked, before.failed if before else (), limit, wait=wait, clock=clock)
    end, seen = clock() + _PORTS, look_inside(system)
    while (closed := _closed(before, seen)) and not wrong and clock() < end:
        wait(_LOOK_AGAIN)
        seen = look_inside(system)
    wrong += [f"nothing listens at port {port} any more" for port in closed]
    known = before or Seen()
    different = [f"the unit {unit} fails" for unit in sorted(seen.failed - known.failed)] if before is None else []
    different += [f"the unit {unit} does not fail any more" for unit in sorted(known.failed - seen.failed)]
    new = sorted(port for port in seen.ports - known.ports if port < _FIRST_OF_LOT) if before else []
    different += [f"something listens at port {port}" for port in new]
    return Tried(wrong, different, unit_lines(system, sorted(seen.failed - known.failed)) if wrong else [])


def _closed(before: Seen | None, after: Seen) -> list[int]:
    """The ports at which nothing listens any more; those that are drawn by lot do not count."""
    return sorted(port for port in before.ports - after.ports if port < _FIRST_OF_LOT) if before else []


def _asked(system: Inside, check: HealthCheck) -> str:
    """Why an answer is bad; "" where it is good."""
    if check.kind == "units":
        return ""
    try:
        done = system.command(_words(check), ONE_QUESTION)
    except GoldrootError as error:
        return f"{check.text}: {error.brief}"
    if check.kind == "http" and not _STATUS.match(done.text()):
        return (
            f"{check.text}: the answer is {' '.join(done.text().split())[:100]!r}"
            if done.out
            else f"{check.text}: no answer"
        )
    if check.kind == "port" and done.status:
        return f"{check.text}: nobody answers"
    if done.status:
        said = " ".join((done.err or done.out).decode("utf-8", "replace").split())[-200:]
        return f"{check.text}: status {done.status}" + (f": {said}" if said else "")
    return ""


def _words(check: HealthCheck) -> list[str]:
    if check.kind == "run":
        return ["/bin/sh", "-c", check.what]
    script = _OPEN if check.kind == "port" else _GET
    return ["timeout", f"{ONE_QUESTION / 2:g}", "bash", "-c", script, str(check.port), check.what]
