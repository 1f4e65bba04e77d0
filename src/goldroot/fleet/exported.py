"""The views that members of a site's group may look at; how a command shows one to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from goldroot.catalog import clones, decisions, gold, images, updates
from goldroot.errors import NotFound
from goldroot.fleet.machines import powers_of
from goldroot.fleet.past import SENTENCES, history
from goldroot.fleet.rollback.fallback import all_fallbacks, fallback_data
from goldroot.fleet.status import fleet_status, update_data
from goldroot.fleet.update.plan import UpdatePlan
from goldroot.site import VIEWS, Site, check_clone_name, read_view

#: How the views of plans are called, before the name of a clone.
_PLAN = "plan-"

#: So many events are exported at most.
EVENTS = 1000


def clone_list(site: Site, image: str | None = None) -> dict[str, Any]:
    """The clones, as `goldroot clone list` has them, with the newest version of each image and whether there are several hosts.

    :raises NotFound: there is no such image.
    """
    with site.catalog.read() as tx:
        if image is not None:
            images.get(tx, image)
        found = clones.every(tx, image)
        newest = {one.image: gold.current(tx, one.image) for one in found}
        going = {one.name: updates.in_flight(tx, one.name) for one in found}
    powers = powers_of(site, found)
    rows = [
        {
            "clone": one.name, "name": one.name, "image": one.image, "version": one.version, "host": one.host, "kind": one.kind,
            "state": one.state,
            "current": (version := newest[one.image]) is not None and version.number == one.version,
            "update": None if (u := going[one.name]) is None else f"{u.kind} to {u.to_version}: {u.stands}",
            "power": powers[one.name].state, "runs": powers[one.name].runs,
        }
        for one in found
    ]  # fmt: skip
    current = {name: None if known is None else known.number for name, known in newest.items()}
    return {"clones": rows, "newest": current, "several_hosts": len(site.config.hosts) > 1}


def update_rows(site: Site, name: str | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """The updates and rollbacks (of a clone) that are in flight, or that ever were.

    :raises NotFound: there is no such clone.
    """
    with site.catalog.read() as tx:
        if name is not None:
            clones.get(tx, name)
        found = [one for one in updates.every(tx, name) if every or not one.ended]
        left = {one.id: len(decisions.conflicts_of(tx, one.id, state="open")) for one in found if not one.ended}
    return [update_data(one, left.get(one.id, 0)) for one in found]


def of_past(rows: list[dict[str, Any]], name: str | None, *, limit: int, every: bool) -> list[dict[str, Any]]:
    """Of exported events those that `goldroot log` would show."""
    return [one for one in rows if name in (None, one["name"]) and (every or one["what"] in SENTENCES)][-limit:]


def plan_views(plans: Iterable[UpdatePlan]) -> dict[str, Callable[[Site], Any]]:
    """A view for each plan."""

    def gives(plan: UpdatePlan) -> Callable[[Site], Any]:
        return lambda _: plan.as_dict()

    return {_PLAN + plan.clone.name: gives(plan) for plan in plans}


def exported_plan(view: Callable[[str], Any], name: str, to: int | None) -> dict[str, Any]:
    """The plan of a clone that was exported last.

    :param view: gives an exported view by its name.
    :raises NotFound: there is none, or it goes to another version. :raises UsageError: no clone can have that name.
    """
    found: dict[str, Any] | None = view(_PLAN + check_clone_name(name))
    if found is None or to not in (None, found["to"]):
        which = "" if to is None else f" to gold {to}"
        raise NotFound(
            f"no plan of {name}{which} was written for others",
            meaning="It is written when the site's owner asks for it, and goes when the server has moved on.",
            todo=f"Ask the owner for: goldroot update plan {name}" + ("" if to is None else f" --to {to}"),
        )
    return found


def forget_plans(site: Site) -> None:
    """Remove exported plans of servers that are gone, or on another version by now."""
    with suppress(OSError):
        there = [name for name in os.listdir(site.path(VIEWS)) if name.startswith(_PLAN)]
        with site.catalog.read() as tx:
            versions = {one.name: one.version for one in clones.every(tx)} if there else {}
        for name in there:
            clone = name.removeprefix(_PLAN).removesuffix(".json")
            found = read_view(site.root, name.removesuffix(".json"))
            if found is None or versions.get(clone) != found[1].get("from"):
                os.unlink(site.path(VIEWS, name))


#: View -> what makes it.
EXPORTED: Mapping[str, Callable[[Site], Any]] = MappingProxyType(
    {
        "status": fleet_status,
        "clones": clone_list,
        "updates": lambda site: update_rows(site, every=True),
        "fallbacks": lambda site: [fallback_data(one) for one in all_fallbacks(site)],
        "log": lambda site: history(site, limit=EVENTS, every=True),
    }
)
