"""A site that follows the paper, found in its directory: gold owners that nobody logs on, and the servers that link them.

Nothing is changed, and nothing of it is goldroot's yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from goldroot.hosts.sets import is_live, set_of
from goldroot.hosts.zvm.names import Names, is_address
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.reading import READING, Extent, Standing, beside, extent_of
from goldroot.zvm import directory as source
from goldroot.zvm.directory.extents import Extent as Lying
from goldroot.zvm.directory.extents import extents
from goldroot.zvm.directory.model import MACHINES

#: What lies on each volume.
Volumes = Mapping[str, Sequence[Lying]]


@dataclass(frozen=True)
class FoundDisk:
    """A minidisk at an address of goldroot's."""

    address: str
    extent: Extent
    device: str = ""  #: type of the real device


@dataclass(frozen=True)
class Found:
    """An entry that can be adopted, or why not.

    :param disks: its own live disks at addresses of the layout.
    :param gold: the slot that it links at its live addresses; "" for none.
    :param why: what stands in the way, one line each; empty: nothing.
    """

    name: str
    user: str
    disks: tuple[FoundDisk, ...] = ()
    gold: str = ""
    linked: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    startable: bool = False

    def as_dict(self) -> dict[str, object]:
        """As JSON data."""
        return {
            "name": self.name, "user": self.user, "gold": self.gold, "linked": list(self.linked), "why_not": list(self.why),
            "disks": {disk.address: str(disk.extent) for disk in self.disks},
        }  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """What was found."""

    slots: tuple[Found, ...]
    servers: tuple[Found, ...]
    system: Found | None = None  #: the maintenance system
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        """As JSON data."""
        return {
            "slots": [one.as_dict() for one in self.slots],
            "servers": [one.as_dict() for one in self.servers],
            "maintenance": None if self.system is None else self.system.as_dict(),
            "notes": list(self.notes),
        }


def slot(now: Standing, names: Names, addresses: Collection[str]) -> Found:
    """An owner of gold, as it was found.

    :param addresses: live addresses of the layout.
    """
    disks = _disks(now, names, addresses)
    there = {disk.address for disk in disks}
    why = []
    if now.entry.role != "owner":
        why.append("it can be logged on: gold is owned by a user with NOLOG")
    if missing := sorted(set(addresses) - there):
        devices = ", ".join(names.device(now.entry.name, "owner", address) for address in missing)
        why.append(f"it has no minidisk at {devices}")
    return Found(now.entry.name, names.user(now.entry.name), disks, why=tuple(why))


def system(now: Standing, names: Names, addresses: Collection[str]) -> Found:
    """A maintenance system, which owns a disk at every address."""
    disks = _disks(now, names, addresses)
    missing = sorted(set(addresses) - {disk.address for disk in disks})
    why = (f"it has no minidisk at {', '.join(missing)}",) if missing else ()
    return Found(now.entry.name, names.user(now.entry.name), disks, why=why, startable=now.entry.startable)


def server(now: Standing, names: Names, addresses: Collection[str], shared: Collection[str]) -> Found:
    """A server that links gold.

    :param shared: those of the layout's addresses at which a read-only server links gold.
    """
    entry = now.entry
    disks = _disks(now, names, addresses)
    own = {disk.address for disk in disks}
    links = {address: link for address, link in entry.links.items() if is_live(address)}
    golds = sorted({link.owner for link in links.values()})
    why = []
    if len(golds) > 1:
        why.append(f"it links two golds: {' and '.join(golds)}")
    if beyond := sorted(set(links) - set(addresses)):
        why.append(f"it links gold at {', '.join(beyond)}, which the layout does not have")
    if wrong := sorted(a for a, link in links.items() if link.address != a):
        why.append(f"its links at {', '.join(wrong)} lead to another address of gold")
    written = _written(now, names)
    why += [f"its link at {address} may write gold ({mode})" for address, mode in sorted(written.items())]
    if missing := sorted(set(addresses) - own - links.keys() - written.keys()):
        why.append(f"it has nothing at {', '.join(missing)}")
    if (copied := sorted(own & set(shared))) and links:
        why.append(f"it owns {', '.join(copied)}, which is shared, and links the rest")
    if others := sorted(
        {set_of(a) for a in (*entry.disks, *entry.links) if not is_live(a) and a[1:] in _places(addresses)}
    ):
        why.append(f"something stands in set {', '.join(others)}: finish that update by hand, or remove it")
    why += _in_parts(now, names, addresses)
    return Found(
        entry.name, names.user(entry.name), disks, golds[0] if len(golds) == 1 else "", tuple(sorted(links)), tuple(why),
        entry.startable,
    )  # fmt: skip


def of_type(found: Found, pool: Pool) -> Found:
    """The same, with what is on devices of another type than the host has there as what stands in the way."""
    wrong = [
        f"its disk at {disk.address} is {disk.device}, and this host has {there.device} there (disk_type, disk_types)"
        for disk in found.disks
        if disk.device.upper() not in (there := pool.at(disk.address).geometry).devices
    ]
    return replace(found, why=(*found.why, *wrong))


def linking(directory: source.Directory, owners: Collection[str]) -> list[str]:
    """The user IDs of machines that link a disk of these, by themselves, or by a profile or SUBCONFIG of theirs."""

    def links(entry: source.Entry) -> bool:
        return any(link.owner in owners for link, _ in source.links(entry))

    def parts(entry: source.Entry) -> list[source.Entry]:
        return beside(entry, lambda kind, name: directory.find(name, kind))

    machines = (entry for entry in directory.entries if entry.kind in MACHINES)
    return sorted(entry.name for entry in machines if links(entry) or any(map(links, parts(entry))))


def writing(directory: source.Directory, owners: Collection[str]) -> list[str]:
    """Who may write disks of these, one line each."""
    return sorted(
        f"{entry.name} may write gold: its link to {link.owner} {link.vdev1} at {link.address} is {link.mode}"
        for entry in directory.entries
        for link, _ in source.links(entry)
        if link.owner in owners and _writes(link)
    )


def by_volume(directory: source.Directory) -> Volumes:
    """The minidisks that lie somewhere, without those that are a whole volume: these overlap all others on purpose."""
    volumes: dict[str, list[Lying]] = {}
    for extent in extents(directory):
        if not extent.whole_volume:
            volumes.setdefault(extent.volume, []).append(extent)
    return volumes


def apart(found: Found, volumes: Volumes) -> Found:
    """The same, with disks on which another minidisk lies as what stands in the way: who writes one writes both, and
    what erases one erases both."""
    why = []
    for disk in found.disks:
        start, end = disk.extent.start, disk.extent.start + disk.extent.size
        there = [one for one in volumes.get(disk.extent.volume, ()) if one.start < end and start < one.end]
        itself = next((at for at, one in enumerate(there) if _is(one, found.user, disk.extent)), None)
        others = [one for at, one in enumerate(there) if at != itself]
        why += [f"its disk at {disk.address} ({disk.extent}) overlaps {one.label()} ({one.space()})" for one in others]
    return replace(found, why=(*found.why, *why))


def _is(one: Lying, user: str, extent: Extent) -> bool:
    return one.entry.name == user and (one.start, one.end) == (extent.start, extent.start + extent.size)


def _disks(now: Standing, names: Names, addresses: Collection[str]) -> tuple[FoundDisk, ...]:
    entry, found = now.entry, []
    for disk, _ in source.disks(now.text):
        address, extent = names.address(entry.name, entry.role, disk.address), extent_of(disk)
        if is_address(address) and address in addresses and extent is not None:
            found.append(FoundDisk(address, extent, disk.devtype))
    return tuple(sorted(found, key=lambda one: one.address))


def _written(now: Standing, names: Names) -> dict[str, str]:
    """Addresses of links to a gold slot's device numbers that do not only read, and their modes."""
    found = {}
    for link, _ in source.links(now.text):
        owner = names.entry(link.owner)
        if owner and is_address(names.address(owner, "owner", link.vdev1)) and _writes(link):
            found[names.address(now.entry.name, now.entry.role, link.address)] = link.mode
    return found


def _writes(link: source.Link) -> bool:
    """Whether who has the link may write; without a mode it reads."""
    return bool(link.mode) and link.mode not in READING


def _in_parts(now: Standing, names: Names, addresses: Collection[str]) -> list[str]:
    """What a profile or SUBCONFIG has at an address of the layout: it could not be switched in one entry."""
    lines = []
    for part in now.beside:
        devices = [disk.address for disk, _ in source.disks(part)] + [link.address for link, _ in source.links(part)]
        here = sorted({names.address(now.entry.name, now.entry.role, device) for device in devices} & set(addresses))
        if here:
            lines.append(f"{part.kind} {part.name} has {', '.join(here)}: all that moves has to stand in one entry")
    return lines


def _places(addresses: Collection[str]) -> set[str]:
    return {address[1:] for address in addresses}
