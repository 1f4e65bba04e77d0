"""What an update's server must have of its own since the new gold is made on the merged disks, before anything runs there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from goldroot import crash
from goldroot.fleet.update import update_files
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.image import Gold
from goldroot.merge import note_data, record_bytes
from goldroot.site import work_room
from goldroot.system import FirstIdentity, OwnDisks, UpdateTrees, make_first
from goldroot.tree import Note


def give_first_identity(task: OpenUpdate, record: Mapping[str, Any]) -> bool:
    """Make it, and note in the update's record what was made; whether anything was.

    A rollback that carries makes nothing: the fallback has its own.
    """
    if task.work.carry:
        return False
    result = task.tree(task.work.new)
    trees = UpdateTrees(_of_gold(task, task.base), _of_gold(task, task.target), task.tree(task.work.old), result)
    hostname = (result.read(b"etc/hostname") or b"").strip().decode("utf-8", "replace") or task.name
    with work_room(task.site, f"keys-{task.name}") as room:
        done = make_first(trees, hostname, room.path)
    if not done:
        return False
    crash.point("update.identity-made")
    known = list(record.get("notes", ()))
    notes = [*known, *(data for note in _notes(done) if (data := note_data(note)) not in known)]
    path = update_files.record_file(task.site, task.name, task.update.id)
    update_files.write(path, record_bytes({**record, "notes": notes}))
    return True


def _of_gold(task: OpenUpdate, gold: Gold) -> OwnDisks:
    return OwnDisks(task.layout, {address: gold.path(address) for address in task.work.new})


def _notes(done: FirstIdentity) -> Iterator[Note]:
    for path in done.made:
        yield Note("identity-made", b"/" + path, "gold has it for the first time: the server got its own")
    for path in done.removed:
        yield Note("identity-removed", b"/" + path, "gold's own was left out: the server's program makes another")
