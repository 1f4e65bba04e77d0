"""The disks of an adopted server, and what is kept of its adoption.

::

    SITE/records/web1/u7k2m9q4xa/    clone, id of the work that made it
    ├── adopted.json     from where it came, and what was said of it
    ├── record.json      the record of the merge
    └── web1-1B5-u7k2m9q4xa.adopted    what came to a disk from there, by which a later look tells what is new
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from goldroot import crash, files
from goldroot.catalog import Clone
from goldroot.fleet import manifests
from goldroot.fleet.adopt.found import Found
from goldroot.fleet.inputs import Server, Stage, refuse_owners
from goldroot.fleet.update import open_update
from goldroot.fleet.update.memory import save_references
from goldroot.fleet.update.merge import checked_rows
from goldroot.image import Gold
from goldroot.merge import CLONE_SIDE, Memory, make_record, record_bytes
from goldroot.policy import Policy
from goldroot.site import Site
from goldroot.tree import FILE, BuildOptions, Entry, Manifest, Note, build_tree, copy_tree, hash_files, scan_tree


def fill_disks(site: Site, clone: Clone, found: Found, server: Server, policy: Policy, stage: Stage) -> list[Note]:
    """Write a server's own disks, which are empty and open, as they were planned.

    :raises TreeChanged: the source changed since it was read. :raises NoSpace: they do not fit.
    """
    notes: list[Note] = []
    for address, rows, sources in found.rows():
        id, out = server.ids[address], server.opened[address].path
        live = (CLONE_SIDE,) if found.source.live else ()
        options = BuildOptions(progress=stage(f"writing {id}"), live=live)
        built = build_tree(checked_rows(iter(rows)), sources, out, options)
        refuse_owners(found.gold.host, clone.name, [built.manifest])
        made = manifests.save_made(site, id, out, built.manifest, policy)
        save_seen(site, clone, id, with_contents(out, made))
        notes += [Note(note.kind, b"/" + note.path, note.text, note.data) for note in built.notes]
        crash.point("adopt.disk-filled")
    return notes


def copy_shared(site: Site, gold: Gold, server: Server, policy: Policy, stage: Stage) -> list[Note]:
    """Of a read-write clone: its copies of gold's shared disks, which are empty and open.  None of a read-only one."""
    notes: list[Note] = []
    shared = [disk.address for disk in gold.layout.shared if disk.address in server.ids]
    with gold.open(shared) as sources:
        for address in shared:
            id, out = server.ids[address], server.opened[address].path
            copy = copy_tree(sources[address].path, out, known=gold.manifest(address), progress=stage(f"copying {id}"))
            manifests.save_made(site, id, out, copy.manifest, policy)
            notes += copy.notes
            crash.point("clone.disk-copied")
    return notes


def with_contents(root: str, made: Manifest) -> Manifest:
    """A disk that was just made, with the hashes of all its files: a site that is copied has them at other inodes."""
    return scan_tree(root, known=made, writers="ended").manifest


def read_doubtful(root: str, now: Manifest, before: Manifest) -> Manifest:
    """A disk as it is, with the hashes of files of which only inode or ctime say that they were written."""
    doubtful = [
        row[0]
        for row in now.rows()
        if row[1] == FILE and not row[7] and (was := before.get(row[0])) is not None
        and (was.kind, was.size, was.mtime) == (FILE, row[5], row[6]) and tuple(was[12:]) != tuple(row[12:])
    ]  # fmt: skip
    if not doubtful:
        return now
    found = hash_files(root, doubtful)
    rows = (row._replace(content=found.get(row.path, row.content)) for row in map(Entry._make, now.rows()))
    return Manifest.from_rows(rows, now.squashed)


def save_seen(site: Site, clone: Clone, disk: str, manifest: Manifest) -> None:
    """Keep what came to a disk from the source."""
    files.make_directory(open_update.directory(site, clone.name, clone.last))
    manifest.save(_file(site, clone, f"{disk}.adopted"))


def load_seen(site: Site, clone: Clone, disk: str) -> Manifest:
    """What :func:`save_seen` kept. :raises BadInput: it is gone or damaged."""
    return Manifest.load(_file(site, clone, f"{disk}.adopted"))


def save_record(site: Site, clone: Clone, found: Found) -> None:
    """Keep the record of the merge that an adoption is, with what the server had removed: the clone's memory from now on."""
    record = make_record(found.plan)
    after = {one.place: one for one in (*found.removed, *found.plan.after.entries.values())}
    record["memory"]["after"] = Memory.of(after.values()).data()
    open_update.write(open_update.record_file(site, clone.name, clone.last), record_bytes(record))
    save_references(site, clone.name, found.plan.references.kept)


def save_report(site: Site, clone: Clone, data: Mapping[str, Any]) -> None:
    """Keep what was said of an adoption."""
    open_update.write(_file(site, clone, "adopted.json"), json.dumps(data).encode())


def load_report(site: Site, clone: Clone) -> dict[str, Any] | None:
    """What was said of a clone's adoption; ``None`` for one that was not adopted, or was updated since."""
    report: dict[str, Any] | None = open_update.read_kept(_file(site, clone, "adopted.json"), lambda data: {**data})
    return report


def _file(site: Site, clone: Clone, name: str) -> str:
    path = open_update.directory(site, clone.name, clone.last)
    return os.path.join(path, name)
