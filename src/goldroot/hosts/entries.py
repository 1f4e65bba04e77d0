"""Entries as JSON files, and the index of who links whom: a part that several kinds of hosts are made of.

::

    STORE/
    ├── entries/
    │   ├── WEB1.json          an entry (:mod:`goldroot.hosts.storefiles`); replaced as a whole
    │   ├── .WEB1.json.new     what a killed writer left; the next one writes over it
    │   └── DEBIANGOLD.json    a gold slot: an owner of disks that never runs
    ├── links/                 the index
    │   ├── .entries
    │   └── DEBIANGOLD/WEB1
    └── lock                   empty; locked exclusively while an entry changes

The index spares reading every entry.  For each owner a directory holds an empty file for each machine that may link it.  "May": a file
is there *before* the entry links that owner and goes *after* it has ceased to, so after a kill there is one too many, never one too
few; what is true the entry says.  A change of ``entries/`` that did not come this way (a backup put back, a file brought by hand) is
seen by the directory's own times, and then the index is made again from all entries.  Whom a damaged entry links is
unknown: it may link every owner.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from goldroot import crash, files
from goldroot.errors import Damaged, Failed, HostError, NotFound, Refused
from goldroot.hosts.differences import address_taken, differences, taken_over
from goldroot.hosts.port import Applied, Disk, Entry, EntryChanged
from goldroot.hosts.sets import LIVE, check_entry, check_entry_name, is_live, reads_as
from goldroot.hosts.storefiles import decode, encode, store_errors, sync_directory, token_of, write_whole
from goldroot.ids import new_id

_END = ".json"


class Entries:
    """The entries of a store, with their index of links."""

    def __init__(self, store: str) -> None:
        self.store = store
        self._directory = os.path.join(store, "entries")
        self._index = LinkIndex(os.path.join(store, "links"), self._directory)

    def create(self) -> None:
        """Make the directories; what is there stays."""
        for name in ("", "entries", "links"):
            files.make_directory(os.path.join(self.store, name).rstrip("/"))
        files.prepare(self._lock_file)

    # -- questions

    def find(self, name: str) -> Entry | None:
        """As :meth:`goldroot.hosts.Host.find`."""
        path = self._path(name)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self._check_store()
            return None
        except OSError as error:
            raise HostError(f"the entry {path!r} cannot be read: {error.strerror}") from error
        with os.fdopen(handle, "rb") as file:
            return decode(file.read(), path, name)

    def get(self, name: str) -> Entry:
        """An entry that has to be there.

        :raises NotFound: it is not.
        """
        if (found := self.find(name)) is None:
            raise NotFound(f"there is no entry {name}", todo="Is this the host that was meant?")
        return found

    def all(self) -> Iterator[Entry]:
        """As :meth:`goldroot.hosts.Host.entries`."""
        damaged: Damaged | None = None
        for name in self._names():
            try:
                found = self.find(name)
            except Damaged as error:
                damaged = damaged or error
                continue
            if found is not None:  # one that was removed meanwhile is not there
                yield found
        if damaged is not None:
            raise damaged

    def give_up(self, name: str) -> None:
        """Put an entry that cannot be read aside, under another name beside it; its links are nobody's then.

        One that can be read stays; again: nothing.
        """
        with self.locked():
            try:
                self.find(name)
            except Damaged:
                path = self._path(name)
                with store_errors(path):
                    os.rename(path, f"{path}.damaged-{new_id()}")
                    sync_directory(self._directory)
                self._index.make(self._names(), self._owners)

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        """As :meth:`goldroot.hosts.Host.linked`."""
        check_entry_name(owner)
        if not self._index.is_right():
            self._check_store()
            try:
                with self.locked():
                    self._make_index()
            except (OSError, Failed):  # on a full disk, or one that is only read
                return self._links_of(owner, self._names())
        return self._links_of(owner, self._candidates(owner))

    # -- changes

    def define(self, entry: Entry) -> Entry:
        """As :meth:`goldroot.hosts.Host.define`."""
        check_entry(entry)
        if entry.disks or entry.startable:
            raise ValueError(f"{entry.name} would be defined with disks, or startable")
        with self.locked():
            there = self.find(entry.name)
            if there is not None:
                if there.role == entry.role and work_of(there) == work_of(entry) is not None:
                    return there
                raise Refused(f"there is an entry {entry.name} already", todo="Choose another name.")
            check_links(Entry(entry.name, entry.role), entry, self.find)
            return self._write(replace(entry, serial=f"{entry.generation}.0"), None)

    def undefine(self, name: str) -> None:
        """As :meth:`goldroot.hosts.Host.undefine`."""
        with self.locked():
            entry = self.find(name)
            if entry is None:
                return
            if entry.disks:
                raise Refused(f"{name} has disks: {_list(entry)}", todo="Delete them first.")
            if links := [link for link in self._linked(name) if link[0] != name]:
                raise Refused(f"{name} is linked by {links[0][0]} at {links[0][1]}", todo="Move or delete that first.")
            with store_errors(self._path(name)):
                self._take_away(name)
                crash.point("host.entry-removed")
                self._index.drop(name, {link.owner for link in entry.links.values()})
                self._index.settle()

    def apply(self, wanted: Entry) -> Applied:
        """As :meth:`goldroot.hosts.Host.apply`."""
        check_entry(wanted)
        with self.locked():
            now = self.get(wanted.name)
            if wanted.generation < now.generation:
                raise taken_over(now)
            if wanted.token != now.token:
                if reads_as(now, wanted):
                    return Applied("done", now)
                raise EntryChanged(now, differences(wanted, now))
            check_change(now, wanted, self.find)
            return Applied("done", self._write(wanted, now))

    def put_disk(self, name: str, address: str, disk: Disk) -> None:
        """A new disk stands in its entry; again: nothing.

        :raises Refused: something else stands at the address.
        """
        with self.locked():
            now = self.get(name)
            if now.disks.get(address, disk).id != disk.id or address in now.links or address in now.others:
                raise address_taken(now, address)
            if address not in now.disks:
                self._write(check_entry(replace(now, disks={**now.disks, address: disk})), now)

    def drop_disk(self, name: str, id: str) -> None:
        """A disk stands in its entry no longer; again: nothing.

        :raises Refused: it is live in a startable entry, or linked.
        """
        with self.locked():
            now = self.find(name)
            address = None if now is None else where(now, id)
            if now is None or address is None:
                return
            if is_live(address) and now.startable:
                raise Refused(f"disk {id} is the live one at {address} of {name}", meaning="It was not touched.")
            refuse_linked(now, address, self._linked(name))
            self._write(replace(now, disks={a: disk for a, disk in now.disks.items() if a != address}), now)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One change of entries at a time; held for milliseconds, so waiting is right."""
        self._check_store()
        with store_errors(self._lock_file):
            handle = os.open(self._lock_file, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    # -- inside

    @property
    def _lock_file(self) -> str:
        return os.path.join(self.store, "lock")

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, check_entry_name(name) + _END)

    def _check_store(self) -> None:
        if not os.path.isdir(self._directory):
            raise HostError(
                f"there is no store at {self.store!r}",
                meaning="Disks and entries stand there. Nothing was changed.",
                todo="Mount it or put it back, or correct `store` in goldroot.toml.",
            )

    def _names(self) -> list[str]:
        self._check_store()
        found = (name for name in os.listdir(self._directory) if name.endswith(_END) and not name.startswith("."))
        return sorted(name.removesuffix(_END) for name in found)

    def _linked(self, owner: str) -> list[tuple[str, str, str]]:
        """:meth:`linked`, under the lock."""
        self._make_index()
        return self._links_of(owner, self._candidates(owner))

    def _candidates(self, owner: str) -> list[str]:
        """The machines that may link this owner."""
        try:
            found = self.find(owner)
        except Damaged:
            found = None
        return self._index.candidates(owner, slot=found is None or found.role == "owner")

    def _links_of(self, owner: str, machines: Iterable[str]) -> list[tuple[str, str, str]]:
        return [
            (machine, address, link.address)
            for machine in machines
            if (entry := self.find(machine)) is not None
            for address, link in sorted(entry.links.items())
            if link.owner == owner
        ]

    def _make_index(self) -> None:
        if not self._index.is_right():
            self._index.make(self._names(), self._owners)

    def _owners(self, name: str) -> set[str] | None:
        try:
            return {link.owner for link in self.get(name).links.values()}
        except Damaged:
            return None

    def _write(self, entry: Entry, before: Entry | None) -> Entry:
        """Under the lock: the entry is in force, with a new serial, or the old one is."""
        count = 0 if before is None else int(before.serial.partition(".")[2]) + 1
        new = replace(entry, serial=f"{entry.generation}.{count}", others=before.others if before else entry.others)
        owners = {link.owner for link in new.links.values()}
        with store_errors(self._directory):
            self._make_index()
            self._index.add(new.name, sorted(owners))
        crash.point("host.entry-indexed")
        token = self._put(new)
        crash.point("host.entry-written")
        with store_errors(self._directory):
            if before is not None:
                self._index.drop(new.name, sorted({link.owner for link in before.links.values()} - owners))
            self._index.settle()
        return replace(new, token=token)

    def _put(self, entry: Entry) -> str:
        """Under the lock: the entry is in force, as a whole; its token."""
        content = encode(entry)
        write_whole(self._path(entry.name), content)
        return token_of(content)

    def _take_away(self, name: str) -> None:
        """Under the lock: there is no entry of that name any more."""
        os.unlink(self._path(name))
        sync_directory(self._directory)


def check_change(now: Entry, wanted: Entry, find: Callable[[str], Entry | None]) -> None:
    """Whether an entry may become another by one change, as :meth:`goldroot.hosts.Host.apply` has it.

    :param find: the entry of a name, for what new links lead to.
    :raises ValueError, Refused, NotFound: as there.
    """
    if {disk.id for disk in now.disks.values()} != {disk.id for disk in wanted.disks.values()}:
        raise ValueError(f"{now.name}: a change of an entry neither adds nor drops a disk")
    if len(now.disks) != len(wanted.disks):
        raise ValueError(f"{now.name}: a disk would stand at two addresses")
    if (now.role, now.others) != (wanted.role, wanted.others):
        raise ValueError(f"{now.name}: role and what is not goldroot's never change")
    if wanted.role == "owner" and wanted.startable:
        raise ValueError(f"{now.name}: an owner of disks never runs")
    for address in sorted(wanted.others & {*wanted.disks, *wanted.links}):
        raise address_taken(now, address)
    check_links(now, wanted, find)


def check_links(now: Entry, wanted: Entry, find: Callable[[str], Entry | None]) -> None:
    """New links lead somewhere; old ones may outlive what they led to.

    :raises NotFound: one does not.
    """
    for link in sorted({*wanted.links.values()} - {*now.links.values()}, key=lambda one: (one.owner, one.address)):
        owner = find(link.owner)
        if owner is None or link.address not in owner.disks:
            raise NotFound(f"{wanted.name} would link {link.owner} {link.address}, where there is no disk")


def where(entry: Entry, id: str) -> str | None:
    """The address of a disk in an entry; ``None``: it is not in it."""
    return next((address for address, disk in entry.disks.items() if disk.id == id), None)


def refuse_linked(entry: Entry, address: str, links: Iterable[tuple[str, str, str]]) -> None:
    """:raises Refused: one of the links (as :meth:`Entries.linked` has them) leads to this address of the entry."""
    for machine, own, there in links:
        if there == address:
            raise Refused(
                f"{machine} links {entry.name} {address}, at its {own}", todo=f"Move or delete {machine} first."
            )


def work_of(entry: Entry) -> str | None:
    """Id of the work that put set 1 as it is; ``None``: it has no mark."""
    mark = entry.marks.get(LIVE)
    return None if mark is None else mark.by


def _list(entry: Entry) -> str:
    return ", ".join(f"{address} {disk.id}" for address, disk in sorted(entry.disks.items()))


#: The entries directory's times as they were when the index was right.
STATE = ".entries"
#: In the place of an owner: machines that may link any.
UNKNOWN = ".unknown"


class LinkIndex:
    """The ``links/`` directory of a store.  Every method that changes it is called under the store's lock."""

    def __init__(self, directory: str, entries: str) -> None:
        self._directory = directory
        self._entries = entries

    def candidates(self, owner: str, *, slot: bool) -> list[str]:
        """The machines that may link this owner, sorted.

        :param slot: whether it may be a gold slot.  Only these are linked by servers: one whose entry cannot be read stops who
            would write a slot, not who works on another server.
        """
        return sorted({*self._names(owner), *(self._names(UNKNOWN) if slot else ())})

    def is_right(self) -> bool:
        """Whether nobody else has changed which entries there are since the index was last right."""
        try:
            with open(os.path.join(self._directory, STATE), encoding="ascii", errors="replace") as file:
                return file.read() == self._state()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def add(self, machine: str, owners: Iterable[str]) -> None:
        """Before an entry links these owners."""
        for owner in owners:
            directory = os.path.join(self._directory, owner)
            place = os.path.join(directory, machine)
            if os.path.lexists(place):
                continue
            if not os.path.isdir(directory):
                os.mkdir(directory, 0o700)
                sync_directory(self._directory)
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            sync_directory(directory)

    def drop(self, machine: str, owners: Iterable[str]) -> None:
        """After an entry has ceased to link these owners."""
        for owner in owners:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, owner, machine))
            with suppress(OSError):  # others link it still
                os.rmdir(os.path.join(self._directory, owner))

    def settle(self) -> None:
        """After a change of ``entries/``: the index is right.  A kill before this costs a making of the whole."""
        place = os.path.join(self._directory, STATE)
        handle = os.open(f"{place}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(self._state())
        os.rename(f"{place}.new", place)

    def make(self, machines: Collection[str], owners_of: Callable[[str], Collection[str] | None]) -> None:
        """Make the index again from all entries.

        :param owners_of: the owners that a machine links; ``None``: nobody can tell.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        right: dict[str, Collection[str]] = {}
        for machine in machines:
            owners = owners_of(machine)
            right[machine] = (UNKNOWN,) if owners is None else owners
            self.add(machine, sorted(right[machine]))
        for owner in [name for name in os.listdir(self._directory) if not name.startswith(STATE)]:
            for machine in self._names(owner):
                if owner not in right.get(machine, ()):
                    self.drop(machine, [owner])
        self.settle()

    def _names(self, owner: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self._directory, owner))
        except FileNotFoundError:
            return []

    def _state(self) -> str:
        found = os.stat(self._entries)
        return f"{found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}\n"
