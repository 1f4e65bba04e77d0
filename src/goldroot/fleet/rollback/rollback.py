"""The way back: the fallback's disks and links become live again in one step, what was live is set aside and kept.

``plain`` puts the fallback in place as it was.  ``carry`` merges what was changed since the switch onto it: the base is
the result of the merge at the switch, made again from the fallback, both golds and the decisions of then; the gold side
is the fallback, the clone side what is live now.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone, Fallback, Update, updates
from goldroot.errors import NotFound, Refused
from goldroot.fleet import manifests
from goldroot.fleet.inputs import Stage, open_clone, policy_of, silent
from goldroot.fleet.replaced import refuse_replaced
from goldroot.fleet.rollback.carry import carry_merge
from goldroot.fleet.update import open_update
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.entry_says import has_switched, kept_sets
from goldroot.fleet.update.merge import refuse_full
from goldroot.fleet.update.open_update import OpenUpdate, active_clone
from goldroot.fleet.update.reconcile import DONE, clone_lock, go_live, reconcile
from goldroot.fleet.update.update import (
    REVIEW,
    Outcome,
    finish_noted,
    go_on,
    look_for_programs,
    note,
    off,
    outcome_of,
    workflow_of,
)
from goldroot.hosts import PREPARED, Entry, exchange, utc_now, with_mark
from goldroot.site import Site
from goldroot.tree import path_text
from goldroot.workflow import Engine, Workflow


@dataclass(frozen=True)
class RollbackPlan:
    """Where a rollback goes, and what was written since the switch: it is set aside, or carried."""

    clone: Clone
    fallback: Fallback
    written: tuple[str, ...]  #: absolute paths

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "clone": self.clone.name, "from": self.clone.version, "to": self.fallback.from_version,
            "fallback": self.fallback.id, "disks": dict(self.fallback.disks), "written_since": list(self.written),
        }  # fmt: skip


def plan_rollback(site: Site, name: str, *, stage: Stage = silent) -> RollbackPlan:
    """What a rollback would do.

    :raises NotFound: the clone has no fallback.
    """
    clone = active_clone(site, name)
    fallback = _fallback(site, name)
    written = written_since(site, clone, stage)
    return RollbackPlan(clone, fallback, tuple(written))


def written_since(site: Site, clone: Clone, stage: Stage = silent) -> list[str]:
    """The paths of a clone's live disks that were written since goldroot made these disks."""
    policy = policy_of(site, clone.image)
    found: set[bytes] = set()
    with open_clone(site, clone) as server:
        for address, disk in server.ids.items():
            made, path = manifests.load(site, disk, manifests.MADE), server.opened[address].path
            reading = stage(f"reading {disk}", partial(manifests.known_count, site, disk))
            now = manifests.scan_disk(site, disk, path, policy, writers="live", progress=reading)
            found |= {path for path in manifests.written_since(made, now.manifest) if path} if made else set()
    return ["/" + path_text(path) for path in sorted(found)]


def roll_back(
    site: Site, engine: Engine, name: str, *, carry: bool = False, take_proposals: bool = False, stage: Stage = silent
) -> Outcome:
    """Take a clone back to its newest fallback, or go on with the rollback that was begun.

    :param carry: merge what was changed since the switch onto the fallback.
    :param take_proposals: with ``carry``: answer every conflict that is left with what stands.
    :raises StillRunning: it may still be written; nothing was changed.
    :raises HealthFailed: it did not come up well, and is back on the newer version.
    :raises NotFound: there is no fallback. :raises Refused: an update of it is in flight.
    :raises Damaged: the shared disks of the version that it would go back to are other ones.
    """
    with clone_lock(site, name, f"rollback of {name}"):
        settled = reconcile(site, name, goes_on=("rollback",))
        clone = active_clone(site, name)
        noted = finish_noted(site, engine, "rollback", name, lambda: _workflow(site, stage, take_proposals))
        if settled is not None and settled.kind == "rollback":
            noted = outcome_of(site, settled.id, DONE)
        if noted is not None:
            return noted
        with site.catalog.read() as tx:
            going = updates.in_flight(tx, name)
        if going is not None and going.kind == "update":
            raise Refused(
                f"an update of {name} to version {going.to_version} is {going.state}",
                meaning=f"{name} is still on version {clone.version}; the update has changed nothing of it.",
                todo=f"Give that update up with `goldroot update cancel {name}`, then go back if you still want to.",
            )
        if carry:
            look_for_programs()
        update = going or _begin(site, clone, carry)
        if update.carry != carry:
            begun = "with" if update.carry else "without"
            raise Refused(
                f"a rollback of {name} was begun {begun} --carry",
                todo=f"Finish it so, or cancel it with: goldroot update cancel {name}",
            )
        return go_on(site, engine, update, lambda: _workflow(site, stage, take_proposals))


def finish_rollback(site: Site, engine: Engine, name: str, *, stage: Stage = silent) -> Outcome:
    """End what a command that was killed left of a clone's rollback that is done; nothing goes back once more."""
    with clone_lock(site, name, f"rollback of {name}"):
        reconcile(site, name, goes_on=("rollback",))
        noted = finish_noted(site, engine, "rollback", name, lambda: _workflow(site, stage, False))
        if noted is not None:
            return noted
        with site.catalog.read() as tx:
            last = updates.latest(tx, name)
        assert last is not None  # the caller knows that it is done
        return outcome_of(site, last.id, DONE)


def _begin(site: Site, clone: Clone, carry: bool) -> Update:
    fallback = _fallback(site, clone.name)
    site.host_named(clone.host).info([str(disk) for disk in fallback.disks.values()])  # NotFound: they are not there
    refuse_replaced(site, clone, f"{clone.name} did not go back", fallback.from_version)
    if carry:
        refuse_full(site, clone)
    with site.catalog.begin() as tx:
        return updates.begin(tx, clone.name, fallback.from_version, kind="rollback", back=fallback.work, carry=carry)


def _fallback(site: Site, name: str) -> Fallback:
    with site.catalog.read() as tx:
        found = updates.last_fallback(tx, name)
    if found is None:
        raise NotFound(
            f"clone {name} has no fallback",
            meaning="It was not updated yet, or went back already, or what was kept has been pruned.",
            todo="See: goldroot fallback list",
        )
    return found


def _workflow(site: Site, stage: Stage, take_proposals: bool) -> Workflow:
    def switch(task: OpenUpdate, stage: Stage) -> str:
        return _switch(task, stage, take_proposals)

    return workflow_of("rollback", site, stage, (("switch", switch), ("note", note)))


def _switch(task: OpenUpdate, stage: Stage, take_proposals: bool) -> str:
    """List what was written since, and exchange; with a carry, merge first: the clone is stopped all the while."""
    if has_switched(task.clone, task.update):
        return ""
    with off(task, stage) as hold:
        crash.point("rollback.held")
        crash.point("rollback.stopped")
        if task.update.carry:
            if carry_merge(task, stage, take_proposals=take_proposals):
                return REVIEW
            prove(task, stage)
        elif task.update.state == "planned":
            task.set_state("checked")
        _note_written(task, written_since(task.site, task.clone, stage))
        crash.point("rollback.before-switch")
        go_live(task, hold, lambda entry: _exchanged(entry, task.update))
    return ""


def _exchanged(entry: Entry, update: Update) -> Entry:
    """What it goes back to becomes live; what was live is set aside, and with a carry the fallback, too."""
    digit = kept_sets(entry).get(update.back)
    if digit is None:
        raise Refused(f"what {update.clone} was to go back to is not there any more", meaning="Nothing was changed.")
    if not update.carry:
        return exchange(entry, digit, update.work, "set-aside", since=utc_now())
    after = exchange(entry, PREPARED, update.work, "set-aside", since=utc_now())
    return with_mark(after, digit, replace(after.marks[digit], state="set-aside"))


def _note_written(task: OpenUpdate, written: Sequence[str]) -> None:
    """The list for a person to look into: a file beside the record, and its length among the events."""
    place = os.path.join(open_update.directory(task.site, task.name, task.work), "written-since.txt")
    open_update.write(place, "".join(path + "\n" for path in written).encode())
    with task.site.catalog.begin() as tx:
        tx.event("written-since", f"clone:{task.name}", update=task.update.id, paths=len(written))


def read_written(site: Site, name: str, update: int) -> list[str]:
    """What a rollback noted as written since the switch."""
    with site.catalog.read() as tx:
        work = updates.get(tx, update).work
    try:
        place = os.path.join(open_update.directory(site, name, work), "written-since.txt")
        with open(place, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []
