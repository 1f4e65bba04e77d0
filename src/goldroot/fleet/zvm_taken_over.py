"""A site that follows the paper is taken over: rows of the catalog for what stands on z/VM, and signed records of gold."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from goldroot.catalog import disks
from goldroot.fleet.taken_over import take_over_clone
from goldroot.hosts import Mark, utc_now
from goldroot.ids import new_id
from goldroot.image import take_over_image, take_over_version
from goldroot.site import Layout, Site

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Found, Survey, ZvmHost


def take_over_site(
    site: Site, host: ZvmHost, what: tuple[str, Layout], found: Survey, numbers: dict[str, int], form: str
) -> Iterable[str]:
    """Write down what was found, and take its disks over.

    :param what: the image, and its layout.
    :param numbers: slot -> version.
    :param form: of the file systems; "": the usual one.
    :returns: one line for each thing that was taken over.
    """
    image, layout = what
    ids = {}
    slots = sorted((slot for slot in found.slots if not slot.why), key=lambda slot: numbers[slot.name])
    for slot in slots:
        mark = _mark(host, slot, Mark("gold", new_id(), image, "", numbers[slot.name], utc_now()))
        ids[slot.name] = host.adopt(slot, mark, form)
    take_over_image(site, image, layout, host, site.config.image(image).slots, ids[slots[-1].name])
    for slot in slots:
        new = take_over_version(site, image, numbers[slot.name], slot.name, host)
        yield f"gold version {numbers[slot.name]}, in {slot.name}" + ("" if new else " (already)")
    if found.system is not None and not found.system.why:
        mark = _mark(host, found.system, Mark("live", new_id(), image, "", 0, utc_now()))
        made = host.adopt(found.system, mark, form)
        with site.catalog.begin() as tx:
            name = found.system.name
            disks.register(
                tx, [disks.DiskRow(id, host.name, name, "system", mark.by, a, "made") for a, id in made.items()]
            )
        yield f"the maintenance system {found.system.name}"
    for server in found.servers:
        if server.why or server.gold not in numbers:
            continue
        gold = (image, numbers[server.gold])
        done = take_over_clone(
            site,
            host,
            server.name.lower(),
            gold,
            "read-only",
            partial(host.adopt, server, form=form),
        )
        unread = f"; its disks are read at its next update: {done.unread}" if done.unread else ""
        yield f"server {done.name}, on version {done.version}" + ("" if done.new else " (already)") + unread


def _mark(host: ZvmHost, found: Found, wanted: Mark) -> Mark:
    """The mark that an entry has already, from a command that was cut off, or a new one."""
    entry = host.find(found.name)
    return wanted if entry is None else entry.marks.get("1", wanted)
