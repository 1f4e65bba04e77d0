"""The control program: guests that are logged on, their virtual devices, LINK and DETACH.

A guest's devices come from the directory when it logs on; what is changed in the directory afterwards acts at its
next logon.  The message numbers are those that CP's LINK and LOGON give (HCPLNM, HCPLGA); no real system was asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from goldroot.zvm.simulator.dasd import NO_VOLUME, Dasd, Extent, extent_of
from goldroot.zvm.simulator.directory import NO_LOGON, Directory, Entry
from goldroot.zvm.simulator.links import MODES, RW, Disk, Link, LinkTable
from goldroot.zvm.simulator.statements import Statement, vdev

#: Device statements besides MDISK and LINK: how ``Image_Active_Configuration_Query`` numbers them.
OTHER_DEVICES = {"CONSOLE": "console", "SPOOL": "spool", "NICDEF": "nic", "DEDICATE": "dedicated", "SPECIAL": "special"}


class CpError(Exception):
    """CP refuses; ``number`` is its message number (``vmcp`` ends with it) and ``text`` the message."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number
        self.text = text


@dataclass(frozen=True, slots=True)
class Device:
    """A virtual device of a guest that is logged on."""

    address: str
    kind: str
    detail: tuple[str, ...] = ()
    extent: Extent | None = None
    owner: str = ""
    owner_address: str = ""


@dataclass
class Guest:
    """Somebody who is logged on; ``messages`` are what CP said at logon."""

    name: str
    since: float
    devices: dict[str, Device] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)  #: what it said since its spooled console was taken away
    cpus: dict[int, int] = field(default_factory=lambda: {0: 3})
    paused: bool = False
    leaving_at: float | None = None


class ControlProgram:
    """The running system above a directory.

    :param clock: seconds, for logon times and for guests that take their time to go.
    """

    def __init__(self, directory: Directory, dasd: Dasd, clock: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self.dasd = dasd
        self.clock = clock
        self.links = LinkTable(directory.member)
        self.guests: dict[str, Guest] = {}
        #: those of all members of the cluster, this one among them: their guests are unseen here, but for their links
        self.members = [self]
        #: volumes that other members have and this one has not
        self.lacks: Collection[str] = ()
        #: told of every device that leaves its guest
        self.gone: Callable[[Device], None] = lambda device: None

    def beside(self, directory: Directory, lacks: Collection[str]) -> ControlProgram:
        """That of another member of the cluster: guests of its own, the same disks and links.

        :param directory: as that member reads it.
        """
        other = ControlProgram(directory, self.dasd, self.clock)
        other.links, other.lacks, other.members = self.links.at(directory.member), lacks, self.members
        self.members.append(other)
        return other

    def others(self, name: str) -> Iterator[ControlProgram]:
        """The other members at which somebody is logged on: a USER at one at most, an IDENTITY at each."""
        return (one for one in self.members if one is not self and one.is_on(name))

    # --- logon ---

    def logon(self, name: str) -> Guest:
        """Log a guest on with the devices that the directory gives it now.

        :raises CpError: 53 not in the directory, or nobody may log it on; 54 it is logged on already.
        """
        name = name.upper()
        entry = self.directory.user(name)
        if entry is None or entry.password in NO_LOGON:
            raise CpError(53, f"HCPLGA053E {name} not in CP directory")
        if name in self.guests or (entry.kind == "USER" and any(self.others(name))):
            raise CpError(54, f"HCPLGA054E Already logged on: {name}")
        guest = self.guests[name] = Guest(name, self.clock())
        for part in self.directory.parts(name):
            for statement in part.statements:
                self._device(guest, part, statement)
        return guest

    def logoff(self, name: str) -> None:
        """Log a guest off; its links are gone.

        :raises CpError: 45 not logged on.
        """
        guest = self.guest(name)
        for address, device in guest.devices.items():
            self.links.drop(guest.name, address)
            self.gone(device)
        del self.guests[guest.name]

    def guest(self, name: str) -> Guest:
        """A guest that is logged on; :class:`CpError` 45 where it is not."""
        guest = self.guests.get(name.upper())
        if guest is None:
            raise CpError(45, f"HCPCQU045E {name.upper()} not logged on")
        return guest

    def is_on(self, name: str) -> bool:
        return name.upper() in self.guests

    def _device(self, guest: Guest, part: Entry, statement: Statement) -> None:
        address = vdev(statement.operand(0))
        if statement.keyword == "LINK":
            self._at_logon(guest, statement.operand(0), vdev(statement.operand(1)), *self._link_operands(statement))
        elif statement.keyword == "MDISK" and address not in guest.devices:
            mode = statement.operand(5, "W").rstrip("V") or "W"
            if statement.operand(2) in (*NO_VOLUME, "DEVNO"):
                mode = statement.operand(4, "MW") if statement.operand(4) in MODES else "MW"
            self._at_logon(guest, guest.name, address, address, mode)
        elif statement.keyword in OTHER_DEVICES and address not in guest.devices:
            guest.devices[address] = Device(address, OTHER_DEVICES[statement.keyword], statement.operands[1:])

    @staticmethod
    def _link_operands(statement: Statement) -> tuple[str, str]:
        """Own address and mode of a LINK statement: the address is the owner's where none is given."""
        second, third = statement.operand(2), statement.operand(3)
        if second in MODES and not third:
            return vdev(statement.operand(1)), second
        return vdev(second or statement.operand(1)), (third or "R")

    def _at_logon(self, guest: Guest, owner: str, owner_address: str, address: str, mode: str) -> None:
        if address in guest.devices:
            return
        try:
            self.link(guest.name, owner, owner_address, address, mode)
        except CpError as error:
            guest.messages.append(error.text)

    # --- LINK and DETACH ---

    def find_disk(self, owner: str, address: str) -> tuple[Disk, Extent | None, Statement]:
        """The disk that ``owner`` has at ``address`` in the directory.

        :raises CpError: 53 no such owner, 107 no such disk.
        """
        owner, address = owner.upper(), vdev(address)
        if self.directory.user(owner) is None:
            raise CpError(53, f"HCPLNM053E {owner} not in CP directory")
        found = self.directory.disk(owner, address)
        if found is None:
            raise CpError(107, f"HCPLNM107E {owner} {address} not linked; not in CP directory")
        extent = extent_of(found[1], self.dasd.volumes)
        disk = Disk(extent.volser, extent.start) if extent else Disk(f"{owner} {address}", 0)
        return disk, extent, found[1]

    def link(
        self, user: str, owner: str, owner_address: str, address: str, mode: str, password: str | None = None
    ) -> Link:
        """CP LINK: ``owner``'s disk becomes ``user``'s device ``address``.

        :param password: checked against the disk's passwords where one is given; None for whoever needs none (the
            directory's own links, OPTION LNKNOPAS).
        :returns: the link, whose ``access`` is what the user really got.
        :raises CpError: 45, 53, 104 to 108 not linked, 110 address taken, 111 to 114 password.
        """
        guest = self.guest(user)
        owner = guest.name if owner == "*" else owner.upper()
        address, owner_address = vdev(address), vdev(owner_address)
        if mode.upper() not in MODES:
            raise CpError(3, f"HCPLNM003E Invalid option - {mode}")
        if address in guest.devices:
            raise CpError(110, f"HCPLNM110E {owner} {owner_address} not linked; {address} already defined")
        disk, extent, statement = self.find_disk(owner, owner_address)
        if password is not None and owner != guest.name:
            check_password(statement, owner, owner_address, mode.upper(), password)
        if disk.volser in self.lacks:
            raise CpError(108, f"HCPLNM108E {owner} {owner_address} not linked; volid {disk.volser} not mounted")
        link = self.links.add(guest.name, address, disk, mode.upper())
        if link is None:
            raise self._refused(owner, owner_address, disk)
        detail = (link.access, statement.operand(1))
        guest.devices[address] = Device(address, "dasd", detail, extent, owner, owner_address)
        return link

    def _refused(self, owner: str, address: str, disk: Disk) -> CpError:
        links = self.links.of(disk)
        writers = [link for link in links if link.access == RW]
        who = (writers or links)[0].user if len(writers or links) == 1 else f"{len(links)} users"
        number = (105 if writers else 104) if len(links) == 1 else 106
        return CpError(number, f"HCPLNM{number}E {owner} {address} not linked; {'R/W' if writers else 'R/O'} by {who}")

    def detach(self, user: str, address: str) -> Device:
        """CP DETACH.

        :raises CpError: 45 not logged on, 40 no such device.
        """
        guest = self.guest(user)
        device = guest.devices.pop(vdev(address), None)
        if device is None:
            raise CpError(40, f"HCPDTV040E Device {vdev(address)} does not exist")
        self.links.drop(guest.name, device.address)
        self.gone(device)
        return device

    def device(self, user: str, address: str) -> Device | None:
        return self.guest(user).devices.get(vdev(address))

    def linked_to(self, owner: str, address: str) -> list[Link]:
        """QUERY LINKS: everybody who has the disk that is ``owner``'s device ``address`` now.

        :raises CpError: 45 not logged on, 40 no such disk.
        """
        device = self.device(owner, address)
        if device is None or device.kind != "dasd":
            raise CpError(40, f"HCPQVD040E Device {vdev(address)} does not exist")
        own = self.links.get(owner.upper(), device.address)
        return self.links.of(own.disk) if own else []


def check_password(statement: Statement, owner: str, address: str, mode: str, password: str) -> None:
    """The read, write and multiple passwords of an MDISK; ALL needs none.

    :raises CpError: 111, 112, 113 no password is defined for this mode, 114 it is not this one.
    """
    number = {"R": 6, "S": 6, "E": 6, "W": 7, "M": 8}[mode[0]]
    wanted = statement.operand(number)
    if not wanted:
        kind = {6: "read", 7: "write", 8: "multiple"}[number]
        raise CpError(number + 105, f"HCPLNM{number + 105}E {owner} {address} not linked; no {kind} password")
    if wanted not in ("ALL", password.upper()):
        raise CpError(114, f"HCPLNM114E {owner} {address} not linked; mode or password incorrect")
