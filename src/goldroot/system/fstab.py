"""What an fstab names that is not there: in a trial, and after a server's file systems have moved to other disks.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from goldroot.merge import MountLine, parse_fstab, parse_line, unit_name
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
#: Devices that every system has, and kinds of file systems whose first field is not a device.
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
    if not (_is_disk(line) or _is_far(line)):
        return None
    if line.kind == b"swap":
        return LeftOut(path_text(line.source), "", (_name(line.node, b".swap"),))
    if not line.mounts or line.point.decode("utf-8", "replace") in own:
        return None
    units = tuple(_name(line.point, suffix) for suffix in (b".mount", b".automount"))
    return LeftOut(path_text(line.source), path_text(line.point), units)


def _name(path: bytes, suffix: bytes) -> str:
    return unit_name(path, suffix).decode("ascii")


#: What stands before a line of a server's own disks, whose content has moved.
TAKEN_OUT = b"# adopted: "


def moved_here(fstab: bytes, gold: bytes, is_here: Callable[[str], bool]) -> tuple[bytes, list[str]]:
    """The fstab of a server whose file systems stand on other disks from now on.

    Lines of the disks that it had, for what stands on the new ones, become comments, and so does swap on a disk; in their
    place come gold's lines for the same mount points.  Lines of other machines' file systems, and of disks of which nothing
    came along, stay.

    :param is_here: whether what was mounted at an absolute path came along.
    :returns: the text, and the mount points of lines that were taken out (``swap`` for these).
    """
    lines, out = [], []
    for line in fstab.splitlines(keepends=True):
        where = _of_own_disk(parse_line(line))
        if where and (where == "swap" or is_here(where)):
            line = TAKEN_OUT + line
            out.append(where)
        lines.append(line)
    if not out:
        return fstab, []
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    golds = [line.rstrip(b"\n") + b"\n" for line in gold.splitlines() if _where(parse_line(line)) in out]
    return b"".join([*lines, *(line for line in golds if line not in lines)]), out


def _of_own_disk(line: MountLine | None) -> str:
    """The mount point of a line that mounts a disk (``swap`` for such a line), "" for any other."""
    return _where(line) if line is not None and _is_disk(line) and not _is_far(line) else ""


def _where(line: MountLine | None) -> str:
    if line is None:
        return ""
    return "swap" if line.kind == b"swap" else line.point.decode("utf-8", "replace") if line.mounts else ""


def _is_disk(line: MountLine) -> bool:
    return bool(line.device) and not line.device.startswith(_NO_DISKS)


def _is_far(line: MountLine) -> bool:
    """Whether it is another machine's."""
    return line.kind.decode("ascii", "replace") in _NETWORK or b"_netdev" in line.options


#: What stands before a line of a disk that a converted image does not mount by its fstab.
_CONVERTED = b"# goldroot: "


def put_together(fstab: bytes, own: Collection[str]) -> tuple[bytes, list[str], list[str]]:
    """The fstab of an image whose servers' roots are put together from their disks before it is read.

    Lines of disks become comments where their place is in the image itself: the root, what is below /boot, and what is
    below a path of the layout; and so does swap on a disk.

    :param own: paths at which the layout's disks stand.
    :returns: the text, the mount points of these lines (``swap`` for it), and those of other disks, whose lines stay.
    """
    lines, out, left = [], [], []
    tops = tuple({"/boot", *own} - {"/"})
    for line in fstab.splitlines(keepends=True):
        where = _of_own_disk(parse_line(line))
        if where in ("/", "swap") or any(where == top or where.startswith(f"{top}/") for top in tops):
            line = _CONVERTED + line
            out.append(where)
        elif where:
            left.append(where)
        lines.append(line)
    return b"".join(lines), out, left
