"""Gold versions: what was published, signed and is never written again; where their disks stand is in ``copies``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import copies, images
from goldroot.catalog.schema import entries as entry_table
from goldroot.catalog.schema import gold_copies, gold_versions
from goldroot.catalog.schema import images as image_table
from goldroot.catalog.store import Tx, now
from goldroot.errors import NotFound, Refused

State = Literal["publishing", "published", "retired"]


@dataclass(frozen=True, slots=True)
class GoldVersion:
    """A gold version, as one host has it.  ``digests`` has the manifest's digest of each disk by its address; ``slot`` is
    the number of its slot there, ``None`` where it has no copy.  A retired version takes no new clone."""

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
    host: str
    slot: int | None
    copy: copies.State | None
    slot_name: str | None


def _on(host: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Versions with their copies on a host."""
    has = (gold_copies.c.image == gold_versions.c.image, gold_copies.c.version == gold_versions.c.number)
    named = (entry_table.c.image == gold_copies.c.image, entry_table.c.slot == gold_copies.c.slot)
    return sa.select(
        gold_versions, host.label("on_host"), gold_copies.c.slot, gold_copies.c.state, entry_table.c.name
    ).select_from(
        gold_versions.outerjoin(gold_copies, sa.and_(*has, gold_copies.c.host == host)).outerjoin(
            entry_table, sa.and_(*named, entry_table.c.host == gold_copies.c.host)
        )
    )


_IMAGE = gold_versions.c.image == sa.bindparam("image")
_ONE = (_IMAGE, gold_versions.c.number == sa.bindparam("number"))
_HOME = sa.select(image_table.c.host).where(image_table.c.name == gold_versions.c.image).scalar_subquery()
_EVERY = _on(_HOME).where(_IMAGE).order_by(gold_versions.c.number)
_FIND_AT_HOME = _on(_HOME).where(*_ONE)
_FIND_ON = _on(sa.bindparam("host", type_=sa.Text)).where(*_ONE)


def find(tx: Tx, image: str, number: int, host: str = "") -> GoldVersion | None:
    """The version, or ``None``.

    :param host: whose copy it speaks of; "": of the image's home.
    """
    query = _FIND_ON if host else _FIND_AT_HOME
    row = tx.first(query, image=image, number=number, **({"host": host} if host else {}))
    return None if row is None else GoldVersion(*row)


def get(tx: Tx, image: str, number: int, host: str = "") -> GoldVersion:
    """:func:`find`, of one that is there.

    :raises NotFound: there is no such version (or image).
    """
    found = find(tx, image, number, host)
    if found is None:
        images.get(tx, image)
        known = ", ".join(str(version.number) for version in every(tx, image)) or "none yet"
        raise NotFound(f"image {image!r} has no gold version {number}", todo=f"Its versions: {known}.")
    return found


def every(tx: Tx, image: str) -> list[GoldVersion]:
    """All versions that ever were, oldest first, as the image's home has them."""
    rows = tx.rows(_EVERY, image=image)
    return [GoldVersion(*row) for row in rows]


def current(tx: Tx, image: str) -> GoldVersion | None:
    """The newest published version: what a new clone is made from."""
    published = [version for version in every(tx, image) if version.state == "published"]
    return published[-1] if published else None


def begin_publish(
    tx: Tx,
    image: str,
    *,
    fingerprint: str = "",
    untested: bool = False,
    note: str = "",
    linked: Mapping[str, str] = copies.NOBODY,
) -> GoldVersion:
    """Take the next number and a slot of the image's home for it; which slot is what :func:`copies.next_slot` says.

    One publish at a time: one that was begun is returned as it is.

    :param linked: names of slots that are in use, whatever the catalog says, and by whom.
    :raises NoFreeSlot: every slot is held; the error names by whom.
    """
    begun = [version for version in every(tx, images.get(tx, image).name) if version.state == "publishing"]
    if begun:
        return begun[0]
    slot = copies.next_slot(tx, image, images.get(tx, image).host, linked)  # refused before anything is written
    last = tx.value(sa.select(sa.func.max(gold_versions.c.number)).where(gold_versions.c.image == image)) or 0
    tx.add(
        gold_versions,
        image=image,
        number=last + 1,
        state="publishing",
        digests={},
        fingerprint=fingerprint,
        untested=untested,
        started_at=now(),
        note=note,
        signature={},
    )
    copies.take(tx, slot, last + 1)
    tx.event("publish-begun", f"image:{image}", version=last + 1, slot=slot.name)
    return get(tx, image, last + 1)


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
    record: Mapping[str, Any] | None = None,
) -> GoldVersion:
    """The version is complete and signed: it is the current gold from now on.  Doing it twice does no harm.

    :param record: its signed record, which says of what state and when it was published.
    :raises Refused: it was published before with other disks, or retired.
    """
    version = get(tx, image, number)
    if version.state == "published" and dict(version.digests) == dict(digests):
        return version
    if version.state != "publishing":
        raise Refused(f"version {number} of {image!r} is {version.state} already", meaning="Gold is never written.")
    values: dict[str, object] = {"digests": dict(digests), "signature": dict(signature)}
    if record is not None:
        values["fingerprint"] = record["fingerprint"]
    when = now() if record is None else record["published_at"]
    _set_version(tx, image, number, state="published", published_at=when, **values)
    if version.slot is not None:
        copies.finish(tx, image, number, version.host)
    tx.event("published", f"image:{image}", version=number, slot=version.slot_name, untested=version.untested)
    return get(tx, image, number)


def found(
    tx: Tx, image: str, number: int, slot: copies.Slot, *, record: Mapping[str, Any], signature: Mapping[str, Any]
) -> GoldVersion:
    """The row of a version that stands in a slot, published, and that this catalog does not know so: it is older.

    :param record: the version's signed record.
    """
    if find(tx, image, number) is None:
        _add_found(tx, image, number, record)
    copies.put(tx, slot, number)
    tx.event("version-found", f"image:{image}", version=number, slot=slot.name, host=slot.host)
    if get(tx, image, number).state == "publishing":
        digests = {address: str(disk["digest"]) for address, disk in record["disks"].items()}
        finish_publish(tx, image, number, digests=digests, signature=signature, record=record)
    return get(tx, image, number, slot.host)


def found_removed(
    tx: Tx, image: str, number: int, *, record: Mapping[str, Any], signature: Mapping[str, Any]
) -> GoldVersion:
    """The row of a version that this catalog does not know, and that stands in no slot any more: its number is used.

    :param record: the version's signed record.
    """
    if find(tx, image, number) is None:
        _add_found(tx, image, number, record)
        digests = {address: str(disk["digest"]) for address, disk in record["disks"].items()}
        _set_version(
            tx, image, number, state="retired", digests=digests, signature=dict(signature),
            fingerprint=record["fingerprint"], published_at=record["published_at"],
        )  # fmt: skip
        tx.event("version-found-removed", f"image:{image}", version=number)
    return get(tx, image, number)


def _add_found(tx: Tx, image: str, number: int, record: Mapping[str, Any]) -> None:
    tx.add(
        gold_versions, image=image, number=number, state="publishing", digests={}, fingerprint="",
        untested=bool(record["untested"]), started_at=record["published_at"], note=record["note"], signature={},
    )  # fmt: skip


def abandon_publish(tx: Tx, image: str, number: int) -> None:
    """Give up a publish that was begun: number and slot are free again.  Remove what was written to the slot *first*.

    :raises Refused: it is published.
    """
    version = find(tx, image, number)
    if version is None:
        return
    if version.state != "publishing":
        raise Refused(f"version {number} of {image!r} is {version.state}: it cannot be abandoned")
    copies.forget(tx, image, number)
    tx.write(gold_versions.delete().where(gold_versions.c.image == image, gold_versions.c.number == number))
    tx.event("publish-abandoned", f"image:{image}", version=number)


def retire(tx: Tx, image: str, number: int) -> GoldVersion:
    """No new clone and no update goes to this version any more; those on it stay, and so does its slot.

    :raises Refused: it is being published.
    """
    version = get(tx, image, number)
    if version.state == "publishing":
        raise Refused(f"version {number} of {image!r} is being published", todo="Finish or abandon that first.")
    if version.state == "published":
        _set_version(tx, image, number, state="retired")
        tx.event("version-retired", f"image:{image}", version=number)
    return get(tx, image, number)


def check_restorable(tx: Tx, version: GoldVersion) -> None:
    """:raises Refused: a retirement of it cannot be taken back, as its disks are gone; or it is being published."""
    there = any(one.state == "whole" for one in copies.every(tx, version.image, version.number))
    if version.state == "publishing" or not there:
        why = "is being published" if version.state == "publishing" else "has no disks any more"
        raise Refused(
            f"gold version {version.number} of {version.image!r} {why}",
            meaning="Its slot was given to a newer version, or it was removed." if not there else "",
        )


def restore(tx: Tx, image: str, number: int) -> GoldVersion:
    """Take a retirement back: clones may go there again.  Of one that is published, nothing changes.

    :raises Refused: no copy of it is left, or it is being published.
    """
    version = get(tx, image, number)
    check_restorable(tx, version)
    if version.state == "published":
        return version
    _set_version(tx, image, number, state="published")
    tx.event("version-restored", f"image:{image}", version=number)
    return get(tx, image, number)


def remove(tx: Tx, image: str, number: int, host: str = "") -> copies.Slot | None:
    """Take a version's copy on a host ("": on the image's home) out of its slot; see :func:`copies.drop`.

    :raises Refused: it is being published, or somebody on that host holds it; the error names who.
    """
    version = get(tx, image, number, host)
    if version.state == "publishing":
        raise Refused(f"version {number} of {image!r} is being published", todo="Finish or abandon that first.")
    return copies.drop(tx, image, number, version.host)
