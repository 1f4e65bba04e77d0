"""A site that follows the paper, found in its directory: gold owners that nobody logs on, and the servers that link them.

Nothing is changed, and nothing of it is goldroot's yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from goldroot.hosts.sets import is_live, set_of
from goldroot.hosts.zvm.names import Names, is_address
from goldroot.hosts.zvm.reading import Extent, Standing, extent_of
from goldroot.zvm import directory as source


@dataclass(frozen=True)
class FoundDisk:
    """A minidisk at an address of goldroot's."""

    address: str
    extent: Extent


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
    if missing := sorted(set(addresses) - own - set(links)):
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


def extents_of(found: Iterable[Found]) -> Mapping[Extent, str]:
    """Extents that several of these have, and who."""
    seen: dict[Extent, list[str]] = {}
    for one in found:
        for disk in one.disks:
            seen.setdefault(disk.extent, []).append(one.user)
    return {extent: " and ".join(users) for extent, users in seen.items() if len(users) > 1}


def _disks(now: Standing, names: Names, addresses: Collection[str]) -> tuple[FoundDisk, ...]:
    entry, found = now.entry, []
    for disk, _ in source.disks(now.text):
        address, extent = names.address(entry.name, entry.role, disk.address), extent_of(disk)
        if is_address(address) and address in addresses and extent is not None:
            found.append(FoundDisk(address, extent))
    return tuple(sorted(found, key=lambda one: one.address))


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
