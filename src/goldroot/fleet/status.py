"""How the fleet is: what is in flight, what waits for a person, what is about to expire.  From the catalog alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from goldroot.catalog import Clone, Fallback, Tx, Update, clones, copies, decisions, gold, images, now, updates
from goldroot.errors import Busy
from goldroot.site import Site

#: What expires within so many days is told.
SOON = 3


def fleet_status(site: Site) -> dict[str, Any]:
    """The whole fleet, as JSON data."""
    with site.catalog.read() as tx:
        found, going = clones.every(tx), updates.all_in_flight(tx)
        worked_on = {one.clone for one in going if _is_worked_on(site, one.clone)}
        left = decisions.open_counts(tx)
        kept = updates.fallbacks(tx)
        still = [one for one in going if one.clone not in worked_on]
        waits = [*_reviews(still, left), *_stopped(still, left), *_cut_off(site, tx, found)]
        lines = [_image(tx, one.name, found) for one in images.every(tx)]
    soon = now(timedelta(days=SOON))
    return {
        "images": lines, "clones": len(found),
        "in_flight": [
            {**update_data(one, left.get(one.id, 0)), "worked_on": one.clone in worked_on} for one in going
        ],
        "waits": waits,
        "expiring": [_expiring(one) for one in sorted(kept, key=lambda one: one.kept_until) if one.kept_until <= soon],
    }  # fmt: skip


def _is_worked_on(site: Site, clone: str) -> bool:
    """Whether a command works on it at this moment."""
    try:
        site.refuse_held(f"clone-{clone}")
    except Busy:
        return True
    return False


def _image(tx: Tx, name: str, found: Sequence[Clone]) -> dict[str, Any]:
    current = gold.current(tx, name)
    on = Counter(one.version for one in found if one.image == name)
    newest = 0 if current is None else current.number
    return {
        "image": name, "version": newest or None, "clones": on.total(), "current": on[newest],
        "others": {str(version): count for version, count in sorted(on.items()) if version != newest},
        "free_slots": sum(slot.version is None for slot in copies.all_slots(tx, name)),
    }  # fmt: skip


def update_data(one: Update, left: int) -> dict[str, Any]:
    """An update or rollback as JSON data; ``left``: its questions without an answer."""
    return {
        "id": one.id, "clone": one.clone, "kind": one.kind, "from": one.from_version, "to": one.to_version,
        "state": one.stands, "open_conflicts": left, "changed_at": one.changed_at, "record": one.record, "error": one.error,
        "reason": one.reason,
    }  # fmt: skip


def _wait(kind: str, name: str, text: str, command: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "text": text, "command": command}


def _reviews(going: Sequence[Update], left: dict[int, int]) -> Iterator[dict[str, Any]]:
    for one in going:
        if count := left.get(one.id, 0):
            yield _wait("review", one.clone, f"{count} to decide", f"goldroot review show {one.clone}")


def _stopped(going: Sequence[Update], left: dict[int, int]) -> Iterator[dict[str, Any]]:
    """Those that nobody decides anything about any more, and that stopped with an error or wait for the next command."""
    for one in going:
        if left.get(one.id, 0):
            continue
        if one.error:
            yield _wait("error", one.clone, one.error, one.goes_on)
        elif one.state in ("needs-review", "merged", "checked", "switching", "planned", "preparing"):
            said = "all is decided" if one.state == "needs-review" else f"the {one.kind} is {one.stands}"
            yield _wait("go-on", one.clone, said, one.goes_on)


def _cut_off(site: Site, tx: Tx, found: Sequence[Clone]) -> Iterator[dict[str, Any]]:
    """What was begun and is neither done nor under way by itself."""
    for one in found:
        if one.state == "active" or _is_worked_on(site, one.name):
            continue
        if one.state == "creating":
            again = f"goldroot clone create {one.name} --image {one.image}"
            yield _wait("cut-off", one.name, "its making was begun, and is not done", again)
        if one.state == "deleting":
            yield _wait(
                "cut-off", one.name, "its removal was begun, and is not done", f"goldroot clone delete {one.name}"
            )
    for image in images.every(tx):
        for version in gold.every(tx, image.name):
            if version.state == "publishing":
                said = f"the publish of gold {version.number} was begun, and is not done"
                yield _wait("cut-off", image.name, said, f"goldroot gold publish {image.name}")
    for kept in updates.cut_off_fallbacks(tx):
        said = f"the pruning of fallback {kept.id} was begun, and is not done"
        yield _wait("cut-off", kept.clone, said, f"goldroot fallback prune {kept.clone}")


def _expiring(one: Fallback) -> dict[str, Any]:
    return {
        "clone": one.clone, "fallback": one.id, "version": one.from_version, "state": one.state, "kept_until": one.kept_until,
        "due": one.kept_until <= now(),
    }  # fmt: skip
