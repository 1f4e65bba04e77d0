"""The register of disks.

It begins empty: what stands in an older site is registered by the first command that works on its owner, since a
migration has no host at hand.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("made_for", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.CheckConstraint("purpose IN ('clone', 'system', 'gold')", name=op.f("ck_disks_purpose")),
        sa.CheckConstraint("state IN ('intended', 'made', 'deleting')", name=op.f("ck_disks_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disks")),
    )
    op.create_index(op.f("ix_disks_host_owner"), "disks", ["host", "owner"])
