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


_IMAGE: sa.BindParameter[str] = sa.bindparam("image")
_VERSION: sa.BindParameter[int] = sa.bindparam("version")
_CLONES = sa.select(clones).where(clones.c.image == _IMAGE, clones.c.version == _VERSION).order_by(clones.c.name)
_FALLBACKS = (
    sa.select(fallbacks)
    .where(fallbacks.c.image == _IMAGE, fallbacks.c.from_version == _VERSION, fallbacks.c.state == "kept")
    .order_by(fallbacks.c.clone)
)
_UPDATES = (
    sa.select(updates)
    .where(
        updates.c.image == _IMAGE,
        sa.or_(updates.c.from_version == _VERSION, updates.c.to_version == _VERSION),
        updates.c.state.not_in(ENDED),
    )
    .order_by(updates.c.clone)
)


def holders_of(tx: Tx, image: str, version: int) -> list[Holder]:
    """Everybody who holds this version, in the order of clones, fallbacks, updates; empty: nobody does."""
    found = [Holder("clone", row.name, 0, row.kind) for row in tx.rows(_CLONES, image=image, version=version)]
    found += [
        Holder("fallback", row.clone, row.id, row.kept_until)
        for row in tx.rows(_FALLBACKS, image=image, version=version)
    ]
    found += [Holder("update", row.clone, row.id, row.state) for row in tx.rows(_UPDATES, image=image, version=version)]
    return found


def named(found: list[Holder], most: int = 5) -> str:
    """Holders for a sentence: the first ``most`` of them, and how many more."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(str(holder) for holder in found[:most]) + more
