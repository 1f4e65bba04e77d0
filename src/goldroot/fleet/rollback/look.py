"""What is kept can be looked at: shown, compared with the live disks, and taken from.  Nothing of it is changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from goldroot.catalog import Clone, Fallback, clones, updates
from goldroot.errors import BadInput, NotFound, UsageError
from goldroot.files import NOT_THERE, parent_of, read_regular
from goldroot.fleet import manifests
from goldroot.fleet.drift import Drift, differences
from goldroot.fleet.inputs import (
    Disks,
    Server,
    Stage,
    disk_side,
    open_clone,
    open_own,
    plan_sides,
    policy_of,
    shared_files,
    silent,
)
from goldroot.fleet.rollback.fallback import fallback_data
from goldroot.fleet.rollback.rollback import read_written
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.hosts import find_entry, own_disks
from goldroot.image import Gold, open_version
from goldroot.merge import make_record
from goldroot.site import Site
from goldroot.tree import (
    BLOCK,
    CHAR,
    DIRECTORY,
    FILE,
    BuildOptions,
    BuildRow,
    Manifest,
    build_tree,
    is_below,
    path_bytes,
    path_text,
    remove_tree,
    rows_of,
)

#: Bits of a mode and namespaces of attributes by which a file gives whoever runs it more than he has.
_SET_ID, _POWERS = 0o6000, b"security."


@dataclass(frozen=True)
class Kept:
    """A fallback, or disks set aside, with its clone and where it is: ids by live address."""

    clone: Clone
    fallback: Fallback
    gold: Gold
    ids: dict[str, str]

    def open(self) -> AbstractContextManager[Server]:
        """Its disks, open to be read for the block."""
        return open_own(self.gold.host, self.gold.layout, self.ids)


def find_kept(site: Site, name: str, number: int | None = None) -> Kept:
    """What is kept of a clone: by its number, else the newest that it can go back to, else the newest that was set aside.

    :raises NotFound: there is none, or it is another clone's.
    """
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
        found = updates.fallbacks(tx, name)
    if number is not None:
        found = [one for one in found if one.id == number]
    if not found:
        what = f"nothing is kept of {name}" + ("" if number is None else f" under the number {number}")
        raise NotFound(what, todo="See: goldroot fallback list")
    one = max(found, key=lambda each: (each.state == "kept", each.id))
    gold = open_version(site, one.image, one.from_version, clone.host)
    entry = find_entry(gold.host, clone.machine)
    digit = kept_sets(entry).get(one.work)
    if digit is None:
        raise NotFound(
            f"the disks of fallback {one.id} of {name} are not there any more", todo="See: goldroot fallback list"
        )
    return Kept(clone, one, gold, own_disks(entry, digit))


def show_kept(site: Site, kept: Kept) -> dict[str, Any]:
    """Everything that is known of it, as JSON data."""
    one = kept.fallback
    with site.catalog.read() as tx:
        left = updates.get(tx, one.update_id)
    return {
        **fallback_data(one), "created_at": one.created_at, "left_by": left.kind, "update": left.id, "live": kept.clone.version,
        "written_since": read_written(site, one.clone, left.id),
    }  # fmt: skip


@dataclass(frozen=True)
class KeptDrift(Drift):
    """What the live disks have otherwise than those that are kept."""

    kept: Kept

    def as_dict(self) -> dict[str, Any]:
        """As JSON data; ``version`` is that of what is kept."""
        return {**super().as_dict(), "version": self.gold.number, "fallback": self.kept.fallback.id}

    @property
    def other(self) -> str:
        """What it is compared with, for people."""
        what = "fallback" if self.kept.fallback.state == "kept" else "set-aside disks"
        return f"its {what} ({self.gold.image} {self.gold.number})"

    @contextmanager
    def open_other(self) -> Iterator[Disks]:
        """What it is compared with, open for the block."""
        with self.kept.open() as back:
            yield back.opened


def diff_kept(site: Site, kept: Kept, below: list[str] | None = None, *, stage: Stage = silent) -> KeptDrift:
    """What was changed since, or is otherwise: the live disks against those that are kept, owners as names.

    :param below: only these paths and what is below them (absolute).
    """
    policy = policy_of(site, kept.clone.image)
    with open_clone(site, kept.clone) as server, kept.open() as back:
        own = disk_side(site, server, policy, writers="live", stage=stage)
        # A merge in which gold did not move from what is kept: what it finds is what the live disks have otherwise.
        base = disk_side(site, back, policy, stage=stage)
        base = replace(base, shared=shared_files(kept.gold, back.ids))
        same = {address: tree for address, tree in own.trees.items() if address in base.trees}
        record = make_record(plan_sides((base, base, replace(own, trees=same)), policy))
        disks = {address: server.ids[address] for address in same}
    return KeptDrift(kept.clone, differences(record, below, policy), kept.gold, disks, policy, kept)


def path_in(text: str) -> bytes:
    """A path of a system as bytes, without the first slash.

    :raises UsageError: it is not absolute, or goes up.
    """
    path = path_bytes(text).rstrip(b"/")
    names = path.split(b"/")
    if names[0] or len(names) < 2 or {b"", b".", b".."} & set(names[1:]):
        raise UsageError(
            f"{text!r} is not an absolute path of a system", todo="Write it like /etc/hosts, without '..'."
        )
    return path[1:]


def read_kept(kept: Kept, text: str) -> bytes:
    """The content of a file that is kept.

    :raises NotFound: there is none. :raises BadInput: it is not a regular file.
    """
    path = path_in(text)
    try:
        with kept.open() as back, parent_of(back.opened[_address(kept, path)].path, path) as (directory, name):
            content = read_regular(name, directory)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
        raise _not_there(kept, path) from None
    if content is None:
        raise BadInput(f"{text} is not a regular file", todo="Take it out with --to DIR.")
    return content


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out: where it is, how many paths it has, and what is otherwise than it was, in words."""

    place: str
    paths: int
    notes: tuple[str, ...]


def get_kept(site: Site, kept: Kept, text: str, to: str, *, plan_only: bool = False) -> Taken:
    """Take a path, with all below it, out of what is kept.

    Owners, modes, times and attributes stay, where that is allowed.  What would give somebody power over this machine does
    not: bits for another user (setuid, setgid), capabilities, devices.  Links are taken as links.

    :param to: a directory, or the name that it shall have.
    :raises NotFound: there is no such path. :raises BadInput: there is something of that name already.
    """
    path, policy = path_in(text), policy_of(site, kept.clone.image)
    place = os.path.join(to, os.fsdecode(os.path.basename(path))) if os.path.isdir(to) else to
    if os.path.lexists(place):
        raise BadInput(
            f"there is something at {place} already", meaning="Nothing was taken.", todo="Name another place."
        )
    above = os.path.dirname(os.path.abspath(place))
    if not os.path.isdir(above):
        raise BadInput(f"there is no directory {above}", meaning="Nothing was taken.", todo="Make it first.")
    with kept.open() as back:
        address = _address(kept, path)
        root = back.opened[address].path
        found = manifests.scan_disk(site, back.ids[address], root, policy, writers="unknown", progress=None).manifest
        rows, notes = _rows(found, path)
        if not rows:
            raise _not_there(kept, path)
        if plan_only:
            return Taken(place, len(rows), notes)
        room = tempfile.mkdtemp(prefix=".goldroot-get-", dir=above)
        try:
            built = build_tree([_TOP, *rows], [root], room, BuildOptions())
            _place(os.path.join(room, "taken"), place)
        finally:
            remove_tree(room)
    return Taken(place, len(rows), (*notes, *(note.text for note in built.notes)))


_TOP = BuildRow(b"", DIRECTORY, 0o700, os.geteuid(), os.getegid(), 0, (), 0, 0, 0, b"", b"", 0, 0, 0)


def _address(kept: Kept, path: bytes) -> str:
    """:raises NotFound: the path stands on a disk that is gold's."""
    address = kept.gold.layout.disk_of(path).address
    if address not in kept.ids:
        raise NotFound(
            f"/{path_text(path)} stands on a disk that {kept.clone.name} shares with gold",
            meaning=f"It is that of {kept.gold.image} {kept.gold.number}: what is kept has only the server's own disks.",
        )
    return address


def _not_there(kept: Kept, path: bytes) -> NotFound:
    where = f"fallback {kept.fallback.id} of {kept.clone.name}"
    return NotFound(f"there is no /{path_text(path)} in {where}", todo=f"See: goldroot fallback diff {kept.clone.name}")


def _rows(found: Manifest, path: bytes) -> tuple[list[BuildRow], tuple[str, ...]]:
    """The rows of a path and what is below it, under the name ``taken``; and what was left out, in words."""
    rows, powers, devices = [], 0, 0
    for row in rows_of(found):
        if row.path != path and not is_below(row.path, path):
            continue
        if row.kind in (CHAR, BLOCK):
            devices += 1
            continue
        mode = row.mode & ~_SET_ID if row.kind == FILE else row.mode
        xattrs = tuple(one for one in row.xattrs if not one[0].startswith(_POWERS))
        powers += (mode, xattrs) != (row.mode, row.xattrs)
        name = b"taken" + row.path[len(path) :]
        # Flags go, too: what cannot be changed could not be given its name.
        rows.append(row._replace(path=name, mode=mode, xattrs=xattrs, flags=0, project=0))
    said = [
        (powers, "were taken without setuid, setgid or security attributes"),
        (devices, "are devices, and were left out"),
    ]
    return rows, tuple(f"{count} of its paths {words}" for count, words in said if count)


def _place(taken: str, place: str) -> None:
    """Give it its name, at once and whole; a name that came into being meanwhile is not written over by a file."""
    if os.path.lexists(place):
        raise BadInput(
            f"there is something at {place} already", meaning="Nothing was taken.", todo="Name another place."
        )
    os.rename(taken, place)
