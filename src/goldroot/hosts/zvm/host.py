"""The z/VM host: the parts put together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from goldroot import crash
from goldroot.errors import BadInput, Damaged, Refused, StillRunning
from goldroot.hosts.differences import address_taken
from goldroot.hosts.entries import refuse_linked, where
from goldroot.hosts.filehost import FileHold, FileHost, live_of
from goldroot.hosts.inuse import InUse, disk_lock, entry_lock, new_note
from goldroot.hosts.port import Abilities, Access, Disk, DiskInfo, Entry, NewDisk, Power, SystemDisk, View
from goldroot.hosts.sets import check_address, check_disk_id, check_entry_name, is_live, place_of
from goldroot.hosts.storefiles import Exact, Label
from goldroot.hosts.zvm.adopted import Adopted
from goldroot.hosts.zvm.asking import Asking
from goldroot.hosts.zvm.booting import write_record
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.extents import Row, RowLabels
from goldroot.hosts.zvm.limits import Places
from goldroot.hosts.zvm.links import Links
from goldroot.hosts.zvm.manager import Manager
from goldroot.hosts.zvm.minidisks import Minidisks
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.power import Guests
from goldroot.run import Done


class ZvmHost(Asking, FileHost):
    """Disks as minidisks, entries as user directory entries, machines as guests.

    goldroot runs on a guest of the same system, the management guest: files are reached through its links.

    :param store: a directory for locks and notes; no disks are there.
    """

    kind = "zvm"
    abilities = Abilities(
        live_view="none",
        exact_apply=True,
        strong_hold=False,
        boots=True,
        guest_commands=False,
        runs_architectures=frozenset(["s390x"]),
        sizes=True,
        verity=False,
        boot_records=True,
    )

    def __init__(self, name: str, store: str, parts: Parts) -> None:
        if parts.snapshots:
            self.abilities = replace(self.abilities, live_view="snapshot")
        if parts.booting.record == "outside":
            self.abilities = replace(self.abilities, boot_records=False)
        if parts.servers:
            self.abilities = replace(self.abilities, guest_commands=True)
        self._parts = parts
        notes = InUse(os.path.abspath(store))
        self._manager = Manager(parts.client, notes, pauses=parts.pauses)
        self._adopted = Adopted(os.path.join(os.path.abspath(store), "adopted.json"))
        self._directory = DirectoryEntries(self._manager, parts.extents, parts.style, self._adopted)
        self._extents = parts.extents
        self._links = Links(parts.cp, parts.medium, notes, me=parts.me, addresses=parts.addresses)
        places = Places(notes, parts.limits, parts.client.clock)
        self._disks = Minidisks(self._directory, self._links, parts, self._adopted, places)
        self._guests = Guests(parts.client, os.path.join(os.path.abspath(store), "guests"), places)
        super().__init__(name, store, self._disks, keepers=(self._directory, RowLabels(parts.extents)))

    def create(self) -> None:
        super().create()
        self._guests.create()

    @property
    def own_paths(self) -> list[str]:
        return [
            os.path.join(self.store, name) for name in ("guests", "disks.sqlite", "adopted.json")
        ] + super().own_paths

    def is_made(self) -> bool:
        return all(os.path.isdir(os.path.join(self.store, name)) for name in ("locks", "guests"))

    def disk_ids(self) -> list[str]:
        return self._extents.ids()

    # -- disks

    def create_disk(self, new: NewDisk) -> DiskInfo:
        check_disk_id(new.id)
        check_address(new.address)
        entry = self._directory.get(check_entry_name(new.owner))
        new = self._usual_in(entry, new)
        if new.form not in self._disks.forms:
            raise BadInput(f"{self.kind} hosts have no disks of form {new.form!r}")
        if entry.role == "owner" and not is_live(new.address):
            raise BadInput(f"{new.owner} is an owner of disks: it has set 1 only")
        with self._alone(new.id), ExitStack() as stack:
            row = self._extents.find(new.id)
            if row is not None and row.owner != new.owner:
                raise Refused(f"disk {new.id} is {row.owner}'s", meaning="A disk never changes its owner.")
            if row is not None and row.state == "deleting":
                self._disks.remove(new.id)
                row, entry = None, self._directory.get(new.owner)
            if row is None or row.state == "intended":
                self._make_minidisk(stack, new, entry, row)
            else:
                self._refuse_another(row, new)
            return self._disks.info(self._label(new.id))

    def delete_disk(self, id: str) -> None:
        check_disk_id(id)
        if (label := self._labels.find(id)) is None:
            return
        with self._alone(id) as taken:
            if self._disks.row(id).state != "deleting":
                self._refuse_deleting(label)
            self._disks.remove(id)
            taken.gone()

    def room(self, sizes: Sequence[int]) -> str | None:
        return self._disks.room(sizes)

    def make_bootable(self, name: str, disks: Mapping[str, SystemDisk]) -> str:
        return write_record(self._parts.booting, self._parts.medium, name, disks)

    # -- power

    def power(self, name: str) -> Power:
        entry = self._directory.get(name)
        user = self._disks.names.user(name)
        if self._guests.is_on(user):
            since = self._guests.since(user)
            given = self._guests.runs_from(user, since)
            why = f"z/VM says that {user} is logged on" + (f", since {since}" if since else "")
            if given is None:
                return Power("on", why, "", "unknown")
            return Power("on", why, "", "current" if given == live_of(entry) else "older")
        if (taken := self._in_use.take(entry_lock(name), shared=True, patient=False)) is None:
            return self._power_noted(entry, self._in_use.note(entry_lock(name)))
        taken.close()
        return Power("off", "", "", "nothing")

    def start(self, name: str) -> None:
        entry = self._directory.get(name)
        if entry.role == "owner":
            raise Refused(f"{name} is an owner of disks: it never runs")
        if not entry.startable:
            raise Refused(f"{name} cannot be started: it is being made or removed")
        with ExitStack() as stack:
            self._keep(stack, entry_lock(name), f"{name} is held")
            for id in self._linked_disks(entry):
                self._keep(stack, disk_lock(id), f"{name} links disk {id}, which is being written")
            self._guests.log_on(self._disks.names.user(name), live_of(self._directory.get(name)))

    def stop(self, name: str, patience: float) -> str:
        self._directory.get(name)
        return self._guests.log_off(self._disks.names.user(name), patience)

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        entry, servers = self._directory.get(name), self._parts.servers
        if entry.role == "owner" or not servers:
            return super().command(name, argv, timeout)
        if not self._guests.is_on(self._disks.names.user(name)):
            raise Refused(f"{name} does not run", todo="Start it first: goldroot machine start CLONE")
        return servers.reach(name).command(argv, timeout)

    def console(self, name: str, lines: int) -> list[str]:
        """What its journal says, by ssh: CP keeps no console of a guest for others."""
        entry, servers = self._directory.get(name), self._parts.servers
        if entry.role == "owner" or not servers or not self._guests.is_on(self._disks.names.user(name)):
            return []
        return servers.console(name, lines)

    @contextmanager
    def hold(self, name: str, *, runs: bool = False) -> Iterator[FileHold]:
        with super().hold(name, runs=runs) as hold, ExitStack() as stack:
            entry = self._directory.get(name)
            if entry.role == "machine":
                self._guests.forget(self._disks.names.user(name))
                live = [
                    label for a, disk in entry.disks.items() if is_live(a) and (label := self._labels.find(disk.id))
                ]
                stack.enter_context(self._disks.hold([label for label in live if self._disks.stands(label)]))
            yield hold

    def tidy(self) -> list[str]:
        told = [
            f"gave back the link at {address} that a killed command left" for address in self._links.give_back_left()
        ]
        for user in self._manager.left():
            if self._manager.unlock_left(user):
                told.append(f"gave back the lock of {user} that a killed command left")
        return told + super().tidy()

    # -- inside

    def _usual_in(self, entry: Entry, new: NewDisk) -> NewDisk:
        """What a new disk is where nobody says it: as large as the largest that stands at its place in another set."""
        if new.size:
            return self._usual(new)
        if (row := self._extents.find(new.id)) is not None:
            return self._usual(replace(new, size=row.size))
        size = self._disks.pool.size_at(new.address)
        for address, disk in entry.disks.items():
            if place_of(address) == place_of(new.address) and (there := self._extents.find(disk.id)) is not None:
                size = max(size, there.size)
        return self._usual(replace(new, size=size))

    def _make_minidisk(self, stack: ExitStack, new: NewDisk, entry: Entry, row: Row | None) -> None:
        taken = new.address in entry.disks or new.address in entry.links or new.address in entry.others
        if taken and (row is None or row.address != new.address):
            raise address_taken(entry, new.address)
        source = None
        if new.copy_of:
            given = self._enter(stack, check_disk_id(new.copy_of), "ro", "still", {})
            source = given[0]
        if row is not None and row.extent is None and not taken:
            row = None  # nothing was made yet: it may be made elsewhere, or otherwise
        wanted = Row(new.id, new.owner, new.address, new.size, new.form)
        if row is not None and replace(row, extent=None) != wanted:
            raise Refused(
                f"disk {new.id} is being made at {row.address}, of form {row.form} and {row.size} bytes",
                meaning=f"Asked for were {new.form} and {new.size} bytes at {new.address}.",
                todo="Delete it, or choose another id.",
            )
        self._extents.write(row or wanted)
        crash.point("zvm.disk-intended")
        self._disks.make(Label(new.id, new.owner, new.size, new.form), source)
        self._directory.put_disk(new.owner, new.address, Disk(new.id, "rw" if is_live(new.address) else "ro"))
        crash.point("zvm.disk-named")

    def _refuse_another(self, row: Row, new: NewDisk) -> None:
        if (row.size, row.form) != (new.size, new.form):
            raise Refused(
                f"disk {new.id} is there already, of form {row.form} and {row.size} bytes",
                meaning=f"Asked for were {new.form} and {new.size} bytes. It was not touched.",
                todo="Delete it, or choose another id.",
            )
        label = self._label(new.id)
        if not self._disks.stands(label):
            raise Damaged(
                f"disk {new.id} of {new.owner} was lost, or its emptying was cut off",
                meaning="Nothing was made in its place.",
                todo="Put it back, or empty or delete it.",
            )
        self._disks.check_label(label)

    def _refuse_deleting(self, label: Label) -> None:
        entry = self._directory.find(label.owner)
        address = None if entry is None else where(entry, label.id)
        if entry is not None and address is not None:
            if is_live(address) and entry.startable:
                raise Refused(
                    f"disk {label.id} is the live one at {address} of {entry.name}", meaning="It was not touched."
                )
            refuse_linked(entry, address, self._directory.linked(entry.name))
        if not self._disks.is_placed(label):
            return
        self._disks.check_label(label)
        if self._disks.attached(label.id):
            raise Refused(
                f"{label.owner} runs from disk {label.id}, or has had it attached since its logon",
                todo="It can go after the next stop.",
            )
        self._refuse_used(label)

    def _linked_disks(self, entry: Entry) -> list[str]:
        """The ids of the disks that a machine's live links lead to."""
        found = []
        for address, link in sorted(entry.links.items()):
            owner = self._directory.find(link.owner) if is_live(address) else None
            if owner is not None and link.address in owner.disks:
                found.append(owner.disks[link.address].id)
        return found

    def _keep(self, stack: ExitStack, lock: str, why: str) -> None:
        note = new_note("disk") if lock.startswith("entry-") else None
        taken = self._in_use.take(lock, shared=note is None, note=note)
        if taken is None:
            raise Refused(f"{why} by {self._in_use.note(lock)}", todo="Try again when that has ended.")
        stack.callback(taken.close)

    def _enter_live(self, stack: ExitStack, entry: Entry, view: View) -> Exact:
        try:
            return super()._enter_live(stack, entry, view)
        except StillRunning:
            if view != "live" or self.abilities.live_view != "snapshot":
                raise
        live = [disk.id for address, disk in entry.disks.items() if is_live(address)]
        self._disks.running.update(live)
        stack.callback(self._disks.running.subtract, live)
        return True

    def _refuse_strangers(self, given: Sequence[tuple[Label, Access, Exact]]) -> None:
        """Nothing: who else has a disk is told when it is linked, which is the only way to it."""

    def _seen(self, entry: Entry) -> str | None:
        if entry.role != "machine":
            return None
        user = self._disks.names.user(entry.name)
        return f"{user} is logged on" if self._guests.is_on(user) else None
