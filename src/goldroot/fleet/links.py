"""Who is on which gold version, the current one marked: what the paper's LINKED EXEC showed."""

from __future__ import annotations

from typing import Any

from goldroot.catalog import copies, gold, holders_of, images
from goldroot.errors import Damaged
from goldroot.hosts import Host, SeesLinks, is_live
from goldroot.site import Site


def slot_links(
    site: Site, image: str | None = None, *, damaged: list[Damaged] | None = None, live: bool = False
) -> list[dict[str, Any]]:
    """One row for each slot of each image, as JSON data: version, whether it is current, who holds and who links it.

    ``links`` is what the host says, ``held_by`` what the catalog says: a clone stands in both, and what stands in one
    only is worth a look.

    :param damaged: gets the errors of entries that cannot be read: whom these link is not known.
    :param live: ask the hosts that can tell, too, who has the slot's disks at this moment: ``live`` says it, ``differs``
        what of it is otherwise than by the entries; both are ``None`` where the host cannot tell.
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
                })  # fmt: skip
    for row in rows:
        where, slot_name = str(row["host"]), str(row["slot"])
        found = links.get((where, slot_name), set())
        there = site.host_named(where)
        if isinstance(there, SeesLinks):
            found |= {(machine, address) for machine, address, _ in there.linked(slot_name)}
        row["links"] = [f"{machine} {address}" for machine, address in sorted(found)]
        if live:
            row |= _live(there, slot_name, found)
    return rows


def _live(host: Host, slot: str, configured: set[tuple[str, str]]) -> dict[str, Any]:
    """Who has a slot's disks now, and what is otherwise than by the entries."""
    if not isinstance(host, SeesLinks):
        return {"live": None, "differs": None}
    if host.find(slot) is None:
        return {"live": [], "differs": []}
    now, on = {(machine, address) for machine, address, _ in host.linked_now(slot)}, host.running()
    differs = [
        f"{machine} has {slot} at {address} since its logon, and its entry does not say so"
        for machine, address in sorted(now - configured)
    ]
    differs += [
        f"{machine} is logged on without {slot} at {address}, which its entry links: it takes it at its next logon"
        for machine, address in sorted(configured - now)
        if machine in on and is_live(address)
    ]
    return {"live": [f"{machine} {address}" for machine, address in sorted(now)], "differs": differs}
