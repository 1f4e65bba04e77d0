"""Who is on which gold version, the current one marked: what the paper's LINKED EXEC showed."""

from __future__ import annotations

from typing import Any

from goldroot.catalog import copies, gold, holders_of, images
from goldroot.errors import Damaged
from goldroot.site import Site


def slot_links(site: Site, image: str | None = None, *, damaged: list[Damaged] | None = None) -> list[dict[str, Any]]:
    """One row for each slot of each image, as JSON data: version, whether it is current, who holds and who links it.

    ``links`` is what the host says, ``held_by`` what the catalog says: a clone stands in both, and what stands in one
    only is worth a look.

    :param damaged: gets the errors of entries that cannot be read: whom these link is not known.
    :raises Damaged: there is such an entry, and ``damaged`` is not given.
    """
    links: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for host in site.config.hosts:
        try:
            for entry in site.host_named(host).entries():
                for address, link in entry.links.items():
                    links.setdefault((host, link.owner), set()).add((entry.name, address))
        except Damaged as error:  # all that can be read came before
            if damaged is None:
                raise
            damaged.append(error)
    with site.catalog.read() as tx:
        names = [images.get(tx, image).name] if image else [one.name for one in images.every(tx)]
        rows = []
        for name in names:
            current = gold.current(tx, name)
            for slot in copies.all_slots(tx, name):
                held = [] if slot.version is None else holders_of(tx, name, slot.version, slot.host)
                rows.append({
                    "image": name, "host": slot.host, "slot": slot.name, "version": slot.version,
                    "current": current is not None and slot.version == current.number,
                    "clones": [one.clone for one in held if one.kind == "clone"],
                    "fallbacks": [one.clone for one in held if one.kind == "fallback"],
                    "updates": [one.clone for one in held if one.kind == "update"],
                    "held_by": [str(one) for one in held],
                    "links": [f"{machine} {address}" for machine, address in sorted(links.get((slot.host, slot.name), ()))],
                })  # fmt: skip
    return rows
