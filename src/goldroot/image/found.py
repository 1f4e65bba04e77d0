"""Gold versions that stand on the host and that an older catalog does not know, or has as begun.

Nobody can link a version before it is visible.  So a slot that a machine links, and that is marked as gold, holds a
version that was published: its signed record is what the catalog's row is made from again.
"""

from __future__ import annotations

import os

from goldroot.catalog import copies
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound
from goldroot.hosts import LIVE
from goldroot.image.gold_version import SIGNATURE, directory_of, read_gold_record
from goldroot.image.slots import add_configured
from goldroot.site import Site


def find_linked(site: Site, image: str, slot: str, host: str) -> int | None:
    """Note the version in a slot that a machine links as published, where the catalog does not have it so.

    :returns: its number; ``None`` where the slot does not say that it holds a version of the image.
    :raises BadSignature: its record is not what a signer of this site signed.
    """
    entry = site.host_named(host).find(slot)
    mark = entry.marks.get(LIVE) if entry is not None else None
    if mark is None or mark.image != image or mark.state != "gold":
        return None
    number = mark.version
    with site.catalog.read() as tx:
        known = catalog_gold.find(tx, image, number, host)
    if known is not None and known.state != "publishing" and known.copy == "whole":
        return number if known.slot_name == slot else None
    record = read_gold_record(site, image, number)
    with open(os.path.join(directory_of(site, image, number), SIGNATURE), encoding="utf-8") as file:
        signature = file.read()
    add_configured(site, image, host)
    with site.catalog.begin() as tx:
        place = next((one for one in copies.all_slots(tx, image, host) if one.name == slot), None)
        if place is None:
            raise NotFound(f"image {image!r} has no slot {slot}", todo="Set `slots` in goldroot.toml as it was.")
        catalog_gold.found(tx, image, number, place, record=record, signature={"ssh": signature})
    return number


def find_replicated(site: Site, image: str) -> None:
    """Note the copies on other hosts that this catalog does not know, with their versions: it is older.

    What is kept of a copy is written when the copy is complete, and only of a version that was published.  A new version
    must not get the number of one that servers of another host are on.
    """
    place = site.image_path(image, "gold")
    with site.catalog.read() as tx:
        known = {(one.version, one.host) for one in copies.every(tx, image) if one.state == "whole"}
    for number in sorted(int(name) for name in _names(place) if name.isdecimal()):
        for name in _names(os.path.join(place, str(number))):
            host = name.removeprefix("on-")
            if host != name and host in site.config.hosts and (number, host) not in known:
                _find_on(site, image, number, host)


def _find_on(site: Site, image: str, number: int, host: str) -> None:
    add_configured(site, image, host)
    with site.catalog.read() as tx:
        slots = copies.all_slots(tx, image, host)
    for slot in slots:
        entry = site.host_named(host).find(slot.name)
        mark = entry.marks.get(LIVE) if entry is not None else None
        if mark is not None and (mark.state, mark.image, mark.version) == ("gold", image, number):
            find_linked(site, image, slot.name, host)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
