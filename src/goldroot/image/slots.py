"""The slots of an image: taking one for a new version or copy, and making it empty.

This is where the first rule is kept on the side of the disks: only a slot that the catalog gave to a version that is
being published is ever emptied, and no slot is given away that a machine links or a process uses.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from goldroot import crash
from goldroot.catalog import GoldVersion, copies, entries, holders_of, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import GoldrootError, NoFreeSlot, Refused
from goldroot.hosts import LIVE, Entry, Host, Mark, applied, utc_now, with_mark
from goldroot.ids import new_id
from goldroot.image.gold_version import copy_directory, directory_of
from goldroot.image.systems import refuse_foreign_disks
from goldroot.site import DiskRegister, Site


@dataclass(frozen=True, slots=True)
class Place:
    """Where a copy of a version stands, or will: the host's name, and the entry that has its disks."""

    image: str
    number: int
    host: str
    slot: str


def begin(site: Site, image: str, note: str, *, fingerprint: str, untested: bool) -> GoldVersion:
    """Take number and slot; a version that was begun and cut off is given up first, its slot cleared."""
    from goldroot.image.found import find_replicated

    find_replicated(site, image)
    give_up_begun(site, image)
    home = home_of(site, image)
    linked = prepared(site, image, home)
    with site.catalog.begin() as tx:
        version = catalog_gold.begin_publish(
            tx, image, fingerprint=fingerprint, untested=untested, note=note, linked=linked
        )
    clear(site, version_copy(version))
    return version


def give_up_begun(site: Site, image: str) -> None:
    """Give up the publish of an image that was cut off: its slot is empty, and its number free.  The image is locked.

    :raises Refused: its slot is linked, and is not what was to be published.
    """
    with site.catalog.read() as tx:
        begun = [known for known in catalog_gold.every(tx, image) if known.state == "publishing"]
    for known in begun:
        if _was_published(site, known):
            continue
        clear(site, version_copy(known))
        with site.catalog.begin() as tx:
            catalog_gold.abandon_publish(tx, image, known.number)
        crash.point("publish-abandoned")


def home_of(site: Site, image: str) -> Host:
    """The host on which an image is maintained and published. :raises NotFound: there is no such image."""
    with site.catalog.read() as tx:
        return site.host_named(images.get(tx, image).host)


def version_copy(version: GoldVersion) -> Place:
    """Where a version is being filled."""
    assert version.slot_name is not None
    return Place(version.image, version.number, version.host, version.slot_name)


def prepared(site: Site, image: str, host: Host) -> dict[str, str]:
    """The slots of a host that are in use, whatever the catalog says, and by whom; there are as many as is configured."""
    add_configured(site, image, host.name)
    linked = _linked(site, image, host)
    return _linked(site, image, host) if _found_published(site, image, host, linked) else linked


def _found_published(site: Site, image: str, host: Host, linked: Collection[str]) -> bool:
    """Note the versions in linked slots that the catalog has as empty: it is older than their publishes."""
    from goldroot.image.found import find_linked

    with site.catalog.read() as tx:
        empty = [slot.name for slot in copies.all_slots(tx, image, host.name) if slot.version is None]
    found = [find_linked(site, image, name, host.name) for name in empty if name in linked]
    return any(number is not None for number in found)


def _was_published(site: Site, begun: GoldVersion) -> bool:
    """Whether a version that the catalog has as begun was published: somebody links it.  An older catalog says less."""
    assert begun.slot_name is not None
    if not site.host_named(begun.host).linked(begun.slot_name):
        return False
    from goldroot.image.found import find_linked

    if find_linked(site, begun.image, begun.slot_name, begun.host) != begun.number:
        raise Refused(
            f"{begun.slot_name} is linked, and is not what version {begun.number} of {begun.image} was to be",
            meaning="The catalog is older than what stands there. Nothing was changed.",
            todo="Put back a newer catalog. Who links it: goldroot linked",
        )
    return True


def add_configured(site: Site, image: str, host: str) -> None:
    """Slots on a host that the configuration has and the image has not yet."""
    wanted = site.config.image(image).slots
    with site.catalog.begin() as tx:
        for _ in range(len(copies.all_slots(tx, image, host)), wanted):
            copies.add_slot(tx, image, host)


def next_slot(site: Site, image: str, host: Host) -> tuple[str, int | None]:
    """The slot of a host that the next version would stand in, and the version that would have to leave it.

    :raises NoFreeSlot: every slot is held; the error names by whom.
    """
    linked = _linked(site, image, host)
    with site.catalog.read() as tx:
        count = len(copies.all_slots(tx, image, host.name))
        try:
            slot = copies.next_slot(tx, image, host.name, linked)
        except NoFreeSlot:
            if count >= site.config.image(image).slots:
                raise
            return entries.free_for_slot(tx, image, count + 1, host.name), None
    return slot.name, slot.version


def _linked(site: Site, image: str, host: Host) -> dict[str, str]:
    """Slots that are in use, whatever the catalog says, and by whom; those that it knows to be held are left to it."""
    with site.catalog.read() as tx:
        slots = [
            slot.name
            for slot in copies.all_slots(tx, image, host.name)
            if slot.version is None or not holders_of(tx, image, slot.version, host.name)
        ]
    found = {}
    for name in slots:
        for machine, address, _ in host.linked(name)[:1]:
            found[name] = f"{machine} links it at {address}"
    disks = {name: _disks(host, name) for name in slots if name not in found}
    # One look at the machine's processes for all of them; only where something is used, which one is asked.
    if host.in_use([id for ids in disks.values() for id in ids]) is not None:
        found |= {name: why for name, ids in disks.items() if (why := host.in_use(ids))}
    return {name: found[name] for name in slots if name in found}


def _disks(host: Host, name: str) -> list[str]:
    entry = host.find(name)
    return [] if entry is None else [disk.id for disk in entry.disks.values()]


def clear(site: Site, place: Place) -> None:
    """An empty slot, marked for the version that comes: its owner without disks.

    Only a slot that the catalog gave to a copy that is being filled comes here: nobody holds it.
    """
    with site.catalog.read() as tx:
        copy = copies.find(tx, place.image, place.number, place.host)
    if copy is None or (copy.slot_name, copy.state) != (place.slot, "filling"):
        raise Refused(f"{place.slot} holds a published version", meaning="Gold is never written.")
    host = site.host_named(place.host)
    own = DiskRegister(site, host, place.slot, "gold")
    own.tidy()
    mark = Mark("publishing", new_id(), place.image, "", place.number, utc_now())
    if (entry := host.find(place.slot)) is None:
        host.define(Entry(place.slot, "owner", marks={LIVE: mark}))
    else:
        refuse_foreign_disks(entry, place.image, f"a slot of image {place.image}")
        applied(host, with_mark(entry, LIVE, mark))
        crash.point("publish-slot-marked")
        own.remove([disk.id for disk in entry.disks.values()])
        crash.point("publish-slot-emptied")
    for left in (
        directory_of(site, place.image, place.number, new=True),
        copy_directory(site, place.image, place.number, place.host),
    ):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def tidy(site: Site, place: Place) -> Iterator[None]:
    """When the block fails, what it wrote goes at once: a full file system must not stay full."""
    try:
        yield
    except BaseException:
        with suppress(GoldrootError, OSError):
            clear(site, place)
        raise
