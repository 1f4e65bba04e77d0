"""The set of disks that an update's result comes to: made, in set 5 of the clone's entry, and emptied before each filling."""

from __future__ import annotations

import os

from goldroot import crash
from goldroot.catalog import Clone
from goldroot.errors import Refused
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import own_addresses
from goldroot.fleet.update import update_files
from goldroot.fleet.update.earlier import is_listed
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import (
    PREPARED,
    Entry,
    Mark,
    change,
    fenced,
    find_entry,
    free_set,
    new_disk_id,
    own_disks,
    park,
    place_of,
    utc_now,
    with_links,
    with_mark,
)
from goldroot.image import open_version
from goldroot.site import Site
from goldroot.tree import remove_tree


def make_disks(task: OpenUpdate) -> None:
    """Disks stand in set 5, with links to the gold that it goes to; what stood there is parked.

    They are empty, but for what an earlier merge of this work wrote and the next one takes over.

    What is made is written down before; the catalog and the host know that nothing holds of the disks any more.
    """
    addresses = own_addresses(task.layout, task.entry)
    disks = {a: task.update.disks.get(a) or new_disk_id(task.machine_name, a) for a in addresses}
    task.set_state("preparing", error="", disks=disks)
    crash.point("update.disks-intended")
    task.fence()
    if not _is_its(task.entry, task):
        change(task.host, task.machine_name, lambda entry: _with_set(entry, task), task.places)
        crash.point("update.set-taken")
    there = {disk.id for disk in task.entry.disks.values()}
    task.disk_register.make({PREPARED + place_of(address): id for address, id in disks.items()}, task.work)
    task.raise_generation()
    crash.point("update.filling")
    for address, id in disks.items():
        manifests.forget(task.site, id)
        if id in there and not is_listed(update_files.rows_file(task.site, task.name, task.work, address)):
            task.host.empty_disk(id)


def empty_prepared(task: OpenUpdate) -> None:
    """Remove what is on the prepared disks, where there is no room even to write down that they go."""
    entry = task.entry
    if _is_its(entry, task):
        with task.host.open_disks(dict.fromkeys(own_disks(entry, PREPARED).values(), "rw")) as opened:
            for disk in opened.values():
                for name in os.listdir(disk.handle):
                    _remove(os.path.join(disk.path, name))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)


def refuse_full(site: Site, clone: Clone) -> None:
    """For who is about to begin what needs set 5.

    :raises Refused: what stands there could not be parked; the error names the kept set to prune.
    """
    entry = find_entry(site.host_named(clone.host), clone.machine)
    if PREPARED in entry.marks:
        free_set(
            entry, [disk.place for disk in open_version(site, clone.image, clone.version, clone.host).layout.disks]
        )


def _is_its(entry: Entry, task: OpenUpdate) -> bool:
    mark = entry.marks.get(PREPARED)
    return mark is not None and (mark.state, mark.by) == ("preparing", task.work)


def _with_set(entry: Entry, task: OpenUpdate) -> Entry:
    mark = entry.marks.get(PREPARED)
    if mark is not None and mark.state == "preparing" and mark.by != task.work:
        raise Refused(f"{entry.name} has what other work prepared in set {PREPARED}", todo="Cancel that first.")
    if mark is not None:
        entry = park(entry, PREPARED, free_set(entry, task.places))
    own = {place_of(address) for address in task.update.disks}
    entry = with_links(entry, PREPARED, task.target.slot, [place for place in task.places if place not in own])
    new = Mark("preparing", task.work, task.clone.image, task.name, task.update.to_version, utc_now())
    return fenced(with_mark(entry, PREPARED, new), task.clone.generation)


def is_prepared(task: OpenUpdate) -> bool:
    """Whether the disks of this work stand in set 5, all of them."""
    entry = task.entry
    its = {PREPARED + place_of(address): id for address, id in task.update.disks.items()}
    return (
        _is_its(entry, task) and bool(its) and all(a in entry.disks and entry.disks[a].id == i for a, i in its.items())
    )
