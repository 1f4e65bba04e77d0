"""What is remembered of a server besides its merges: what it had removed, and what it points at that is not as gold has it.

::

    SITE/records/web1/references.json     what it points at, as it was last seen: a forecast opens no disk

What it had removed before its gold, the record of the merge says that made it (:class:`goldroot.merge.Memory`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from goldroot.catalog import clones, updates
from goldroot.errors import NotFound
from goldroot.fleet.update import open_update
from goldroot.fleet.update.open_update import active_clone
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.merge import Memory, Reference
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
        open_update.write(_file(site, clone, work), json.dumps(known, indent=1).encode())


def _listed(site: Site, clone: str, work: str, which: str) -> Memory:
    file = open_update.record_file(site, clone, work)
    return open_update.read_kept(file, lambda record: Memory.of_record(record, which)) or Memory.of_record({}, which)


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

    return open_update.read_kept(_file(site, clone, work), lists) or {}


def _file(site: Site, clone: str, work: str) -> str:
    return os.path.join(open_update.directory(site, clone, work), "forgotten.json")


#: Kinds whose subject is a path: what is kept of it is the place where it was found.
_BY_PLACE = ("link", "alternative", "shell", "mount", "named")


def save_references(site: Site, clone: str, found: Iterable[tuple[Reference, bytes]]) -> None:
    """Keep what was found that a server points at, in the place of what was seen before."""
    data = [
        {
            "kind": one.kind, "path": path_text(one.path), "text": path_text(one.text), "level": one.level,
            "subject": path_text(place if one.kind in _BY_PLACE else one.subject), "who": path_text(one.who),
        }
        for one, place in found
    ]  # fmt: skip
    open_update.write(_references_file(site, clone), json.dumps({"schema": 1, "references": data}).encode())


def load_references(site: Site, clone: str) -> list[Reference] | None:
    """What was last found of a server; ``None`` where nobody has looked yet."""
    return open_update.read_kept(
        _references_file(site, clone), lambda data: [_reference(one) for one in data["references"]]
    )


def _reference(data: dict[str, str]) -> Reference:
    path, text, subject, who = (path_bytes(data[name]) for name in ("path", "text", "subject", "who"))
    return replace(Reference(data["kind"], path, text, subject), level=data["level"], who=who)


def _references_file(site: Site, clone: str) -> str:
    return site.path("records", clone, "references.json")
