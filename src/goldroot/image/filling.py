"""Filling a slot with the disks of a gold version: of the maintenance system, or of a copy on another host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from goldroot import crash
from goldroot.errors import Refused
from goldroot.hosts import LIVE, Host, Opened, applied, find_entry, new_disk_id, with_mark
from goldroot.image.systems import as_recorded, said_once
from goldroot.site import DiskRegister, Layout, make_bootable
from goldroot.tree import BuildOptions, Manifest, Note, Progress, build_tree, rows_of, scan_tree


@dataclass(frozen=True, slots=True)
class Filled:
    """The sealed disks of a slot, by address: ids, manifests with their own inodes, and what proves them cheaply."""

    ids: Mapping[str, str]
    manifests: Mapping[str, Manifest]
    evidence: Mapping[str, str]
    notes: tuple[Note, ...]


def fill_slot(
    own: DiskRegister,
    sources: Mapping[str, Opened],
    manifests: Mapping[str, Manifest],
    layout: Layout,
    progress: Progress | None,
) -> Filled:
    """Make the disks of an empty slot, from others as they were scanned: a file that changed since is an error.

    :param own: the slot's.
    :param sources: by address, open; ``manifests``: what they hold.
    """
    host, slot = own.host, own.owner
    made: dict[str, Manifest] = {}
    ids = {address: new_disk_id(slot, address) for address in manifests}
    notes: list[Note] = []
    with host.hold(slot):
        own.make(ids, find_entry(host, slot).marks[LIVE].by)
        with host.open_disks(dict.fromkeys(ids.values(), "rw")) as opened:
            for address, manifest in manifests.items():
                built = build_tree(
                    rows_of(manifest),
                    [sources[address].path],
                    opened[ids[address]].path,
                    BuildOptions(progress=progress),
                )
                made[address] = built.manifest
                notes += built.notes
                crash.point("publish-disk-built")
            disks = {address: opened[id] for address, id in ids.items()}
            notes += make_bootable(host, slot, layout, disks, [disk.address for disk in layout.shared])
        for id in ids.values():
            host.seal_disk(id, "")
    crash.point("publish-sealed")
    with host.open_disks(dict.fromkeys(ids.values(), "ro")) as opened:
        for address, manifest in made.items():
            found = scan_tree(opened[ids[address]].path, known=manifest, writers="ended").manifest
            made[address] = as_recorded(found, manifest)
    return Filled(ids, made, evidence_of(host, ids), said_once(notes))


def evidence_of(host: Host, ids: Mapping[str, str]) -> dict[str, str]:
    """What proves cheaply, by address, that nobody wrote to sealed disks; "" where a host has nothing of the kind."""
    known = host.info(ids.values())
    return {address: known[id].evidence for address, id in ids.items()}


def mark_gold(host: Host, slot: str) -> None:
    """The slot says that it holds gold, read-only.

    :raises Refused: somebody linked it while it was being filled.
    """
    entry = find_entry(host, slot)
    disks = {address: replace(disk, mode="ro") for address, disk in entry.disks.items()}
    mark = replace(entry.marks[LIVE], state="gold")
    applied(host, with_mark(replace(entry, disks=disks), LIVE, mark))
    crash.point("publish-before-visible")
    if links := host.linked(slot):
        raise Refused(f"{links[0][0]} links {slot}, which was being filled", meaning="Nothing was published.")
