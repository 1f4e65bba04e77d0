"""What only a z/VM host can be asked: plans, the points of doctor, and who has gold's disks at this moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from goldroot.errors import BadInput, Refused
from goldroot.hosts.port import Mark
from goldroot.hosts.sets import LIVE, new_disk_id
from goldroot.hosts.zvm.adopted import Adopted
from goldroot.hosts.zvm.doctor import Asked, Point, examined
from goldroot.hosts.zvm.doctor_guest import QUESTIONS
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.extents import Row
from goldroot.hosts.zvm.links import Minidisk
from goldroot.hosts.zvm.manager import Manager
from goldroot.hosts.zvm.members import Members
from goldroot.hosts.zvm.minidisks import Minidisks
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.plan_moves import Around
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.power import Guests
from goldroot.hosts.zvm.simulated import Socket
from goldroot.hosts.zvm.survey import (
    Found,
    Survey,
    Volumes,
    apart,
    by_volume,
    linking,
    of_type,
    server,
    slot,
    writing,
)
from goldroot.hosts.zvm.survey import system as system_of
from goldroot.zvm import directory as source


class Asking:
    """Part of :class:`goldroot.hosts.zvm.ZvmHost`."""

    _parts: Parts
    _manager: Manager
    _directory: DirectoryEntries
    _disks: Minidisks
    _adopted: Adopted
    _guests: Guests
    _members: Members

    def survey(
        self, slots: Collection[str], system: str, addresses: Collection[str], shared: Collection[str]
    ) -> Survey:
        """A site that follows the paper, as it is found in the directory; nothing is changed.

        :param slots: names of the entries that own gold; those that are not there are left out.
        :param system: name of the maintenance system's.
        :param addresses: live addresses of the layout.
        :param shared: those of them that a read-only server links.
        """
        names = self._disks.names
        standing = self._directory.standing
        owners = [found for name in slots if (found := standing(name)) is not None]
        everything = source.Directory((), tuple(self._manager.everything()))
        users = {names.user(now.entry.name) for now in owners}
        seen = partial(_seen, pool=self._parts.pool, lying=by_volume(everything))
        gold = tuple(seen(slot(now, names, addresses)) for now in owners)
        named = {user: names.entry(user) for user in linking(everything, users)}
        notes = [
            f"{user} cannot be the name of an entry: give it one in the host's table (names)"
            for user, name in named.items()
            if name is None
        ]
        notes += writing(everything, users)
        servers = []
        for name in sorted({name for name in named.values() if name is not None} - set(slots)):
            if (now := standing(name)) is not None:
                servers.append(seen(server(now, names, addresses, shared)))
        found = standing(system)
        maintained = None if found is None else seen(system_of(found, names, addresses))
        return Survey(gold, tuple(servers), maintained, tuple(notes))

    def adopt(self, found: Found, mark: Mark, form: str = "") -> dict[str, str]:
        """The disks of an entry become goldroot's, as they stand; z/VM is not changed.  Again: the same disks.

        :param mark: of its live set, until goldroot first writes into the entry.
        :param form: the file system on its disks; "": the usual one.
        :returns: the ids of its disks by address.
        :raises Refused: one of its minidisks is another disk's.
        """
        ids, labels = {}, {}
        form = form or next(iter(self._parts.medium.forms))
        if form not in self._parts.medium.forms:
            raise BadInput(f"{form!r} is not a form of disks here", todo=f"Use {', '.join(self._parts.medium.forms)}.")
        role = self._directory.get(found.name).role
        for disk in found.disks:
            there = self._parts.extents.at(disk.extent)
            if there is not None and there.owner != found.name:
                raise Refused(f"the minidisk {disk.extent} of {found.user} is disk {there.id} of {there.owner} already")
            id = ids[disk.address] = there.id if there is not None else new_disk_id(found.name, disk.address)
            device = self._disks.names.device(found.name, role, disk.address)
            labels[id] = self._disks.label_of(Minidisk(found.user, device, disk.extent))
            size = self._parts.pool.at(disk.address).geometry.room(disk.extent.size)
            sealed = form if role == "owner" else ""
            self._parts.extents.write(
                Row(id, found.name, disk.address, size, form, sealed, state="made", extent=disk.extent)
            )
        self._adopted.add({found.name: {LIVE: mark}}, labels)
        return ids

    def others_disks(self, name: str) -> list[str]:
        """As :meth:`goldroot.hosts.HasOthersDisks.others_disks`."""
        return self._directory.others_disks(name)

    def around(self) -> Around:
        """What plans are made with."""
        parts = self._parts
        return Around(
            self._directory.standing,
            parts.style,
            parts.pool,
            parts.addresses,
            snapshots=parts.snapshots,
            records=parts.booting.record == "disk",
            linked=self._directory.linked,
            others_disks=self._directory.others_disks,
            member_of=parts.member_of,
        )

    def examine(self) -> Iterator[Point]:
        """What the z/VM system is like, asked without changing anything: the points of ``goldroot zvm doctor``."""
        parts = self._parts
        asked = Asked(
            parts.client,
            self._manager,
            self._directory,
            parts.cp,
            parts.pool,
            parts.me,
            parts.addresses,
            link_mode=parts.style.words.link,
            snapshots=parts.snapshots,
            simulated=isinstance(parts.cp, Socket),
            members=self._members,
        )
        return examined(asked, QUESTIONS)

    def linked_now(self, owner: str) -> list[tuple[str, str, str]]:
        """Who has a disk of an owner at this moment, by CP, as :meth:`linked` says who has it by its entry.

        The owner is never logged on, so SMAPI does not tell (8/12); each disk is linked for the question.
        """
        names = self._disks.names
        found = []
        for address, disk in self._directory.get(owner).disks.items():
            for user in self._disks.having(disk.id):
                name = names.shown(user.name)
                found.append((name, names.address(name, "machine", user.address), address))
        return sorted(found)

    def running(self) -> set[str]:
        """The names of all guests that are logged on, in one call for each member of the cluster."""
        return {self._disks.names.shown(user) for user in self._guests.everybody()}


def _seen(found: Found, pool: Pool, lying: Volumes) -> Found:
    """The same, with all that its disks have in the way."""
    return apart(of_type(found, pool), lying)
