"""Which paths of a tree are mount points: what is mounted there is not the tree's."""

from __future__ import annotations

import os
import re

_OCTAL = re.compile(rb"\\([0-7]{3})")


def mounts_below(root: int) -> frozenset[bytes]:
    """Paths, relative to the open directory, at which something is mounted; none where ``/proc`` cannot tell.

    Another device number tells most mounts; this finds those of the same file system (bind mounts) and mounted files.
    """
    try:
        top = os.readlink(b"/proc/self/fd/%d" % root)
        with open("/proc/self/mountinfo", "rb") as table:
            lines = table.readlines()
    except OSError:
        return frozenset()
    prefix = top.rstrip(b"/") + b"/"
    points = (_OCTAL.sub(lambda found: bytes((int(found[1], 8),)), line.split(b" ")[4]) for line in lines)
    return frozenset(point[len(prefix) :] for point in points if point.startswith(prefix) and point != prefix)
