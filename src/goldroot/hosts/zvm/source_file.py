"""A user directory in a file, read as the host reads entries: for sites that allow no SMAPI, and for plans beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from goldroot.hosts.sets import place_of
from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.names import Names, is_address
from goldroot.hosts.zvm.plan_moves import Around
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.reading import Extent, Standing, beside, checked, role_in, standing, with_known_disks
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.directory import Directory, Entry, disks, links
from goldroot.zvm.directory.model import MACHINES

#: Addresses of the management guest that plans name where no site says them.
ADDRESSES = tuple(f"F{number:03X}" for number in range(256))


class FileEntries:
    """:param directory: all of it, profiles too."""

    def __init__(self, directory: Directory, names: Names) -> None:
        self._directory = directory
        self._names = names

    def standing(self, name: str) -> Standing | None:
        """An entry, in which a minidisk counts as a disk where gold has one: a server's own 0191 is left alone."""
        found = self._directory.find(self._names.user(name), *MACHINES)
        if found is None:
            return None
        parts = beside(found, lambda kind, other: self._directory.find(other, kind))
        owner = role_in(found, name, self._names) == "owner"
        places = self._places_of(found) if owner else self._places(found)

        def registry(_: str, address: str, extent: Extent) -> str | None:
            return f"{extent.volume}.{extent.start}" if place_of(address) in places else None

        return checked(with_known_disks(standing(found, parts, name=name, names=self._names, registry=registry)))

    def _places(self, server: Entry) -> set[str]:
        """Where the gold that a server links has disks; where any gold has, if it links none."""
        names, found = self._names, set[str]()
        for link, _ in links(server):
            owner = names.entry(link.owner)
            if owner and is_address(names.address(owner, "owner", link.vdev1)):
                found |= self._places_of(self._directory.find(link.owner, *MACHINES))
        return found or self._all_places

    @cached_property
    def _all_places(self) -> set[str]:
        machines = [entry for entry in self._directory.entries if entry.kind in MACHINES]
        named = [(name, entry) for entry in machines if (name := self._names.entry(entry.name)) is not None]
        slots = [entry for name, entry in named if role_in(entry, name, self._names) == "owner"]
        return set[str]().union(*map(self._places_of, slots))

    def _places_of(self, slot: Entry | None) -> set[str]:
        name = None if slot is None else self._names.entry(slot.name)
        if slot is None or name is None:
            return set()
        addresses = [self._names.address(name, "owner", disk.address) for disk, _ in disks(slot)]
        return {place_of(address) for address in addresses if is_address(address)}

    def linked(self, name: str) -> list[tuple[str, str, str]]:
        """Who links an entry's disks, as :meth:`goldroot.hosts.Host.linked`; profiles and SUBCONFIGs, too."""
        names, user = self._names, self._names.user(name)
        return sorted(
            (
                names.shown(entry.name),
                names.address("", "machine", link.address),
                names.address(name, "owner", link.vdev1),
            )
            for entry in self._directory.entries
            for link, _ in links(entry)
            if link.owner == user
        )


def around_directory(directory: Directory, *, prefixes: Mapping[str, str], group: str) -> Around:
    """What plans are made with, of a directory in a file.

    :param prefixes: slot -> the digit before its device numbers, where it is not 1.
    :param group: the group of volumes that new minidisks would come from.
    :raises BadInput: a prefix cannot be one.
    """
    names = Names(prefixes=prefixes)
    entries = FileEntries(directory, names)
    return Around(entries.standing, Style(Words(names)), Pool(group), ADDRESSES, linked=entries.linked)
