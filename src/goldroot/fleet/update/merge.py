"""The merge of an update: planned from stored manifests and one scan, built on new disks in set 5.

They are made in the clone's entry, and emptied before each filling.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from goldroot import crash
from goldroot.catalog import Clone, FoundConflict, decisions, updates
from goldroot.conflicts import Conflict, Decisions, Remembered, decisions_digest
from goldroot.errors import Refused
from goldroot.fleet import manifests
from goldroot.fleet.inputs import (
    Server,
    Side,
    Stage,
    disk_side,
    gold_side,
    own_addresses,
    plan_sides,
    read_server,
    refuse_owners,
)
from goldroot.fleet.update import open_update
from goldroot.fleet.update.memory import build_over, is_listed, memory_of, save_references
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import (
    PREPARED,
    Entry,
    Mark,
    change,
    fenced,
    find_entry,
    free_set,
    new_disk_id,
    own_disks,
    park,
    place_of,
    utc_now,
    with_links,
    with_mark,
)
from goldroot.image import open_version
from goldroot.merge import CLONE_SIDE, Memory, Plan, build_rows, make_record, note_data, record_bytes
from goldroot.site import Site
from goldroot.tree import BuildOptions, BuildRow, Note, build_tree, remove_tree

#: What a scan or a copy notes of what a running server writes meanwhile.
TORN = ("vanished", "changed-while-read")


def merge_update(task: OpenUpdate, stage: Stage, *, live: bool) -> int:
    """Merge onto new disks in set 5; returns the number of conflicts that nobody has decided.

    What an earlier attempt made is taken as it is, where nothing was written to the clone since and nothing was decided.

    :param live: the clone is not held: the merge is made from what can be seen, and what was written meanwhile is
        counted; the switch merges again then.
    :raises TreeChanged: a clone that is not running is written.
    """
    given = open_update.remembered(task.site, task.clone.image)
    if still_good(task, given, stage, live=live):
        return _open_conflicts(task)
    make_disks(task)
    crash.point("update.merge-begun")
    with ExitStack() as stack:
        server = stack.enter_context(task.open_live("live" if live else "still"))
        base, gold = (stack.enter_context(version.open()) for version in (task.base, task.target))
        out = stack.enter_context(task.open_prepared("rw"))
        running = not all(disk.exact for disk in server.opened.values())
        clone = disk_side(task.site, server, task.policy, writers=task.writers(server), stage=stage)
        memory = memory_of(task.site, task.name)
        clone = replace(clone, memory=memory)
        golds = gold_side(task.base, base, server.ids), gold_side(task.target, gold, server.ids)
        plan = plan_sides((*golds, clone), task.policy, given)
        shared = [task.target.manifest(disk.address) for disk in task.layout.disks if disk.address not in server.ids]
        refuse_owners(task.host, task.name, shared)
        notes = build_disks(task, plan, out, stage, live=running)
        torn = len(_torn(clone, notes)) if running else 0
        return write_down(task, Merged(plan, given, server, clone, notes, torn, memory))


def still_good(task: OpenUpdate, given: Decisions, stage: Stage, *, live: bool) -> bool:
    """Whether the disks that stand in set 5 are the merge of what the clone is now."""
    known = task.update
    if not known.inputs or known.inputs != digest_of(task, given) or known.state == "preparing":
        return False
    if known.migration == "begun" or dict(known.seen) != task.live_disks() or (task.torn and not live):
        return False
    return is_prepared(task) and not written_since_merge(task, stage, live=live)


def written_since_merge(task: OpenUpdate, stage: Stage, *, live: bool) -> bool:
    """Whether the clone's live disks were written since the last merge saw them."""
    with task.open_live("live" if live else "still") as server:
        writers = task.writers(server)
        for address, disk in server.ids.items():
            path = server.opened[address].path
            reading = stage(f"reading {disk}", partial(manifests.known_count, task.site, disk))
            found = manifests.scan_disk(task.site, disk, path, task.policy, writers=writers, progress=reading)
            if not manifests.unchanged(open_update.load_seen(task.site, task.name, task.work, address), found.manifest):
                return True
    return False


def digest_of(task: OpenUpdate, given: Decisions, memory: Memory | None = None) -> str:
    """A hash of what decides a merge besides the trees; ``memory``: where it was read already."""
    remembered = (memory_of(task.site, task.name) if memory is None else memory).digest()
    return hashlib.sha256(task.policy.hash.encode() + decisions_digest(given) + remembered).hexdigest()


def _torn(clone: Side, notes: Sequence[Note]) -> set[bytes]:
    """The paths that a running server wrote while its merge was made."""
    planned = {b"/" + path for tree in clone.trees.values() for path in tree.torn or ()}
    return planned | {note.path for note in (*clone.notes, *notes) if note.kind in TORN}


@dataclass(frozen=True)
class Merged:
    """A merge whose result is on the prepared disks."""

    plan: Plan
    given: Remembered
    server: Server
    clone: Side
    notes: Sequence[Note]
    torn: int = 0
    memory: Memory | None = None  #: where it is known already


def write_down(task: OpenUpdate, done: Merged) -> int:
    """Write the record, tell the catalog; returns how many conflicts are open."""
    site, name, work = task.site, task.name, task.work
    task.check()
    for address, manifest in done.clone.manifests.items():
        open_update.save_seen(site, name, work, address, manifest)
    open_update.save_decisions(site, name, work, done.given, site.config.image(task.clone.image).policy)
    record = make_record(done.plan)
    record["notes"] += [note_data(note) for note in (*done.clone.notes, *done.notes)]
    open_update.write(open_update.record_file(site, name, work), record_bytes(record))
    save_references(site, name, done.plan.references.kept)
    crash.point("update.merge-written-down")
    return store_conflicts(task, done)


def store_conflicts(task: OpenUpdate, done: Merged) -> int:
    """The conflicts of a merge, the update's state, and what the clone is now, into the catalog; returns how many are
    open."""
    conflicts = done.plan.conflicts
    path = os.path.relpath(open_update.record_file(task.site, task.name, task.work), task.site.root)
    reading = read_server(task.base, done.server.tree)
    told = {**task.update.told, "torn": done.torn, "answers": done.given.used(conflicts)}
    values = {
        "inputs": digest_of(task, done.given, done.memory),
        "migration": "",
        "seen": dict(done.server.ids),
        "told": told,
    }
    with task.site.catalog.begin() as tx:
        task.check_in(tx)
        for conflict in conflicts:
            # A remembered answer that a merge could not use is not an answer: it is asked for again.
            decisions.withdraw(tx, task.clone.image, conflict.key)
        reading.note(tx, task.name)
        left = decisions.set_conflicts(tx, task.update.id, found_of(conflicts))
        updates.note(tx, task.update.id, **values)
        task.update = updates.set_state(tx, task.update.id, "merged", record=path)
        if left:
            task.update = updates.set_state(tx, task.update.id, "needs-review")
    crash.point("update.conflicts-stored")
    return left


def found_of(conflicts: Sequence[Conflict]) -> Iterator[FoundConflict]:
    """Conflicts as the catalog keeps them, each key once: directories on the way stand on several disks."""
    for key, one in {conflict.key: conflict for conflict in conflicts}.items():
        yield FoundConflict(key, one.path, one.axis, one.kind, one.answers, one.stands, one.detail, one.secret, one.own)


def build_disks(task: OpenUpdate, plan: Plan, out: Server, stage: Stage, *, live: bool) -> list[Note]:
    """Write the result of a plan onto the prepared disks."""
    notes: list[Note] = []
    for one in plan.parts:
        disk, path = out.ids[one.part.name], out.opened[one.part.name].path
        rows, sources = list(checked_rows(build_rows(plan, one))), [os.fsencode(tree.root) for tree in one.part.trees]
        options = BuildOptions(
            progress=stage(f"writing {disk}", partial(len, rows)), live=(CLONE_SIDE,) if live else ()
        )
        listed = open_update.rows_file(task.site, task.name, task.work, one.part.name)
        # A carry makes its base again each time: its rows mean other files then.
        build = build_tree if task.update.carry else partial(build_over, list_file=listed)
        with manifests.named(disk, path):
            built = build(rows, sources, path, options)
        refuse_owners(task.host, task.name, [built.manifest])
        manifests.save_built(task.site, disk, path, built.manifest, task.policy)
        notes += [Note(note.kind, b"/" + note.path, note.text, note.data) for note in built.notes]
        crash.point("update.disk-built")
    return notes


def checked_rows(rows: Iterator[BuildRow]) -> Iterator[BuildRow]:
    """Rows that insist on the scanned inode only where a file may have changed since the scan: of the clone.

    Gold does not change; but a site that was restored from a backup has it at other inodes than its manifests say.
    """
    for row in rows:
        yield row if row.source == CLONE_SIDE else row._replace(inode=0, ctime=0)


def _open_conflicts(task: OpenUpdate) -> int:
    with task.site.catalog.read() as tx:
        return len(decisions.conflicts_of(tx, task.update.id, state="open"))


def make_disks(task: OpenUpdate) -> None:
    """Disks stand in set 5, with links to the gold that it goes to; what stood there is parked.

    They are empty, but for what an earlier merge of this work wrote and the next one takes over.

    What is made is written down before; the catalog and the host know that nothing holds of the disks any more.
    """
    addresses = own_addresses(task.layout, task.entry)
    disks = {a: task.update.disks.get(a) or new_disk_id(task.machine_name, a) for a in addresses}
    task.set_state("preparing", error="", disks=disks)
    crash.point("update.disks-intended")
    task.fence()
    if not _is_its(task.entry, task):
        change(task.host, task.machine_name, lambda entry: _with_set(entry, task), task.places)
        crash.point("update.set-taken")
    there = {disk.id for disk in task.entry.disks.values()}
    task.disk_register.make({PREPARED + place_of(address): id for address, id in disks.items()}, task.work)
    task.raise_generation()
    crash.point("update.filling")
    for address, id in disks.items():
        manifests.forget(task.site, id)
        if id in there and not is_listed(open_update.rows_file(task.site, task.name, task.work, address)):
            task.host.empty_disk(id)


def empty_prepared(task: OpenUpdate) -> None:
    """Remove what is on the prepared disks, where there is no room even to write down that they go."""
    entry = task.entry
    if _is_its(entry, task):
        with task.host.open_disks(dict.fromkeys(own_disks(entry, PREPARED).values(), "rw")) as opened:
            for disk in opened.values():
                for name in os.listdir(disk.handle):
                    _remove(os.path.join(disk.path, name))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)


def refuse_full(site: Site, clone: Clone) -> None:
    """For who is about to begin what needs set 5.

    :raises Refused: what stands there could not be parked; the error names the kept set to prune.
    """
    entry = find_entry(site.host_named(clone.host), clone.machine)
    if PREPARED in entry.marks:
        free_set(
            entry, [disk.place for disk in open_version(site, clone.image, clone.version, clone.host).layout.disks]
        )


def _is_its(entry: Entry, task: OpenUpdate) -> bool:
    mark = entry.marks.get(PREPARED)
    return mark is not None and (mark.state, mark.by) == ("preparing", task.work)


def _with_set(entry: Entry, task: OpenUpdate) -> Entry:
    mark = entry.marks.get(PREPARED)
    if mark is not None and mark.state == "preparing" and mark.by != task.work:
        raise Refused(f"{entry.name} has what other work prepared in set {PREPARED}", todo="Cancel that first.")
    if mark is not None:
        entry = park(entry, PREPARED, free_set(entry, task.places))
    own = {place_of(address) for address in task.update.disks}
    entry = with_links(entry, PREPARED, task.target.slot, [place for place in task.places if place not in own])
    new = Mark("preparing", task.work, task.clone.image, task.name, task.update.to_version, utc_now())
    return fenced(with_mark(entry, PREPARED, new), task.clone.generation)


def is_prepared(task: OpenUpdate) -> bool:
    """Whether the disks of this work stand in set 5, all of them."""
    entry = task.entry
    its = {PREPARED + place_of(address): id for address, id in task.update.disks.items()}
    return (
        _is_its(entry, task) and bool(its) and all(a in entry.disks and entry.disks[a].id == i for a, i in its.items())
    )
