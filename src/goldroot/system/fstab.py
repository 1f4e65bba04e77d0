"""What an fstab names that is not there: in a trial, and after a server's file systems have moved to other disks.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

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
_TAG = re.compile(r"(UUID|LABEL|PARTUUID|PARTLABEL|ID)=(.*)")
#: Devices that every system has, and kinds of file systems whose first field is no device.
_NO_DISKS = ("/dev/null", "/dev/fuse", "/dev/shm")
_ESCAPED = re.compile(r"\\([0-7]{3})")


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
    return list(_left_out(fstab.decode("utf-8", "replace"), own))


def _left_out(fstab: str, own: Collection[str]) -> Iterator[LeftOut]:
    for line in fstab.splitlines():
        fields = _fields(line.encode("utf-8"))
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        what, where, kind, options = fields[0], fields[1], fields[2], fields[3].split(",") if len(fields) > 3 else []
        far = kind in _NETWORK or "_netdev" in options
        if not far and not _is_device(what):
            continue
        if kind == "swap":
            yield LeftOut(what, "", (f"{escaped(_node(what))}.swap",))
        elif where.startswith("/") and _short(where) not in own:
            yield LeftOut(what, where, tuple(f"{escaped(where)}.{suffix}" for suffix in ("mount", "automount")))


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
        where = _of_own_disk(line)
        if where and (where == "swap" or is_here(where)):
            line = TAKEN_OUT + line
            out.append(where)
        lines.append(line)
    if not out:
        return fstab, []
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    golds = [line.rstrip(b"\n") + b"\n" for line in gold.splitlines() if _mount_point(line) in out]
    return b"".join([*lines, *(line for line in golds if line not in lines)]), out


def _of_own_disk(line: bytes) -> str:
    """The mount point of a line that mounts a disk (``swap`` for such a line), "" for any other."""
    fields = _fields(line)
    far = len(fields) >= 3 and (fields[2] in _NETWORK or "_netdev" in (fields[3] if len(fields) > 3 else "").split(","))
    return _mount_point(line) if len(fields) >= 3 and _is_device(fields[0]) and not far else ""


def _mount_point(line: bytes) -> str:
    fields = _fields(line)
    if len(fields) < 3 or fields[0].startswith("#"):
        return ""
    return "swap" if fields[2] == "swap" else _short(fields[1]) if fields[1].startswith("/") else ""


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace")
    return [_ESCAPED.sub(lambda found: chr(int(found[1], 8)), field) for field in text.split()]


def _is_device(what: str) -> bool:
    return bool(_TAG.fullmatch(what)) or (what.startswith("/dev/") and not what.startswith(_NO_DISKS))


def _node(what: str) -> str:
    """The path by which systemd knows a device (systemd.swap(5))."""
    tag = _TAG.fullmatch(what)
    return what if tag is None else f"/dev/disk/by-{tag[1].lower()}/{tag[2].strip(chr(34))}"


def _short(path: str) -> str:
    return "/" + "/".join(step for step in path.split("/") if step)


def escaped(path: str) -> str:
    """A path as the name of a unit has it (systemd.unit(5), "string escaping for inclusion in unit names")."""
    steps = _short(path)[1:]
    if not steps:
        return "-"
    data = steps.encode("utf-8", "surrogateescape")
    return "".join(_char(byte, first=not at) for at, byte in enumerate(data))


def _char(byte: int, *, first: bool) -> str:
    char = chr(byte)
    if char == "/":
        return "-"
    plain = byte < 128 and (char.isalnum() or char in ":_" or (char == "." and not first))
    return char if plain else f"\\x{byte:02x}"
