"""Addresses, and what names and ids may be.

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

from goldroot.errors import BadInput
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
