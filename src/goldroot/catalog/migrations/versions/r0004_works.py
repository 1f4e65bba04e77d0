"""Works get an id that no restored counter gives out again, and the catalog holds what ``work.json`` held.

What each update's files say is brought over when the site is converted, since the catalog has no files at hand
(``goldroot.site.older_store``).
"""

from __future__ import annotations

import secrets
import string

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LETTERS = string.ascii_lowercase + string.digits


def upgrade() -> None:
    op.add_column("clones", _text("last"))
    for column in ("work", "back", "inputs", "migration"):
        op.add_column("updates", _text(column))
    for column in ("disks", "seen", "told"):
        op.add_column("updates", sa.Column(column, sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("updates", sa.Column("carry", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("updates", sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("fallbacks", _text("work"))
    op.add_column("fallbacks", sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    connection = op.get_bind()
    for name in connection.execute(sa.text("SELECT name FROM clones")).scalars().all():
        connection.execute(sa.text("UPDATE clones SET last = :id WHERE name = :name"), {"id": _new(), "name": name})
    for number in connection.execute(sa.text("SELECT id FROM updates")).scalars().all():
        id = _new()
        for statement in (
            "UPDATE updates SET work = :id WHERE id = :number",
            "UPDATE fallbacks SET work = :id WHERE update_id = :number",
        ):
            connection.execute(sa.text(statement), {"id": id, "number": number})
    op.create_index("uq_updates_work", "updates", ["work"], unique=True)
    op.create_index("ix_fallbacks_work", "fallbacks", ["work"], unique=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''"))


def _new() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(10))
