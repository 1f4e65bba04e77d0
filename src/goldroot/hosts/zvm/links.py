"""Links of the management guest to minidisks: proved when they are made, and given back on every way out.

Each has an address of its own from the site's range, and a file in the host's store, locked by this process, which says
what for; the file is there before the link.  What a killed command has left linked is known by that: nobody holds its
file.  It is given back before the next link is made, and by ``tidy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from goldroot import crash
from goldroot.errors import Busy, Damaged, Failed, HostError
from goldroot.hosts.inuse import InUse, Taken, new_note
from goldroot.hosts.zvm.cp import Cp, CpRefused, Dasd, User, dasd, users
from goldroot.hosts.zvm.pool import ECKD, Geometry
from goldroot.hosts.zvm.reading import Extent

#: How often a link that CP has given back, and that is still there, is given back again.
TRIES = 3
READ, WRITE = "R/O", "R/W"
#: CP's number for a disk whose volume this member does not have.
NOT_MOUNTED = 108


class Devices(Protocol):
    """What makes a linked disk one of Linux."""

    def online(self, address: str) -> str:
        """The path of its device, which is there when this returns."""

    def offline(self, address: str) -> None:
        """Again, or of what never was: nothing."""


@dataclass(frozen=True, slots=True)
class Minidisk:
    """Whose minidisk, at which of the owner's device numbers, and where it has to lie."""

    owner: str
    device: str
    extent: Extent


@dataclass(frozen=True, slots=True)
class Linked:
    """A minidisk that the management guest has, at an address of its own."""

    address: str
    access: str


class Links:
    """:param me: the management guest's user ID.

    :param addresses: those of the management guest that are goldroot's.
    :param notes: where this host writes down what it has linked.
    """

    def __init__(self, cp: Cp, devices: Devices, notes: InUse, *, me: str, addresses: Sequence[str]) -> None:
        self._cp = cp
        self._devices = devices
        self._notes = notes
        self._addresses = tuple(addresses)
        self.me = me

    @contextmanager
    def link(self, disk: Minidisk, mode: str) -> Iterator[Linked]:
        """Have a disk in the block, with the access that the mode asks for and no less.

        :raises Busy: CP refuses it beside the links that others have.
        :raises Damaged: what was linked lies elsewhere.
        """
        self.give_back_left()
        with self._address() as address:
            try:
                self._cp.command(f"LINK {disk.owner} {disk.device} {address} {mode}")
            except CpRefused as error:
                raise _refused(disk, error) from error
            crash.point("zvm.linked")
            try:
                yield self._proved(disk, address, READ if mode[-1] == "R" and mode != "MR" else WRITE)
            finally:
                self._give_back(address)

    @contextmanager
    def online(self, linked: Linked) -> Iterator[str]:
        """The device of a linked disk, as a path, in the block."""
        try:
            path = self._devices.online(linked.address)
            crash.point("zvm.online")
            yield path
        finally:
            with suppress(Failed):  # then it is tried again when the link is given back
                self._devices.offline(linked.address)

    @contextmanager
    def temporary(self, size: int, geometry: Geometry = ECKD) -> Iterator[Linked]:
        """A temporary disk of so many cylinders or blocks, empty, gone with the block.

        :raises Busy: there is no room for one.
        """
        self.give_back_left()
        with self._address() as address:
            try:
                kind, unit = geometry.temporary
                self._cp.command(f"DEFINE {kind} AS {address} {unit} {size}")
            except CpRefused as error:
                raise Busy(f"there is no room for a temporary disk of {size} {geometry.word}: {error.brief}") from error
            crash.point("zvm.temporary")
            try:
                yield Linked(address, WRITE)
            finally:
                self._give_back(address)

    def others(self, linked: Linked) -> list[User]:
        """Who else has the disk."""
        return [one for one in users(self._cp, linked.address) if one.name != self.me]

    def copy_blocks(self, source: Linked, target: Linked) -> bool:
        """FLASHCOPY of a whole disk; whether it was made."""
        try:
            said = self._cp.command(f"FLASHCOPY {source.address} 0 END TO {target.address} 0 END SYNCHRONOUS")
        except CpRefused:
            return False
        return "COMMAND COMPLETE" in said.upper()

    def give_back_left(self) -> list[str]:
        """Give back what killed commands have left linked; the addresses."""
        left = []
        for name in self._notes.names():
            address = name.removeprefix(_file(""))
            if address == name or (taken := self._notes.take_left(name)) is None:
                continue
            try:
                if self._drop(address):
                    left.append(address)
                    taken.gone()
            finally:
                taken.close()
        return left

    @contextmanager
    def _address(self) -> Iterator[str]:
        """A free address, noted; the note goes if nothing stands there in the end."""
        used = set(self._notes.names())  # by others, or left and not to be given back yet
        for address in self._addresses:
            if _file(address) in used:
                continue
            if (taken := self._notes.take(_file(address), note=new_note("disk"), patient=False)) is None:
                continue
            if not self._is_free(address, taken):
                continue
            try:
                yield address
            finally:
                self._forget(address, taken)
            return
        raise Busy(
            f"all addresses that goldroot may link disks at are in use ({self._addresses[0]} to {self._addresses[-1]})",
            todo="Wait for other commands, or name a larger range: link_addresses in the host's table.",
        )

    def _is_free(self, address: str, taken: Taken) -> bool:
        """Whether nothing stands at an address; else, and where CP does not say, it is given up."""
        free = False
        try:
            free = not self._cp_has(address)  # somebody else's: no file of ours said so
        finally:
            if not free:
                taken.gone()
                taken.close()
        return free

    def _forget(self, address: str, taken: Taken) -> None:
        with suppress(HostError):  # then the file stays, and the next command looks again
            if not self._cp_has(address):
                taken.gone()
        taken.close()

    def _cp_has(self, address: str) -> bool:
        try:
            return dasd(self._cp, address) is not None
        except CpRefused:
            raise
        except HostError:
            return True  # a device, and not a disk

    def _proved(self, disk: Minidisk, address: str, access: str) -> Linked:
        """What was really linked: CP may give less than was asked for, without an error."""
        found = dasd(self._cp, address)
        if found is None:
            raise HostError(f"CP has linked {disk.owner} {disk.device} and has not: nothing stands at {address}")
        if found.access != access:
            raise Busy(
                f"{disk.owner} {disk.device} is in use: CP gives it {found.access}, and {access} is needed",
                meaning="Somebody else writes to it. Nothing was changed.",
            )
        if not _is(found, disk.extent):
            raise Damaged(
                f"{disk.owner} {disk.device} lies on {found.volume} with a size of {found.size}, and is not {disk.extent}",
                meaning="It is another minidisk than the one that is meant. It was not touched.",
            )
        return Linked(address, found.access)

    def _give_back(self, address: str) -> None:
        for _ in range(TRIES):
            if self._drop(address):
                return

    def _drop(self, address: str) -> bool:
        """Take it offline and detach it; whether nothing stands there."""
        with suppress(Failed):
            self._devices.offline(address)
        with suppress(HostError):
            self._cp.command(f"DETACH {address}")
        try:
            return not self._cp_has(address)
        except HostError:
            return False


def _is(found: Dasd, extent: Extent) -> bool:
    return (found.volume, found.size) == (extent.volume, extent.size)


def _refused(disk: Minidisk, error: CpRefused) -> HostError | Busy:
    if error.number == NOT_MOUNTED:
        return HostError(
            f"{disk.owner} {disk.device} cannot be reached from this member of the cluster: {error.text or error.brief}",
            meaning=f"The volume {disk.extent.volume} is not one that it shares with the member that has it. Nothing was changed.",
            todo="Move that disk to a volume of all members, or let goldroot run at the member that has it.",
        )
    #: not linked: others read it, write to it, have it exclusively (HCPLNM104E to 106E, 109E)
    if error.number in range(104, 110) and error.number != 107:
        return Busy(
            f"{disk.owner} {disk.device} is in use: {error.text or error.brief}",
            meaning="CP gives it to nobody else in this way. Nothing was changed.",
            todo="End that use, then run the command again.",
        )
    return error


def _file(address: str) -> str:
    return f"link-{address}"
