"""A program that sees disks as they are, read-only, in mounts of its own: nobody else sees them, and they end with it.

::

    show PLACE NAME=DESCRIPTOR... -- COMMAND...

A small file system in memory stands at PLACE, and each disk at PLACE/NAME.  Nothing can be written or run there, no bit of a
mode or device there counts.  Whoever started this ends it by ending: nothing is left after a kill.
"""

from __future__ import annotations

import os
import sys

from goldroot.system.inside import calls

_SHOWN = calls.RDONLY | calls.NOSUID | calls.NODEV | calls.NOEXEC
#: Exit statuses, as of env(1) and unshare(1): it could not be shown; the command cannot be run.
NOT_SHOWN, NOT_RUN = 125, 127


def main() -> None:
    """Show the disks, and become the command."""
    place, *words = sys.argv[1:]
    end = words.index("--")
    disks, command = [word.rsplit("=", 1) for word in words[:end]], words[end + 1 :]
    try:
        _show(place, [(name.encode(), int(handle)) for name, handle in disks])
    except OSError as error:
        print(f"goldroot: the disks cannot be shown: {error.strerror} ({error.filename})", file=sys.stderr)
        sys.exit(NOT_SHOWN)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"goldroot: {command[0]!r} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_RUN)


def _show(place: str, disks: list[tuple[bytes, int]]) -> None:
    calls.die_with_parent()
    mounts = []
    for name, handle in disks:  # before the new namespace: from there, mounts of the old one cannot be copied
        mount = calls.clone_mount(handle)
        calls.set_attributes(mount, _SHOWN)
        mounts.append((name, mount))
    calls.unshare(calls.NEWNS)
    calls.private_mounts()
    top = calls.new_file_system("tmpfs", calls.NOSUID | calls.NODEV | calls.NOEXEC, mode="0755", size="64k")
    where = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    calls.place_mount(top, where)
    for name, mount in mounts:
        os.mkdir(name, dir_fd=top)
        calls.place_mount(mount, top, name)
    calls.set_attributes(top, calls.RDONLY)
    calls.remount()
    for _, handle in disks:
        os.close(handle)
    os.chdir(place)
