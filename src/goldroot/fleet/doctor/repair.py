"""What is done about each kind of finding.  Each may be done twice, and asks first whether it is still so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import cast

from goldroot.catalog import clones, disks, images, updates
from goldroot.errors import Refused
from goldroot.fleet.clones import delete_clone, force_delete_clone
from goldroot.fleet.doctor.adopt import adopt_again, adopt_clone, forget_clone, read_clone
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.images import standing
from goldroot.fleet.doctor.papers import JOURNAL
from goldroot.fleet.doctor.seen import Seen
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.entry_says import has_switched
from goldroot.fleet.update.kept import prune_kept
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.hosts import LIVE
from goldroot.ids import new_id
from goldroot.image import (
    accept_copied,
    adopt_image,
    adopt_version,
    finish_publish,
    give_up_import,
    note_gone,
    open_version,
)
from goldroot.site import DiskRegister, Site

#: In which order they are repaired: what is adopted or forgotten first is what the next ones stand on.
ORDER = (
    "journal-damaged", "leftover", "clone-other", "image-unknown", "gold-unknown", "clone-behind", "clone-unknown", "clone-gone",
    "gold-gone", "image-gone", "cut-off", "register-behind", "gold-copied", "disk-unnamed",
)  # fmt: skip


#: A database of SQLite, and what may stand beside it.
BESIDE_A_DATABASE = ("", "-wal", "-shm", "-journal")


def repair(seen: Seen, one: Finding) -> None:
    """Do what a finding names.

    :raises GoldrootError: it cannot be done; why.
    """
    _REPAIRS[one.kind](seen, one)


def put_aside(file: str) -> str:
    """Give a database another name, with what SQLite keeps beside it; returns that name."""
    aside = f"{file}.damaged-{new_id()}"
    for beside in BESIDE_A_DATABASE:
        if os.path.lexists(file + beside):
            os.rename(file + beside, aside + beside)
    return aside


def _journal(seen: Seen, one: Finding) -> None:
    put_aside(seen.site.path(JOURNAL))


def _leftover(seen: Seen, one: Finding) -> None:
    seen.site.host_named(one.host).tidy()


def _adopt_image(seen: Seen, one: Finding) -> None:
    there = [(host.name, entry) for host, entry, _ in standing(seen, one.name)]
    adopt_image(seen.site, one.name, there)


def _adopt_version(seen: Seen, one: Finding) -> None:
    with seen.site.lock(f"image-{one.image}", doing=f"adoption of gold {one.version} of {one.image}"):
        adopt_version(seen.site, one.image, one.version)


def _adopt_clone(seen: Seen, one: Finding) -> None:
    adopt_clone(seen.site, one.name, one.host, _machine(seen, one))


def _machine(seen: Seen, one: Finding) -> str:
    marks = ((name, entry.marks.get(LIVE)) for name, entry in seen.hosts[one.host].entries.items())
    return next(name for name, mark in marks if mark is not None and mark.server == one.name)


def _other_clone(seen: Seen, one: Finding) -> None:
    with clone_lock(seen.site, one.name, f"adoption of the clone {one.name}"):
        pass  # nobody works on the one that is forgotten
    adopt_again(seen.site, one.name, seen.known.clones[one.name].machine, one.host)


def _follow(seen: Seen, one: Finding) -> None:
    site, before = seen.site, seen.known.clones[one.name]
    with clone_lock(site, one.name, f"repair of {one.name}"):
        reconcile(site, one.name)
        with site.catalog.read() as tx:
            after = clones.get(tx, one.name)
        if after.last != before.last:  # it may have been made again, with another host name
            read_clone(site, one.name)


def _forget_clone(seen: Seen, one: Finding) -> None:
    site = seen.site
    with site.lock(f"clone-{one.name}", doing=f"repair of {one.name}"):
        machine = seen.known.clones[one.name].machine
        if site.host_named(one.host).find(machine) is not None:
            raise Refused(f"{one.name} is on its host after all", meaning="Nothing was forgotten.")
        forget_clone(site, one.name)


def _forget_image(seen: Seen, one: Finding) -> None:
    site = seen.site
    with site.lock(f"image-{one.name}", doing=f"repair of image {one.name}"), site.catalog.begin() as tx:
        for (host, name), known in seen.known.names.items():
            if known.image == one.name:
                if host in site.config.hosts and site.host_named(host).find(name) is not None:
                    raise Refused(
                        f"{name} of image {one.name} is on its host after all", meaning="Nothing was forgotten."
                    )
                disks.forget(tx, disks.of_owner(tx, host, name))
        images.delete(tx, one.name)


def _note_gone(seen: Seen, one: Finding) -> None:
    with seen.site.lock(f"image-{one.image}", doing=f"repair of image {one.image}"):
        note_gone(seen.site, one.image, one.version, one.host)


def _register(seen: Seen, one: Finding) -> None:
    site = seen.site
    known = seen.known.names.get((one.host, one.name))
    purpose = "clone" if known is None or known.clone else "gold" if known.role == "slot" else "system"
    own = DiskRegister(site, site.host_named(one.host), one.name, cast(disks.Purpose, purpose))
    lock = (
        f"clone-{known.clone}" if known is not None and known.clone else f"image-{known.image}" if known else "doctor"
    )
    with site.lock(lock, doing=f"repair of {one.name}"):
        own.tidy()


def _cut_off(seen: Seen, one: Finding) -> None:
    """Whatever of a clone or an image was cut off."""
    if not one.image:
        _cut_off_clone(seen.site, one.name)
    elif one.version:
        finish_publish(seen.site, one.image)
    else:
        give_up_import(seen.site, one.image)


def _cut_off_clone(site: Site, name: str) -> None:
    with clone_lock(site, name, f"repair of {name}"):
        reconcile(site, name)
        with site.catalog.read() as tx:
            clone, going = clones.get(tx, name), updates.in_flight(tx, name)
            begun = updates.cut_off_fallbacks(tx, name)
        for kept in begun:
            prune_kept(site, kept)
    if clone.state != "active":
        if going is None:
            delete_clone(site, name)
        else:
            force_delete_clone(site, name)
    elif going is not None and not has_switched(clone, going):
        cancel_update(site, name)


def _accept(seen: Seen, one: Finding) -> None:
    with seen.site.lock(f"image-{one.image}", doing=f"check of gold {one.version} of {one.image}"):
        accept_copied(open_version(seen.site, one.image, one.version, one.host))


def _remove_disk(seen: Seen, one: Finding) -> None:
    site = seen.site
    site.look_at_host(one.host).give_up_disk(one.removes)
    with site.catalog.begin() as tx:
        disks.forget(tx, [one.removes])


_REPAIRS: Mapping[str, Callable[[Seen, Finding], None]] = {
    "journal-damaged": _journal,
    "leftover": _leftover,
    "clone-other": _other_clone,
    "image-unknown": _adopt_image,
    "gold-unknown": _adopt_version,
    "clone-behind": _follow,
    "clone-unknown": _adopt_clone,
    "clone-gone": _forget_clone,
    "gold-gone": _note_gone,
    "image-gone": _forget_image,
    "cut-off": _cut_off,
    "register-behind": _register,
    "gold-copied": _accept,
    "disk-unnamed": _remove_disk,
}
