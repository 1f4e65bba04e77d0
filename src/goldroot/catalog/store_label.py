"""What the catalog says of the site: which store is its own."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from goldroot.catalog.schema import site
from goldroot.catalog.store import Tx

_STORE = "store"


def label_of_store(tx: Tx) -> str:
    """The label that this site's store carries; "" where no store was labelled yet."""
    return tx.value(sa.select(site.c.value).where(site.c.key == _STORE)) or ""


def make_store_label(tx: Tx, label: str = "") -> str:
    """The label of the site's store: as it stands here already, else ``label``, else a new one."""
    if known := label_of_store(tx):
        return known
    label = label or secrets.token_hex(8)
    tx.add(site, key=_STORE, value=label)
    return label
