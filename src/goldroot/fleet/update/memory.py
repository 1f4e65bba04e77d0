"""What a server had removed before its gold, as the record of the merge says that made it (:class:`goldroot.merge.Memory`).

A list belongs to one version of a server's system.  It lies in the record of the update that made that version, and as
what the merge was given in the record of the one that left it; so a rollback takes the fallback's list by itself.
``forgotten.json`` beside a record names what a person took from its lists::

    {"before": [], "after": ["/etc/motd"]}
"""

from __future__ import annotations

import json
import os
from typing import Any

from goldroot.catalog import clones, updates
from goldroot.errors import NotFound
from goldroot.fleet.update import update_files
from goldroot.fleet.update.open_update import active_clone
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.merge import Memory
from goldroot.site import Site
from goldroot.tree import path_bytes, path_text

BEFORE, AFTER = "before", "after"


def memory_of(site: Site, clone: str) -> Memory:
    """The list of a clone's live system; empty where it was neither updated nor adopted."""
    place = _place(site, clone)
    return Memory() if place is None else memory_at(site, clone, *place)


def memory_at(site: Site, clone: str, work: str, which: str) -> Memory:
    """One of the lists of an update, less what a person had forgotten.

    :param which: ``before``: of the system that it left, ``after``: of the one that it made.
    """
    forgotten = _forgotten(site, clone, work)
    return _listed(site, clone, work, which).without(path_bytes(one) for one in forgotten.get(which, ()))


def memory_given(site: Site, clone: str, work: str) -> Memory:
    """The list that the merge of an update was given, whatever was forgotten since."""
    return _listed(site, clone, work, BEFORE)


def forget_removed(site: Site, clone: str, path: str, *, plan_only: bool = False) -> None:
    """Take a path from the list of a clone's live system: gold's arrives with the next version that has it.

    :raises NotFound: nothing is remembered of it.
    """
    with clone_lock(site, clone, f"forgetting of {path}"):
        reconcile(site, clone)
        active_clone(site, clone)
        if path not in {path_text(place) for place in memory_of(site, clone).entries}:
            raise NotFound(
                f"{clone} does not remember that {path} was removed",
                meaning="Only what the server removed, and gold does not have at the moment, is remembered.",
                todo=f"See what is remembered: goldroot clone show {clone}",
            )
        place = _place(site, clone)
        assert place is not None  # the list came from there
        if plan_only:
            return
        work, which = place
        known = _forgotten(site, clone, work)
        known[which] = sorted({*known.get(which, ()), path})
        update_files.write(_file(site, clone, work), json.dumps(known, indent=1).encode())


def _listed(site: Site, clone: str, work: str, which: str) -> Memory:
    file = update_files.record_file(site, clone, work)
    return update_files.read_kept(file, lambda record: Memory.of_record(record, which)) or Memory.of_record({}, which)


def _place(site: Site, clone: str) -> tuple[str, str] | None:
    """The work in whose record the list of the live system is, and which list of it."""
    with site.catalog.read() as tx:
        # What came back by itself left the list of before as it was.
        ended = [one for one in updates.every(tx, clone) if one.state == "done" and not one.told.get("returns")]
        last = max(ended, key=lambda one: one.id, default=None)
        if last is None:
            # Of a server that was adopted, the list is in the record of that.
            made = clones.find(tx, clone)
            return None if made is None else (made.last, AFTER)
        if last.kind == "update" or last.carry:
            return last.work, AFTER
        return last.back, BEFORE


def _forgotten(site: Site, clone: str, work: str) -> dict[str, list[str]]:
    def lists(data: Any) -> dict[str, list[str]]:
        return {which: [str(path) for path in data.get(which, ())] for which in (BEFORE, AFTER)}

    return update_files.read_kept(_file(site, clone, work), lists) or {}


def _file(site: Site, clone: str, work: str) -> str:
    return os.path.join(update_files.directory(site, clone, work), "forgotten.json")
