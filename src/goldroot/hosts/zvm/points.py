"""The crash points of the z/VM host, in one list, and what a kill there leaves.

A link or a lock that is left is known by its note, and given back by the next command.
"""

from __future__ import annotations

from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "zvm.lock-noted": "a note of a lock that was not asked for",
    "zvm.entry-locked": "an entry as it was, locked",
    "zvm.entry-replaced": "the new entry, unlocked, and the note of a lock",
    "zvm.entry-created": "a new entry",
    "zvm.entry-going": "an entry as it was",
    "zvm.entry-gone": "no entry",
    "zvm.disk-intended": "a row of a disk of which nothing is made",
    "zvm.disk-created": "a minidisk in its entry, known by its address alone; nobody sees it as a disk",
    "zvm.disk-placed": "a minidisk without a file system, known by its extent",
    "zvm.disk-formatted": "a minidisk with an empty file system, still linked; what it is a copy of is not on it",
    "zvm.disk-made": "a disk that is complete, in an entry with its old serial",
    "zvm.disk-named": "a disk that is complete",
    "zvm.disk-emptying": "a disk with its content, or a part of that, which nobody opens any more; still linked",
    "zvm.disk-emptied": "an empty disk, which nobody opens",
    "zvm.disk-sealing": "a disk as it was; its row does not say that it is sealed",
    "zvm.disk-going": "a disk that nobody sees any more",
    "zvm.disk-gone": "a row without a minidisk",
    "zvm.linked": "a link of the management guest",
    "zvm.online": "a link, and a device that is online",
    "zvm.temporary": "a temporary disk of the management guest",
    "zvm.boot-recorded": "a boot record of files that nobody runs from yet",
    "zvm.logged-on": "a guest that is logged on; nothing says from which entry",
}
