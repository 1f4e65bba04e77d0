"""Which paths of a tree are mount points: what is mounted there is not the tree's."""

from __future__ import annotations

import os
import re

_OCTAL = re.compile(rb"\\([0-7]{3})")


def mounts_below(root: int) -> frozenset[bytes]:
    """Paths, relative to the open directory, at which something is mounted; none where ``/proc`` cannot tell.

    Another device number tells most mounts; this finds those of the same file system (bind mounts) and mounted files.
    What stands in a mount that has no place among this process's mounts, as an image that is opened, is its own: that
    mount's root has the path ``/``, and the mounts of this machine are not below it.
    """
    try:
        top = os.readlink(b"/proc/self/fd/%d" % root)
        with open("/proc/self/mountinfo", "rb") as table:
            lines = [line.split(b" ") for line in table]
        if _mount_of(root) not in (line[0] for line in lines):
            return frozenset()
    except OSError:
        return frozenset()
    prefix = top.rstrip(b"/") + b"/"
    points = (_OCTAL.sub(lambda found: bytes((int(found[1], 8),)), line[4]) for line in lines)
    return frozenset(point[len(prefix) :] for point in points if point.startswith(prefix) and point != prefix)


def _mount_of(handle: int) -> bytes:
    """The number of the mount that a descriptor is in."""
    with open(f"/proc/self/fdinfo/{handle}", "rb") as table:
        return next((line.split()[1] for line in table if line.startswith(b"mnt_id:")), b"")
