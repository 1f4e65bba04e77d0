"""Removing what is kept for the way back: by a person's word or its date, and where more is kept than the site wants."""

from __future__ import annotations

from dataclasses import dataclass, replace

from goldroot import crash
from goldroot.catalog import Fallback, updates
from goldroot.errors import GoldrootError, Refused
from goldroot.fleet.clone_names import host_of, machine_of
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.reconcile import drop_set, reconcile
from goldroot.hosts import applied, find_entry, with_mark
from goldroot.site import Site


@dataclass(frozen=True, slots=True)
class Pruned:
    """One fallback whose disks are gone, or why they are not."""

    fallback: Fallback
    error: GoldrootError | None = None


def prune_kept(site: Site, one: Fallback) -> Fallback:
    """Remove a fallback, or what was set aside, for good; a second time it finishes the first.  The clone is locked.

    :raises Refused: a rollback that is in flight goes back to it.
    """
    reconcile(site, one.clone)
    with site.catalog.begin() as tx:
        going = updates.in_flight(tx, one.clone)
        if going is not None and going.back == one.work:
            raise Refused(f"a rollback of {one.clone} needs this fallback", todo="Finish or cancel that first.")
        pruned = updates.set_fallback(tx, one.id, "pruned")
    crash.point("fallback.pruned")
    _remove_set(site, pruned)
    with site.catalog.begin() as tx:
        updates.follow_fallback(tx, one.id, "pruned", gone=True, disks=one.disks)
    crash.point("fallback.gone")
    return pruned


def prune_beyond(site: Site, name: str) -> list[Pruned]:
    """Prune the fallbacks of a clone beyond as many as the site keeps, oldest first; its lock is held.

    What was set aside by a rollback is a person's to look into: it does not count, and never goes by itself.  One that
    cannot go now is tried again after the next update.
    """
    with site.catalog.read() as tx:
        begun = updates.cut_off_fallbacks(tx, name)
        kept = [one for one in updates.fallbacks(tx, name) if one.state == "kept"]
    done = []
    for one in [*begun, *kept[: max(0, len(kept) - site.config.keep_sets)]]:
        try:
            done.append(Pruned(prune_kept(site, one)))
        except GoldrootError as error:
            done.append(Pruned(one, error))
    return done


def _remove_set(site: Site, one: Fallback) -> None:
    """Its disks, and the links that go with them; a live disk is never among them.  Again: nothing."""
    host = host_of(site, one.clone)
    entry = host.find(machine_of(site, one.clone))
    digit = None if entry is None else kept_sets(entry).get(one.work)
    if entry is None or digit is None:
        return
    if (mark := entry.marks[digit]).state != "removing":
        applied(host, with_mark(entry, digit, replace(mark, state="removing")))
        crash.point("fallback.marked")
    drop_set(site, host, find_entry(host, entry.name), digit)
