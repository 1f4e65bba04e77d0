"""Slots of a host, and the copies of gold versions that stand in them.

A version may have a copy on each host, and a clone links the one of its own.  The first rule of the house is kept here:
a slot is not overwritten, and a copy not removed, while any clone, any fallback or any update on that host holds it.
(What a *running machine* links is for the host to say; ask it, and pass what it says as ``linked``.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import sqlalchemy as sa

from goldroot.catalog import entries, images
from goldroot.catalog.holders import holders_of, named
from goldroot.catalog.schema import entries as entry_table
from goldroot.catalog.schema import gold_copies, gold_versions, slots
from goldroot.catalog.store import Tx
from goldroot.errors import NoFreeSlot, NotFound, Refused

#: filling: its disks are being written, and nobody sees it.
State = Literal["filling", "whole"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place on a host for one gold version's disks; ``version`` is ``None`` where it is empty."""

    host: str
    image: str
    number: int
    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Copy:
    """A version's disks on one host; ``slot_name`` is the entry that has them."""

    image: str
    version: int
    host: str
    slot: int
    state: State
    evidence: Mapping[str, str]  #: by address: cheap proof that nobody wrote to the disk, where the host has one
    slot_name: str


#: No slot is in use.
NOBODY: Mapping[str, str] = MappingProxyType({})

_NAMED = sa.and_(
    entry_table.c.host == slots.c.host, entry_table.c.image == slots.c.image, entry_table.c.slot == slots.c.number
)
_IN_SLOT = sa.and_(
    gold_copies.c.host == slots.c.host, gold_copies.c.image == slots.c.image, gold_copies.c.slot == slots.c.number
)
_SLOTS = sa.select(slots.c.host, slots.c.image, slots.c.number, entry_table.c.name, gold_copies.c.version).select_from(
    slots.join(entry_table, _NAMED).outerjoin(gold_copies, _IN_SLOT)
)
_COPIES = sa.select(gold_copies, entry_table.c.name).select_from(
    gold_copies.join(slots, _IN_SLOT).join(entry_table, _NAMED)
)
_FIND = _COPIES.where(
    gold_copies.c.image == sa.bindparam("image"),
    gold_copies.c.version == sa.bindparam("version"),
    gold_copies.c.host == sa.bindparam("host"),
)


def all_slots(tx: Tx, image: str, host: str | None = None) -> list[Slot]:
    """The slots of an image, on one host or on all, by host and number."""
    query = _SLOTS.where(slots.c.image == image).order_by(slots.c.host, slots.c.number)
    if host is not None:
        query = query.where(slots.c.host == host)
    return [Slot(*row) for row in tx.rows(query)]


def add_slot(tx: Tx, image: str, host: str) -> Slot:
    """One slot more on a host."""
    number = len(all_slots(tx, images.get(tx, image).name, host)) + 1
    tx.add(slots, host=host, image=image, number=number)
    return Slot(host, image, number, entries.take_for_slot(tx, image, number, host), None)


def find(tx: Tx, image: str, version: int, host: str) -> Copy | None:
    """A version's copy on a host, ``None`` where it has none."""
    row = tx.first(_FIND, image=image, version=version, host=host)
    return None if row is None else Copy(*row)


def every(tx: Tx, image: str, version: int | None = None) -> list[Copy]:
    """All copies of an image's versions, or of one version, by version and host."""
    query = _COPIES.where(gold_copies.c.image == image).order_by(gold_copies.c.version, gold_copies.c.host)
    if version is not None:
        query = query.where(gold_copies.c.version == version)
    return [Copy(*row) for row in tx.rows(query)]


def check_whole(tx: Tx, image: str, version: int, host: str) -> Copy:
    """A version's copy on a host, for a server there.

    :raises Refused: there is none, or it is not complete; the error says what to do.
    """
    copy = find(tx, image, version, host)
    if copy is None or copy.state != "whole":
        why = "there is no copy of it" if copy is None else "its copy is not complete"
        raise Refused(
            f"gold version {version} of {image!r} cannot be used on host {host}: {why} there",
            meaning="A server links gold on its own host.",
            todo=f"Make one with: goldroot gold replicate {image} {version} --to {host}",
        )
    return copy


def next_slot(tx: Tx, image: str, host: str, linked: Mapping[str, str] = NOBODY) -> Slot:
    """The slot of a host that the next version would be given, and the version that would leave it.

    An empty slot is taken first; then the slot of the oldest version that nobody holds there, retired before current
    ones; never the slot of the newest published version there.

    :param linked: names of slots that are in use, whatever the catalog says, and by whom.
    :raises NoFreeSlot: every slot is held; the error names by whom.
    """
    query = sa.select(gold_versions.c.number, gold_versions.c.state).where(gold_versions.c.image == image)
    states: dict[int, str] = {row.number: row.state for row in tx.rows(query)}
    there = all_slots(tx, image, host)
    whole = [copy.version for copy in every(tx, image) if copy.host == host and copy.state == "whole"]
    newest = max((version for version in whole if states[version] == "published"), default=None)
    held: list[str] = []
    free: list[tuple[tuple[int, int], Slot]] = []
    for slot in there:
        if why := _why_held(tx, slot, newest, linked):
            held.append(f"{slot.name} (version {slot.version}): {why}")
        elif slot.version is None:
            free.append(((0, slot.number), slot))
        else:
            free.append(((1 if states[slot.version] == "retired" else 2, slot.version), slot))
    if not free:
        where = "" if host == images.get(tx, image).host else f" on host {host}"
        raise NoFreeSlot(
            f"image {image!r} has no free slot{where}: " + "; ".join(held),
            meaning=" ".join(
                ["Nothing was published or overwritten.", *(f"{name}: {why}." for name, why in linked.items())]
            ),
            todo="Update or delete the clones of one version; cancel their updates; prune what is kept of them, what was "
            "set aside too (goldroot fallback list; goldroot fallback prune --force CLONE); or add a slot: a larger `slots` "
            "in goldroot.toml.",
        )
    return min(free, key=lambda one: one[0])[1]


def _why_held(tx: Tx, slot: Slot, newest: int | None, linked: Collection[str]) -> str:
    if slot.name in linked:
        return "in use"
    if slot.version is None:
        return ""
    found = holders_of(tx, slot.image, slot.version, slot.host)
    if slot.version == newest:
        return "the current gold" + (f", held by {named(found)}" if found else "")
    return named(found)


def begin(tx: Tx, image: str, version: int, host: str, linked: Mapping[str, str] = NOBODY) -> Copy:
    """Take a slot of a host for a version; one that it has already is returned as it is.

    A version that loses its slot so keeps its record; it is retired where that was its last copy.

    :raises NoFreeSlot: every slot there is held; the error names by whom.
    """
    known = find(tx, image, version, host)
    if known is not None:
        return known
    return take(tx, next_slot(tx, image, host, linked), version)


def take(tx: Tx, slot: Slot, version: int) -> Copy:
    """Give a slot that :func:`next_slot` found to a version; the one that stands in it loses its copy there."""
    if slot.version is not None:
        drop(tx, slot.image, slot.version, slot.host)
    _add(tx, slot, version, "filling")
    tx.event("copy-begun", f"image:{slot.image}", version=version, host=slot.host, slot=slot.name)
    return Copy(slot.image, version, slot.host, slot.number, "filling", {}, slot.name)


def put(tx: Tx, slot: Slot, version: int) -> None:
    """A version stands whole in a slot, by what the host says: this catalog is older.

    What stood there by this catalog has gone since; who holds it by the same catalog is on another version, or gone.
    """
    if slot.version is not None and slot.version != version:
        gone(tx, slot.image, slot.version, slot.host)
    where = _is(slot.image, version, slot.host)
    if not tx.write(gold_copies.update().where(*where).values(slot=slot.number, state="whole")):
        _add(tx, slot, version, "whole")


def finish(tx: Tx, image: str, version: int, host: str) -> None:
    """The copy is complete: servers of its host may link it from now on.

    :raises NotFound: it was not begun, or was given up since.
    """
    if not tx.write(gold_copies.update().where(*_is(image, version, host)).values(state="whole")):
        raise NotFound(f"there is no copy of gold version {version} of {image!r} on host {host} to finish")
    tx.event("copy-made", f"image:{image}", version=version, host=host)


def note_evidence(tx: Tx, image: str, version: int, host: str, evidence: Mapping[str, str]) -> None:
    """What proves cheaply, by address, that nobody wrote to the disks since they were sealed."""
    tx.write(gold_copies.update().where(*_is(image, version, host)).values(evidence=dict(evidence)))


def drop(tx: Tx, image: str, version: int, host: str) -> Slot | None:
    """Take a copy out of its slot, whose disks may go now; a version without any copy is retired, and its record stays.

    Returns the slot, ``None`` where there is no such copy.

    :raises Refused: somebody on that host holds it; the error names who.
    """
    copy = find(tx, image, version, host)
    if copy is None:
        return None
    if found := holders_of(tx, image, version, host):
        raise Refused(
            f"version {version} of {image!r} cannot be removed: it is held by {named(found)}",
            meaning="Their disks are, or would be, linked to it.",
            todo="Update or delete those clones, or prune their fallbacks, first.",
        )
    return gone(tx, image, version, host)


def gone(tx: Tx, image: str, version: int, host: str) -> Slot | None:
    """A copy is not on its host any more, whoever holds it by this catalog; as :func:`drop` otherwise."""
    copy = find(tx, image, version, host)
    if copy is None:
        return None
    tx.write(gold_copies.delete().where(*_is(image, version, host)))
    if every(tx, image, version):
        tx.event("copy-removed", f"image:{image}", version=version, host=host)
    else:
        of_version = (gold_versions.c.image == image, gold_versions.c.number == version)
        tx.write(gold_versions.update().where(*of_version).values(state="retired"))
        tx.event("version-removed", f"image:{image}", version=version)
    return Slot(host, image, copy.slot, copy.slot_name, None)


def forget(tx: Tx, image: str, version: int) -> None:
    """Forget all copies of a version that is given up; its disks are gone already."""
    tx.write(gold_copies.delete().where(gold_copies.c.image == image, gold_copies.c.version == version))


def _add(tx: Tx, slot: Slot, version: int, state: State) -> None:
    row = {"host": slot.host, "slot": slot.number, "state": state, "evidence": {}}
    tx.write(gold_copies.insert().values(image=slot.image, version=version, **row))


def _is(image: str, version: int, host: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (gold_copies.c.image == image, gold_copies.c.version == version, gold_copies.c.host == host)
