"""The disks in a site's stores: whose a store is, and the making and removing of the disks of an entry.

A catalog that does not know what is in its store takes disks for leftovers, and removes them.  So a store carries a label, which its
site's catalog has too, and no empty catalog is made over a store, or a site, that has had a life::

    STORE/label        some letters and digits

A store without a label, of an older goldroot, gets one where the catalog knows what is in it.

Making and removing is said in the catalog before, and noted after.  What a killed command began is finished or removed by the next one
that works on that entry (:meth:`DiskRegister.tidy`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldroot import crash
from goldroot.catalog import DiskRow, disks
from goldroot.errors import GoldrootError, HostError, NoPermission, NoSpace, NotFound, Refused
from goldroot.hosts import LIVE, Entry, Host, NewDisk, set_of
from goldroot.hosts.registry import DIRECTORY

if TYPE_CHECKING:
    from goldroot.hosts.registry import SiteHost
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


#: Directories of a site in which something stands once it was used, and a file that is there then.
USED = ("images", "records", "manifests")
STEPS = "workflow.sqlite"


def check_own(site: Site, host: SiteHost) -> None:
    """See that the store is this site's own; one that nobody has labelled yet is labelled.

    :raises Refused: it is another site's, or not made yet, or the catalog is not the one that goes with it.
    """
    from goldroot.catalog import label_of_store, make_store_label

    with site.catalog.read() as tx:
        its = label_of_store(tx, host.name)
    if not its and not host.is_made():
        raise Refused(
            f"the store of host {host.name}, {host.store!r}, is not made yet",
            todo=f"Make what the site does not have yet with: goldroot init {shlex.quote(site.root)}",
        )
    label = host.label()
    if its and its == label:
        return
    if its and label:
        raise _not_its_own(host, "it carries the label of another catalog")
    if strange := _strangers(site, host):
        raise _not_its_own(host, f"the catalog does not know what stands there: {'; '.join(strange[:5])}")
    if site.looking:
        return
    # Who may only look at a site, or looks at one without room, leaves it as it is.
    with suppress(NoSpace, NoPermission):
        with site.catalog.begin() as tx:
            its = make_store_label(tx, host.name, label)
        host.set_label(its)


def check_former(site: Site, host: SiteHost, machines: list[str]) -> None:
    """See that an older store, which is to be converted, is this site's own.

    :raises Refused: it is another site's, or the catalog is not the one that goes with it.
    """
    from goldroot.catalog import entries, label_of_store

    with site.catalog.read() as tx:
        its = label_of_store(tx, host.name)
        known = {entry.name for entry in entries.every(tx, host=host.name)}
    label = host.label()
    if its and label and its != label:
        raise _not_its_own(host, "it carries the label of another catalog")
    strange = [f"the machine {name}" for name in machines if name not in known]
    if strange and (not its or its != label):
        raise _not_its_own(host, f"the catalog does not know what stands there: {'; '.join(strange[:5])}")


def refuse_lost_catalog(site: Site) -> None:
    """For those who would make an empty catalog.

    :raises Refused: there is none, and disks or records speak of one that was; the error names them.
    """
    from goldroot.catalog import is_there

    where = site.config.catalog or site.path("catalog.sqlite")
    hosts = [site._host(name) for name in site.config.hosts]
    found = [*(line for host in hosts for line in _in_store(host)), *_in_site(site)]
    if not found or is_there(where):
        return
    name = os.path.relpath(where, site.root) if os.path.isabs(where) else "the one that goldroot.toml names"
    raise Refused(
        f"the catalog of this site ({name}) is missing or empty, and what it spoke of is there",
        meaning=f"{'; '.join(found)}. With an empty catalog goldroot would take these disks for leftovers. "
        "Nothing was changed.",
        todo="Make it again from the store with `goldroot doctor --repair`, or put it back from a backup. To begin from "
        f"nothing, name another directory, or move away first: the store {' and '.join(host.store for host in hosts)}, and of "
        f"{site.root} {', '.join(USED)}, {STEPS}.",
    )


def _not_its_own(host: SiteHost, why: str) -> Refused:
    return Refused(
        f"the store {host.store!r} is not that of this site: {why}",
        meaning="Disks there are another site's, or of a time that the catalog does not know. Nothing was changed.",
        todo=f"Name this site's own store in the table [host] (or [hosts.{host.name}]) of goldroot.toml, "
        "or put back the catalog that goes with it.",
    )


def _strangers(site: Site, host: SiteHost) -> list[str]:
    """Machines that are nobody's by the catalog; what an import left that was killed is not a sign of another site."""
    from goldroot.catalog import entries

    with site.catalog.read() as tx:
        known = {entry.name for entry in entries.every(tx, host=host.name)}
    return [_said(one) for one in host.entries() if one.name not in known and not _is_unfinished(one)]


def _is_unfinished(entry: Entry) -> bool:
    """Whether it is a system of an image whose making has not come to its end, as by an import that was killed."""
    return _image_of(entry) != "" and not _server_of(entry) and not entry.startable and entry.role == "machine"


def _in_store(host: SiteHost) -> Iterator[str]:
    """What is in a store, by its definitions alone."""
    from goldroot.hosts.directory import former_machines, is_former

    if not os.path.isdir(host.store):
        return
    try:
        if host.kind == DIRECTORY and is_former(host.store):
            said = [f"the machine {one.name}" for one in former_machines(host.store)]
        else:
            said = [_said(one) for one in host.entries()] if host.is_made() else []
            said = said or [f"the disk {disk}" for disk in host.disk_ids() if host.is_made()]
    except HostError as error:
        yield f"The store {host.store} cannot be looked at ({error.brief})"
        return
    if said:
        more = f" and {len(said) - 12} more" if len(said) > 12 else ""
        yield f"The store {host.store} holds {', '.join(said[:12])}{more}"
    elif host.label():
        yield f"The store {host.store} is that of a catalog which is not here (its file `label` says so)"


def _said(entry: Entry) -> str:
    """What an entry is, by its mark: ``gold DEBIANGOLD (debian 1)``."""
    mark = entry.marks.get(LIVE)
    if entry.role == "owner":
        holds = f" ({mark.image} {mark.version})" if mark is not None and mark.state == "gold" else ""
        return f"gold {entry.name}{holds}" if holds else f"the slot {entry.name}"
    if _server_of(entry) or not _image_of(entry):
        return f"the clone {entry.name}"
    return f"the system {entry.name} (image {_image_of(entry)})"


def _image_of(entry: Entry) -> str:
    mark = entry.marks.get(LIVE)
    return "" if mark is None else mark.image


def _server_of(entry: Entry) -> str:
    mark = entry.marks.get(LIVE)
    return "" if mark is None else mark.server


def _in_site(site: Site) -> Iterator[str]:
    for name in USED:
        with suppress(FileNotFoundError, NotADirectoryError):
            if found := sorted(os.listdir(site.path(name))):
                more = f" and {len(found) - 5} more" if len(found) > 5 else ""
                yield f"{site.path(name)} holds {', '.join(found[:5])}{more}"
    if os.path.exists(site.path(STEPS)):
        yield f"{site.path(STEPS)} holds the steps of updates, which have the numbers that new ones would get"
