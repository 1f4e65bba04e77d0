"""What an update's server must have of its own since the new gold is made on the merged disks, before anything runs there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from goldroot import crash
from goldroot.fleet.inputs import Disks
from goldroot.fleet.update import update_files
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.merge import note_data, record_bytes
from goldroot.site import work_room
from goldroot.system import FirstIdentity, OwnDisks, UpdateTrees, make_first
from goldroot.tree import Note


def give_first_identity(task: OpenUpdate, record: Mapping[str, Any]) -> bool:
    """Make it, and note in the update's record what was made; whether anything was.

    A rollback that carries makes nothing: the fallback has its own.
    """
    if task.update.carry:
        return False
    with ExitStack() as stack:
        result = stack.enter_context(task.open_prepared("rw")).tree
        live = stack.enter_context(task.open_live()).tree
        base, gold = (
            _of_gold(task, stack.enter_context(one.open(task.update.disks))) for one in (task.base, task.target)
        )
        hostname = (result.read(b"etc/hostname") or b"").strip().decode("utf-8", "replace") or task.name
        with work_room(task.site, f"keys-{task.name}") as room:
            done = make_first(UpdateTrees(base, gold, live, result), hostname, room.path)
    if not done:
        return False
    crash.point("update.identity-made")
    known = list(record.get("notes", ()))
    notes = [*known, *(data for note in _notes(done) if (data := note_data(note)) not in known)]
    path = update_files.record_file(task.site, task.name, task.work)
    update_files.write(path, record_bytes({**record, "notes": notes}))
    return True


def _of_gold(task: OpenUpdate, opened: Disks) -> OwnDisks:
    return OwnDisks(task.layout, {address: disk.path for address, disk in opened.items()})


def _notes(done: FirstIdentity) -> Iterator[Note]:
    for path in done.made:
        yield Note("identity-made", b"/" + path, "gold has it for the first time: the server got its own")
    for path in done.removed:
        yield Note("identity-removed", b"/" + path, "gold's own was left out: the server's program makes another")
