"""``rollback --carry``: what was changed since the switch, merged onto the fallback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from goldroot import crash
from goldroot.catalog import Update, decisions, updates
from goldroot.conflicts import Decision
from goldroot.errors import NotFound
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import person
from goldroot.fleet.inputs import (
    Server,
    Side,
    Stage,
    accounts_of,
    disk_side,
    gold_side,
    open_own,
    plan_sides,
    shared_files,
)
from goldroot.fleet.update import open_update
from goldroot.fleet.update.as_switched import after_carry, as_switched
from goldroot.fleet.update.checks import fallback_disks
from goldroot.fleet.update.memory import BEFORE, memory_at, memory_given
from goldroot.fleet.update.merge import Merged, build_disks, checked_rows, found_of, make_disks, write_down
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import Opened
from goldroot.image import open_version
from goldroot.merge import GOLD_SIDE, Plan, Tree, build_rows
from goldroot.system import read_path
from goldroot.tree import BuildOptions, BuildRow, Manifest, build_tree


def carry_merge(task: OpenUpdate, stage: Stage, *, take_proposals: bool) -> int:
    """Merge onto new disks in set 5; returns the number of conflicts that nobody has decided.

    The clone is held: what is merged is what is switched.  The base is made again in trees that go with the block; its
    contents for the questions that are open are kept, so that a review can show them.
    """
    site = task.site
    make_disks(task)
    crash.point("carry.begun")
    with ExitStack() as stack:
        server = stack.enter_context(task.open_live("still"))
        back = stack.enter_context(open_own(task.host, task.layout, fallback_disks(task)))
        clone = disk_side(site, server, task.policy, stage=stage)
        clone = replace(clone, memory=memory_at(site, task.name, task.update.back, BEFORE))
        base = _base_again(stack, task, (back, clone), server.ids, stage)
        gold = disk_side(site, back, task.policy, stage=stage)
        base, gold = (
            replace(base, shared=shared_files(task.base, back.ids)),
            replace(gold, shared=shared_files(task.target, back.ids)),
        )
        given = open_update.remembered(site, task.clone.image)
        plan = plan_sides((base, gold, clone), task.policy, given, ask_units=True)
        if plan.conflicts and take_proposals:
            _take_proposals(task, plan)
            given = open_update.remembered(site, task.clone.image)
            plan = plan_sides((base, gold, clone), task.policy, given, ask_units=True)
        with task.open_prepared("rw") as out:
            notes = build_disks(task, plan, out, stage, live=False)
            _note_made(task, plan, out.ids, (back.ids, gold))
        _keep_base(task, plan, base)
        return write_down(task, Merged(plan, given, server, clone, notes))


def _note_made(task: OpenUpdate, plan: Plan, out: Mapping[str, str], fallback: tuple[Mapping[str, str], Side]) -> None:
    """Write down what is the server's on the new disks, for the rollback after this one.

    :param out: ids by address; ``fallback``: those of the fallback, and its side.
    """
    ids, side = fallback
    for one in plan.parts:
        made, disk = manifests.load(task.site, ids[one.part.name], manifests.MADE), out[one.part.name]
        built = manifests.load(task.site, disk)
        if made is not None and built is not None:
            taken = {path for path, unit in one.decided.units.items() if unit.side != GOLD_SIDE}
            rows = after_carry(made, side.trees[one.part.name].manifest, built, taken)
            manifests.save(task.site, disk, Manifest.from_rows(rows, built.squashed), manifests.MADE)


def _base_again(
    stack: ExitStack, task: OpenUpdate, sides: tuple[Server, Side], live: Mapping[str, str], stage: Stage
) -> Side:
    """What was switched to, made again: a merge is deterministic.

    What commands did in its result before the switch, rebuilds, migrations and checks, is taken from the system as it
    is now: else nobody's change would be carried as the server's.

    :param sides: the fallback's disks, and the clone's side as it is now; ``live``: the ids of its disks.
    """
    site, (back, now) = task.site, sides
    update = _left_by(task)
    given, policy = open_update.load_given(site, task.name, update.work)
    before, after = (
        open_version(site, update.image, n, task.clone.host) for n in (update.from_version, update.to_version)
    )
    with ExitStack() as golds:
        old, new = (golds.enter_context(version.open()) for version in (before, after))
        then = disk_side(site, back, policy, stage=stage)
        then = replace(then, memory=memory_given(site, task.name, update.work))
        plan = plan_sides((gold_side(before, old, back.ids), gold_side(after, new, back.ids), then), policy, given)
        trees: dict[str, Tree] = {}
        places: dict[str, Opened] = {}
        for one in plan.parts:
            address = one.part.name
            places[address] = stack.enter_context(task.host.scratch(0))
            rows, sources = checked_rows(build_rows(plan, one)), [tree.root for tree in one.part.trees]
            rows, sources = _as_switched(task, rows, sources, (live[address], now.trees[address]))
            path = places[address].path
            built = build_tree(
                rows, sources, path, BuildOptions(progress=stage(f"writing {address} as it was switched"))
            )
            trees[address] = Tree(os.fsencode(path), built.manifest)
            crash.point("carry.base-built")
    return Side(trees, accounts_of(task.layout, places))


def _as_switched(
    task: OpenUpdate, rows: Iterator[BuildRow], sources: list[bytes], now: tuple[str, Tree]
) -> tuple[Iterator[BuildRow], list[bytes]]:
    """Rows and sources of a disk with what commands did to it, where that is known; ``now``: the live disk."""
    disk, tree = now
    made = manifests.load(task.site, disk, manifests.MADE)
    if made is None:
        return rows, sources
    return as_switched(rows, made, tree.manifest, len(sources)), [*sources, tree.root]


def _left_by(task: OpenUpdate) -> Update:
    """The update that left what it goes back to."""
    with task.site.catalog.read() as tx:
        update = updates.of_work(tx, task.update.back)
    if update is None:
        raise NotFound(f"nothing is known of the update that {task.name} goes back from")
    return update


def _keep_base(task: OpenUpdate, plan: Plan, base: Side) -> None:
    contents: dict[str, bytes | None] = {}
    for conflict in plan.conflicts:
        path = conflict.path.lstrip(b"/")
        tree = base.trees.get(task.layout.disk_of(path).address)
        contents[conflict.key] = None if tree is None else read_path(os.fsdecode(tree.root), path)
    open_update.save_base(task.site, task.name, task.work, contents)


def _take_proposals(task: OpenUpdate, plan: Plan) -> None:
    """What stands at every conflict becomes its answer."""
    with task.site.catalog.begin() as tx:
        # Their event names the questions by what the catalog has of them.
        decisions.set_conflicts(tx, task.update.id, found_of(plan.conflicts))
        for conflict in plan.conflicts:
            answer, note = Decision(conflict.stands), "the proposal of a rollback"
            decisions.decide(tx, task.clone.image, conflict.key, answer, who=person(), note=note)
