"""Gold versions and the slots that hold them.

The first rule of the house is kept here: a slot is not overwritten, and a version not removed, while any clone, any
fallback or any update holds it.  (What a *running machine* links is for the host to say; ask it before
:func:`begin_publish` and pass what it says as ``linked``.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import entries, events, images
from goldroot.catalog.holders import holders_of, named
from goldroot.catalog.schema import entries as entry_table
from goldroot.catalog.schema import gold_versions, slots
from goldroot.catalog.store import Tx, now
from goldroot.errors import NoFreeSlot, NotFound, Refused

State = Literal["publishing", "published", "retired"]


@dataclass(frozen=True, slots=True)
class GoldVersion:
    """A gold version.  ``digests`` has the manifest's digest of each disk by its address; ``slot`` is the number of its
    slot, ``None`` once its disks are gone.  A retired version takes no new clone."""

    image: str
    number: int
    state: State
    digests: Mapping[str, str]
    fingerprint: str
    untested: bool
    started_at: str
    published_at: str | None
    note: str
    signature: Mapping[str, Any]
    slot: int | None
    slot_name: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one gold version's disks; ``version`` is ``None`` where it is empty."""

    image: str
    number: int
    name: str
    version: int | None


_NAMED = sa.and_(entry_table.c.image == slots.c.image, entry_table.c.slot == slots.c.number)
_SLOTS = sa.select(slots.c.image, slots.c.number, entry_table.c.name, slots.c.version).select_from(
    slots.join(entry_table, _NAMED)
)
_WITH_SLOT = sa.select(gold_versions, slots.c.number, entry_table.c.name).select_from(
    gold_versions.outerjoin(
        slots, sa.and_(slots.c.image == gold_versions.c.image, slots.c.version == gold_versions.c.number)
    ).outerjoin(entry_table, _NAMED)
)
_FIND = _WITH_SLOT.where(
    gold_versions.c.image == sa.bindparam("image"), gold_versions.c.number == sa.bindparam("number")
)


def find(tx: Tx, image: str, number: int) -> GoldVersion | None:
    """The version, or ``None``."""
    row = tx.first(_FIND, image=image, number=number)
    return None if row is None else GoldVersion(*row)


def get(tx: Tx, image: str, number: int) -> GoldVersion:
    """:raises NotFound: there is no such version (or image)."""
    found = find(tx, images.get(tx, image).name, number)
    if found is None:
        known = ", ".join(str(version.number) for version in every(tx, image)) or "none yet"
        raise NotFound(f"image {image!r} has no gold version {number}", todo=f"Its versions: {known}.")
    return found


def every(tx: Tx, image: str) -> list[GoldVersion]:
    """All versions that ever were, oldest first."""
    rows = tx.rows(_WITH_SLOT.where(gold_versions.c.image == image).order_by(gold_versions.c.number))
    return [GoldVersion(*row) for row in rows]


def current(tx: Tx, image: str) -> GoldVersion | None:
    """The newest published version: what a new clone is made from."""
    published = [version for version in every(tx, image) if version.state == "published"]
    return published[-1] if published else None


def all_slots(tx: Tx, image: str) -> list[Slot]:
    """The slots of an image, by number."""
    return [Slot(*row) for row in tx.rows(_SLOTS.where(slots.c.image == image).order_by(slots.c.number))]


def add_slot(tx: Tx, image: str) -> Slot:
    """One slot more."""
    number = len(all_slots(tx, images.get(tx, image).name)) + 1
    tx.add(slots, image=image, number=number)
    return Slot(image, number, entries.take_for_slot(tx, image, number), None)


def begin_publish(
    tx: Tx,
    image: str,
    *,
    fingerprint: str = "",
    untested: bool = False,
    note: str = "",
    linked: Collection[str] = (),
) -> GoldVersion:
    """Take the next number and a slot for it.  One publish at a time: one that was begun is returned as it is.

    An empty slot is taken first; then the slot of the oldest version that nobody holds, retired before current ones;
    never the slot of the current version.  A version that loses its slot so is retired: its record stays.

    :param linked: names of slots that a running machine links, whatever the catalog says.
    :raises NoFreeSlot: every slot is held; the error names by whom.
    """
    begun = [version for version in every(tx, images.get(tx, image).name) if version.state == "publishing"]
    if begun:
        return begun[0]
    slot = next_slot(tx, image, linked)
    if slot.version is not None:
        _out_of_slot(tx, image, slot.version)
    last = tx.value(sa.select(sa.func.max(gold_versions.c.number)).where(gold_versions.c.image == image)) or 0
    version = GoldVersion(
        image, last + 1, "publishing", {}, fingerprint, untested, now(), None, note, {}, slot.number, slot.name
    )
    tx.add(
        gold_versions,
        image=image,
        number=version.number,
        state="publishing",
        digests={},
        fingerprint=fingerprint,
        untested=untested,
        started_at=version.started_at,
        note=note,
        signature={},
    )
    _set_slot(tx, slot, version.number)
    events.add(tx, "publish-begun", f"image:{image}", version=version.number, slot=slot.name)
    return version


def next_slot(tx: Tx, image: str, linked: Collection[str] = ()) -> Slot:
    """The slot that the next version would be given, and the version that would leave it; see :func:`begin_publish`."""
    versions = {version.number: version for version in every(tx, image)}
    newest = current(tx, image)
    held: list[str] = []
    free: list[tuple[tuple[int, int], Slot]] = []
    for slot in all_slots(tx, image):
        why = _why_held(tx, slot, newest, linked)
        if why:
            held.append(f"{slot.name} (version {slot.version}): {why}")
        elif slot.version is None:
            free.append(((0, slot.number), slot))
        else:
            free.append(((1 if versions[slot.version].state == "retired" else 2, slot.version), slot))
    if not free:
        raise NoFreeSlot(
            f"image {image!r} has no free slot: " + "; ".join(held),
            meaning="Nothing was published or overwritten.",
            todo="Update or delete the clones of one version, prune their fallbacks, or add a slot: "
            "a larger `slots` in goldroot.toml.",
        )
    return min(free)[1]


def _why_held(tx: Tx, slot: Slot, newest: GoldVersion | None, linked: Collection[str]) -> str:
    if slot.name in linked:
        return "a running machine links it"
    if slot.version is None:
        return ""
    if newest is not None and slot.version == newest.number:
        found = holders_of(tx, slot.image, slot.version)
        return "the current gold" + (f", held by {named(found)}" if found else "")
    return named(holders_of(tx, slot.image, slot.version))


def _set_slot(tx: Tx, slot: Slot, version: int | None) -> None:
    tx.write(slots.update().where(slots.c.image == slot.image, slots.c.number == slot.number).values(version=version))


def _out_of_slot(tx: Tx, image: str, number: int) -> None:
    tx.write(slots.update().where(slots.c.image == image, slots.c.version == number).values(version=None))
    _set_version(tx, image, number, state="retired")
    events.add(tx, "version-removed", f"image:{image}", version=number)


def _set_version(tx: Tx, image: str, number: int, **values: object) -> None:
    where = (gold_versions.c.image == image, gold_versions.c.number == number)
    tx.write(gold_versions.update().where(*where).values(**values))


def finish_publish(
    tx: Tx,
    image: str,
    number: int,
    *,
    digests: Mapping[str, str],
    signature: Mapping[str, Any],
    fingerprint: str | None = None,
) -> GoldVersion:
    """The version is complete and signed: it is the current gold from now on.  Doing it twice does no harm.

    :raises Refused: it was published before with other disks, or retired.
    """
    version = get(tx, image, number)
    if version.state == "published" and dict(version.digests) == dict(digests):
        return version
    if version.state != "publishing":
        raise Refused(f"version {number} of {image!r} is {version.state} already", meaning="Gold is never written.")
    values: dict[str, object] = {"digests": dict(digests), "signature": dict(signature)}
    if fingerprint is not None:
        values["fingerprint"] = fingerprint
    _set_version(tx, image, number, state="published", published_at=now(), **values)
    events.add(tx, "published", f"image:{image}", version=number, slot=version.slot_name, untested=version.untested)
    return get(tx, image, number)


def found(
    tx: Tx, image: str, number: int, slot_name: str, *, record: Mapping[str, Any], signature: Mapping[str, Any]
) -> GoldVersion:
    """The row of a version that stands in a slot, published, and that this catalog does not know so: it is older.

    :param record: the version's signed record.
    :raises NotFound: the image has no slot of that name.
    """
    slot = next((slot for slot in all_slots(tx, image) if slot.name == slot_name), None)
    if slot is None:
        raise NotFound(f"image {image!r} has no slot {slot_name}", todo="Set `slots` in goldroot.toml as it was.")
    if slot.version is not None and slot.version != number:
        _out_of_slot(tx, image, slot.version)
    if find(tx, image, number) is None:
        tx.add(
            gold_versions, image=image, number=number, state="publishing", digests={}, fingerprint="",
            untested=bool(record["untested"]), started_at=record["published_at"], note=record["note"], signature={},
        )  # fmt: skip
    _set_slot(tx, slot, number)
    digests = {address: str(disk["digest"]) for address, disk in record["disks"].items()}
    events.add(tx, "version-found", f"image:{image}", version=number, slot=slot_name)
    return finish_publish(tx, image, number, digests=digests, signature=signature, fingerprint=record["fingerprint"])


def abandon_publish(tx: Tx, image: str, number: int) -> None:
    """Give up a publish that was begun: number and slot are free again.  Remove what was written to the slot *first*.

    :raises Refused: it is published.
    """
    version = find(tx, image, number)
    if version is None:
        return
    if version.state != "publishing":
        raise Refused(f"version {number} of {image!r} is {version.state}: it cannot be abandoned")
    tx.write(slots.update().where(slots.c.image == image, slots.c.version == number).values(version=None))
    tx.write(gold_versions.delete().where(gold_versions.c.image == image, gold_versions.c.number == number))
    events.add(tx, "publish-abandoned", f"image:{image}", version=number)


def retire(tx: Tx, image: str, number: int) -> GoldVersion:
    """No new clone and no update goes to this version any more; those on it stay, and so does its slot.

    :raises Refused: it is being published.
    """
    version = get(tx, image, number)
    if version.state == "publishing":
        raise Refused(f"version {number} of {image!r} is being published", todo="Finish or abandon that first.")
    if version.state == "published":
        _set_version(tx, image, number, state="retired")
        events.add(tx, "version-retired", f"image:{image}", version=number)
    return get(tx, image, number)


def remove(tx: Tx, image: str, number: int) -> Slot | None:
    """Take a version out of its slot, and retire it; its record stays.  Returns the slot whose disks may now go.

    :raises Refused: it is being published, or somebody holds it; the error names who.
    """
    version = get(tx, image, number)
    found = holders_of(tx, image, number)
    if found:
        raise Refused(
            f"version {number} of {image!r} cannot be removed: it is held by {named(found)}",
            meaning="Their disks are, or would be, linked to it.",
            todo="Update or delete those clones, or prune their fallbacks, first.",
        )
    if version.state == "publishing":
        raise Refused(f"version {number} of {image!r} is being published", todo="Finish or abandon that first.")
    slot = next((slot for slot in all_slots(tx, image) if slot.version == number), None)
    if slot is not None:
        _out_of_slot(tx, image, number)
    return slot
