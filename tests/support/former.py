"""Looking at a site's store, and changing it by hand, in the words that the tests have for it.

A machine here is an entry with its sets 1 and 5.  Disks may be made before anybody has them, which no host allows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from goldroot.errors import BadInput, Busy, HostError, NotFound, Refused
from goldroot.hosts import (
    Disk,
    Entry,
    Link,
    Mark,
    check_address,
    check_disk_id,
    check_entry_name,
    is_live,
    utc_now,
)
from goldroot.hosts.directory import DirectoryHost
from goldroot.hosts.entries import where
from goldroot.hosts.inuse import disk_lock, entry_lock, new_note, user_of
from goldroot.hosts.storefiles import Label, sync_directory
from goldroot.ids import new_id
from goldroot.image import Gold, System
from goldroot.site import Site
from goldroot.tree import Manifest

READ_WRITE, RUNS, OWNER = "rw", "machine", "owner"


@dataclass(frozen=True, slots=True)
class Attached:
    """A disk that a machine owns: its id, and ``rw`` or ``ro``."""

    disk: str
    mode: str = READ_WRITE


@dataclass(frozen=True, slots=True)
class LinkTo:
    """A read-only link to the disk that stands at ``address`` of ``owner``."""

    owner: str
    address: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One definition.  ``generation`` counts its changes, from 1; a change names the one that it was made from."""

    name: str
    generation: int = 0
    disks: Mapping[str, Attached] = field(default_factory=dict)
    links: Mapping[str, LinkTo] = field(default_factory=dict)
    kind: str = RUNS

    def addresses(self) -> list[str]:
        """Every address where something stands, sorted."""
        return sorted({*self.disks, *self.links})


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at an address of a machine, links followed."""

    disk: str
    mode: str
    owner: str  #: the machine that owns the disk: the machine itself, or whom it links
    path: str  #: where the disk's files are on this host, once :meth:`Host.open_disk` has seen to it


@dataclass(frozen=True, slots=True)
class Linked:
    """One link, seen from its owner: ``machine`` links ``owner_address`` as its own ``address``."""

    machine: str
    address: str
    owner_address: str


class Store:
    """The former calls on ``store``."""

    kind = "directory"

    def __init__(self, host: DirectoryHost) -> None:
        self.new = host
        self.store = host.store
        self._disks = os.path.join(self.store, "disks")

    def label(self) -> str:
        return self.new.label()

    # -- disks

    def disks(self) -> list[str]:
        self.new._entries._check_store()
        going = {name.removesuffix(".going") for name in os.listdir(os.path.join(self.store, "halfway"))}
        return sorted({*os.listdir(self._disks), *going})

    def create_disk(self, disk: str) -> str:
        path = self._disk(disk)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            raise Refused(f"a disk {disk} exists already") from None
        return path

    def delete_disk(self, disk: str) -> None:
        self._disk(disk)
        label = self.new._labels.find(disk)
        entry = self.new.find(label.owner) if label is not None else None
        if entry is not None and (address := where(entry, disk)) is not None:
            raise Refused(f"disk {disk} stands at {address} of {entry.name}", todo="Detach it there first.")
        if os.path.isdir(self._disk(disk)) and (reason := self.disk_user(disk)):
            raise Refused(f"disk {disk} is in use: {reason}", todo="End that use, then run the command again.")
        self.new._bytes.remove(disk)
        self.new._labels.remove(disk)
        if os.path.exists(lock := os.path.join(self.store, "locks", disk_lock(disk))):
            os.unlink(lock)

    def disk_path(self, disk: str) -> str:
        path = self._disk(disk)
        if not os.path.isdir(path):
            raise NotFound(f"there is no disk {disk}", todo="Is this the store that was meant?")
        return path

    def disk_user(self, *disks: str) -> str | None:
        return user_of([self.disk_path(disk) for disk in disks], writing=False) if disks else None

    # -- definitions

    def machines(self) -> list[Machine]:
        return [_machine(entry) for entry in self.new.entries()]

    def get(self, name: str) -> Machine:
        found = self.find(name)
        if found is None:
            raise NotFound(f"there is no machine {name}", todo="Look at the names with: goldroot linked")
        return found

    def find(self, name: str) -> Machine | None:
        entry = self.new.find(check_entry_name(name))
        return None if entry is None else _machine(entry)

    def define(self, machine: Machine) -> Machine:
        self._checked(machine)
        mark = Mark("live", new_id(), "", "", 0, utc_now())
        role = "owner" if machine.kind == OWNER else "machine"
        entry = Entry(machine.name, role, marks={"1": mark})  # type: ignore[arg-type]
        if self.new.find(machine.name) is not None:
            raise Refused(f"a machine {machine.name} exists already", todo="Choose another name.")
        with self.new._entries.locked():
            self._label(machine)
            wanted = replace(self._entry(machine, entry), startable=role == "machine")
            made = self.new._entries._write(wanted, None)
        self.new._in_use.make(entry_lock(machine.name))
        return _machine(made)

    def replace(self, machine: Machine) -> Machine:
        self._checked(machine)
        with self.new._entries.locked():
            now = self.new._entries.get(machine.name)
            if _generation(now) != machine.generation:
                raise Busy(
                    f"{machine.name} was changed by another command meanwhile",
                    meaning=f"This change was made from its definition {machine.generation}, and {_generation(now)} is in force.",
                    todo="Nothing was changed. Run the command again.",
                )
            self._label(machine)
            made = self.new._entries._write(self._entry(machine, now), now)
        return _machine(made)

    def delete(self, name: str) -> None:
        held = [link.machine for link in self.linked(name) if link.machine != name]
        if held:
            raise Refused(f"{name} is linked by {', '.join(sorted(set(held)))}", todo="Move or delete these first.")
        entry = self.new.find(name)
        if entry is None:
            raise NotFound(f"there is no machine {name}")
        with self.new._entries.locked():
            self.new._entries._write(replace(entry, disks={}), entry)
        self.new.undefine(name)

    def at(self, name: str, address: str) -> Standing:
        machine, owner, place = self.get(name), name, check_address(address)
        if link := machine.links.get(place):
            owner, place = link.owner, link.address
            machine = self.get(owner)
        found = machine.disks.get(place)
        if found is None:
            raise NotFound(f"{name} has no disk at {address}", todo=f"It has: {', '.join(self.get(name).addresses())}.")
        mode = found.mode if owner == name else "ro"
        return Standing(found.disk, mode, owner, self.disk_path(found.disk))

    def linked(self, owner: str) -> list[Linked]:
        return [Linked(*link) for link in self.new.linked(owner)]

    # -- running, and the switch

    def is_running(self, name: str) -> str | None:
        power = self.new.power(name)
        return None if power.state == "off" else power.why

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        self.get(name)
        taken = self.new._in_use.take(entry_lock(name), note=new_note("run"))
        if taken is None:
            raise Busy(
                f"{name} is in use by {self.new._in_use.note(entry_lock(name))}",
                todo="Wait until it is done, then try again.",
            )
        try:
            yield
        finally:
            taken.close()

    def stopped(self, name: str) -> AbstractContextManager[object]:
        return self.new.hold(name)

    # -- inside

    def _disk(self, disk: str) -> str:
        path = os.path.join(self._disks, check_disk_id(disk))
        if os.path.islink(path):
            raise linked_away(path)
        return path

    def _checked(self, machine: Machine) -> Machine:
        check_entry_name(machine.name)
        if both := set(machine.disks) & set(machine.links):
            raise BadInput(f"{machine.name} would have a disk and a link at {', '.join(sorted(both))}")
        for address in machine.addresses():
            check_address(address)
        for attached in machine.disks.values():
            self.disk_path(attached.disk)
        for link in machine.links.values():
            if link.address not in self.get(link.owner).disks:
                raise NotFound(f"{machine.name} would link {link.owner} {link.address}, which does not exist")
        return machine

    def _label(self, machine: Machine) -> None:
        for attached in machine.disks.values():
            if self.new._labels.find(attached.disk) is None:
                self.new._labels.write(Label(attached.disk, machine.name, 0, "directory"))
        sync_directory(self._disks)

    def _entry(self, machine: Machine, now: Entry) -> Entry:
        disks = {
            address: Disk(attached.disk, "ro" if not is_live(address) else attached.mode)  # type: ignore[arg-type]
            for address, attached in machine.disks.items()
        }
        links = {address: Link(link.owner, link.address) for address, link in machine.links.items()}
        rest = {address: disk for address, disk in now.disks.items() if address[0] not in "15"}
        parked = {address: link for address, link in now.links.items() if address[0] not in "15"}
        return replace(now, disks={**disks, **rest}, links={**links, **parked})


def _generation(entry: Entry) -> int:
    return int(entry.serial.partition(".")[2]) + 1


def _machine(entry: Entry) -> Machine:
    return Machine(
        entry.name,
        _generation(entry),
        {
            address: Attached(disk.id, "rw" if not is_live(address) else disk.mode)
            for address, disk in entry.disks.items()
            if address[0] in "15"
        },
        {address: LinkTo(link.owner, link.address) for address, link in entry.links.items() if address[0] in "15"},
        "owner" if entry.role == "owner" else "machine",
    )


def linked_away(path: str) -> HostError:
    """The error for a disk that somebody moved elsewhere and left a link of."""
    return HostError(
        f"the disk {path!r} is a symbolic link, and links are never followed",
        meaning="What it leads to may be anybody's: it is neither read, written nor removed.",
        todo="Put the directory back. One that shall be elsewhere is mounted there: mount --bind ELSEWHERE DISK.",
    )


def former(site: Site) -> Store:
    """The store of a site."""
    return Store(cast(DirectoryHost, getattr(site.host, "_host", site.host)))


def path_of(system: System, address: str) -> str:
    """Where the files of a disk of an image's system are."""
    return former(system.site).at(system.machine, address).path


def scan_of(system: System) -> dict[str, Manifest]:
    """The disks of an image's system as they are now."""
    with system.open() as opened:
        return system.scan(opened)


def gold_path(gold: Gold, address: str) -> str:
    """Where the files of a gold version's disk are."""
    return former(gold.site).at(gold.slot, address).path
