"""An image gets another name in the catalog: every row follows."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from goldroot.catalog import clones, copies, events, gold, images, open_catalog, rename_image, updates
from goldroot.catalog.schema import metadata
from goldroot.errors import NotFound, Refused


def test_every_row_follows(database: str) -> None:
    with open_catalog(database, create=True) as catalog:
        with catalog.begin() as tx:
            for name in ("small", "other"):
                images.create(tx, name, "shared-usr", {"id": name})
                version = gold.begin_publish(tx, name)
                gold.finish_publish(tx, name, version.number, digests={"1B1": "x"}, signature={"ssh": name})
            images.touched(tx, "small", "maintenance")
            clones.create(tx, "web1", "small", 1, "read-only")
            clones.activate(tx, "web1")
            update = updates.begin(tx, "web1", 1)
            before = {table.name: rows_of(tx, table) for table in metadata.sorted_tables if "image" in table.c}
        with catalog.begin() as tx:
            for old, new, error in (
                ("none", "big", NotFound),
                ("small", "OTHER", Refused),
                ("small", "other", Refused),
            ):
                with pytest.raises(error):
                    rename_image(tx, old, new)
            rename_image(tx, "small", "big")
        with catalog.read() as tx:
            after = {table.name: rows_of(tx, table) for table in metadata.sorted_tables if "image" in table.c}
            assert after == {
                name: sorted([tuple("big" if value == "small" else value for value in row) for row in rows], key=str)
                for name, rows in before.items()
            }
            assert [one.name for one in images.every(tx)] == ["big", "other"]
            assert images.get(tx, "big").os == {"id": "small"} and clones.get(tx, "web1").image == "big"
            assert updates.get(tx, update.id).image == "big"
            assert [slot.name for slot in copies.all_slots(tx, "big")][:2] == ["SMALLGOLD", "SMALLGOLD2"]
            assert events.last(tx, "image-created", "image:big") and events.last(tx, "image-renamed", "image:big")
            assert events.last(tx, "image-created", "image:small") is None


def rows_of(tx: object, table: sa.Table) -> list[tuple[object, ...]]:
    columns = [column for column in table.c if not isinstance(column.type, sa.JSON)]
    return sorted([tuple(row) for row in tx.rows(sa.select(*columns))], key=str)  # type: ignore[attr-defined]
