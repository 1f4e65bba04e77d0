"""The boot record of a system that was just written: see :meth:`goldroot.hosts.Host.make_bootable`."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from goldroot.hosts import BOOT_MAP, Host, Opened, SystemDisk
from goldroot.site.layout import Layout
from goldroot.tree import Entry, Manifest, Note


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
