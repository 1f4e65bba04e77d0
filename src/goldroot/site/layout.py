"""Layouts: which paths stand on which disk, and which disks are shared.

A layout is a TOML file; two are shipped (``layouts/`` beside this module).  On a disk, files keep their path from the
system's root: the disk of ``/etc`` and ``/usr/local`` holds ``etc/`` and ``usr/local/``.  So rules about paths hold on
every disk, and a disk shows what it is for.  The directories on the way (``usr`` here) are copies of the real ones.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from goldroot import toml
from goldroot.errors import BadInput
from goldroot.hosts import BOOT_MAP, Host, Opened, SystemDisk, place_of
from goldroot.tree import Entry, Manifest, Note

#: The layouts that come with goldroot.
SHIPPED_LAYOUTS = ("readonly-root", "shared-usr")

#: Never on a disk of their own: the kernel or the boot fills them, or they are one with what is beside them.
KERNEL_PATHS = ("proc", "sys", "dev", "run", "tmp")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class LayoutDisk:
    """One disk: its live address, a name, whether all clones share gold's, and its paths (no leading slash, sorted)."""

    address: str
    name: str
    shared: bool
    paths: tuple[bytes, ...]

    @property
    def place(self) -> str:
        """Its place, which it has in every set (1B5 -> B5)."""
        return place_of(self.address)


@dataclass(frozen=True, slots=True)
class Bind:
    """``path`` of the disk at ``address`` stands at ``path`` of the system; parents come before what is in them."""

    address: str
    path: bytes
    shared: bool


@dataclass(frozen=True)
class Layout:
    """A checked layout.  Disks are in the order of their addresses."""

    name: str
    description: str
    disks: tuple[LayoutDisk, ...]
    source: str  #: the TOML text, kept with every gold version

    @property
    def hash(self) -> str:
        """Hex SHA-256 of what it says (names, comments and order aside)."""
        said = repr([(disk.address, disk.shared, disk.paths) for disk in self.disks])
        return hashlib.sha256(said.encode()).hexdigest()

    @cached_property
    def _by_path(self) -> dict[bytes, LayoutDisk]:
        return {path: disk for disk in self.disks for path in disk.paths}

    def disk(self, address: str) -> LayoutDisk:
        """The disk that stands at a live address."""
        found = next((disk for disk in self.disks if disk.address == address), None)
        if found is None:
            raise BadInput(f"the layout {self.name} has no disk at {address}")
        return found

    @property
    def root(self) -> LayoutDisk:
        return self._by_path[b""]

    @property
    def shared(self) -> tuple[LayoutDisk, ...]:
        return tuple(disk for disk in self.disks if disk.shared)

    @property
    def own(self) -> tuple[LayoutDisk, ...]:
        return tuple(disk for disk in self.disks if not disk.shared)

    def disk_of(self, path: bytes) -> LayoutDisk:
        """Which disk a path of the system (no leading slash) stands on: that of the longest listed path above it."""
        while path not in self._by_path:
            path = path.rpartition(b"/")[0]
        return self._by_path[path]

    def binds(self) -> Iterator[Bind]:
        """Every listed path, in the order in which they are to be mounted."""
        for path, disk in sorted(self._by_path.items()):
            yield Bind(disk.address, path, disk.shared)

    def on_the_way(self, path: bytes) -> bool:
        """Whether a directory leads to a listed path (``b"usr"`` to ``usr/local``), so that other disks hold copies."""
        below = path + b"/" if path else b""
        return any(listed != path and listed.startswith(below) for listed in self._by_path)

    def places(self, path: bytes) -> list[str]:
        """The addresses of every disk that has an entry for ``path``: its own, and for directories the copies.

        A listed path stands on its own disk and, as an empty mount point, on the disk that it is taken from; a
        directory on the way to a listed path stands on each disk that it leads to.
        """
        found = {self.disk_of(path).address}
        if path in self._by_path and path:
            found.add(self.disk_of(path.rpartition(b"/")[0]).address)
        if self.on_the_way(path):
            below = path + b"/" if path else b""
            found |= {disk.address for listed, disk in self._by_path.items() if listed.startswith(below)}
        return sorted(found)


def load_layout(name_or_file: str) -> Layout:
    """A shipped layout by its name, or a file's (a name with a slash or ``.toml``); ``BadPolicy``, ``BadInput``."""
    if "/" in name_or_file or name_or_file.endswith(".toml"):
        return parse_layout(toml.text_of(name_or_file), name_or_file)
    if name_or_file not in SHIPPED_LAYOUTS:
        raise BadInput(
            f"there is no layout {name_or_file!r}",
            todo=f"Use {' or '.join(SHIPPED_LAYOUTS)}, or the path of a layout file of your own.",
        )
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layouts", f"{name_or_file}.toml")
    return parse_layout(toml.text_of(path), path)


@lru_cache(64)  # a gold version's is asked for several times in one command
def parse_layout(text: str, file: str) -> Layout:
    """A layout from its TOML text; ``file`` is for messages. :raises BadPolicy: with the line of the mistake."""
    top = toml.parse(text, file)
    name, description = top.text("name"), top.text("description", "")
    if not _NAME.fullmatch(name):
        raise top.error("a layout's name has small letters, digits and '-'", "name")
    tables = top.tables("disk")
    top.done()
    disks: list[LayoutDisk] = []
    for table in tables:
        disks.append(_disk(table, disks))
    if not any(b"" in disk.paths for disk in disks):
        raise top.error("no disk holds '/'", todo='Give one disk paths = ["/"].')
    return Layout(name, description, tuple(sorted(disks, key=lambda disk: disk.address)), text)


def _disk(table: toml.Table, before: list[LayoutDisk]) -> LayoutDisk:
    address = table.text("address")
    if not re.fullmatch(r"1[0-9A-F]{2}", address):
        raise table.error(
            f"{address!r} is not a live address", "address", todo="Live addresses are 1xx: 1B1, 1B5, 1B6."
        )
    if any(disk.address == address for disk in before):
        raise table.error(f"the address {address} stands twice", "address")
    taken = {path for disk in before for path in disk.paths}
    paths = tuple(sorted(_path(table, path, taken) for path in table.texts("paths")))
    if not paths or len(set(paths)) != len(paths):
        raise table.error("a disk needs paths, each once", "paths")
    disk = LayoutDisk(address, table.text("name", address), table.truth("shared", False), paths)
    table.done()
    return disk


def _path(table: toml.Table, path: str, taken: set[bytes]) -> bytes:
    """A path in the form that it has on a disk."""
    names = path.split("/")[1:]
    if not path.startswith("/") or (path != "/" and any(name in ("", ".", "..") or "\0" in name for name in names)):
        raise table.error(f"{path!r} is not an absolute path in its shortest form", "paths")
    if names[0] in KERNEL_PATHS:
        raise table.error(f"{path!r} is filled at boot and belongs on no disk", "paths")
    wanted = os.fsencode(path[1:])
    if wanted in taken:
        raise table.error(f"{path!r} stands on two disks", "paths")
    return wanted


def boots_by_record(host: Host, layout: Layout, own: Collection[str]) -> bool:
    """Whether a system needs a boot record on one of its own disks.

    :param own: their live addresses.
    """
    return host.abilities.boot_records and layout.disk_of(b"boot").address in own


def make_bootable(
    host: Host, name: str, layout: Layout, opened: Mapping[str, Opened], read_only: Collection[str] = ()
) -> list[Note]:
    """Write the boot record of a system; what a person should know of it.

    :param name: the entry whose disks they are.
    :param opened: its disks by live address, ``rw``, wherever they stand now.
    :param read_only: the live addresses of the layout that machines only read.
    """
    if not boots_by_record(host, layout, opened):
        return []
    disks = {
        disk.address: SystemDisk(
            tuple(f"/{os.fsdecode(path)}" for path in disk.paths),
            "ro" if disk.address in read_only else "rw",
            opened.get(disk.address),
        )
        for disk in layout.disks
    }
    why = host.make_bootable(name, disks)
    return [Note("not-bootable", b"boot", f"no guest can boot from it: {why}")] if why else []


def without_boot_map(manifest: Manifest) -> Manifest:
    """The same without the file that a boot record made: on each copy of a disk it is another, and nobody's work."""
    if manifest.get(BOOT_MAP) is None:
        return manifest
    rows = (Entry._make(row) for row in manifest.rows() if row[0] != BOOT_MAP)
    return Manifest.from_rows(rows, manifest.squashed)
