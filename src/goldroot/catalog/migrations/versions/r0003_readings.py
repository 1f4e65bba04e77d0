"""Identities and local accounts of clones; indexes of what is asked by the name of a clone.

What stands on the disks of the clones that there are is not known here: each of them is noted as not read yet, and the
first command that has to know reads it.  The names and addresses that persons gave are taken from the catalog.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_updates_clone", "updates", ["clone"], unique=False)
    op.create_index("ix_fallbacks_clone", "fallbacks", ["clone"], unique=False)
    identities = op.create_table(
        "identities",
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_identities_clone"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clone", "kind", name=op.f("pk_identities")),
    )
    op.create_index("ix_identities_kind_value", "identities", ["kind", "value"], unique=False)
    op.create_table(
        "local_accounts",
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.CheckConstraint("kind IN ('user', 'group')", name=op.f("ck_local_accounts_kind")),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_local_accounts_clone"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clone", "kind", "name", name=op.f("pk_local_accounts")),
    )
    readings = op.create_table(
        "readings",
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.Text(), nullable=False),
        sa.CheckConstraint("what IN ('identity', 'accounts')", name=op.f("ck_readings_what")),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_readings_clone"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clone", "what", name=op.f("pk_readings")),
    )
    unread = sa.text("digest = ''")
    op.create_index(
        "ix_readings_unread", "readings", ["what", "clone"], sqlite_where=unread, postgresql_where=unread
    )  # fmt: skip
    known = list(op.get_bind().execute(sa.text("SELECT name, identity FROM clones")))
    given = [row for name, identity in known for row in _given(name, identity)]
    if given:
        op.bulk_insert(identities, given)
    if known:
        nothing = [
            {"clone": name, "what": what, "digest": "", "data": {}, "read_at": ""}
            for name, _ in known
            for what in ("identity", "accounts")
        ]
        op.bulk_insert(readings, nothing)


def _given(name: str, identity: object) -> Iterator[dict[str, str]]:
    known = json.loads(identity) if isinstance(identity, str) else identity
    assert isinstance(known, dict)
    for key, kind in (("hostname", "given host name"), ("address", "given address")):
        if value := str(known.get(key) or "").partition("/")[0].lower():
            yield {"clone": name, "kind": kind, "value": value}
