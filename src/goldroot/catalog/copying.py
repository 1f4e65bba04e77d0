"""Every row of a catalog into another one: how one that a database server has goes into a backup, and comes out of it.

The rows are read in one transaction that sees one moment (REPEATABLE READ, `Catalog.read`), whoever writes meanwhile, and
are written in one: a copy that is cut off has left none.
"""

from __future__ import annotations

import sqlalchemy as sa

from goldroot.catalog.schema import metadata
from goldroot.catalog.store import Catalog, Tx
from goldroot.errors import Refused

#: So many rows are written at once.
_ROWS = 1000


def copy_catalog(source: Catalog, target: Catalog) -> int:
    """Copy every row into a catalog that has none.

    :returns: how many rows were written.
    :raises Refused: the other one has rows.
    """
    count = 0
    with source.read() as there, target.begin() as tx:
        if not _is_empty(tx):
            raise Refused("the catalog that the rows should go to has some", meaning="Nothing was changed.")
        for table in metadata.sorted_tables:
            rows = [dict(row._mapping) for row in there.rows(sa.select(table))]
            for start in range(0, len(rows), _ROWS):
                tx.write(table.insert(), rows[start : start + _ROWS])
            count += len(rows)
            if rows:
                _number_on(tx, table)
    return count


def has_rows(catalog: Catalog) -> bool:
    """Whether anything at all is written in a catalog."""
    with catalog.read() as tx:
        return not _is_empty(tx)


def _is_empty(tx: Tx) -> bool:
    return all(
        tx.first(sa.select(sa.literal(1)).select_from(table).limit(1)) is None for table in metadata.sorted_tables
    )


def _number_on(tx: Tx, table: sa.Table) -> None:
    """PostgreSQL counts apart from the rows: the next number is one that nobody has had.  SQLite looks at the rows."""
    column = table.autoincrement_column
    if column is None or tx.dialect != "postgresql":
        return
    highest = sa.select(sa.func.max(column)).scalar_subquery()
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    tx.rows(sa.select(sa.func.setval(sequence, highest)))
