"""The merge of an update: planned from stored manifests and one scan, built on new disks, attached at 5Bx."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from goldroot import crash
from goldroot.catalog import FoundConflict, clones, decisions, updates
from goldroot.conflicts import Conflict, Decisions
from goldroot.fleet import manifests
from goldroot.fleet.inputs import Side, Stage, disk_side, gold_side, plan_sides
from goldroot.fleet.server_readings import Reading, read_server
from goldroot.fleet.update import update_files
from goldroot.fleet.update.as_switched import as_switched
from goldroot.fleet.update.memory import memory_of
from goldroot.fleet.update.open_update import OpenUpdate, gold_disks
from goldroot.fleet.update.reconcile import attach_prepared, sweep
from goldroot.fleet.update.references import save_references
from goldroot.merge import CLONE_SIDE, Plan, Tree, build_rows, decisions_digest, make_record, note_data, record_bytes
from goldroot.tree import BuildRow, Note, build_tree

#: What a scan or a copy notes of what a running server writes meanwhile.
TORN = ("vanished", "changed-while-read")


def merge_update(task: OpenUpdate, stage: Stage, *, live: bool) -> int:
    """Merge onto new disks and attach them; returns the number of conflicts that nobody has decided.

    What an earlier attempt made is taken as it is, where nothing was written to the clone since and nothing was decided.

    :param live: the clone may be running: the merge is made from what can be seen, and what was written meanwhile is
        counted; the switch merges again then.
    :raises TreeChanged: a clone that is not live is written.
    """
    given = update_files.remembered(task.site, task.clone.image)
    if still_good(task, given, stage, live=live):
        sweep(task.site, task.work)
        return _open_conflicts(task)
    task.set_state("preparing", error="")
    crash.point("update.merge-begun")
    return _merge(task, given, stage, live=live)


def still_good(task: OpenUpdate, given: Decisions, stage: Stage, *, live: bool) -> bool:
    """Whether the disks that stand at 5Bx are the merge of what the clone is now."""
    known, machine = task.work, task.machine
    if not known.new or known.digest != digest_of(task, given) or task.update.state == "preparing":
        return False
    if known.half_migrated or known.old != task.live_disks() or (known.torn and not live):
        return False
    attached = {address: task.layout.disk(address).prepared for address in known.new}
    if any(at not in machine.disks or machine.disks[at].disk != known.new[a] for a, at in attached.items()):
        return False
    return not written_since_merge(task, stage, live=live)


def written_since_merge(task: OpenUpdate, stage: Stage, *, live: bool) -> bool:
    """Whether the clone's live disks were written since the last merge saw them."""
    for address, disk in task.work.old.items():
        found = manifests.scan_disk(task.site, disk, task.policy, live=live, progress=stage(f"reading {disk}"))
        if not manifests.unchanged(update_files.load_seen(task.site, task.work, address), found.manifest):
            return True
    return False


def digest_of(task: OpenUpdate, given: Decisions) -> str:
    """A hash of what decides a merge besides the trees."""
    remembered = memory_of(task.site, task.name).digest()
    return hashlib.sha256(task.policy.hash.encode() + decisions_digest(given) + remembered).hexdigest()


def sides_of(task: OpenUpdate, stage: Stage, *, live: bool) -> tuple[Side, Side, Side]:
    """Base, gold and clone of an update."""
    disks = task.live_disks()
    clone = disk_side(task.site, task.layout, disks, task.policy, live=live, stage=stage)
    clone = replace(clone, memory=memory_of(task.site, task.name))
    return gold_side(task.base, disks), gold_side(task.target, disks), clone


def _merge(task: OpenUpdate, given: Decisions, stage: Stage, *, live: bool) -> int:
    sides = sides_of(task, stage, live=live)
    plan = plan_sides(sides, task.policy, given)
    known = task.work
    known.old = task.live_disks()
    known.base, known.gold = (gold_disks(task.site, gold, known.old) for gold in (task.base, task.target))
    disks = known.next_disks(known.old, task.generation)
    task.save()
    notes = build_disks(task, plan, disks, stage, live=live)
    known.torn = len(_torn(sides[2], notes)) if live else 0
    return attach_result(task, plan, disks, given, sides[2], notes)


def _torn(clone: Side, notes: Sequence[Note]) -> set[bytes]:
    """The paths that a running server wrote while its merge was made."""
    planned = {b"/" + path for tree in clone.trees.values() for path in tree.torn or ()}
    return planned | {note.path for note in (*clone.notes, *notes) if note.kind in TORN}


def attach_result(
    task: OpenUpdate, plan: Plan, disks: dict[str, str], given: Decisions, clone: Side, notes: Sequence[Note]
) -> int:
    """Put built disks at 5Bx, write the record, tell the catalog; returns how many conflicts are open.

    The disks of the base stay: those of a carry were made for this work, and a review shows them.
    """
    known = task.work
    task.check()
    attach_prepared(task.site, task.name, task.layout, disks, task.target.slot)
    crash.point("update.attached")
    for address, manifest in clone.manifests.items():
        update_files.save_seen(task.site, known, address, manifest)
    update_files.save_decisions(task.site, known, given, task.site.config.image(task.clone.image).policy)
    record = make_record(plan)
    record["notes"] += [note_data(note) for note in (*clone.notes, *notes)]
    update_files.write(update_files.record_file(task.site, task.name, task.update.id), record_bytes(record))
    save_references(task.site, task.name, plan.references.kept)
    known.new, known.digest, known.migration = disks, digest_of(task, given), ""
    task.save()
    crash.point("update.merge-written-down")
    left = store_conflicts(task, plan.conflicts, read_server(task.base, task.tree(known.old)))
    sweep(task.site, known, keep=known.base)
    return left


def store_conflicts(task: OpenUpdate, conflicts: Sequence[Conflict], reading: Reading) -> int:
    """The conflicts of a merge, the update's state, and what the clone is now, into the catalog; returns how many are
    open."""
    path = os.path.relpath(update_files.record_file(task.site, task.name, task.update.id), task.site.root)
    with task.site.catalog.begin() as tx:
        clones.check_generation(tx, task.name, task.generation)
        for conflict in conflicts:
            # A remembered answer that a merge could not use is no answer: it is asked for again.
            decisions.withdraw(tx, task.clone.image, conflict.key)
        reading.note(tx, task.name)
        left = decisions.set_conflicts(tx, task.update.id, found_of(conflicts))
        updates.set_state(tx, task.update.id, "merged", record=path)
        task.update = updates.set_state(tx, task.update.id, "needs-review" if left else "merged")
    crash.point("update.conflicts-stored")
    return left


def found_of(conflicts: Sequence[Conflict]) -> Iterator[FoundConflict]:
    """Conflicts as the catalog keeps them, each key once: directories on the way stand on several disks."""
    for key, one in {conflict.key: conflict for conflict in conflicts}.items():
        yield FoundConflict(key, one.path, one.axis, one.kind, one.answers, one.stands, one.detail, one.secret)


def build_disks(
    task: OpenUpdate, plan: Plan, disks: dict[str, str], stage: Stage, *, live: bool, since: Side | None = None
) -> list[Note]:
    """Write the result of a plan onto new disks (ids by address).

    :param since: the live disks, where the result is wanted as commands left it before these became live.
    """
    notes: list[Note] = []
    for one in plan.parts:
        disk = disks[one.part.name]
        path = task.site.host.create_disk(disk)
        rows, sources = _checked(build_rows(plan, one)), [tree.root for tree in one.part.trees]
        if since is not None:
            rows, sources = _as_switched(task, rows, sources, one.part.name, since.trees[one.part.name])
        live_sides = (CLONE_SIDE,) if live else ()
        built = build_tree(rows, sources, path, progress=stage(f"writing {disk}"), live=live_sides)
        manifests.save_built(task.site, disk, built.manifest, task.policy)
        notes += [Note(note.kind, b"/" + note.path, note.text, note.data) for note in built.notes]
        crash.point("update.disk-built")
    return notes


def _as_switched(
    task: OpenUpdate, rows: Iterator[BuildRow], sources: list[bytes], address: str, now: Tree
) -> tuple[Iterator[BuildRow], list[bytes]]:
    """Rows and sources of a disk with what commands did to it, where that is known."""
    made = manifests.load(task.site, task.work.old[address], manifests.MADE)
    if made is None:
        return rows, sources
    return as_switched(rows, made, now.manifest, len(sources)), [*sources, now.root]


def _checked(rows: Iterator[BuildRow]) -> Iterator[BuildRow]:
    """Rows that insist on the scanned inode only where a file may have changed since the scan: of the clone.

    Gold does not change; but a site that was restored from a backup has it at other inodes than its manifests say.
    """
    for row in rows:
        yield row if row.source == CLONE_SIDE else row._replace(inode=0, ctime=0)


def _open_conflicts(task: OpenUpdate) -> int:
    with task.site.catalog.read() as tx:
        return len(decisions.conflicts_of(tx, task.update.id, state="open"))
