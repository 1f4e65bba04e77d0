"""What the journal of a running system has to say: of units that failed, and of writes that a read-only root refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    from goldroot.system.health import Inside

#: Seconds for one question; of so many units, so many lines of each, of so many characters.
ONE_QUESTION, _UNITS, _LINES, _LONGEST = 10.0, 5, 8, 300
#: How systemd says what a unit came to, after what the unit said itself (src/core/unit.c, service.c).
_ENDED = re.compile(r"process exited|Failed with result|timed out|Dependency failed")


def unit_lines(system: Inside, units: Sequence[str]) -> list[str]:
    """The last lines that each of these units wrote itself in this boot, and how systemd says that it ended.

    systemd writes several lines of its own behind the end of a unit: the last lines of ``journalctl --unit`` are these,
    and the cause stands before them.  So what the unit's processes wrote is asked for apart.
    """
    found: list[str] = []
    for unit in units[:_UNITS]:
        own = _said(system, _LINES, f"_SYSTEMD_UNIT={unit}")
        of_systemd = _said(system, _LINES, "_PID=1", f"UNIT={unit}")
        ended = [line for line in of_systemd if _ENDED.search(line)] or ([] if own else of_systemd)
        lines = (line if line.startswith(f"{unit}: ") else f"{unit}: {line}" for line in (*own, *ended[-2:]))
        found += dict.fromkeys(lines)
    return found


def read_only_failures(system: Inside) -> list[str]:
    """What the journal of this boot has of writes that a read-only root refused, each line once, with its unit."""
    lines = _journal(system, "--output=with-unit", "--lines=5000")
    # Day, date, time, zone and host come first (journalctl(1), with-unit): these differ, or say nothing.
    found = (" ".join(line.split()[5:])[:200] for line in lines if "read-only file system" in line.lower())
    return list(dict.fromkeys(found))


def _said(system: Inside, count: int, *fields: str) -> list[str]:
    lines = (
        " ".join(line.split())[:_LONGEST] for line in _journal(system, f"--lines={count}", "--output=cat", *fields)
    )
    return [line for line in lines if line][-count:]


def _journal(system: Inside, *words: str) -> list[str]:
    """Lines of this boot's journal; none where it cannot be asked."""
    try:
        said = system.command(["journalctl", "--boot", "--no-pager", "--quiet", *words], ONE_QUESTION)
    except GoldrootError:
        return []
    return said.text().splitlines()
