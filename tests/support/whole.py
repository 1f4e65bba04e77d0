"""What a site is, as data that two runs can be compared by, and everything about it that is not whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from goldroot.catalog import clones, decisions, entries, images, updates
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound
from goldroot.image import verify_gold
from goldroot.site import Site
from support.former import former
from support.trees import Seen, dump_tree

#: What differs between two runs that came to the same: the letters at the end of a disk's id.
_DRAWN = re.compile(r"-[a-z0-9]{10}(?=\.|$)")

#: What the next writer in that directory sweeps: half a definition, half a manifest.
_PASSING = re.compile(r"^\..+\.json\.new$|\.new-\d+$")


def look(root: str, clone: str) -> dict[str, Any]:
    """A site after whatever happened to it.

    ``problems``: what must hold at every moment and does not. ``tree``: the clone's live disks and what its links show,
    ``None`` where it has no machine that can be started: one is defined before its disks are made, and goes after them.
    ``disks``: every disk's content by its id. ``facts``: what the catalog and the directories say; these need to be right only
    when a command has ended.
    """
    problems = list(_database_problems(root))
    site = Site.open(root)
    try:
        problems += _gold_problems(site)
        tree = _live(site, clone) if clone else None
        disks = {disk: _digest(dump_tree(path)) for disk, path in _paths(site).items()}
        return {"problems": problems, "tree": tree, "disks": disks, "facts": _facts(site)}
    finally:
        site.close()


def look_at_all(root: str) -> dict[str, Any]:
    """As :func:`look`, with ``trees`` of every clone that the catalog has."""
    site = Site.open(root)
    try:
        with site.catalog.read() as tx:
            names = [one.name for one in clones.every(tx)]
        trees = {name: _live(site, name) for name in names}
    finally:
        site.close()
    return {**look(root, ""), "trees": trees}


def _database_problems(root: str) -> Iterator[str]:
    for name in ("catalog.sqlite", "workflow.sqlite"):
        if os.path.exists(path := os.path.join(root, name)):
            with closing(sqlite3.connect(path)) as database:
                said = database.execute("PRAGMA integrity_check").fetchall()
            if said != [("ok",)]:
                yield f"{name}: {said}"


def _gold_problems(site: Site) -> Iterator[str]:
    """Slots that differ from their signed manifests."""
    with site.catalog.read() as tx:
        versions = [one for image in images.every(tx) for one in catalog_gold.every(tx, image.name)]
    for one in versions:
        if one.state in ("published", "retired") and one.slot_name is not None:
            try:
                found = verify_gold(site, one.image, one.number)
            except NotFound as error:  # a retirement that was killed
                if one.state != "retired" or "being removed" not in error.brief:
                    raise
                continue
            yield from (f"gold {one.number}: {change}" for some in found.changes.values() for change in some)


def _live(site: Site, clone: str) -> dict[str, str] | None:
    """As :func:`support.fleet.dump`, and the links besides."""
    with site.catalog.read() as tx:
        name = entries.of_clone(tx, clone)
    entry = site.host.find(name) if name else None
    if entry is None or not entry.startable:
        return None
    machine = former(site).get(name)
    found = {f"{a} links": f"{k.owner} {k.address}" for a, k in machine.links.items() if a.startswith("1")}
    for address in machine.addresses():
        if address.startswith("1"):
            tree = dump_tree(former(site).at(machine.name, address).path)
            found |= {f"{address}:{path}": _words(seen) for path, seen in tree.items()}
    return found


def _words(seen: Seen) -> str:
    """A path in one line; a directory's time is when it was filled."""
    time = 0 if seen.kind == "d" else seen.mtime
    text = (
        seen.content.decode("utf-8", "replace") if len(seen.content) < 100 else hashlib.sha256(seen.content).hexdigest()
    )
    return f"{seen.kind} {seen.mode:o} {seen.uid}:{seen.gid} {time} {seen.xattrs} {seen.names} {text!r}"


def _paths(site: Site) -> dict[str, str]:
    """The disks that are there and whole: without those that are being filled, which may be filled again."""
    filling = {
        disk.id
        for entry in site.host.entries()
        for address, disk in entry.disks.items()
        if (entry.role == "machine" and not entry.startable)
        or ((mark := entry.marks.get(address[0])) is not None and mark.state in ("preparing", "publishing"))
    }
    store = os.path.join(site.path("store"), "disks")
    there = set(former(site).disks()) - filling
    return {disk: path for disk in there if os.path.isdir(path := os.path.join(store, disk))}


def _digest(tree: dict[str, Seen]) -> str:
    return hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()


def _facts(site: Site) -> dict[str, Any]:
    with site.catalog.read() as tx:
        known = clones.every(tx)
        moves = [update for clone in known for update in updates.every(tx, clone.name)]
        facts: dict[str, Any] = {
            "clones": [[one.name, one.version, one.kind, one.state] for one in known],
            "gold": [
                [one.image, one.number, one.state, one.slot_name]
                for image in images.every(tx) for one in catalog_gold.every(tx, image.name)
            ],
            "updates": [[one.clone, one.kind, one.from_version, one.to_version, one.state, one.error] for one in moves],
            "fallbacks": [
                [one.clone, one.from_version, one.state, sorted(one.disks)] for one in updates.fallbacks(tx, all_states=True)
            ],
            "conflicts": [
                [_key(one.found), one.state] for move in moves for one in decisions.conflicts_of(tx, move.id)
            ],
        }  # fmt: skip
    facts["records"] = [[one.clone, one.id, _record(site, one.clone, one.work)] for one in moves]
    return facts | _names(site) | {"unfinished runs": _unfinished(site)}


def _key(found: decisions.FoundConflict) -> str:
    """What a question is known by; a state unit's key is of these very files, of which another copy has others."""
    return os.fsdecode(found.path) if found.axis == "unit" else found.key


def _record(site: Site, clone: str, work: str) -> Any:
    try:
        with open(site.path("records", clone, work, "record.json"), encoding="utf-8") as file:
            record = json.load(file)
    except FileNotFoundError:
        return None
    for conflict in record["conflicts"]:
        if conflict["axis"] == "unit":
            del conflict["key"]
    return record


def _names(site: Site) -> dict[str, Any]:
    """The files that a killed command may leave, and those that belong to disks."""
    store = site.path("store")
    drawn = {
        "disks": os.listdir(os.path.join(store, "disks")),
        "entries": os.listdir(os.path.join(store, "entries")),
        "labels": os.listdir(os.path.join(store, "labels")),
        "manifests": os.listdir(site.path("manifests")) if os.path.isdir(site.path("manifests")) else [],
        "work": os.listdir(site.path("work")),
        "images": [name for _, names, files in os.walk(site.path("images")) for name in names + files],
        "site": [name for name in os.listdir(site.root) if not name.endswith(("-wal", "-shm"))],
    }
    return {
        word: sorted(_DRAWN.sub("", name) for name in names if not _PASSING.search(name))
        for word, names in drawn.items()
    }


def _unfinished(site: Site) -> list[list[str]]:
    """Runs of the workflow engine that nobody will go on with, though nothing stopped them."""
    if not os.path.exists(site.path("workflow.sqlite")):
        return []
    with closing(sqlite3.connect(site.path("workflow.sqlite"))) as database:
        if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'workflow_status'").fetchall():
            return []  # killed while the engine made its tables
        rows = database.execute("SELECT workflow_uuid, status FROM workflow_status WHERE status = 'PENDING'")
        return sorted(map(list, rows))
