"""The rows of a clone that its host has, and that the catalog does not know."""

from __future__ import annotations

import os
from contextlib import suppress

from goldroot.catalog import Clone, clones, updates
from goldroot.catalog import disks as catalog_disks
from goldroot.errors import GoldrootError, NotFound, Refused
from goldroot.fleet.clones import identity_from
from goldroot.fleet.doctor.compare import is_another
from goldroot.fleet.doctor.seen import kind_of
from goldroot.fleet.inputs import open_clone, read_server
from goldroot.fleet.update import open_update
from goldroot.fleet.update.reconcile import clone_lock, sync
from goldroot.hosts import LIVE, Entry
from goldroot.image import find_linked, open_version
from goldroot.site import Site, check_clone_name
from goldroot.system import Identity, NetworkSettings


def adopt_clone(site: Site, name: str, host: str, machine: str) -> Clone:
    """The rows of a clone, with what is kept of it and what is in flight, by its entry.

    :raises NotFound: its entry or its gold is not there. :raises Refused: the catalog has another one of that name.
    """
    with clone_lock(site, check_clone_name(name), f"adoption of the clone {name}"):
        entry = site.host_named(host).find(machine)
        mark = None if entry is None else entry.marks.get(LIVE)
        if entry is None or mark is None or mark.server != name:
            raise NotFound(f"the host {host} has no server {name} any more")
        for owner in sorted({link.owner for link in entry.links.values()}):
            find_linked(site, mark.image, owner, host)
        since = min((one.since for one in entry.marks.values() if one.since), default=mark.since)
        row = Clone(
            name, mark.image, mark.version, kind_of(site, entry, mark) or "read-write", _state(entry), host,
            _identity(site, name, entry).as_dict(), max(entry.generation, 1), since, mark.by, machine,
        )  # fmt: skip
        with site.catalog.begin() as tx:
            clones.found(tx, row)
        sync(site, name)
        _note_records(site, name)
        read_clone(site, name)
        with site.catalog.read() as tx:
            return clones.get(tx, name)


def adopt_again(site: Site, name: str, machine: str, host: str) -> Clone:
    """A clone of whose name the catalog has another one, which is gone: that one is forgotten first.

    :raises Refused: the entry is of the one that the catalog has.
    """
    with site.catalog.read() as tx:
        known = clones.get(tx, name)
    entry = site.host_named(host).find(machine)
    mark = None if entry is None else entry.marks.get(LIVE)
    if entry is None or mark is None or not is_another(site, known, entry, mark):
        raise Refused(f"the entry {machine} is of the {name} that the catalog has", meaning="Nothing was changed.")
    forget_clone(site, name)
    return adopt_clone(site, mark.server, host, machine)


def forget_clone(site: Site, name: str) -> None:
    """The rows of a clone of which nothing is on its host; what is written down of it stays where it is."""
    with site.catalog.begin() as tx:
        clone = clones.get(tx, name)
        catalog_disks.forget(tx, catalog_disks.of_owner(tx, clone.host, clone.machine))
        clones.forget_gone(tx, name)


def _state(entry: Entry) -> clones.State:
    if entry.marks[LIVE].state == "removing":
        return "deleting"
    return "active" if entry.startable else "creating"


def _identity(site: Site, name: str, entry: Entry) -> Identity:
    """What a person gave it: its table in goldroot.toml, else what its entry says; the command that made it is forgotten."""
    said = identity_from(site, name)
    if said.network is not None or entry.network is None or not entry.network.address:
        return said
    known = entry.network
    try:
        return Identity(said.hostname, NetworkSettings(known.interface, known.address, known.gateway, ()))
    except GoldrootError:
        return said


def _note_records(site: Site, name: str) -> None:
    """Works that were found have their records where these lie.

    The one that made what is live has a row also where what it left was pruned: its record says what the server had removed.
    """
    with site.catalog.begin() as tx:
        clone = clones.get(tx, name)
        if updates.of_work(tx, clone.last) is None and os.path.exists(open_update.record_file(site, name, clone.last)):
            updates.found(
                tx, updates.Update(
                    0, name, clone.image, clone.version, clone.version, "update", "done", "", "", "", "", clone.last
                ),
            )  # fmt: skip
        for one in updates.every(tx, name):
            if not one.record and os.path.exists(open_update.record_file(site, name, one.work)):
                updates.note(tx, one.id, record=open_update.record_file(site, name, one.work))


def read_clone(site: Site, name: str) -> None:
    """Note what a clone's own disks say, as far as they can be read, its host name too.  What cannot is read by who asks for it."""
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
    if clone.state != "active":
        return
    with suppress(GoldrootError, OSError):
        gold = open_version(site, clone.image, clone.version, clone.host)
        with open_clone(site, clone) as server:
            found = read_server(gold, server.tree)
            told = (server.tree.read(b"etc/hostname") or b"").decode("utf-8", "replace").strip()
        with site.catalog.begin() as tx:
            found.note(tx, name)
        if told and told != clone.identity.get("hostname"):
            Identity(told)  # one that cannot be a name is not noted
            with site.catalog.begin() as tx:
                clones.set_identity(tx, name, {**clone.identity, "hostname": told})
