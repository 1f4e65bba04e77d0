"""A user directory in a file, read as the host reads entries: for sites that allow no SMAPI, and for plans beforehand."""

from __future__ import annotations

from collections.abc import Mapping

from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.plan_moves import Around
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.reading import Extent, Standing, beside, checked, standing
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.directory import Directory, links
from goldroot.zvm.directory.model import MACHINES

#: Addresses of the management guest that plans name where no site says them.
ADDRESSES = tuple(f"F{number:03X}" for number in range(256))


class FileEntries:
    """:param directory: all of it, profiles too."""

    def __init__(self, directory: Directory, names: Names) -> None:
        self._directory = directory
        self._names = names

    def standing(self, name: str) -> Standing | None:
        """An entry, in which every minidisk at an address of goldroot's counts as a disk."""
        found = self._directory.find(self._names.user(name), *MACHINES)
        if found is None:
            return None
        parts = beside(found, lambda kind, other: self._directory.find(other, kind))
        return checked(standing(found, parts, name=name, names=self._names, registry=_by_place))

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


def _by_place(name: str, address: str, extent: Extent) -> str:
    return f"{extent.volume}.{extent.start}"
