"""An image gets another name: every row that names it, in one transaction.

Rows are referenced by the name, and no database changes a key that others reference; so an image, its versions and its slots
are written again under the new name, what references them follows, and the old ones go.
"""

from __future__ import annotations

import sqlalchemy as sa

from goldroot.catalog.images import get, refuse_existing
from goldroot.catalog.schema import events as event_table
from goldroot.catalog.schema import gold_versions, images, metadata, slots
from goldroot.catalog.store import Tx, check_name

#: What others reference by the image's name, in the order in which it can be written.
_KEYS = (gold_versions, slots)


def rename_image(tx: Tx, old: str, new: str) -> None:
    """Give an image another name; the names of its machines stay as they are.

    :raises NotFound: there is no such image. :raises Refused: there is one of the new name.
    """
    get(tx, old)
    check_name("image", new)
    refuse_existing(tx, new)
    _written_again(tx, images, images.c.name, old, new)
    for table in _KEYS:
        _written_again(tx, table, table.c.image, old, new)
    for table in metadata.sorted_tables:
        if "image" in table.c and table not in _KEYS:
            tx.write(table.update().where(table.c.image == old).values(image=new))
    for table in reversed(_KEYS):
        tx.write(table.delete().where(table.c.image == old))
    tx.write(images.delete().where(images.c.name == old))
    tx.write(event_table.update().where(event_table.c.subject == f"image:{old}").values(subject=f"image:{new}"))
    tx.event("image-renamed", f"image:{new}", was=old)


def _written_again(tx: Tx, table: sa.Table, column: sa.Column[str], old: str, new: str) -> None:
    rows = [{**row._mapping, column.name: new} for row in tx.rows(sa.select(table).where(column == old))]
    if rows:
        tx.write(table.insert(), rows)
