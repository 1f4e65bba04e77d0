"""What is shown of images and gold versions, as JSON data: the shapes are those of :mod:`goldroot.views`."""

from __future__ import annotations

from typing import Any

from goldroot.catalog import Copy, GoldVersion, copies, entries, gold, holders_of, images
from goldroot.image.gold_version import read_gold_record
from goldroot.site import Site


def image_rows(site: Site) -> list[dict[str, Any]]:
    """The images, with their current version and their slots on their home host."""
    with site.catalog.read() as tx:
        found = [
            (each, gold.current(tx, each.name), copies.all_slots(tx, each.name, each.host)) for each in images.every(tx)
        ]
    return [
        {
            "image": each.name, "name": each.name,  # the older name
            "host": each.host, "layout": each.layout, "os": dict(each.os), "created_at": each.created_at,
            "current": newest.number if newest else None,
            "slots": {slot.name: slot.version for slot in slots},
        }
        for each, newest, slots in found
    ]  # fmt: skip


def version_rows(site: Site, image: str | None = None) -> list[dict[str, Any]]:
    """The gold versions (of one image), with their copies.

    :raises NotFound: there is no such image.
    """
    with site.catalog.read() as tx:
        names = [images.get(tx, image).name] if image else [each.name for each in images.every(tx)]
        found = [version for name in names for version in gold.every(tx, name)]
        there = {name: copies.every(tx, name) for name in names}
        newest = [(each.image, each.number) for name in names if (each := gold.current(tx, name)) is not None]
    return [
        {
            **version_data(each),
            "current": (each.image, each.number) in newest,
            "copies": _copies(there[each.image], each.number),
        }
        for each in found
    ]


def version_shown(site: Site, image: str, number: int) -> dict[str, Any]:
    """The signed record of a version, who holds it, and where its copies stand.

    :raises NotFound: there is no such version. :raises BadSignature: its record is not what was signed.
    """
    with site.catalog.read() as tx:
        held = [str(holder) for holder in holders_of(tx, image, number)]
        version = gold.get(tx, image, number)
        there = copies.every(tx, image, number)
    record = dict(read_gold_record(site, image, number))
    record["layout"] = record["layout"]["name"]
    return {
        **record, "state": version.state, "slot": version.slot_name, "copies": _copies(there, number), "held_by": held,
    }  # fmt: skip


def version_held(site: Site, image: str, number: int, host: str = "") -> tuple[GoldVersion, list[str]]:
    """A version, and who holds it (on one host), in words.

    :raises NotFound: there is no such version, or that host has no copy.
    """
    with site.catalog.read() as tx:
        version = gold.get(tx, image, number, host)
        return version, [str(holder) for holder in holders_of(tx, image, number, host or None)]


def current_number(site: Site, image: str) -> int:
    """The version that clones are told to go to; 0: none."""
    with site.catalog.read() as tx:
        newest = gold.current(tx, image)
    return 0 if newest is None else newest.number


def slot_names(site: Site, image: str) -> list[str]:
    """The names of an image's slots, as many as the configuration says."""
    return [entries.slot_name(image, number) for number in range(1, site.config.image(image).slots + 1)]


def image_names(site: Site) -> list[str]:
    """The names of the images."""
    with site.catalog.read() as tx:
        return [one.name for one in images.every(tx)]


def hosts_with(site: Site, image: str, number: int) -> list[str]:
    """The hosts that have a whole copy of a version."""
    with site.catalog.read() as tx:
        return [one.host for one in copies.every(tx, image, number) if one.state == "whole"]


def version_data(version: GoldVersion) -> dict[str, Any]:
    """A version as JSON data."""
    return {
        "image": version.image, "version": version.number, "number": version.number,  # the older name
        "state": version.state, "slot": version.slot_name, "untested": version.untested,
        "published_at": version.published_at, "note": version.note, "digests": dict(version.digests),
    }  # fmt: skip


def _copies(there: list[Copy], number: int) -> list[dict[str, Any]]:
    return [{"host": one.host, "slot": one.slot_name, "state": one.state} for one in there if one.version == number]
