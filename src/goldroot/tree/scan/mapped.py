"""Files that a program of this machine has mapped to write to: their ctimes prove nothing while it runs.

The kernel sets a file's times when a page of its mapping is first written to, and not again until that page is on the
disk: up to half a minute in which all that a database like LMDB writes leaves no trace.
"""

from __future__ import annotations

import os

#: Nanoseconds that such a page may wait to be written, with room to spare (vm.dirty_expire_centisecs is 30 s): in a
#: guest nobody can see who has mapped what, so a ctime so young proves nothing there.
UNWRITTEN = 60_000_000_000


def mapped_inodes() -> frozenset[int]:
    """The inode numbers of files that are mapped shared and writable, as far as this process may see who maps them.

    proc(5), ``/proc/PID/maps``.  Numbers alone: the device that stands beside them is another than a file's own on btrfs.
    """
    found: set[int] = set()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdecimal():
            found.update(_of_process(name))
    return frozenset(found)


def _of_process(pid: str) -> set[int]:
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            text = file.read()
    except OSError:  # it has ended, or is another user's
        return set()
    if b" rw-s " not in text:
        return set()
    lines = (line.split(maxsplit=5) for line in text.splitlines())
    return {int(words[4]) for words in lines if words[1] == b"rw-s"} - {0}
