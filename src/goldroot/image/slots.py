"""The slots of an image: taking one for a new version, and making it empty.

This is where the first rule is kept on the side of the disks: only a slot that the catalog gave to a version that is
being published is ever emptied, and no slot is given away that a machine links or a process uses.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from goldroot import crash
from goldroot.catalog import GoldVersion, entries, holders_of
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import GoldrootError, NoFreeSlot, Refused
from goldroot.hosts import LIVE, Entry, Mark, new_id, utc_now, with_mark
from goldroot.image.gold_version import directory_of
from goldroot.image.systems import refuse_foreign_disks
from goldroot.site import Site


def begin(site: Site, image: str, note: str, *, fingerprint: str, untested: bool) -> GoldVersion:
    """Take number and slot; a version that was begun and cut off is given up first, its slot cleared."""
    with site.catalog.read() as tx:
        begun = [known for known in catalog_gold.every(tx, image) if known.state == "publishing"]
    for known in begun:
        if _was_published(site, known):
            continue
        _clear(site, known)
        with site.catalog.begin() as tx:
            catalog_gold.abandon_publish(tx, image, known.number)
        crash.point("publish-abandoned")
    add_configured(site, image)
    linked = _linked(site, image)
    if _found_published(site, image, linked):
        linked = _linked(site, image)
    try:
        with site.catalog.begin() as tx:
            version = catalog_gold.begin_publish(
                tx, image, fingerprint=fingerprint, untested=untested, note=note, linked=linked
            )
    except NoFreeSlot as error:
        error.meaning = " ".join([error.meaning, *(f"{slot}: {why}." for slot, why in linked.items())]).strip()
        raise
    _clear(site, version)
    return version


def _found_published(site: Site, image: str, linked: Collection[str]) -> bool:
    """Note the versions in linked slots that the catalog has as empty: it is older than their publishes."""
    from goldroot.image.found import find_linked

    with site.catalog.read() as tx:
        empty = [slot.name for slot in catalog_gold.all_slots(tx, image) if slot.version is None]
    found = [find_linked(site, image, name) for name in empty if name in linked]
    return any(number is not None for number in found)


def _was_published(site: Site, begun: GoldVersion) -> bool:
    """Whether a version that the catalog has as begun was published: somebody links it.  An older catalog says less."""
    assert begun.slot_name is not None
    if not site.host.linked(begun.slot_name):
        return False
    from goldroot.image.found import find_linked

    if find_linked(site, begun.image, begun.slot_name) != begun.number:
        raise Refused(
            f"{begun.slot_name} is linked, and is not what version {begun.number} of {begun.image} was to be",
            meaning="The catalog is older than what stands there. Nothing was changed.",
            todo="Put back a newer catalog. Who links it: goldroot linked",
        )
    return True


def add_configured(site: Site, image: str) -> None:
    """Slots that the configuration has and the image has not yet."""
    wanted = site.config.image(image).slots
    with site.catalog.begin() as tx:
        for _ in range(len(catalog_gold.all_slots(tx, image)), wanted):
            catalog_gold.add_slot(tx, image)


def next_slot(site: Site, image: str) -> tuple[str, int | None]:
    """The slot that the next version would stand in, and the version that would have to leave it.

    :raises NoFreeSlot: every slot is held; the error names by whom.
    """
    linked = _linked(site, image)
    with site.catalog.read() as tx:
        count = len(catalog_gold.all_slots(tx, image))
        try:
            slot = catalog_gold.next_slot(tx, image, linked)
        except NoFreeSlot:
            if count >= site.config.image(image).slots:
                raise
            return entries.free_for_slot(tx, image, count + 1), None
    return slot.name, slot.version


def _linked(site: Site, image: str) -> dict[str, str]:
    """Slots that are in use, whatever the catalog says, and by whom; those that it knows to be held are left to it."""
    with site.catalog.read() as tx:
        slots = [
            slot.name
            for slot in catalog_gold.all_slots(tx, image)
            if slot.version is None or not holders_of(tx, image, slot.version)
        ]
    found = {}
    for name in slots:
        for machine, address, _ in site.host.linked(name)[:1]:
            found[name] = f"{machine} links it at {address}"
    disks = {name: _disks(site, name) for name in slots if name not in found}
    # One look at the machine's processes for all of them; only where something is used, which one is asked.
    if site.host.in_use([id for ids in disks.values() for id in ids]) is not None:
        found |= {name: why for name, ids in disks.items() if (why := site.host.in_use(ids))}
    return {name: found[name] for name in slots if name in found}


def _disks(site: Site, name: str) -> list[str]:
    entry = site.host.find(name)
    return [] if entry is None else [disk.id for disk in entry.disks.values()]


def _clear(site: Site, version: GoldVersion) -> None:
    """An empty slot, marked for the version that comes: its owner without disks.

    Only a slot that the catalog gave to a version that is being published comes here: nobody holds it.
    """
    assert version.slot_name is not None
    if version.state != "publishing":
        raise Refused(f"{version.slot_name} holds a published version", meaning="Gold is never written.")
    host, slot = site.host, version.slot_name
    host.tidy()
    mark = Mark("publishing", new_id(), version.image, "", version.number, utc_now())
    if (entry := host.find(slot)) is None:
        host.define(Entry(slot, "owner", marks={LIVE: mark}))
    else:
        refuse_foreign_disks(entry, version.image, f"a slot of image {version.image}")
        host.apply(with_mark(entry, LIVE, mark))
        crash.point("publish-slot-marked")
        for disk in entry.disks.values():
            host.delete_disk(disk.id)
        crash.point("publish-slot-emptied")
    shutil.rmtree(directory_of(site, version.image, version.number, new=True), ignore_errors=True)


@contextmanager
def tidy(site: Site, version: GoldVersion) -> Iterator[None]:
    """When the block fails, what it wrote goes at once: a full file system must not stay full."""
    try:
        yield
    except BaseException:
        with suppress(GoldrootError, OSError):
            _clear(site, version)
        raise
