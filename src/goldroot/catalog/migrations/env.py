"""What Alembic runs: the connection comes from :mod:`goldroot.catalog.migrate`, in a transaction that it began."""

from __future__ import annotations

from alembic import context

from goldroot.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter much: Alembic then makes the table again.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
