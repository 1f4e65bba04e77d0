"""Addresses, what names and ids may be, and what stands where: the disks of a set, links followed.

An address is a set digit and a place: ``1B5`` is set ``1``, place ``B5``.

====== =========================================================================== ======================
set    holds                                                                       on a machine
====== =========================================================================== ======================
``1``  live disks and links                                                        runs from it
``5``  what is being prepared, or what the last exchange put there                 not used
``6``  to ``F``: parked sets, the lowest free digit first                          not used
====== =========================================================================== ======================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from goldroot.errors import BadInput, NotFound, StillRunning
from goldroot.hosts.port import Access, Entry, Host
from goldroot.ids import new_id

LIVE, PREPARED = "1", "5"
PARKED = "6789ABCDEF"
SETS = LIVE + PREPARED + PARKED

_ADDRESS = re.compile(rf"[{SETS}][0-9A-F]{{2}}")
_PLACE = re.compile(r"[0-9A-F]{2}")
_ENTRY = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_DISK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"[a-z][a-z0-9-]{0,31}")


def set_of(address: str) -> str:
    """The set digit of an address."""
    return address[0]


def place_of(address: str) -> str:
    """The place of an address: two hexadecimal digits."""
    return address[1:]


def is_live(address: str) -> bool:
    """Whether an address is in set 1."""
    return address[0] == LIVE


def check_address(address: str) -> str:
    """The address, if it is one.

    :raises BadInput: it is not a set digit (1, 5, 6 to F) and two hexadecimal digits, in capitals.
    """
    if not _ADDRESS.fullmatch(address):
        raise BadInput(
            f"{address!r} is not a disk address",
            todo="Addresses are a set digit (1 live, 5 prepared, 6 to F parked) and a place: 1B1, 5B5.",
        )
    return address


def check_set(digit: str) -> str:
    """The set digit, if it is one.

    :raises BadInput: it is not.
    """
    if len(digit) != 1 or digit not in SETS:
        raise BadInput(f"{digit!r} is not a set of disks", todo="Sets are 1 (live), 5 (prepared) and 6 to F (parked).")
    return digit


def check_place(place: str) -> str:
    """The place, if it is one.

    :raises BadInput: it is not two hexadecimal digits.
    """
    if not _PLACE.fullmatch(place):
        raise BadInput(f"{place!r} is not a place of a disk", todo="A place is two hexadecimal digits: B1, B5.")
    return place


def check_entry_name(name: str) -> str:
    """The name, if an entry may have it.

    :raises BadInput: it is not 1 to 32 capital letters, digits, ``-`` and ``_``.
    """
    if not _ENTRY.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be an entry's name",
            todo="Use 1 to 32 capital letters, digits, '-' and '_', beginning with a letter or digit.",
        )
    return name


def check_disk_id(disk: str) -> str:
    """The id, if a disk may have it.

    :raises BadInput: it is not 1 to 128 letters, digits, ``.``, ``_`` and ``-``, beginning with a letter or digit.
    """
    if not _DISK.fullmatch(disk):
        raise BadInput(f"{disk!r} cannot be a disk's id", todo="Ids are letters, digits, '.', '_' and '-'.")
    return disk


def check_host_name(name: str) -> str:
    """The name, if a host may have it in a site.

    :raises BadInput: it is not 1 to 32 small letters, digits and ``-``.
    """
    if not _HOST.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a host's name", todo="Use small letters, digits and '-', beginning with a letter."
        )
    return name


def new_disk_id(owner: str, address: str) -> str:
    """A random id of a disk, with owner and place before it for people: ``web1-1B5-u7k2m9q4xa``."""
    return f"{check_entry_name(owner).lower()}-{LIVE}{place_of(check_address(address))}-{new_id()}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A disk that stands at an address, links followed: its id, who owns it, and what the machine may do with it."""

    id: str
    owner: str
    mode: Access


def own_disks(entry: Entry, set: str = LIVE) -> dict[str, str]:
    """The ids of the disks of a set that the entry owns, by their live addresses."""
    return {LIVE + place_of(a): disk.id for a, disk in entry.disks.items() if set_of(a) == set}


def standing(host: Host, entry: Entry, set: str = LIVE) -> dict[str, Standing]:
    """All disks of a set, by their live addresses; links are followed, to the one entry that each leads to.

    :raises NotFound: a link leads to nothing.
    """
    found = {
        LIVE + place_of(a): Standing(disk.id, entry.name, disk.mode)
        for a, disk in entry.disks.items()
        if set_of(a) == set
    }
    owners: dict[str, Entry | None] = {}
    for address, link in entry.links.items():
        if set_of(address) != set:
            continue
        if link.owner not in owners:
            owners[link.owner] = host.find(link.owner)
        owner = owners[link.owner]
        if owner is None or link.address not in owner.disks:
            raise NotFound(f"{entry.name} links {link.owner} {link.address} at {address}, and there is no disk")
        found[LIVE + place_of(address)] = Standing(owner.disks[link.address].id, link.owner, "ro")
    return dict(sorted(found.items()))


def find_entry(host: Host, name: str) -> Entry:
    """An entry that has to be there.

    :raises NotFound: it is not.
    """
    found = host.find(name)
    if found is None:
        raise NotFound(f"there is no machine {name}", todo="Look at the names with: goldroot linked")
    return found


def running_reason(host: Host, name: str) -> str | None:
    """Why a machine may be written at this moment; ``None`` where nothing speaks for it."""
    power = host.power(name)
    return None if power.state == "off" else power.why or f"it is {power.state}"


def refuse_running(host: Host, name: str) -> None:
    """For a plan, which holds nothing.

    :raises StillRunning: the machine runs now.
    """
    if reason := running_reason(host, name):
        raise still_running(name, reason)


def still_running(name: str, reason: str) -> StillRunning:
    """The error for a machine that may still be written."""
    return StillRunning(
        f"{name} may still be written: {reason}",
        meaning="A running system is neither copied nor switched: what it writes would be lost. Nothing was changed.",
        todo="Shut it down (`goldroot machine stop` does, where the host starts machines), or end what is named here; then run "
        "the same command again.",
    )
