"""What is kept for the way back: listed, and pruned when its date has passed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from goldroot.catalog import Fallback, clones, now, updates
from goldroot.errors import GoldrootError, NotFound, Refused
from goldroot.fleet.update.kept import Pruned, prune_kept
from goldroot.fleet.update.reconcile import clone_lock
from goldroot.site import Site


def all_fallbacks(site: Site, name: str | None = None) -> list[Fallback]:
    """The fallbacks and the disks set aside, oldest first.

    :raises NotFound: no such clone.
    """
    with site.catalog.read() as tx:
        if name is not None:
            clones.get(tx, name)
        return updates.fallbacks(tx, name)


def fallback_data(one: Fallback) -> dict[str, Any]:
    """A fallback as JSON data."""
    return {
        "id": one.id, "clone": one.clone, "image": one.image, "version": one.from_version, "state": one.state,
        "kept_until": one.kept_until, "due": one.kept_until <= now(), "disks": dict(one.disks),
    }  # fmt: skip


def plan_prune(
    site: Site, names: Collection[str] = (), *, force: bool = False, done: Collection[str] = ()
) -> list[Fallback]:
    """Which fallbacks a prune would remove: those of the named clones (all without names) whose date has passed, but
    for one that an older one needs, and those that an earlier prune was removing when it was killed.

    :param force: those whose date has not passed, too; only with names.
    :param done: names of which the same command, before it was cut off, had pruned everything.
    :raises NotFound: nothing is kept of a named clone.
    """
    if force and not names:
        raise Refused(
            "pruning before the date needs names", todo="Name the clones: goldroot fallback prune web1 --force"
        )
    wanted: list[str | None] = list(dict.fromkeys(names)) or [None]
    begun = [one for name in wanted for one in _cut_off(site, name)]
    found = [one for name in wanted for one in _of(site, name)]
    for name in names:
        if name not in done and not any(one.clone == name for one in (*begun, *found)):
            raise NotFound(f"nothing is kept of a clone {name}", todo="See: goldroot fallback list")
    due = [*begun, *(found if force else _due(found))]
    return [one for one in due if not names or one.clone in names]


def _due(found: Sequence[Fallback]) -> Iterator[Fallback]:
    """Of those that exist, oldest first, the ones whose date has passed and that no older one needs.

    The way back to an older fallback leads over the newer ones: they hold what the server wrote in between, which would
    neither be listed nor carried without them.
    """
    needed: set[str] = set()  #: clones with an older fallback that stays
    for one in found:
        if one.kept_until > now():
            needed |= {one.clone} if one.state == "kept" else set()
        elif one.state != "kept" or one.clone not in needed:
            yield one


def prune_fallbacks(site: Site, wanted: Sequence[Fallback]) -> list[Pruned]:
    """Remove fallbacks for good: those that :func:`plan_prune` chose."""
    pruned = []
    for one in wanted:
        try:
            with clone_lock(site, one.clone, f"pruning of the fallback of {one.clone}"):
                pruned.append(Pruned(prune_kept(site, one)))
        except GoldrootError as error:
            pruned.append(Pruned(one, error))
    return pruned


def _of(site: Site, name: str | None) -> list[Fallback]:
    with site.catalog.read() as tx:
        return updates.fallbacks(tx, name)


def _cut_off(site: Site, name: str | None) -> list[Fallback]:
    """Those (of a clone, of all) that were pruned, and of which something is still there."""
    with site.catalog.read() as tx:
        return updates.cut_off_fallbacks(tx, name)
