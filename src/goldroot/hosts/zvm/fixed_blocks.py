"""Minidisks of fixed blocks (FBA) as disks of Linux; SCSI disks that CP shows as such (EDEVs) are among them.

They need no formatting.  The kernel makes one partition by itself, behind the block with the label
(block/partitions/ibm.c), so only that label is written: ``LNX1`` and the volume's, which says whose disk it is.  **Never
run on a real disk.**
"""

from __future__ import annotations

import os

from goldroot.errors import HostError
from goldroot.hosts.images.filesystems import WRITTEN
from goldroot.hosts.zvm.dasd import Dasds
from goldroot.run import run

BLOCK = 512
#: The label stands in the second block: what it is, and the volume's label, in EBCDIC (arch/s390/include/uapi/asm/vtoc.h).
_LABEL_AT = BLOCK
_LNX1 = "LNX1".encode("cp500")


class FixedBlocks(Dasds):
    """As :class:`goldroot.hosts.zvm.medium.Medium`."""

    def tag(self, device: str) -> str:
        with open(device, "rb") as file:
            file.seek(_LABEL_AT)
            label = file.read(10)
        return label[4:10].decode("cp500", "replace").strip() if label[:4] == _LNX1 else ""

    def format(self, device: str, form: str, tag: str) -> None:
        self._partition(device, tag)
        WRITTEN[form].make(self._part(device))

    def copy(self, source: str, target: str) -> None:
        self._partition(target, self.tag(source))
        run(["dd", f"if={self._part(source)}", f"of={self._part(target)}", "bs=1M", "conv=fsync", "status=none"])

    def _partition(self, device: str, tag: str) -> None:
        with open(device, "r+b") as file:
            file.seek(_LABEL_AT)
            file.write((_LNX1 + f"{tag:<6}".encode("cp500")).ljust(BLOCK, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        run(["blockdev", "--rereadpt", device])


class BothTypes(Dasds):
    """As :class:`goldroot.hosts.zvm.medium.Medium`, where some disks are ECKD and some FBA: the kernel says which a device is."""

    def tag(self, device: str) -> str:
        return self._of(device).tag(device)

    def format(self, device: str, form: str, tag: str) -> None:
        self._of(device).format(device, form, tag)

    def copy(self, source: str, target: str) -> None:
        self._of(target).copy(source, target)

    def own(self, device: str, form: str, tag: str) -> None:
        self._of(device).own(device, form, tag)

    def discipline(self, device: str) -> str:
        """What the kernel takes a DASD for: ``ECKD`` or ``FBA`` (drivers/s390/block/dasd_devmap.c).

        :raises HostError: it does not say.
        """
        name = os.path.basename(os.path.realpath(device))
        try:
            with open(f"/sys/class/block/{name}/device/discipline", encoding="ascii") as file:
                return file.read().strip()
        except OSError as error:
            raise HostError(
                f"the kernel does not say of which type the disk {device!r} is: {error.strerror}"
            ) from error

    def _of(self, device: str) -> Dasds:
        kind = FixedBlocks if self.discipline(device) == "FBA" else Dasds
        return kind(self._by_path, sleep=self._sleep)
