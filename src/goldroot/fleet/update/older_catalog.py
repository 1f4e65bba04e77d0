"""An older catalog follows the machine.

A catalog may be older than what stands on the host: it was restored from a backup, or the power failed and its last
transactions were lost.  The machine's definition says which disks are live; ``work.json`` of each update and rollback
says which disks it began from and which it made.  From the live disks back, this is a chain of switches:

::

    web1-1B5-1.1 --update 1--> web1-1B5-2.1 --update 2--> web1-1B5-4.1      live: 4.1, so both have switched

What is on the chain has switched, whatever the catalog says of it, and its rows are made where they are missing.  What
is not on the chain and has no row came to nothing: its disks go.  No disk goes that is live, that a fallback names, or
that is on the chain.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from goldroot import crash
from goldroot.catalog import Clone, Tx, Update, clones, entries, events, fallbacks, gold, updates
from goldroot.errors import NotFound, Refused
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import generation_of, is_disk_of
from goldroot.fleet.update import update_files
from goldroot.fleet.update.update_files import WorkFile
from goldroot.hosts.former import Machine, prepared
from goldroot.image import find_linked
from goldroot.site import Site

Disks = Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """What was found to have switched: the work, and its row where there is one."""

    known: WorkFile
    row: Update | None


def follow_machine(site: Site, name: str) -> list[Found]:
    """Bring the catalog up to the machine, but for the switches themselves: the caller finishes these, oldest first.

    The caller holds the clone's lock.

    :returns: the switches that the catalog does not know to be done; those without a row, too.
    :raises Refused: what stands there cannot be told from what is known; nothing was changed.
    """
    with site.catalog.read() as tx:
        clone = clones.find(tx, name)
        rows = {} if clone is None else {row.id: row for row in updates.every(tx, name)}
    machine = None if clone is None else site.former.find(clone.machine)
    if clone is None or machine is None:
        return []
    live = live_of(name, machine)
    _follow_publishes(site, clone, machine)
    _follow_state(site, clone, live)
    works = update_files.every(site, name)
    chain = list(reversed(list(_switched(works, live))))
    found = [Found(known, rows.get(known.update)) for known in chain]
    missing = [one for one in found if one.row is None or not one.row.ended]
    _drop_lost(site, machine, [one for one in works if one.update not in rows and one not in chain], chain)
    _fence_above(site, clone, works, machine)
    if not missing:
        _check_version(site, clone, machine)
    return missing


def _follow_publishes(site: Site, clone: Clone, machine: Machine) -> None:
    """The versions that a clone links were published."""
    owners = {link.owner for link in machine.links.values()}
    with site.catalog.read() as tx:
        known = {slot.name: slot.version for slot in gold.all_slots(tx, clone.image)}
        versions = {owner: gold.find(tx, clone.image, known.get(owner) or 0) for owner in owners}
    for owner, version in versions.items():
        if version is None or version.state == "publishing":
            find_linked(site, clone.image, owner)


def live_of(name: str, machine: Machine) -> dict[str, str]:
    """The ids of a clone's own live disks by address."""
    return {a: d.disk for a, d in machine.disks.items() if not prepared(a) and is_disk_of(name, d.disk)}


def _switched(works: Sequence[WorkFile], live: Disks) -> Iterator[WorkFile]:
    """The works that have switched, the newest first."""
    now: Disks = live
    for known in reversed(works):
        if known.new and all(now.get(address) == disk for address, disk in known.new.items()):
            yield known
            now = known.old


def _follow_state(site: Site, clone: Clone, live: Disks) -> None:
    """A making ends with the definition.  A removal begins with its end: what stands there is newer, or not gone yet."""
    newer = any(generation_of(disk) > clone.generation for disk in live.values())
    if live and (clone.state == "creating" or (clone.state == "deleting" and newer)):
        with site.catalog.begin() as tx:
            clones.activate(tx, clone.name)
            events.add(tx, "clone-found", f"clone:{clone.name}", was=clone.state)


def _drop_lost(site: Site, machine: Machine, lost: Sequence[WorkFile], chain: Sequence[WorkFile]) -> None:
    """Remove what was made for work that came to nothing and that no row tells of."""
    if not lost:
        return
    keep = {disk.disk for address, disk in machine.disks.items() if not prepared(address)}
    keep |= {disk for known in chain for disk in (*known.old.values(), *known.new.values())}
    with site.catalog.read() as tx:
        kept = [one for one in fallbacks.every(tx, lost[0].clone, all_states=True) if one.state != "pruned"]
        going = updates.in_flight(tx, lost[0].clone)
    keep |= {str(disk) for one in kept for disk in one.disks.values()}
    if going is not None:
        keep |= {*update_files.load(site, going.clone, going.id).made}
    for known in lost:
        gone = [disk for disk in known.made if disk not in keep]
        _detach(site, machine.name, gone)
        for disk in gone:
            manifests.forget(site, disk)
            site.former.delete_disk(disk)
            crash.point("reconcile.disk-dropped")
        shutil.rmtree(update_files.directory(site, known.clone, known.update))


def _detach(site: Site, name: str, disks: Sequence[str]) -> None:
    from goldroot.fleet.update.reconcile import detach_prepared

    standing = site.former.get(name).disks
    if any(prepared(address) and disk.disk in disks for address, disk in standing.items()):
        detach_prepared(site, name, standing)


def _fence_above(site: Site, clone: Clone, works: Sequence[WorkFile], machine: Machine) -> None:
    """A disk's id has the generation that it was made by: none is used again, though the counter was restored."""
    ids = [disk for known in works for disk in (*known.made, *known.new.values())]
    ids += [disk.disk for disk in machine.disks.values()]
    highest = max((generation_of(disk) for disk in ids if is_disk_of(clone.name, disk)), default=0)
    if highest > clone.generation:
        with site.catalog.begin() as tx:
            clones.fence(tx, clone.name, above=highest)


def follow_prunes(site: Site, name: str) -> None:
    """What has lost a disk is no way back any more."""
    with site.catalog.read() as tx:
        kept = fallbacks.every(tx, name)
    for one in kept:
        if not all(_is_there(site, str(disk)) for disk in one.disks.values()):
            with site.catalog.begin() as tx:
                fallbacks.set_state(tx, one.id, "pruned")


def _is_there(site: Site, disk: str) -> bool:
    try:
        site.former.disk_path(disk)
    except NotFound:
        return False
    return True


def _check_version(site: Site, clone: Clone, machine: Machine) -> None:
    """The gold that a clone links is that of its version; a version that the catalog does not know is for a person.

    :raises Refused: the catalog is older than a publish that this clone stands on.
    """
    owners = {link.owner for address, link in machine.links.items() if not prepared(address)}
    with site.catalog.read() as tx:
        version = gold.find(tx, clone.image, clone.version)
    if not owners or version is None or owners == {version.slot_name}:
        return
    number = linked_version(site, clone, machine)
    with site.catalog.begin() as tx:
        clones.move(tx, clone.name, number)
        events.add(tx, "clone-found", f"clone:{clone.name}", version=number)


def linked_version(site: Site, clone: Clone, machine: Machine) -> int:
    """The gold version that a machine's live links lead to.

    :raises Refused: the catalog does not know it.
    """
    owner = next(link.owner for address, link in sorted(machine.links.items()) if not prepared(address))
    with site.catalog.read() as tx:
        entry = entries.find(tx, owner)
        slot = None if entry is None else next(
            (slot for slot in gold.all_slots(tx, clone.image) if slot.name == owner), None)  # fmt: skip
    if slot is None or slot.version is None:
        raise unknown_gold(clone.name, owner)
    return slot.version


def unknown_gold(name: str, what: str) -> Refused:
    """The error where a clone stands on gold that the catalog does not know."""
    return Refused(
        f"{name} stands on {what}, which this site's catalog does not know",
        meaning="The catalog is older than that publish: it was restored from a backup. Nothing was changed.",
        todo="Put back a catalog of after that publish; the gold's signed record is in the site's gold/ directory.",
    )


def versions_of(site: Site, clone: Clone, known: WorkFile) -> tuple[int, int]:
    """From which version to which a work without a row has gone, by the disks that it names.

    :raises Refused: the catalog does not know one of them.
    """
    with site.catalog.read() as tx:
        if not known.fallback:
            numbers = _gold_number(known.base), _gold_number(known.gold)
        else:
            back = fallback_of(tx, known)
            numbers = clone.version, back.from_version if back is not None else 0
        for number in numbers:
            if gold.find(tx, clone.image, number) is None:
                raise unknown_gold(clone.name, f"gold {number} of {clone.image}" if number else "gold")
    return numbers


def fallback_of(tx: Tx, known: WorkFile) -> fallbacks.Fallback | None:
    """The fallback that a rollback goes back to: by its disks, since a restored catalog counts again."""
    wanted = dict(known.gold if known.carry else known.new)
    if wanted:
        found = [one for one in fallbacks.every(tx, known.clone, all_states=True) if dict(one.disks) == wanted]
        kept = [one for one in found if one.state in ("kept", "used")]
        return kept[-1] if kept else None
    return None


def _gold_number(disks: Disks) -> int:
    """The version of gold's disks: ``small.gold.2.1B5``."""
    return next((int(disk.split(".gold.")[1].split(".")[0]) for disk in disks.values() if ".gold." in disk), 0)


def give_number(site: Site, known: WorkFile, number: int) -> None:
    """WorkFile without a row gets one's number, which its directory has then."""
    if known.update != number:
        old = update_files.directory(site, known.clone, known.update)
        known.update = number
        os.rename(old, update_files.directory(site, known.clone, number))
        update_files.save(site, known)
