"""A host in memory, for the model of the order of effects: entries, disks whose content is a value, power.

It has the port's verbs and refusals, but for the way to files: :meth:`MemoryHost.read` and :meth:`MemoryHost.write` stand
for ``open_disks``.  Every change first tells the world, which may kill the command there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from goldroot.errors import Busy, NotFound, Refused, StillRunning
from goldroot.hosts import Applied, Disk, Entry, EntryChanged, NewDisk, Power, differences, is_live, reads_as
from goldroot.hosts.entries import refuse_linked, where
from goldroot.hosts.filehost import live_of
from goldroot.hosts.sets import check_entry


@dataclass(frozen=True)
class Content:
    """What is on a disk: of which gold version, what the server wrote; ``whole`` is False while it is being filled."""

    gold: int = 0
    written: frozenset[str] = frozenset()
    whole: bool = True


EMPTY = Content(whole=False)


@dataclass
class MemoryHost:
    """``running`` has, by machine, what it was given when it started."""

    effect: Callable[[str], None]
    entries: dict[str, Entry] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    sealed: set[str] = field(default_factory=set)
    running: dict[str, Mapping[str, str]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    # -- disks

    def create_disk(self, new: NewDisk) -> None:
        entry = self.get(new.owner)
        if new.id in self.contents:
            if self.owners[new.id] != new.owner:
                raise Refused(f"disk {new.id} is another's")
            return
        if {new.address} & {*entry.disks, *entry.links, *entry.others}:
            raise Refused(f"{new.address} of {new.owner} is taken")
        self.effect(f"H create {new.address}")
        self.owners[new.id], self.contents[new.id] = new.owner, EMPTY
        disk = Disk(new.id, "rw" if is_live(new.address) else "ro")
        self._put(replace(entry, disks={**entry.disks, new.address: disk}), entry)

    def empty_disk(self, id: str) -> None:
        entry, address = self._standing(id)
        if is_live(address) and not (entry.role == "owner" or (entry.name in self.held and not entry.startable)):
            raise Refused(f"disk {id} is live")
        refuse_linked(entry, address, self.linked(entry.name))
        if self.contents[id] != EMPTY or id in self.sealed:
            self.effect(f"H empty {address}")
            self.contents[id] = EMPTY
            self.sealed.discard(id)

    def seal_disk(self, id: str) -> None:
        if id not in self.sealed:
            self.effect(f"H seal {self._standing(id)[1]}")
            self.sealed.add(id)

    def delete_disk(self, id: str) -> None:
        if id not in self.contents:
            return
        entry, address = self._standing(id)
        if is_live(address) and entry.startable:
            raise Refused(f"disk {id} is live")
        if id in self.running.get(entry.name, {}).values():
            raise Refused(f"disk {id} is attached")
        refuse_linked(entry, address, self.linked(entry.name))
        self.effect(f"H delete {address}")
        del self.contents[id], self.owners[id]
        self.sealed.discard(id)
        self._put(replace(entry, disks={a: disk for a, disk in entry.disks.items() if disk.id != id}), entry)

    def read(self, id: str) -> Content:
        return self.contents[id]

    def write(self, id: str, content: Content) -> None:
        """Fill a disk; a kill in the middle leaves a part."""
        entry, address = self._standing(id)
        if is_live(address) and entry.name not in self.held:
            raise Refused(f"disk {id} is live and not held")
        if id in self.sealed:
            raise Refused(f"disk {id} is sealed")
        refuse_linked(entry, address, self.linked(entry.name))
        self.effect(f"H fill {address}")
        self.contents[id] = replace(content, written=frozenset(), whole=False)
        self.effect(f"H filled {address}")
        self.contents[id] = content

    # -- entries

    def find(self, name: str) -> Entry | None:
        return self.entries.get(name)

    def get(self, name: str) -> Entry:
        if (found := self.find(name)) is None:
            raise NotFound(f"there is no entry {name}")
        return found

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        return [
            (entry.name, address, link.address)
            for entry in self.entries.values()
            for address, link in entry.links.items()
            if link.owner == owner
        ]

    def define(self, entry: Entry) -> Entry:
        there = self.find(entry.name)
        if there is not None:
            if there.marks["1"].by == entry.marks["1"].by:
                return there
            raise Refused(f"there is an entry {entry.name} already")
        self.effect("H define")
        return self._put(check_entry(entry), None)

    def undefine(self, name: str) -> None:
        if (entry := self.find(name)) is None:
            return
        if entry.disks or self.linked(name):
            raise Refused(f"{name} has disks, or is linked")
        self.effect("H undefine")
        del self.entries[name]

    def apply(self, wanted: Entry) -> Applied:
        now = self.get(wanted.name)
        if wanted.generation < now.generation:
            raise Busy(f"{now.name} was taken over")
        if wanted.token != now.token:
            if reads_as(now, wanted):
                return Applied("done", now)
            raise EntryChanged(now, differences(wanted, now))
        assert sorted(disk.id for disk in now.disks.values()) == sorted(disk.id for disk in wanted.disks.values())
        self.effect("H apply")
        return Applied("done", self._put(check_entry(wanted), now))

    # -- power

    def power(self, name: str) -> Power:
        if name not in self.running:
            return Power("off", "", "", "nothing")
        return Power("on", "", "", "current" if self.running[name] == live_of(self.get(name)) else "older")

    def start(self, name: str) -> None:
        if self.power(name).runs == "current":
            return
        if not self.get(name).startable or name in self.held:
            raise Refused(f"{name} cannot be started")
        self.effect("H start")
        self.running[name] = live_of(self.get(name))

    def stop(self, name: str) -> None:
        if name in self.running:
            self.effect("H stop")
            del self.running[name]

    @contextmanager
    def hold(self, name: str, *, runs: bool = False) -> Iterator[None]:
        if name in self.running:
            raise StillRunning(f"{name} runs")
        self.held.add(name)
        try:
            yield
        finally:
            self.held.discard(name)

    # -- inside

    def _standing(self, id: str) -> tuple[Entry, str]:
        if id not in self.contents:
            raise NotFound(f"there is no disk {id}")
        entry = self.get(self.owners[id])
        address = where(entry, id)
        assert address is not None
        return entry, address

    def _put(self, entry: Entry, before: Entry | None) -> Entry:
        count = 0 if before is None else int(before.serial.partition(".")[2]) + 1
        serial = f"{entry.generation}.{count}"
        self.entries[entry.name] = new = replace(entry, serial=serial, token=serial)
        return new
