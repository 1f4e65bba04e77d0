"""Minidisks as DASD of this Linux: set online, formatted, labelled, and mounted where no path leads.

A disk has the compatible disk layout (CDL) and one partition, in which its file system is; its volume label says which
disk it is.  The programs are those of s390-tools.  **They were never run on a real DASD here**: the tests replace
chccwdev, dasdfmt and fdasd by programs that write down how they were called and act on a file; zipl itself was run, on a
disk with another layout (tests/hosts/zvm/test_zipl.py).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from goldroot.errors import Damaged, HostError, ProgramFailed
from goldroot.hosts.images.filesystems import WRITTEN
from goldroot.hosts.images.mounting import NODEV, NOEXEC, NOSUID, READ_ONLY, mounted
from goldroot.hosts.port import Use
from goldroot.hosts.zvm.medium import Record
from goldroot.run import run

#: Where udev names devices by their address.
BY_PATH = "/dev/disk/by-path"
BLOCK = 4096
#: The label of a volume stands in the third block: key, label's name, and the volume's in EBCDIC (arch/s390/include/uapi/asm/vtoc.h).
LABEL_BLOCK = 2
_VOL1 = "VOL1".encode("cp500")
#: Bytes at either end that are looked at as proof that nobody wrote.
_ENDS = 64 << 10
#: Seconds in which a device that was set online has its name.
APPEARS = 30.0


class Dasds:
    """As :class:`goldroot.hosts.zvm.medium.Medium`.

    :param by_path: the directory in which devices are named by their address.
    :param sleep: for tests, that need not wait.
    """

    forms: Collection[str] = tuple(WRITTEN)
    sealed_forms: Collection[str] = tuple(WRITTEN)
    blocks = True

    def __init__(self, by_path: str = BY_PATH, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._by_path = by_path
        self._sleep = sleep

    def least(self, form: str) -> int:
        return WRITTEN[form].least

    # -- as a device

    def online(self, address: str) -> str:
        """:raises HostError: it does not come online."""
        device = self._device(address)
        run(["chccwdev", "-e", f"0.0.{address.lower()}"])
        for wait in (0.0, 0.1, 0.2, 0.5, 1.0, *[1.0] * int(APPEARS)):
            self._sleep(wait)
            if os.path.exists(device):
                return device
        raise HostError(
            f"the disk {address} was set online, and there is no {device!r}",
            todo="Is udev running? Look at lsdasd, and at the kernel's log.",
        )

    def offline(self, address: str) -> None:
        if os.path.lexists(self._device(address)):
            with suppress(ProgramFailed):
                run(["udevadm", "settle"])
            run(["chccwdev", "-d", f"0.0.{address.lower()}"])

    # -- what is on it

    def tag(self, device: str) -> str:
        with open(device, "rb") as file:
            file.seek(LABEL_BLOCK * BLOCK)
            return label_in(file.read(14))

    def format(self, device: str, form: str, tag: str) -> None:
        run(["dasdfmt", "-b", str(BLOCK), "-d", "cdl", "-l", tag, "-y", device])
        self._partition(device, tag)
        WRITTEN[form].make(self._part(device))

    def copy(self, source: str, target: str) -> None:
        run(["dasdfmt", "-b", str(BLOCK), "-d", "cdl", "-y", target])
        run(["fdasd", "-a", target])
        run(["dd", f"if={self._part(source)}", f"of={self._part(target)}", "bs=1M", "conv=fsync", "status=none"])

    def own(self, device: str, form: str, tag: str) -> None:
        written = WRITTEN[form]
        self._partition(device, tag)
        written.refuse_dirty(self._part(device))
        written.rename(self._part(device))
        written.grow(self._part(device))

    def seal(self, device: str, form: str) -> None:
        WRITTEN[form].refuse_dirty(self._part(device))

    def mount(self, device: str, form: str, *, write: bool, use: Use, replay: bool = False) -> tuple[int, int]:
        part, written = self._part(device), WRITTEN[form]
        if not replay:
            written.refuse_dirty(part)
        attributes = NOSUID | NODEV | (NOEXEC if use == "files" else 0) | (0 if write else READ_ONLY)
        return mounted(part, form, written.options, attributes, replay=replay)

    def record(self, given: Record) -> None:
        boot, kernel, initial = (f"/proc/self/fd/{handle}" for handle in given[:3])
        # With --add-files the file bootmap holds all of it: what else stands in /boot may change or go.
        words = ["zipl", "--noninteractive", "--add-files", "--target", boot, "--image", kernel, "--ramdisk", initial]
        run([*words, "--parameters", given.parameters], pass_fds=given[:3])

    def evidence(self, device: str, form: str) -> str:
        digest = hashlib.sha256()
        with open(self._part(device), "rb") as file:
            digest.update(file.read(_ENDS))
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - _ENDS, 0))
            digest.update(file.read(_ENDS))
        return digest.hexdigest()

    def _partition(self, device: str, tag: str) -> None:
        """One partition, as large as the disk, which begins where it always does."""
        run(["fdasd", "-a", "-l", tag, device])

    def _device(self, address: str) -> str:
        return os.path.join(self._by_path, f"ccw-0.0.{address.lower()}")

    def _part(self, device: str) -> str:
        part = f"{device}-part1"
        if not os.path.exists(part):
            with suppress(ProgramFailed):
                run(["udevadm", "settle"])
        if not os.path.exists(part):
            raise Damaged(f"the disk {device!r} has no partition", meaning="It was not formatted by goldroot.")
        return os.path.realpath(part)


def label_in(block: bytes) -> str:
    """The volume label in the block that has it; "" where there is none."""
    return block[8:14].decode("cp500", "replace").strip() if block[4:8] == _VOL1 else ""
