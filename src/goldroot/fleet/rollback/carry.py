"""``rollback --carry``: what was changed since the switch, merged onto the fallback."""

from __future__ import annotations

import os
from collections.abc import Mapping

from goldroot import crash
from goldroot.catalog import Fallback, decisions, fallbacks, updates
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import person
from goldroot.fleet.inputs import Side, Stage, accounts_of, disk_side, gold_side, plan_sides
from goldroot.fleet.update import update_files
from goldroot.fleet.update.as_switched import after_carry
from goldroot.fleet.update.merge import attach_result, build_disks
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.image import open_version
from goldroot.merge import GOLD_SIDE, Plan, Tree
from goldroot.tree import Manifest

#: Marks the ids of disks that hold the base of a carry.
BASE = "b"


def carry_merge(task: OpenUpdate, stage: Stage, *, take_proposals: bool) -> int:
    """Merge onto new disks at 5Bx; returns the number of conflicts that nobody has decided.

    The clone is stopped: what is merged is what is switched.  The base's disks stay until the rollback is done, so that
    a review can show them.
    """
    site, known = task.site, task.work
    with site.catalog.read() as tx:
        fallback = fallbacks.get(tx, known.fallback)
    old = {address: str(disk) for address, disk in fallback.disks.items()}
    known.old = task.live_disks()
    task.set_state("preparing", error="")
    crash.point("carry.begun")
    clone = disk_side(site, task.layout, known.old, task.policy, stage=stage)
    base = base_again(task, fallback, clone, stage)
    gold = disk_side(site, task.layout, old, task.policy, stage=stage)
    given = update_files.remembered(site, task.clone.image)
    plan = plan_sides((base, gold, clone), task.policy, given, ask_units=True)
    if plan.conflicts and take_proposals:
        _take_proposals(task, plan)
        given = update_files.remembered(site, task.clone.image)
        plan = plan_sides((base, gold, clone), task.policy, given, ask_units=True)
    known.gold = old
    disks = known.next_disks(known.old, task.generation)
    task.save()
    notes = build_disks(task, plan, disks, stage, live=False)
    _note_made(task, plan, disks, gold)
    return attach_result(task, plan, disks, given, clone, notes)


def _note_made(task: OpenUpdate, plan: Plan, disks: Mapping[str, str], fallback: Side) -> None:
    """Write down what is the server's on the new disks, for the rollback after this one.

    :param disks: ids by address; ``task.work.gold`` holds the fallback's, of which ``fallback`` is the side.
    """
    for one in plan.parts:
        made, disk = manifests.load(task.site, task.work.gold[one.part.name], manifests.MADE), disks[one.part.name]
        built = manifests.load(task.site, disk)
        if made is not None and built is not None:
            taken = {path for path, unit in one.decided.units.items() if unit.side != GOLD_SIDE}
            rows = after_carry(made, fallback.trees[one.part.name].manifest, built, taken)
            manifests.save(task.site, disk, Manifest.from_rows(rows, built.squashed), manifests.MADE)


def base_again(task: OpenUpdate, fallback: Fallback, now: Side, stage: Stage) -> Side:
    """What was switched to, made again on disks of its own: a merge is deterministic.

    What commands did in its result before the switch, rebuilds, migrations and checks, is taken from the system as it
    is now: else nobody's change would be carried as the server's.
    """
    site, known = task.site, task.work
    with site.catalog.read() as tx:
        update = updates.get(tx, fallback.update_id)
    given, policy = update_files.load_given(site, task.name, update.id)
    old = {address: str(disk) for address, disk in fallback.disks.items()}
    before, after = (open_version(site, update.image, n) for n in (update.from_version, update.to_version))
    sides = gold_side(before, old), gold_side(after, old), disk_side(site, task.layout, old, policy, stage=stage)
    plan = plan_sides(sides, policy, given)
    disks = known.next_disks(old, task.generation, BASE)
    task.save()
    build_disks(task, plan, disks, stage, live=False, since=now)
    crash.point("carry.base-built")
    known.base = disks
    task.save()
    trees = {}
    for address, disk in disks.items():
        manifest = manifests.load(site, disk)
        assert manifest is not None
        trees[address] = Tree(os.fsencode(site.former.disk_path(disk)), manifest)
    return Side(trees, accounts_of(site, task.layout, disks))


def _take_proposals(task: OpenUpdate, plan: Plan) -> None:
    """What stands at every conflict becomes its answer."""
    with task.site.catalog.begin() as tx:
        for conflict in plan.conflicts:
            decisions.decide(
                tx, task.clone.image, conflict.key, conflict.stands, who=person(), note="the proposal of a rollback"
            )
