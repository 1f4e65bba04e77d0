"""Who holds a gold version, and with it its slot: the clones on it, the fallbacks kept on it, the updates in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from goldroot.catalog.schema import ENDED, clones, fallbacks, updates
from goldroot.catalog.store import Tx


@dataclass(frozen=True, slots=True)
class Holder:
    """One reason why a version must stay."""

    kind: Literal["clone", "fallback", "update"]
    clone: str
    number: int  #: of the fallback or update; 0 for a clone
    detail: str  #: the clone's kind, the fallback's date, the update's state

    def __str__(self) -> str:
        if self.kind == "clone":
            return f"clone {self.clone}"
        if self.kind == "fallback":
            return f"the fallback of {self.clone} until {self.detail}"
        return f"update {self.number} of {self.clone} ({self.detail})"


def holders_of(tx: Tx, image: str, version: int, host: str | None = None) -> list[Holder]:
    """Everybody who holds this version (on one host, or at all), in the order of clones, fallbacks, updates.

    Empty: nobody does.
    """
    there = [] if host is None else [clones.c.host == host]
    found = [
        Holder("clone", row.name, 0, row.kind)
        for row in tx.rows(
            sa.select(clones)
            .where(clones.c.image == image, clones.c.version == version, *there)
            .order_by(clones.c.name)
        )
    ]
    found += [
        Holder("fallback", row.clone, row.id, row.kept_until)
        for row in tx.rows(
            sa.select(fallbacks)
            .join(clones, clones.c.name == fallbacks.c.clone)
            .where(
                fallbacks.c.image == image,
                fallbacks.c.from_version == version,
                fallbacks.c.state == "kept",
                *there,
            )
            .order_by(fallbacks.c.clone)
        )
    ]
    found += [
        Holder("update", row.clone, row.id, row.state)
        for row in tx.rows(
            sa.select(updates)
            .join(clones, clones.c.name == updates.c.clone)
            .where(
                updates.c.image == image,
                sa.or_(updates.c.from_version == version, updates.c.to_version == version),
                updates.c.state.not_in(ENDED),
                *there,
            )
            .order_by(updates.c.clone)
        )
    ]
    return found


def named(found: list[Holder], most: int = 5) -> str:
    """Holders for a sentence: the first ``most`` of them, and how many more."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(str(holder) for holder in found[:most]) + more
