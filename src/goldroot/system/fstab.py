"""What a trial has not, of what its server has: the file systems of other devices and machines that its fstab names.  Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from goldroot.merge import MountLine, parse_fstab, unit_name
from goldroot.tree import path_text

#: Units that wait until there is a network: a trial never has one, and they would wait to their limit and fail.
WAITS = (
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "ifupdown-wait-online.service",
)
#: File systems of other machines (mount(8); systemd counts the same, src/basic/mountpoint-util.c, fstype_is_network).
_NETWORK = frozenset(
    ("9p", "afs", "ceph", "cifs", "davfs", "gfs", "gfs2", "glusterfs", "lustre", "ncp", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs",
     "pvfs2", "smb3", "smbfs", "sshfs", "virtiofs", "fuse.davfs", "fuse.glusterfs", "fuse.sshfs")
)  # fmt: skip
#: Devices that every system has, and kinds of file systems whose first field is no device.
_NO_DISKS = (b"/dev/null", b"/dev/fuse", b"/dev/shm")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line of fstab that is left out.

    :param what: its device, or where it comes from.
    :param where: where it would be mounted; "" for swap.
    :param units: systemd's units for it.
    """

    what: str
    where: str
    units: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} of its fstab ({self.where or 'swap'}) is not there in a trial, and was left out"


def left_out(fstab: bytes, own: Collection[str]) -> list[LeftOut]:
    """What of an fstab a trial leaves out: other disks, and what other machines have.

    :param own: paths at which the layout's own disks stand: these are there.
    """
    return [found for line in parse_fstab(fstab) if (found := _left_out(line, own)) is not None]


def _left_out(line: MountLine, own: Collection[str]) -> LeftOut | None:
    is_disk = line.device and not line.device.startswith(_NO_DISKS)
    if not (is_disk or line.kind.decode("ascii", "replace") in _NETWORK or b"_netdev" in line.options):
        return None
    if line.kind == b"swap":
        return LeftOut(path_text(line.source), "", (_name(line.node, b".swap"),))
    if not line.mounts or line.point.decode("utf-8", "replace") in own:
        return None
    units = tuple(_name(line.point, suffix) for suffix in (b".mount", b".automount"))
    return LeftOut(path_text(line.source), path_text(line.point), units)


def _name(path: bytes, suffix: bytes) -> str:
    return unit_name(path, suffix).decode("ascii")
