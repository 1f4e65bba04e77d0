"""The events: what happened, when, to whom.  They are only ever added to (:meth:`goldroot.catalog.Tx.event`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from goldroot.catalog import schema
from goldroot.catalog.store import Tx


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.  ``subject`` is ``image:s10``, ``clone:web1`` or the like; ``data`` holds no secrets."""

    id: int
    at: str
    what: str
    subject: str
    data: Mapping[str, Any]


def last(tx: Tx, what: str, subject: str) -> Event | None:
    """The newest event of that sort, or ``None``."""
    sought = schema.events.c.subject == subject, schema.events.c.what == what
    row = tx.first(sa.select(schema.events).where(*sought).order_by(schema.events.c.id.desc()).limit(1))
    return None if row is None else Event(*row)


def latest(
    tx: Tx, subjects: Sequence[str] | str | None = None, *, limit: int = 100, kinds: Sequence[str] | None = None
) -> list[Event]:
    """The newest events, oldest of them first; of these subjects (or one), or of all.

    :param kinds: only these, by what happened.
    """
    query = sa.select(schema.events).order_by(schema.events.c.id.desc()).limit(limit)
    if subjects is not None:
        query = query.where(schema.events.c.subject.in_([subjects] if isinstance(subjects, str) else subjects))
    if kinds is not None:
        query = query.where(schema.events.c.what.in_(kinds))
    return [Event(*row) for row in reversed(tx.rows(query))]
