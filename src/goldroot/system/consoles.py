"""What is told of a console where its system did not come up well: its end, and what it said of the cause before that."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: Lines that are looked at, and that are told; characters of one, which is kept, too.
_LOOKED, _TOLD, _LONGEST = 120, 10, 300
#: Words after which a system says more, or nothing of use: of the kernel (kernel/panic.c), of goldroot's guest part, of
#: initramfs-tools (scripts/local), and of systemd (emergency.service).
_CAUSE = re.compile(r"Kernel panic - not syncing|this server does not boot|ALERT! |You are in emergency mode")


def last_words(console: Callable[[int], Sequence[str]]) -> list[str]:
    """The last lines that say something, and before them the newest one that names a cause.

    A kernel that panics tells why in one line, and writes a whole trace of calls behind it.

    :param console: gives so many of the last lines.
    """
    lines = [line[:_LONGEST] for line in console(_LOOKED) if line.strip()]
    return [line for line in lines[:-_TOLD] if _CAUSE.search(line)][-1:] + lines[-_TOLD:]
