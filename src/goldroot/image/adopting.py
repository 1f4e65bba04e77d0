"""Images and gold versions that stand on the hosts and that the catalog does not know: it is older than they are, or new.

What an entry is of says its mark; what a version is says its signed record.  The names of an image's systems and slots are
those by which they were made (:mod:`goldroot.catalog.entries`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from goldroot.catalog import copies, entries, images, now
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import GoldrootError, Refused
from goldroot.hosts import LIVE, Entry
from goldroot.image.found import find_linked
from goldroot.image.gold_version import RECORD, SIGNATURE, directory_of, read_gold_record
from goldroot.image.importing import give_up_import, system_facts
from goldroot.image.slots import add_configured, give_up_begun
from goldroot.image.systems import MAINTENANCE, System, image_layout
from goldroot.site import Site, former_names

__all__ = ["adopt_image", "adopt_version", "finish_publish", "give_up_import", "note_gone", "recorded_numbers"]


def recorded_numbers(site: Site, image: str) -> list[int]:
    """The versions of an image that have a record in the site, with or without disks."""
    place = site.image_path(image, "gold")
    try:
        names = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if name.isdecimal() and os.path.exists(os.path.join(place, name, RECORD)))


def adopt_image(site: Site, image: str, there: Iterable[tuple[str, Entry]]) -> None:
    """The rows of an image, with its slots; its versions are adopted one by one.

    :param there: host and entry of each of its systems and slots.
    :raises NotFound: its layout is not there. :raises Refused: a name is another's, or none of it can be placed.
    """
    found = list(there)
    names = [name for host, entry in found if (name := _name_of(site, image, host, entry)) is not None]
    homes = [name.host for name in names if name.role == "maintenance"] or [name.host for name in names]
    if not homes:
        raise Refused(
            f"nothing that the hosts have of image {image} has a name by which it can be placed",
            todo="Put the catalog back from a backup.",
        )
    layout = image_layout(site, image)
    since = min((mark.since for _, entry in found for mark in entry.marks.values() if mark.since), default="") or now()
    with site.lock(f"image-{image}", doing=f"adoption of image {image}"):
        with site.catalog.begin() as tx:
            images.found(tx, images.Image(image, layout.name, _facts_of_records(site, image), since, homes[0]), names)
        add_configured(site, image, homes[0])
        system = System(site, image, MAINTENANCE)
        if not system.exists():
            return
        with site.catalog.begin() as tx:
            images.touched(tx, image, MAINTENANCE)
            if not images.get(tx, image).os:
                images.set_layout_and_os(tx, image, os=system_facts(system))


def _name_of(site: Site, image: str, host: str, entry: Entry) -> entries.Entry | None:
    """What an entry is of, by its name, which may be after one that the image had before; ``None``: nothing of the image."""
    for called in (image, *former_names(site, image)):
        for role, suffix in entries.SUFFIXES.items():
            if entry.role == "machine" and entry.name == called.upper() + suffix:
                return entries.Entry(host, entry.name, role, "", image, 0)
        slot = re.fullmatch(re.escape(called.upper()) + r"GOLD([0-9]{0,4})[B-Z]{0,99}", entry.name)
        if entry.role == "owner" and slot is not None:
            return entries.Entry(host, entry.name, "slot", "", image, int(slot[1] or 1))
    return None


def _facts_of_records(site: Site, image: str) -> dict[str, str]:
    for number in reversed(recorded_numbers(site, image)):
        try:
            return dict(read_gold_record(site, image, number)["os"])
        except GoldrootError:
            continue
    return {}


def adopt_version(site: Site, image: str, number: int) -> None:
    """The rows of a version: with a copy in each slot that says so, or retired where none does.

    :raises BadSignature: its record is not what a signer of this site signed.
    """
    record = read_gold_record(site, image, number)
    with site.catalog.read() as tx:
        slots = copies.all_slots(tx, image)
    placed = False
    for slot in slots:
        if slot.host not in site.config.hosts:
            continue
        entry = site.host_named(slot.host).find(slot.name)
        mark = None if entry is None else entry.marks.get(LIVE)
        if mark is not None and (mark.state, mark.image, mark.version) == ("gold", image, number):
            find_linked(site, image, slot.name, slot.host)
            placed = True
    if placed:
        return
    with open(os.path.join(directory_of(site, image, number), SIGNATURE), encoding="utf-8") as file:
        signature = {"ssh": file.read()}
    with site.catalog.begin() as tx:
        catalog_gold.found_removed(tx, image, number, record=record, signature=signature)


def finish_publish(site: Site, image: str) -> None:
    """Finish the publish of an image that was cut off behind its last step on the host, or give it up.

    :raises Refused: its slot is linked, and is not what was to be published.
    """
    with site.lock(f"image-{image}", doing=f"end of the publish of {image} that was cut off"):
        with site.catalog.read() as tx:
            begun = [one for one in catalog_gold.every(tx, image) if one.state == "publishing"]
        for one in begun:
            entry = None if one.slot_name is None else site.host_named(one.host).find(one.slot_name)
            mark = None if entry is None else entry.marks.get(LIVE)
            if mark is not None and (mark.state, mark.image, mark.version) == ("gold", image, one.number):
                assert one.slot_name is not None
                find_linked(site, image, one.slot_name, one.host)
        give_up_begun(site, image)


def note_gone(site: Site, image: str, number: int, host: str) -> None:
    """A version has no disks on a host any more, by its slot."""
    with site.catalog.begin() as tx:
        copies.gone(tx, image, number, host)
