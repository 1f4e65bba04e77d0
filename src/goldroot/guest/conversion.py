"""What a conversion puts into an image, so that each initial file system made in it puts a server's root together.

A host that starts machines puts the same behind an image's own (:mod:`goldroot.guest.initramfs`), with a table of the
server's disks that takes the place of this one: so a converted image boots there as one that is not, and also where its
own boot loader starts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

from goldroot.guest.initramfs import PARAMETER, GuestDisk, table

#: The file system of a disk that is known only when it is made: the kernel finds out.
ANY_FORM = "auto"

_TOOLS, _DRACUT = "usr/share/initramfs-tools", "usr/lib/dracut/modules.d/90goldroot"


def image_files(disks: Sequence[tuple[str, bool]], paths: Iterable[tuple[str, str]]) -> dict[str, tuple[bytes, int]]:
    """Files with their modes, by path, for the programs of both kinds that make initial file systems.

    :param disks: live address, and whether the disk is shared.
    :param paths: see :func:`goldroot.guest.initramfs.table`.
    :raises BadInput: a path that a line cannot hold.
    """
    guests = [GuestDisk(address, "ro" if shared else "rw", ANY_FORM) for address, shared in disks]
    return {
        "usr/lib/goldroot/mount.sh": (_read("boot", "mount.sh"), 0o644),
        "usr/lib/goldroot/table": (table(guests, paths).encode(), 0o644),
        f"{_TOOLS}/hooks/goldroot": (_read("image", "initramfs-tools-hook.sh"), 0o755),
        f"{_TOOLS}/scripts/goldroot": (_read("boot", "initramfs-tools.sh"), 0o644),
        f"{_DRACUT}/module-setup.sh": (_read("image", "dracut-module-setup.sh"), 0o755),
        f"{_DRACUT}/cmdline.sh": (_where_told("dracut-cmdline.sh"), 0o755),
        f"{_DRACUT}/mount.sh": (_where_told("dracut-mount.sh"), 0o755),
    }


def needed_for(path: str) -> str:
    """The directory of the program that reads a file: where it is not there, the file has no use; "" of what all read."""
    if path.startswith(_TOOLS):
        return _TOOLS
    return "usr/lib/dracut/modules.d" if path.startswith(_DRACUT) else ""


def _where_told(name: str) -> bytes:
    """A hook that does its work only where the kernel was told so: dracut has no way to boot of its own."""
    told = f'case " $(cat /proc/cmdline) " in\n*" {PARAMETER} "*)\n'.encode()
    return told + _read("boot", name) + b";;\nesac\n"


def _read(folder: str, name: str) -> bytes:
    return resources.files("goldroot.guest").joinpath(folder, name).read_bytes()
