"""What the journal of a running system has to say: of units that failed, and of writes that a read-only root refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    from goldroot.system.health import Inside

#: Seconds for one question; of so many units, so many lines of each, of so many characters.
ONE_QUESTION, _UNITS, _LINES, _LONGEST = 10.0, 5, 8, 300
#: How systemd says what a unit came to, after what the unit said itself (src/core/unit.c, service.c).
_ENDED = re.compile(r"process exited|Failed with result|timed out|Dependency failed")
#: The words of errno EROFS, in programs' messages and in systemd's.
_REFUSED = re.compile(r"read-only file system|\bEROFS\b", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w/.])/(?:[\w.+@%~-]+/?)+")

_OF_PACKAGES = "Packages come with the image: mask it in the image."
#: Units that write to a root by their nature, by what their names begin with.
_KNOWN: Mapping[str, str] = {
    "systemd-remount-fs": "A line of /etc/fstab mounts the root: goldroot image convert takes it out.",
    "systemd-tmpfiles-setup": "Make the path in the image, or take its line out with a file of that name in /etc/tmpfiles.d.",
    "systemd-hwdb-update": "Run systemd-hwdb --usr update in the image.",
    "systemd-update-done": "Mask it in the image: what it notes is of the image.",
    "systemd-update-utmp": "Look where /var stands: its layout should have it on a server's own disk.",
    "ldconfig": "Run ldconfig in the image.",
    "kmod-static-nodes": "Run depmod in the image.",
    "apt-daily": _OF_PACKAGES,
    "dnf-": _OF_PACKAGES,
    "packagekit": _OF_PACKAGES,
    "unattended-upgrades": _OF_PACKAGES,
    "zypp": _OF_PACKAGES,
}


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that a read-only root refused: by whom, where, the journal's line, and what to do for it."""

    unit: str
    path: str  #: "" where the line names none
    line: str
    todo: str

    def __str__(self) -> str:
        return f"{self.unit}: {self.line}"


def refusals(system: Inside) -> list[Refusal]:
    """What the journal of this boot has of writes that a read-only root refused, each once."""
    words = (
        "journalctl --boot --no-pager --quiet --lines=5000 --output=json | grep -i -e 'read-only file system' -e EROFS"
    )
    try:
        said = system.command(["/bin/sh", "-c", words], ONE_QUESTION).text()
    except GoldrootError:
        return []
    found = (_refusal(line) for line in said.splitlines())
    return list(dict.fromkeys(one for one in found if one is not None))


def _refusal(text: str) -> Refusal | None:
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(message := data.get("MESSAGE"), str):
        return None  # what is not text is a list of bytes there
    if _REFUSED.search(message) is None:
        return None
    # What systemd says of a unit has that as UNIT, and what the unit said is its own (systemd.journal-fields(7)).
    names = (data.get(key) for key in ("UNIT", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER"))
    unit = next((name for name in names if isinstance(name, str) and name and name != "init.scope"), "the kernel")
    path = found[0].rstrip(".:,;") if (found := _PATH.search(message)) else ""
    return Refusal(unit, path, " ".join(message.split())[:_LONGEST], _todo(unit, path))


def _todo(unit: str, path: str) -> str:
    for known, todo in _KNOWN.items():
        if unit.startswith(known):
            return todo
    if path.startswith("/boot"):
        return "Kernels come with the image: mask the unit in the image."
    what = path or "what it writes"
    return (
        f"Let it write below /var or /run (a setting of {unit}, or a drop-in); or make {what} in the image once, "
        f"if it never changes; or give {what} to the servers' own disks in the layout; or mask {unit} in the image."
    )


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
