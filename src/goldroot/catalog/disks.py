"""The register of disks: what each one is for, and whether its making or removal has come to its end; by which label a
store is the site's.

::

    intended -> made -> deleting -> (no row)

A row is written before anything is made, and goes when nothing is left.  Where a disk *stands* its owner's entry says, and
how large it is its host: neither is kept here.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Literal

import sqlalchemy as sa

from goldroot.catalog.schema import disks, site
from goldroot.catalog.store import Tx, now

Purpose = Literal["clone", "system", "gold"]
State = Literal["intended", "made", "deleting"]


@dataclass(frozen=True, slots=True)
class DiskRow:
    """A disk of an entry.  ``address``: where it was to be made; it may have moved since with its set."""

    id: str
    host: str
    owner: str  #: the entry's name
    purpose: Purpose
    made_for: str  #: id of the work that it was made for, as in the mark of its set
    address: str
    state: State = "intended"
    since: str = ""  #: of its state; filled in when the row is written


_COLUMNS = tuple(field.name for field in fields(DiskRow))
_OF_OWNER = (
    sa.select(disks)
    .where(disks.c.host == sa.bindparam("host"), disks.c.owner == sa.bindparam("owner"))
    .order_by(disks.c.id)
)


def of_owner(tx: Tx, host: str, owner: str) -> dict[str, DiskRow]:
    """The disks of an entry, by id."""
    found = (DiskRow(*row) for row in tx.rows(_OF_OWNER, host=host, owner=owner))
    return {row.id: row for row in found}


def every(tx: Tx) -> list[DiskRow]:
    """All rows, by host, owner and id."""
    return [DiskRow(*row) for row in tx.rows(sa.select(disks).order_by(disks.c.host, disks.c.owner, disks.c.id))]


def register(tx: Tx, rows: Iterable[DiskRow]) -> None:
    """Write rows; one whose disk has a row already changes nothing: a step may be done twice."""
    new = {row.id: row for row in rows}
    known = {id for (id,) in tx.rows(sa.select(disks.c.id).where(disks.c.id.in_(new)))}
    at = now()
    written: list[Mapping[str, object]] = [
        {**dict(zip(_COLUMNS, astuple(row), strict=True)), "since": at} for id, row in new.items() if id not in known
    ]
    if written:
        tx.write(disks.insert(), written)


def set_state(tx: Tx, ids: Collection[str], state: State) -> None:
    """Disks without a row have none afterwards."""
    tx.write(disks.update().where(disks.c.id.in_(ids), disks.c.state != state).values(state=state, since=now()))


def forget(tx: Tx, ids: Collection[str]) -> None:
    """Nothing is left of these disks."""
    tx.write(disks.delete().where(disks.c.id.in_(ids)))


def label_of_store(tx: Tx, host: str) -> str:
    """The label that this site's store on a host carries; "" where that was not labelled yet."""
    return tx.value(sa.select(site.c.value).where(site.c.key == _key(host))) or ""


def make_store_label(tx: Tx, host: str, label: str = "") -> str:
    """The label of the site's store on a host: as it stands here already, else ``label``, else a new one."""
    if known := label_of_store(tx, host):
        return known
    label = label or secrets.token_hex(8)
    tx.add(site, key=_key(host), value=label)
    return label


def _key(host: str) -> str:
    return f"store:{host}"
