"""Fallbacks: the old disks of a switched clone, kept until a date; and disks that a rollback set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import updates
from goldroot.catalog.schema import fallbacks
from goldroot.catalog.store import Tx, now
from goldroot.errors import NotFound, Refused

State = Literal["kept", "used", "pruned", "set-aside"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """What update ``update_id`` left: for an update the old disks (``kept``: they hold ``from_version``), for a
    rollback the disks that were live (``set-aside``: for a person to look into).  ``disks`` says where, by address."""

    id: int
    clone: str
    update_id: int
    image: str
    from_version: int
    disks: Mapping[str, Any]
    kept_until: str
    state: State
    created_at: str
    work: str  #: id of the work that left it
    gone: bool  #: pruned, and nothing of it is there any more


def keep(
    tx: Tx,
    update: int,
    disks: Mapping[str, Any],
    kept_until: str,
    *,
    state: Literal["kept", "set-aside"] = "kept",
) -> Fallback:
    """Note what an update leaves, in the transaction of its switch.  Doing it twice changes nothing."""
    known = tx.first(sa.select(fallbacks).where(fallbacks.c.update_id == update))
    if known is not None:
        return Fallback(*known)
    of = updates.get(tx, update)
    number = tx.add(
        fallbacks,
        clone=of.clone,
        update_id=update,
        image=of.image,
        from_version=of.from_version,
        disks=dict(disks),
        kept_until=kept_until,
        state=state,
        created_at=now(),
        work=of.work,
    )
    tx.event(f"fallback-{state}", f"clone:{of.clone}", fallback=number, update=update, until=kept_until)
    return get(tx, number)


def get(tx: Tx, number: int) -> Fallback:
    """:raises NotFound: there is none of that number."""
    row = tx.first(sa.select(fallbacks).where(fallbacks.c.id == number))
    if row is None:
        raise NotFound(f"there is no fallback {number}", todo="`goldroot fallback list` names those that there are.")
    return Fallback(*row)


def cut_off(tx: Tx, clone: str | None = None) -> list[Fallback]:
    """Those (of a clone, of all) that were pruned, and of which something is still there."""
    query = sa.select(fallbacks).where(fallbacks.c.state == "pruned", ~fallbacks.c.gone).order_by(fallbacks.c.id)
    if clone is not None:
        query = query.where(fallbacks.c.clone == clone)
    return [Fallback(*row) for row in tx.rows(query)]


def follow(tx: Tx, number: int, state: State, *, gone: bool, disks: Mapping[str, Any]) -> None:
    """Bring the row up to what the entry of the clone says."""
    known = get(tx, number)
    tx.write(fallbacks.update().where(fallbacks.c.id == number).values(state=state, gone=gone, disks=dict(disks)))
    if known.state != state:
        tx.event(f"fallback-{state}", f"clone:{known.clone}", fallback=number)


def latest(tx: Tx, clone: str) -> Fallback | None:
    """The newest fallback that the clone can go back to."""
    query = sa.select(fallbacks).where(fallbacks.c.clone == clone, fallbacks.c.state == "kept")
    row = tx.first(query.order_by(fallbacks.c.id.desc()))
    return None if row is None else Fallback(*row)


def every(tx: Tx, clone: str | None = None, *, all_states: bool = False) -> list[Fallback]:
    """The fallbacks and disks set aside that exist (or ever existed), oldest first."""
    query = sa.select(fallbacks).order_by(fallbacks.c.id)
    if clone is not None:
        query = query.where(fallbacks.c.clone == clone)
    if not all_states:
        query = query.where(fallbacks.c.state.in_(("kept", "set-aside")))
    return [Fallback(*row) for row in tx.rows(query)]


def due(tx: Tx, at: str | None = None) -> list[Fallback]:
    """Those whose date has passed (``at``: UTC in ISO 8601; now without it)."""
    return [one for one in every(tx) if one.kept_until <= (at or now())]


def set_state(tx: Tx, number: int, state: Literal["used", "pruned"]) -> Fallback:
    """A fallback became the live system again (``used``), or its disks are about to go (``pruned``: say so *before*
    they go, so that nothing goes back to half a fallback).  Doing it twice does no harm.

    :raises Refused: it is gone already, in the other way; or disks set aside are to be used as a fallback.
    """
    known = get(tx, number)
    if known.state == state:
        return known
    if known.state not in ("kept", "set-aside") or (state, known.state) == ("used", "set-aside"):
        raise Refused(f"fallback {number} of clone {known.clone!r} is {known.state}: it cannot be {state}")
    tx.write(fallbacks.update().where(fallbacks.c.id == number).values(state=state))
    tx.event(f"fallback-{state}", f"clone:{known.clone}", fallback=number)
    return get(tx, number)
