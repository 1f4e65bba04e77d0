"""The way back: the fallback's disks and links become live again in one step, what was live is set aside and kept.

``plain`` puts the fallback in place as it was.  ``carry`` merges what was changed since the switch onto it: the base is
the result of the merge at the switch, made again from the fallback, both golds and the decisions of then; the gold side
is the fallback, the clone side what is live now.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone, Fallback, Update, events, fallbacks, updates
from goldroot.errors import NotFound, Refused
from goldroot.fleet import manifests
from goldroot.fleet.inputs import Stage, policy_of, silent
from goldroot.fleet.rollback.carry import carry_merge
from goldroot.fleet.update import update_files
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.open_update import OpenUpdate, active_clone, live_disks
from goldroot.fleet.update.reconcile import attach_prepared, clone_lock, is_live, reconcile
from goldroot.fleet.update.steps import DONE, REVIEW, note, workflow_of
from goldroot.fleet.update.switch import exchange
from goldroot.fleet.update.update import Outcome, finish_noted, go_on, look_for_programs, outcome_of
from goldroot.image import open_version
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
    layout = open_version(site, clone.image, clone.version).layout
    policy = policy_of(site, clone.image)
    found: set[bytes] = set()
    for disk in live_disks(site.former.get(clone.machine), layout).values():
        made = manifests.load(site, disk, manifests.MADE)
        now = manifests.scan_disk(site, disk, policy, live=True, progress=stage(f"reading {disk}"))
        found |= {path for path in manifests.written_since(made, now.manifest) if path} if made else set()
    return ["/" + path_text(path) for path in sorted(found)]


def roll_back(
    site: Site, engine: Engine, name: str, *, carry: bool = False, take_proposals: bool = False, stage: Stage = silent
) -> Outcome:
    """Take a clone back to its newest fallback, or go on with the rollback that was begun.

    :param carry: merge what was changed since the switch onto the fallback.
    :param take_proposals: with ``carry``: answer every conflict that is left with what stands.
    :raises StillRunning: it may still be written; nothing was changed.
    :raises NotFound: there is no fallback. :raises Refused: an update of it is in flight.
    """
    with clone_lock(site, name, f"rollback of {name}"):
        settled = reconcile(site, name)
        clone = active_clone(site, name)
        noted = finish_noted(site, engine, "rollback", name, lambda: _workflow(site, stage, carry, take_proposals))
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
        update = going or _begin(site, clone)
        known = update_files.load(site, name, update.id)
        if not known.fallback:
            known.fallback, known.carry = _fallback(site, name).id, carry
            update_files.save(site, known)
        elif known.carry != carry:
            begun = "with" if known.carry else "without"
            raise Refused(
                f"a rollback of {name} was begun {begun} --carry",
                todo=f"Finish it so, or cancel it with: goldroot update cancel {name}",
            )
        return go_on(site, engine, update, lambda: _workflow(site, stage, carry, take_proposals))


def _begin(site: Site, clone: Clone) -> Update:
    fallback = _fallback(site, clone.name)
    _check_disks(site, fallback)
    with site.catalog.begin() as tx:
        return updates.begin(tx, clone.name, fallback.from_version, kind="rollback")


def _fallback(site: Site, name: str) -> Fallback:
    with site.catalog.read() as tx:
        found = fallbacks.latest(tx, name)
    if found is None:
        raise NotFound(
            f"clone {name} has no fallback",
            meaning="It was not updated yet, or went back already, or what was kept has been pruned.",
            todo="See: goldroot fallback list",
        )
    return found


def _check_disks(site: Site, fallback: Fallback) -> None:
    for disk in fallback.disks.values():
        site.former.disk_path(str(disk))


def _workflow(site: Site, stage: Stage, carry: bool, take_proposals: bool) -> Workflow:
    def prepare(task: OpenUpdate, stage: Stage) -> str:
        if not carry and not is_live(site, task.work):
            _attach(task)
        return ""

    def switch(task: OpenUpdate, stage: Stage) -> str:
        return _switch(task, stage, take_proposals)

    return workflow_of("rollback", site, stage, (("prepare", prepare), ("switch", switch), ("note", note)))


def _attach(task: OpenUpdate) -> None:
    """The fallback's disks at 5Bx, and the links to its gold, whatever was prepared there since."""
    known = task.work
    with task.site.catalog.read() as tx:
        fallback = fallbacks.get(tx, known.fallback)
    disks = {address: str(disk) for address, disk in fallback.disks.items()}
    known.old = task.live_disks()
    task.check()
    attach_prepared(task.site, task.name, task.layout, disks, task.target.slot)
    crash.point("rollback.attached")
    known.new = disks
    task.save()


def _switch(task: OpenUpdate, stage: Stage, take_proposals: bool) -> str:
    """List what was written since, and exchange; with a carry, merge first: the clone is stopped all the while."""
    site = task.site
    if is_live(site, task.work):
        return ""
    with site.former.stopped(task.machine_name):
        crash.point("rollback.stopped")
        if task.work.carry:
            if carry_merge(task, stage, take_proposals=take_proposals):
                return REVIEW
            prove(task, stage)
        else:
            _attach(task)
        _note_written(task, written_since(site, task.clone, stage))
        task.check()
        crash.point("rollback.before-switch")
        exchange(site, task.machine)
    crash.point("rollback.switched")
    return ""


def _note_written(task: OpenUpdate, written: Sequence[str]) -> None:
    """The list for a person to look into: a file beside the record, and its length among the events."""
    place = os.path.join(update_files.directory(task.site, task.name, task.update.id), "written-since.txt")
    update_files.write(place, "".join(path + "\n" for path in written).encode())
    with task.site.catalog.begin() as tx:
        events.add(tx, "written-since", f"clone:{task.name}", update=task.update.id, paths=len(written))


def read_written(site: Site, name: str, update: int) -> list[str]:
    """What a rollback noted as written since the switch."""
    try:
        place = os.path.join(update_files.directory(site, name, update), "written-since.txt")
        with open(place, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []
