"""What a system is: by what it says of itself in os-release(5), and by its programs."""

from __future__ import annotations

import shlex
import struct

from goldroot.system.own_disks import read_below

_SHOWN = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")

#: Programs of which every system has one.
_PROGRAMS = ("usr/bin/dash", "usr/bin/bash", "usr/bin/busybox", "usr/lib/systemd/systemd")
#: What a program's header says of the machines that run it (elf(5)): class, order of bytes and machine.
_MACHINES = {
    (2, "<", 62): "x86_64",
    (2, ">", 22): "s390x",
    (2, "<", 183): "aarch64",
    (2, "<", 21): "ppc64le",
    (2, "<", 243): "riscv64",
    (1, "<", 3): "i686",
    (1, "<", 40): "armv7l",
}


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


def architecture_of(*disks: str) -> str:
    """For which machines a system's programs are, as ``uname -m`` has it; "" where none of them says so.

    :returns: "elf-NUMBER" for machines that have no name here.
    """
    for disk in disks:
        for name in _PROGRAMS:
            if (head := (read_below(disk, name) or b"")[:20]).startswith(b"\x7fELF") and len(head) == 20:
                order = ">" if head[5] == 2 else "<"
                (number,) = struct.unpack_from(f"{order}H", head, 18)
                return _MACHINES.get((head[4], order, number), f"elf-{number}")
    return ""
