"""A later look at a server that was adopted: only what is new there is taken.

Three things are compared: what came the last time, what would come now, and what the clone is.  What is new on the server
is taken where the clone did not change the same since; else the clone's stays, and is named.  A state unit is one thing,
and so are the account files.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from goldroot.accounts import ACCOUNT_FILES
from goldroot.fleet.adopt.result import entry_of
from goldroot.fleet.manifests import differs
from goldroot.policy import STATE, Policy
from goldroot.tree import DIRECTORY, FILE, INLINE, BuildRow, Entry, Manifest, parent, rows_of, tree_key, upwards

ACCOUNTS = b"/etc/passwd"
ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True)
class Taken:
    """The new content of one disk."""

    rows: list[BuildRow]  #: its source 0 is the clone's disk, those of the server's rows come after it
    new: tuple[tuple[bytes, str], ...]  #: path and what happened to it, of what is taken
    kept: tuple[bytes, ...]  #: what is new on the server and is not taken, as the clone changed it too
    #: What came from the server, for the paths that the clone has otherwise; ``None``: it is as the disk has it.
    came: Mapping[bytes, Entry | None]

    def seen(self, made: Manifest) -> Manifest:
        """What came to the disk from the server up to now, by which the next look tells what is new.

        :param made: the disk as it is made of :attr:`rows`.
        """
        on_disk = {row.path: row for row in map(Entry._make, made.rows())}
        rows = (row or on_disk[path] for path, row in self.came.items() if row is not None or path in on_disk)
        return Manifest.from_rows(rows, made.squashed)


def take_new(before: Manifest, now: Sequence[BuildRow], clone: Manifest, policy: Policy) -> Taken:
    """Decide for one disk.

    :param before: what came the last time; ``now``: what would come; ``clone``: what the clone's disk is.
    """
    old = {row.path: row for row in map(Entry._make, before.rows())}
    coming = {row.path: row for row in now}
    there = {row.path: row for row in map(Entry._make, clone.rows())}
    own = {row.path: row for row in rows_of(clone)}
    group_of = _groups(policy)
    new = {path for path in old.keys() | coming.keys() if not _same(old.get(path), coming.get(path))}
    touched = {group_of(path) for path in old.keys() | there.keys() if _touched(old.get(path), there.get(path))}
    # Nothing comes into what the clone made something else of.
    strange = {path for path, row in own.items() if row.kind != DIRECTORY and group_of(path) in touched}
    touched |= {group_of(path) for path in new if not strange.isdisjoint(upwards(parent(path)))}
    taken = {path for path in new if group_of(path) not in touched}
    highest = max((row.group for row in own.values()), default=0)
    rows = {path: row for path, row in own.items() if path not in taken}
    for path in taken & coming.keys():
        row = coming[path]
        source = row.source if row.source == INLINE else row.source + 1
        rows[path] = row._replace(source=source, group=row.group + highest if row.group else 0)
    for path in list(rows):
        # What stays of the clone's keeps the directories that it is in.
        rows.update((above, own[above]) for above in upwards(path) if above in own and _lacks(rows, above, path))
    shown = tuple((path, _what(old.get(path), coming.get(path))) for path in sorted(taken, key=tree_key))
    kept = {group_of(path) for path in new - taken}
    # What is not taken stays new: it is named each time, until a person has seen to it.
    came = {
        path: old[path] if group_of(path) in touched else None
        for path in sorted(old.keys() | coming.keys(), key=tree_key)
        if (path in old if group_of(path) in touched else path in coming)
    }
    return Taken(sorted(rows.values(), key=lambda row: tree_key(row.path)), shown, tuple(sorted(kept)), came)


def _touched(was: Entry | None, now: Entry | None) -> bool:
    """Whether the clone has a path otherwise than it came."""
    return was is None or now is None or differs(was, now)


def _lacks(rows: Mapping[bytes, BuildRow], above: bytes, path: bytes) -> bool:
    return above != path and (above not in rows or rows[above].kind != DIRECTORY)


def _groups(policy: Policy) -> Callable[[bytes], bytes]:
    """What a path is one thing with, by a path."""
    accounts = {b"/etc/" + name.encode() for name in ACCOUNT_FILES}

    def group_of(path: bytes) -> bytes:
        place = b"/" + path
        if place in accounts:
            return ACCOUNTS
        rule = policy.match(place)
        return (policy.unit(place, rule) if rule.cls == STATE else None) or place

    return group_of


def _same(old: Entry | None, now: BuildRow | None) -> bool:
    """Whether what would come is what came; of a file that was not read, by its size and time."""
    if old is None or now is None:
        return old is None and now is None
    new = entry_of(now)
    if old[1:5] != new[1:5] or old[8:11] != new[8:11]:
        return False
    if old.kind != FILE:
        return old.kind == DIRECTORY or old.content == new.content
    known = bool(old.content and new.content)
    return old.size == new.size and (old.content == new.content if known else old.mtime == new.mtime)


def _what(old: Entry | None, now: BuildRow | None) -> str:
    return ADDED if old is None else REMOVED if now is None else CHANGED
