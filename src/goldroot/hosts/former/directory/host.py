"""The calls of the former port, answered by a host of the new one: for those who have not moved yet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from goldroot import crash, private
from goldroot.errors import BadInput, Busy, HostError, NotFound, Refused
from goldroot.hosts.addresses import check_disk_id, new_id
from goldroot.hosts.atomic import sync_directory
from goldroot.hosts.directory.host import DirectoryHost as NewHost
from goldroot.hosts.entries import where
from goldroot.hosts.former.port import (
    OWNER,
    Attached,
    Linked,
    LinkTo,
    Machine,
    Standing,
    check_address,
    check_machine_name,
    prepared,
    switched,
)
from goldroot.hosts.inuse import disk_lock, entry_lock, new_note, utc_now
from goldroot.hosts.labels import Label
from goldroot.hosts.port import Disk, Entry, Link, Mark
from goldroot.hosts.standing import still_running
from goldroot.hosts.users import user_of


class DirectoryHost:
    """The former calls on ``store``."""

    kind = "directory"

    def __init__(self, store: str, *, running_command: Sequence[str] = ()) -> None:
        self.new = NewHost("local", store, running_command=running_command)
        self.store = self.new.store
        self._disks = os.path.join(self.store, "disks")

    @classmethod
    def of(cls, host: NewHost) -> DirectoryHost:
        made = cls(host.store)
        made.new = host
        return made

    @classmethod
    def create(cls, store: str, *, running_command: Sequence[str] = ()) -> DirectoryHost:
        host = cls(store, running_command=running_command)
        private.make_directory(host.store)
        host.new.create()
        return host

    # -- whose it is

    @property
    def own_paths(self) -> list[str]:
        return self.new.own_paths

    @property
    def trees(self) -> list[str]:
        return self.new.trees

    def is_made(self) -> bool:
        return self.new.is_made()

    def label(self) -> str:
        return self.new.label()

    def set_label(self, label: str) -> None:
        self.new.set_label(label)

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
        entry = self.new.find(check_machine_name(name))
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
            crash.point("definition-written")
            made = self.new._entries._write(self._entry(machine, now), now)
            crash.point("definition-in-force")
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

    def refuse_running(self, name: str) -> None:
        if reason := self.is_running(name):
            raise still_running(name, reason)

    def switch(self, name: str, generation: int) -> Machine:
        return self.replace(switched(self.get(name)))

    # -- inside

    def _disk(self, disk: str) -> str:
        path = os.path.join(self._disks, check_disk_id(disk))
        if os.path.islink(path):
            raise linked_away(path)
        return path

    def _checked(self, machine: Machine) -> Machine:
        check_machine_name(machine.name)
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
            address: Disk(attached.disk, "ro" if prepared(address) else attached.mode)  # type: ignore[arg-type]
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
            address: Attached(disk.id, "rw" if prepared(address) else disk.mode)
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
