"""Making and removing the disks of an entry: said in the catalog before, and noted after.

What a killed command began is finished or removed by the next one that works on that entry (:meth:`DiskRegister.tidy`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldroot import crash
from goldroot.catalog import DiskRow, disks
from goldroot.errors import GoldrootError, NoSpace, NotFound
from goldroot.hosts import Entry, Host, NewDisk, set_of

if TYPE_CHECKING:
    from goldroot.site.site import Site


@dataclass(frozen=True, slots=True)
class DiskRegister:
    """The disks of one entry.  Who changes them holds the lock of the clone or image that the entry is of."""

    site: Site
    host: Host
    owner: str  #: the entry's name
    purpose: disks.Purpose

    def make(self, wanted: Mapping[str, str], work: str) -> None:
        """Empty disks in the entry; those that are there already stay.

        :param wanted: their ids by address.
        :param work: the id of the work that they are made for.
        :raises NoSpace: they do not fit.
        """
        with self.site.catalog.begin() as tx:
            disks.register(tx, [self._row(id, work, address) for address, id in wanted.items()])
            disks.set_state(tx, wanted.values(), "intended")
        crash.point("disk.intended")
        for address, id in wanted.items():
            self.host.create_disk(NewDisk(id, self.owner, address, 0, ""))
            crash.point("disk.made")
        with self.site.catalog.begin() as tx:
            disks.set_state(tx, wanted.values(), "made")

    def remove(self, ids: Collection[str]) -> None:
        """Delete disks; those that are gone already are not an error.

        :raises Refused: one is live, linked or in use.
        """
        if not ids:
            return
        with suppress(NoSpace), self.site.catalog.begin() as tx:  # where there is no room they have to go without
            disks.set_state(tx, ids, "deleting")
        crash.point("disk.going")
        for id in ids:
            self.host.delete_disk(id)
            crash.point("disk.removed")
        with suppress(NoSpace), self.site.catalog.begin() as tx:
            disks.forget(tx, ids)

    def tidy(self) -> None:
        """Finish what a killed command began, on the host and in the register.

        A disk that was to be made and stands nowhere is removed with all that there is of it, and one whose removal was
        begun is removed.  Disks of the entry that have no row (of an older site, or where the catalog is older than the
        host) get one.
        """
        self.host.tidy()
        entry = self.host.find(self.owner)
        there = {} if entry is None else {disk.id: address for address, disk in entry.disks.items()}
        known = self._known()
        gone = [row.id for row in known.values() if self._is_gone(row, standing=row.id in there)]
        made = [row.id for row in known.values() if row.state == "intended" and row.id in there]
        new = [
            self._row(id, _work_of(entry, address), address, "made")
            for id, address in there.items()
            if entry is not None and id not in known
        ]
        if gone or made or new:
            with self.site.catalog.begin() as tx:
                disks.forget(tx, gone)
                disks.set_state(tx, made, "made")
                disks.register(tx, new)

    def lost(self) -> list[str]:
        """The ids of disks that the host still has, and that the entry does not name any more, though nobody removed them."""
        entry = self.host.find(self.owner)
        there = set() if entry is None else {disk.id for disk in entry.disks.values()}
        return [id for id, row in self._known().items() if row.state == "made" and id not in there and self._has(id)]

    def _known(self) -> dict[str, DiskRow]:
        with self.site.catalog.read() as tx:
            return disks.of_owner(tx, self.host.name, self.owner)

    def _row(self, id: str, work: str, address: str, state: disks.State = "intended") -> DiskRow:
        return DiskRow(id, self.host.name, self.owner, self.purpose, work, address, state)

    def _is_gone(self, row: DiskRow, *, standing: bool) -> bool:
        """Whether nothing is left of a disk; what was to go goes now, where it can."""
        if row.state == "made":
            return not standing and not self._has(row.id)
        if row.state == "intended" and standing:
            return False
        try:
            self.host.delete_disk(row.id)
        except GoldrootError:  # in use, as a rule: the next command tries again
            return False
        return True

    def _has(self, id: str) -> bool:
        try:
            self.host.info([id])
        except NotFound:
            return False
        except GoldrootError:  # there is something, and it is not as it should be
            return True
        return True


def _work_of(entry: Entry, address: str) -> str:
    mark = entry.marks.get(set_of(address))
    return "" if mark is None else mark.by
