"""Bringing the catalog back to the truth.

The machine's definition says which disks are live: it changes in one atomic step, and the catalog follows.  A command
that was killed between the two is finished here, by whichever command comes next to this clone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from goldroot import crash
from goldroot.catalog import Tx, Update, clones, events, fallbacks, now, readings, updates
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import check_clone_name, machine_of
from goldroot.fleet.server_readings import read_switched
from goldroot.fleet.update import update_files
from goldroot.fleet.update.older_catalog import fallback_of, follow_machine, follow_prunes, give_number, versions_of
from goldroot.fleet.update.update_files import WorkFile
from goldroot.hosts.former import Attached, LinkTo, Machine, partner, prepared
from goldroot.site import Layout, Site, sweep_rooms

T = TypeVar("T")

#: How long a command waits for another one on the same clone, in seconds.
WAIT = 5.0


@contextmanager
def clone_lock(site: Site, name: str, doing: str) -> Iterator[None]:
    """Hold a clone: one command at a time; what killed ones left in ``work/`` goes.

    :raises Busy: another one works on it still; the error names it.
    """
    with site.lock(f"clone-{check_clone_name(name)}", wait=WAIT, doing=doing):
        sweep_rooms(site)
        yield


def reconcile(site: Site, name: str) -> Update | None:
    """Finish a switch that the catalog does not know of; returns the update or rollback that was finished.

    A cancel that was killed is finished, too, and a catalog that is older than the machine is brought up to it (see
    :mod:`goldroot.fleet.update.older_catalog`).  The caller holds the clone's lock.

    :raises Refused: the catalog is older than something that cannot be told from the machine.
    """
    missing = follow_machine(site, name)
    update = None
    for one in missing:
        update = one.row or _row_of(site, name, one.known)
        finish(site, update, one.known, last=one is missing[-1])
    clear_cancelled(site, name)
    follow_prunes(site, name)
    return update


def _row_of(site: Site, name: str, known: WorkFile) -> Update:
    """The row of a switch that this catalog does not know.  What it has in flight came to nothing before that."""
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
    versions = versions_of(site, clone, known)
    with site.catalog.begin() as tx:
        before = updates.in_flight(tx, name)
        if before is not None:
            updates.set_state(tx, before.id, "cancelled")
        update = updates.found(tx, name, *versions, kind="rollback" if known.fallback else "update")
        give_number(site, known, update.id)
    return update


def clear_cancelled(site: Site, name: str) -> Update | None:
    """Remove the disks of an update that came to nothing; returns the newest that had any left."""
    with site.catalog.read() as tx:
        clone = clones.find(tx, name)
        ended = updates.every(tx, name, state="cancelled") if clone is not None and clone.state == "active" else []
    left = [
        (update, known) for update in ended if (known := update_files.load(site, name, update.id)).new or known.made
    ]
    for _, known in left:
        _detach_own(site, name, known)
        known.new = {}
        sweep(site, known)
        update_files.save(site, known)
    return left[-1][0] if left else None


def _detach_own(site: Site, name: str, known: WorkFile) -> None:
    """Take this work's disks away from 5Bx; what else stands there by now is not its matter."""
    its = {*known.made, *known.new.values()}
    machine = site.former.find(machine_of(site, name))
    if machine is not None and any(prepared(a) and disk.disk in its for a, disk in machine.disks.items()):
        detach_prepared(site, machine.name, known.old or known.new)


def is_live(site: Site, known: WorkFile) -> bool:
    """Whether the result of this work is what the machine runs from."""
    if not known.new:
        return False
    machine = site.former.get(machine_of(site, known.clone))
    return all(a in machine.disks and machine.disks[a].disk == disk for a, disk in known.new.items())


def finish(site: Site, update: Update, known: WorkFile, *, last: bool = True) -> None:
    """What follows a switch: disks that nothing needs go, then the catalog's part, all of it in one transaction.

    Doing it twice changes nothing, and once the catalog says ``done`` nothing is left to do.

    :param last: whether the clone still runs from its result: another one may have switched since.
    """
    if update.kind == "rollback" and last:
        detach_prepared(site, machine_of(site, update.clone), known.new)
    sweep(site, known)
    crash.point(f"{update.kind}.swept")
    reading = read_switched(site, update.image, update.to_version, known.new)
    with site.catalog.begin() as tx:
        now_is = updates.get(tx, update.id)
        if not now_is.ended:
            updates.has_switched(tx, update.id)
            clones.move(tx, update.clone, update.to_version)
            readings.forget(tx, update.clone) if reading is None else reading.note(tx, update.clone)
            _note_disks(site, tx, update, known)
            updates.set_state(tx, update.id, "done", error="")
    crash.point(f"{update.kind}.noted")


def _note_disks(site: Site, tx: Tx, update: Update, known: WorkFile) -> None:
    until = now(timedelta(days=site.config.fallback_days))
    if update.kind == "update":
        fallbacks.keep(tx, update.id, known.old, until)
        return
    aside: dict[str, str] = dict(known.old)
    used = fallback_of(tx, known) or fallbacks.get(tx, known.fallback)
    if known.carry:
        aside |= {f"before-{address}": disk for address, disk in used.disks.items()}
    if used.state == "kept":  # else an older catalog was brought up to a rollback of long ago
        fallbacks.set_state(tx, used.id, "used")
    fallbacks.keep(tx, update.id, aside, until, state="set-aside")
    events.add(tx, "rolled-back", f"clone:{update.clone}", update=update.id, to_version=update.to_version)


def attach_prepared(site: Site, name: str, layout: Layout, disks: Mapping[str, str], slot: str) -> Machine:
    """Put disks, and links to a slot, at the prepared addresses, in the place of what stood there."""
    machine = site.former.get(machine_of(site, name))
    linked = [disk.address for disk in layout.disks if disk.address not in disks]
    wanted = replace(
        machine,
        disks=_live(machine.disks, layout) | {partner(a): Attached(disk) for a, disk in disks.items()},
        links=_live(machine.links, layout) | {partner(a): LinkTo(slot, a) for a in linked},
    )
    return machine if wanted == machine else site.former.replace(wanted)


def detach_prepared(site: Site, name: str, addresses: Mapping[str, object]) -> None:
    """Take what stands at 5Bx away from the machine of this name, with its links to a slot; the disks stay."""
    machine = site.former.get(name)
    keep = {a: disk for a, disk in machine.disks.items() if not (prepared(a) and partner(a) in addresses)}
    links = {a: link for a, link in machine.links.items() if not (prepared(a) and partner(a) in machine.links)}
    if keep != dict(machine.disks) or links != dict(machine.links):
        site.former.replace(replace(machine, disks=keep, links=links))


def _live(standing: Mapping[str, T], layout: Layout) -> dict[str, T]:
    listed = {disk.address for disk in layout.disks}
    return {a: one for a, one in standing.items() if not (prepared(a) and partner(a) in listed)}


def sweep(site: Site, known: WorkFile, keep: Mapping[str, str] | None = None) -> None:
    """Remove the disks that were made for this work and are not part of what came of it."""
    kept = {*known.new.values(), *(keep or {}).values()}
    for disk in [disk for disk in known.made if disk not in kept]:
        manifests.forget(site, disk)
        site.former.delete_disk(disk)
        crash.point("update.disk-swept")
    if set(known.made) != kept & set(known.made):
        known.made = [disk for disk in known.made if disk in kept]
        update_files.save(site, known)
