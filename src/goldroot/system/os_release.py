"""What a system says of itself in os-release(5)."""

from __future__ import annotations

import shlex

from goldroot.system.own_disks import read_below

_SHOWN = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")


def os_facts(*disks: str) -> dict[str, str]:
    """ID, VERSION_ID, VERSION_CODENAME and PRETTY_NAME, in small letters, from the first disk that has the file.

    A link is not followed; /etc/os-release is one on most systems, and its target is looked for itself.
    """
    for disk in disks:
        for name in ("etc/os-release", "usr/lib/os-release"):
            if text := read_below(disk, name):
                return parse(text.decode("utf-8", "replace"))
    return {}


def parse(text: str) -> dict[str, str]:
    """The known variables of an os-release text; a line that is none is left out."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        if name in _SHOWN:
            try:
                found[name.lower()] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return found
