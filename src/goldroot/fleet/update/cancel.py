"""Giving up the update or rollback of a clone that is in flight, as long as it has not switched."""

from __future__ import annotations

from goldroot import crash
from goldroot.catalog import Update, clones, updates
from goldroot.errors import NotFound, Refused
from goldroot.fleet.update.reconcile import clear_cancelled, clone_lock, is_left, is_switched, reconcile, settle, sync
from goldroot.site import Site


def cancelled_update(site: Site, name: str) -> Update:
    """The newest update or rollback of a clone, which was given up."""
    with site.catalog.read() as tx:
        last = updates.latest(tx, name)
    assert last is not None  # the caller knows that one was given up
    return last


def cancel_update(site: Site, name: str) -> Update:
    """Give up the update or rollback of a clone that is in flight; its disks go, the server stays as it is.

    :raises Refused: there is none, or it has switched already; where only the catalog's word of that is missing, that is
        brought up.
    """
    with clone_lock(site, name, f"cancel of the update of {name}"):
        sync(site, name)
        _refuse_switched(site, name)
        cut_off = clear_cancelled(site, name)
        settled = reconcile(site, name)
        with site.catalog.read() as tx:
            clones.get(tx, name)
            going = updates.in_flight(tx, name)
        if going is None and cut_off is not None:
            return cut_off
        if going is None:
            done = f": {settled.kind} {settled.id} had switched already, and is done" if settled else ""
            raise Refused(f"no update of {name} is in flight{done}", meaning="Nothing was changed.")
        with site.catalog.begin() as tx:
            clones.fence(tx, name)
            ended = updates.set_state(tx, going.id, "cancelled")
        crash.point("update.cancelled")
        clear_cancelled(site, name)
        settle(site, name)
        return ended


def waiting_update(site: Site, name: str) -> Update | None:
    """The clone's update in flight; one that has switched already counts as none."""
    with site.catalog.read() as tx:
        going = updates.in_flight(tx, name)
    return None if going is None or is_switched(site, going) else going


def plan_cancel(site: Site, name: str) -> Update:
    """What :func:`cancel_update` would give up.

    :raises Refused: as that. :raises NotFound: none is in flight.
    """
    _refuse_switched(site, name)
    if (found := waiting_update(site, name)) is None:
        raise NotFound(f"no update of {name} is in flight")
    return found


def _refuse_switched(site: Site, name: str) -> None:
    """:raises Refused: its update or rollback has switched, and is not at its end: it goes on, or back, but not away."""
    with site.catalog.read() as tx:
        going = updates.in_flight(tx, name)
    if going is None or not is_left(going) or not is_switched(site, going):
        return
    if going.told.get("returned_by"):
        where = f"It did not come up well, and is on its way back to gold {going.from_version}"
        then = ""
    else:
        where = f"It has the disks of gold {going.to_version}, and nobody has asked yet how it does with them"
        then = f"; it goes back by itself where it does not do well. To go back all the same, then: goldroot rollback {name}"
    raise Refused(
        f"{going.kind} {going.id} of {name} has switched already ({going.stands}): it cannot be cancelled",
        meaning=f"{where}. Nothing was changed.",
        todo=f"Finish it: {going.goes_on}{then if going.kind == 'update' else ''}",
    )
