"""What the catalog says of the site: which store of each host is its own."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from goldroot.catalog.schema import site
from goldroot.catalog.store import Tx


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
