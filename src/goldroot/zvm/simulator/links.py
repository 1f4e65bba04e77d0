"""Who has which minidisk, and what CP gives to the next who asks.

The rules for R, RR, W, WR, M, MR and MW are VM/370's (*CP Command Reference for General Users*, release 6, LINK
command: the table of access modes, in the public domain), as columns of the links that exist already:

======  =========  ==========  ===========
mode    no link    others R/O  others R/W
======  =========  ==========  ===========
R       R/O        R/O         no link
RR      R/O        R/O         R/O
W       R/W        no link     no link
WR      R/W        R/O         R/O
M       R/W        R/W         no link
MR      R/W        R/W         R/O
MW      R/W        R/W         R/W
======  =========  ==========  ===========

The stable (SR, SW, SM) and exclusive modes (ER, EW) came with z/VM (IBM, *Linking to Other Users' Minidisks*): an
exclusive link is given only where there is no other and keeps every other away; a stable one keeps writers away,
and SR and SM are not given where somebody writes (SM not beside a stable one either).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RO = "R/O"
RW = "R/W"

PLAIN = ("R", "RR", "W", "WR", "M", "MR", "MW")
STABLE = ("SR", "SW", "SM")
EXCLUSIVE = ("ER", "EW")
MODES = (*PLAIN, *STABLE, *EXCLUSIVE)

#: mode -> access beside (nobody, readers only, a writer); None: no link.
MATRIX: dict[str, tuple[str, str | None, str | None]] = {
    "R": (RO, RO, None),
    "RR": (RO, RO, RO),
    "W": (RW, None, None),
    "WR": (RW, RO, RO),
    "M": (RW, RW, None),
    "MR": (RW, RW, RO),
    "MW": (RW, RW, RW),
    "SR": (RO, RO, None),
    "SW": (RW, None, None),
    "SM": (RW, RW, None),
    "ER": (RO, None, None),
    "EW": (RW, None, None),
}

#: Beside a stable link there is no writing; these fall back to reading, the others are refused.
FALL_BACK = {"R": RO, "RR": RO, "SR": RO, "WR": RO, "MR": RO}


@dataclass(frozen=True, slots=True)
class Disk:
    """What CP knows a minidisk by: volume and first cylinder.  A disk without a volume has its owner's name and
    address instead."""

    volser: str
    start: int


@dataclass(frozen=True, slots=True)
class Link:
    """One guest's access to one disk."""

    user: str
    address: str
    disk: Disk
    mode: str
    access: str
    member: str = ""  #: of the cluster, where the guest is logged on


def access_for(mode: str, held: Iterable[Link]) -> str | None:
    """What a link in ``mode`` comes to beside the links that are held: R/O, R/W, or nothing.

    :raises ValueError: no such mode.
    """
    if mode not in MATRIX:
        raise ValueError(mode)
    links = list(held)
    if any(link.mode in EXCLUSIVE for link in links):
        return None
    alone, beside_readers, beside_writer = MATRIX[mode]
    if not links:
        return alone
    given = beside_writer if any(link.access == RW for link in links) else beside_readers
    if any(link.mode in STABLE for link in links) and given == RW:
        return FALL_BACK.get(mode)
    return given


class LinkTable:
    """All links of all guests, of all members of a cluster: who is refused a disk is refused it everywhere.

    :param member: whose guests are linked and asked about here.
    """

    def __init__(self, member: str = "") -> None:
        self.member = member
        self._links: dict[tuple[str, str, str], Link] = {}
        self._by_disk: dict[Disk, dict[tuple[str, str, str], Link]] = {}

    def at(self, member: str) -> LinkTable:
        """The same links, as another member has them."""
        there = LinkTable(member)
        there._links, there._by_disk = self._links, self._by_disk
        return there

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    def of(self, disk: Disk) -> list[Link]:
        """Everybody's links to a disk."""
        return list(self._by_disk.get(disk, {}).values())

    def get(self, user: str, address: str) -> Link | None:
        return self._links.get((self.member, user, address))

    def add(self, user: str, address: str, disk: Disk, mode: str) -> Link | None:
        """Link, as far as CP allows; nothing where it refuses."""
        access = access_for(mode, self.of(disk))
        if access is None:
            return None
        link, key = Link(user, address, disk, mode, access, self.member), (self.member, user, address)
        self._links[key] = link
        self._by_disk.setdefault(disk, {})[key] = link
        return link

    def drop(self, user: str, address: str) -> Link | None:
        key = (self.member, user, address)
        link = self._links.pop(key, None)
        if link:
            holders = self._by_disk[link.disk]
            del holders[key]
            if not holders:
                del self._by_disk[link.disk]
        return link
