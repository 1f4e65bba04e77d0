"""What is put behind a system's own initial file system, so that it boots from the disks of a server.

The kernel unpacks archives one after the other, so nothing in an image has to be changed for it: initramfs-tools' own
init finds one more way to boot (``boot=goldroot``), dracut two more hooks.  Both read :file:`boot/mount.sh`, and a table
of the server's disks.  Modules of the kernel that they need come from the system, as an initial file system that was made
on another machine may lack them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from goldroot.errors import BadInput
from goldroot.files import NOT_THERE, Cursor, read_regular
from goldroot.guest.cpio import ALIGNED, cpio

#: What the kernel is told, besides what the archive says: the way to boot that initramfs-tools looks for.
PARAMETER = "boot=goldroot"

#: Where each file of ``boot/`` stands in the archive.
_PLACES = {
    "mount.sh": "goldroot/mount.sh",
    "initramfs-tools.sh": "scripts/goldroot",
    "dracut-cmdline.sh": "usr/lib/dracut/hooks/cmdline/50-goldroot.sh",
    "dracut-mount.sh": "usr/lib/dracut/hooks/mount/50-goldroot.sh",
}

#: What a disk needs besides its file system; a kernel that has it built in has no such module.
_MODULES = ("virtio_pci", "virtio_blk", "dasd_eckd_mod", "dasd_fba_mod")
#: What file systems ask the kernel for by another name than a module's.
_CHECKSUMS = ("crc32c_generic",)
#: And where its blocks are compared with a tree of hashes.
_CHECKING = ("dm_verity", "sha256_generic")
#: What a link that leads nowhere needs, and one that is a card.
_NOWHERE, _CARD = "dummy", "virtio_net"
#: modprobe(8)'s indexes: where it looks for what; ".bin" is what it reads, and the names are those of depmod(8).
_INDEXES = re.compile(rb"modules\.(dep|alias|symbols|builtin|builtin\.alias|softdep|devname)(\.bin)?")


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A disk of a server: its live address (``1B5``), how it is given, and its file system as mount(8) calls it.

    :param root_hash: of its tree of hashes (dm-verity), which is another disk (:func:`hashes_at`); "": it has none.
    """

    address: str
    access: Literal["ro", "rw"]
    form: str
    root_hash: str = ""


@dataclass(frozen=True, slots=True)
class GuestLink:
    """A network link that is there before the system looks for it, and its addresses, each with its prefix length.

    :param card: the hardware address of the card that it is; "": it is a link that leads nowhere.
    """

    name: str
    addresses: tuple[str, ...] = ()
    card: str = ""


def hashes_at(address: str) -> str:
    """What a disk has as its serial that is the tree of hashes of the one at an address."""
    return f"{address}-hashes"


def table(disks: Sequence[GuestDisk], paths: Iterable[tuple[str, str]], links: Iterable[GuestLink] = ()) -> str:
    """The words of ``/goldroot/table``.

    :param paths: address and path of the system, parents before what is in them; ``/`` stands first.
    :raises BadInput: a path that a line cannot hold.
    """
    lines = [f"disk {disk.address} {disk.access} {disk.form}" for disk in disks]
    lines += [f"verity {disk.address} {disk.root_hash}" for disk in disks if disk.root_hash]
    for address, path in paths:
        if path != path.strip() or "\n" in path or "\\" in path:
            raise BadInput(f"{path!r} is not a path that a boot can have", todo="Give the path another name.")
        lines.append(f"path {address} {path}")
    for link in links:
        lines.append(
            " ".join(
                ["card", link.name, link.card, *link.addresses] if link.card else ["link", link.name, *link.addresses]
            )
        )
    return "".join(f"{line}\n" for line in lines)


def addition(
    root: int,
    version: str,
    disks: Sequence[GuestDisk],
    paths: Iterable[tuple[str, str]],
    links: Sequence[GuestLink] = (),
) -> bytes:
    """The archive that follows a system's own.

    :param root: descriptor of the system's root.
    :param version: of the kernel that is started.
    :raises BadInput: see :func:`table`.
    """
    files = {place: _own(name) for name, place in _PLACES.items()}
    files["goldroot/table"] = table(disks, paths, links).encode()
    checking = _CHECKING if any(disk.root_hash for disk in disks) else ()
    wanted = [
        *_MODULES,
        *checking,
        *sorted({_CARD if link.card else _NOWHERE for link in links}),
        *sorted({disk.form for disk in disks}),
        *_CHECKSUMS,
    ]
    modules = f"goldroot/lib/modules/{version}"
    files |= {f"{modules}/{name}": content for name, content in _modules(root, version, wanted)}
    return cpio(files, [modules])


def follow(first: int, archive: bytes) -> bytes:
    """An archive, with what has to be between it and ``first`` bytes before it."""
    return b"\0" * (-first % ALIGNED) + archive


def _own(name: str) -> bytes:
    return resources.files("goldroot.guest").joinpath("boot", name).read_bytes()


def _modules(root: int, version: str, wanted: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The modules with all that they need, and the indexes by which modprobe finds them; nothing where there are none."""
    with closing(Cursor(root)) as cursor:
        top, names = _found(cursor, version)
        indexes = [name for name in names if _INDEXES.fullmatch(os.fsencode(name))]
        contents = {name: _read(cursor, top, os.fsencode(name)) for name in indexes}
        yield from contents.items()
        for path in needed(contents.get("modules.dep", b"").decode(errors="replace"), wanted):
            yield path, _read(cursor, top, os.fsencode(path))


def has_unlisted_modules(root: int, version: str) -> bool:
    """Whether a kernel has modules and no list of what they need (``modules.dep``), so that modprobe finds none of them.

    :param root: descriptor of the system's root.
    """
    with closing(Cursor(root)) as cursor:
        _, names = _found(cursor, version)
        return "kernel" in names and "modules.dep" not in names


def _found(cursor: Cursor, version: str) -> tuple[bytes, list[str]]:
    """The directory of a kernel's modules, and what is in it; nothing where there is none."""
    for above in (b"usr/lib/modules/", b"lib/modules/"):
        top = above + os.fsencode(version)
        try:
            return top, os.listdir(cursor.at(top))
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
    return b"", []


def needed(dependencies: str, wanted: Sequence[str]) -> list[str]:
    """The files of some modules and of those that they need, by ``modules.dep`` (depmod(8)); a name it lacks is passed over."""
    listed = {}
    for line in dependencies.splitlines():
        path, colon, others = line.partition(":")
        if colon:
            listed[_module(path)] = [path, *others.split()]
    return list(dict.fromkeys(path for name in wanted for path in listed.get(name.replace("-", "_"), ())))


def _module(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _read(cursor: Cursor, top: bytes, path: bytes) -> bytes:
    directory, _, name = path.rpartition(b"/")
    return read_regular(name, cursor.at(top + b"/" + directory if directory else top)) or b""
