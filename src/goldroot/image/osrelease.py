"""What a system says of itself in os-release(5)."""

from __future__ import annotations

import os
import shlex

_SHOWN = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")


def os_facts(*disks: str) -> dict[str, str]:
    """ID, VERSION_ID, VERSION_CODENAME and PRETTY_NAME, in small letters, from the first disk that has the file.

    A link is not followed; /etc/os-release is one on most systems, and its target is looked for itself.
    """
    for disk in disks:
        for name in ("etc/os-release", "usr/lib/os-release"):
            text = _text(os.path.join(disk, name))
            if text:
                return parse(text)
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


def _text(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        return file.read(65536).decode("utf-8", "replace")
