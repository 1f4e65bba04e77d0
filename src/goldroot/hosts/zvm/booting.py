"""The boot record of a root disk: what the kernel is told, and the initial file system that finds a server's disks.

A record lists the blocks of the very disk that it is on, so it is written on each copy, by zipl of s390-tools.  All that it
needs is in one file, ``/boot/bootmap``: kernel, initial file system and parameters.  It is of the disk and not of the
system: it is neither compared nor merged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from goldroot import crash
from goldroot.errors import BadInput, Damaged
from goldroot.guest.initramfs import PARAMETER, GuestDisk, addition, follow
from goldroot.guest.kernel import open_boot, open_file
from goldroot.hosts.port import SystemDisk
from goldroot.hosts.zvm.medium import Medium, Record

#: Bytes of the parameters that kernels of s390x before 6.2 take, without the last one (arch/s390/include/asm/setup.h).
LONGEST = 895
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Booting:
    """What the host's table says of booting.

    :param record: "disk": the disk with ``/boot`` gets a boot record; "outside": guests boot from what is not goldroot's.
    :param initial: "goldroot": the initial file system is the system's own and what puts a root together from disks;
        "system": it is the system's own alone.
    :param parameters: of each kernel.
    :param own: entry's name -> parameters of its kernel besides.
    """

    record: Literal["disk", "outside"] = "disk"
    initial: Literal["goldroot", "system"] = "goldroot"
    parameters: str = "ro"
    own: Mapping[str, str] = field(default_factory=dict)

    def words(self, name: str, disks: Mapping[str, SystemDisk]) -> str:
        """What the kernel is told that boots from a disk of an entry.

        :raises BadInput: it is too long for a kernel.
        """
        devices = [f"0.0.{address.lower():>04}" for address in sorted(disks)]
        top = f"0.0.{holding(disks, '/').lower():>04}"
        root = PARAMETER if self.initial == "goldroot" else f"root=/dev/disk/by-path/ccw-{top}-part1"
        dracut = [f"rd.dasd={device}" for device in devices]
        words = [root, f"dasd={','.join(devices)}", *dracut, self.parameters, self.own.get(name, "")]
        said = " ".join(word for word in words if word)
        if len(said.encode()) > LONGEST:
            raise BadInput(
                f"the kernel of {name} would be told {len(said.encode())} bytes, and takes {LONGEST}",
                todo="Shorten parameters in the host's table.",
            )
        return said


def holding(disks: Mapping[str, SystemDisk], path: str) -> str:
    """The address of the disk on which a path of the system stands: that of the longest listed path above it.

    :raises BadInput: no disk has the root.
    """
    best = max(
        ((len(one), address) for address, disk in disks.items() for one in disk.paths if _is_above(one, path)),
        default=None,
    )
    if best is None:
        raise BadInput("no disk of this system has its root", todo="Look at its layout.")
    return best[1]


def write_record(booting: Booting, medium: Medium, name: str, disks: Mapping[str, SystemDisk]) -> str:
    """As :meth:`goldroot.hosts.Host.make_bootable`."""
    opened = disks[holding(disks, "/boot")].opened
    if booting.record == "outside" or opened is None:
        return ""
    with ExitStack() as stack:
        try:
            boot, found = stack.enter_context(open_boot(opened.handle, name))
            kernel, initial = (stack.enter_context(_open(boot, file)) for file in (found.kernel, found.initial))
        except Damaged as error:
            return error.brief
        except OSError as error:
            return (
                f"{name} has nothing to boot: its kernel or initial file system is not a plain file ({error.strerror})"
            )
        before = os.fstat(boot)
        with _copied(initial) as whole:
            if booting.initial == "goldroot":
                _append(whole, follow(os.fstat(whole).st_size, _hook(medium, disks, found.version)))
            medium.record(Record(boot, kernel.fileno(), whole, booting.words(name, disks)))
        # when it was written says nothing of the system
        os.utime(boot, ns=(before.st_atime_ns, before.st_mtime_ns))
    crash.point("zvm.boot-recorded")
    return ""


def _open(boot: int, name: str) -> BinaryIO:
    return open(open_file(boot, name), "rb")


@contextmanager
def _copied(source: BinaryIO) -> Iterator[int]:
    """A copy of a file that can be added to, and is in no directory."""
    handle = os.memfd_create("initial")
    try:
        while piece := source.read(_PIECE):
            _append(handle, piece)
        yield handle
    finally:
        os.close(handle)


def _hook(medium: Medium, disks: Mapping[str, SystemDisk], version: str) -> bytes:
    form = next(iter(medium.forms))
    guests = [GuestDisk(address, disk.access, form) for address, disk in sorted(disks.items())]
    every = ((address, path) for address, disk in disks.items() for path in disk.paths)
    paths = sorted(every, key=lambda one: one[1].strip("/").split("/") if one[1] != "/" else [])
    # modules are where /usr is; where that is another's disk, the system's own initial file system has them
    there = disks[holding(disks, "/usr/lib/modules")].opened or disks[holding(disks, "/boot")].opened
    assert there is not None, "the disk with /boot is open"
    return addition(there.handle, version, guests, paths)


def _append(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _is_above(listed: str, path: str) -> bool:
    return listed == "/" or listed == path or path.startswith(f"{listed}/")
