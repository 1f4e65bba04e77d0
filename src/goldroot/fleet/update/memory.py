"""What earlier merges of a server left for the next ones.

::

    SITE/records/web1/references.json        what it points at that is not as gold has it: a forecast opens no disk
    SITE/records/web1/u7k2m9q4xa/1B5.rows    32 bytes for each file: a digest of its row, its inode and ctime when written

What it had removed before its gold, the record of the merge says that made it (:class:`goldroot.merge.Memory`).

What an earlier merge of the same update wrote on a disk is moved into the next result, not copied again: a server is off
while what it wrote last is merged once more, and most of its files are what they were.  A row of a plan says all of a file: where its
bytes come from, and that source's inode and ctime.  So a file that was written for the same row, and was not touched since, is the file
that the new row asks for.  The list is removed before the disk changes, and written when it is complete: a disk without one is emptied
first.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from goldroot import files
from goldroot.catalog import clones, updates
from goldroot.errors import NoPermission, NotFound, TreeChanged
from goldroot.files import Cursor, split
from goldroot.fleet.update import open_update
from goldroot.fleet.update.open_update import active_clone
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.merge import CLONE_SIDE, Memory, Reference
from goldroot.site import Site
from goldroot.tree import (
    EARLIER,
    FILE,
    INLINE,
    BuildOptions,
    BuildRow,
    Built,
    build_tree,
    open_tree,
    path_bytes,
    path_text,
    remove_tree,
    sync_file_system,
)

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


_ENTRY = struct.Struct("<16sQQ")
#: Nanoseconds: what was written later than so long before its list could be written again with the same ctime.
_YOUNG = 20_000_000


def build_over(
    rows: Sequence[BuildRow], sources: Sequence[bytes], path: str, options: BuildOptions, *, list_file: str
) -> Built:
    """Write a result to the disk that is open at ``path``, with the files of the earlier one that are what their rows say.

    :raises: as :func:`~goldroot.tree.build_tree`.
    """
    known = _taken(list_file)
    built = _over(rows, sources, path, options, known) if known and not rows[0].flags else None
    if built is None:
        remove_tree(path, keep_top=True)
        built = build_tree(rows, sources, path, options)
    _save(list_file, rows, built)
    return built


def is_listed(list_file: str) -> bool:
    """Whether a disk has a complete result whose files can be taken over; else it is to be emptied."""
    return os.path.exists(list_file)


def _over(
    rows: Sequence[BuildRow],
    sources: Sequence[bytes],
    path: str,
    options: BuildOptions,
    known: dict[bytes, tuple[int, int]],
) -> Built | None:
    """The result, or ``None`` where the earlier one cannot be moved: it goes, and all is written again."""
    earlier = os.path.join(path, EARLIER)
    if not _set_aside(path, earlier):
        return None
    try:
        taking = list(_with_earlier(rows, len(sources), earlier, known))
        moved = options._replace(moved=(len(sources),), sync=False)
        built = build_tree(taking, [*sources, os.fsencode(earlier)], path, moved)
        remove_tree(earlier)
    except (TreeChanged, NoPermission):
        return None
    # What stood in it for a while has set the time of the tree's own directory.
    os.utime(path, ns=(time.time_ns(), rows[0].mtime))
    top = open_tree(path)
    try:
        sync_file_system(top, os.fsencode(path))
    finally:
        os.close(top)
    return built


def _set_aside(path: str, earlier: str) -> bool:
    """Move all that stands on the disk into one directory of it; whether that worked."""
    try:
        os.mkdir(earlier, 0o700)
        for name in os.listdir(path):
            if name not in (EARLIER, "lost+found"):
                os.rename(os.path.join(path, name), os.path.join(earlier, name))
    except OSError:  # one is there from a merge that was cut off, or an inode flag holds a name
        return False
    return True


def _with_earlier(
    rows: Sequence[BuildRow], source: int, earlier: str, known: dict[bytes, tuple[int, int]]
) -> Iterator[BuildRow]:
    """The rows; those of files that can be taken over name the earlier tree as their source."""
    top = open_tree(earlier)
    cursor = Cursor(top)
    try:
        for row in rows:
            signature = known.get(_digest(row)) if _can_be_listed(row) else None
            if signature is None or not _is_there(cursor, row.path, signature):
                yield row
                continue
            content = hashlib.sha256(row.content).digest() if row.source == INLINE else row.content
            inode, ctime = signature
            yield row._replace(source=source, source_path=row.path, content=content, inode=inode, ctime=ctime)
    finally:
        cursor.close()
        os.close(top)


def _is_there(cursor: Cursor, path: bytes, signature: tuple[int, int]) -> bool:
    directory, name = split(path)
    try:
        status = os.stat(name, dir_fd=cursor.at(directory), follow_symlinks=False)
    except OSError:
        return False
    return (status.st_ino, status.st_ctime_ns) == signature


def _can_be_listed(row: BuildRow) -> bool:
    """Whether a row says all of a file that has one name.

    A name less changes the ctime of a file with several; an inode flag may hold it where it is.  A server's file whose
    ctime proves nothing is known by the digest of its content alone.
    """
    if row.kind != FILE or row.group or row.flags or row.project:
        return False
    return row.source != CLONE_SIDE or bool(row.ctime or row.content)


def _digest(row: BuildRow) -> bytes:
    """What a row asks for, in short; where the digest of its content is known, its source's age has no say."""
    if row.content:
        row = row._replace(inode=0, ctime=0)
    return hashlib.blake2b(repr(tuple(row)).encode(), digest_size=16).digest()


def _taken(list_file: str) -> dict[bytes, tuple[int, int]]:
    """The list, which is gone then: what it says holds no longer."""
    try:
        with open(list_file, "rb") as file:
            data = file.read()
        os.unlink(list_file)
    except FileNotFoundError:
        return {}
    whole = len(data) - len(data) % _ENTRY.size
    return {digest: (inode, ctime) for digest, inode, ctime in _ENTRY.iter_unpack(data[:whole])}


def _save(list_file: str, rows: Sequence[BuildRow], built: Built) -> None:
    """Write the list of what was written; without what could not be made as its row says, which the notes name."""
    if built.owners:
        with suppress(FileNotFoundError):
            os.unlink(list_file)
        return
    noted, limit = {note.path for note in built.notes}, time.time_ns() - _YOUNG
    columns = built.manifest.columns
    written = dict(zip(columns.each_path(), zip(columns.inodes, columns.ctimes, strict=True), strict=True))
    entries = []
    for row in rows:
        inode, ctime = written.get(row.path, (0, 0))
        if 0 < ctime <= limit and row.path not in noted and _can_be_listed(row):
            entries.append(_ENTRY.pack(_digest(row), inode, ctime))
    files.make_directory(os.path.dirname(list_file))
    files.write(list_file, b"".join(entries))
