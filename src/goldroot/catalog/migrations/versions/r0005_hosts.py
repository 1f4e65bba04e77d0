"""A site may have several hosts: gold has a copy on each, in slots of that host.

What an older site had without a name is on the host ``local``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.text("UPDATE site SET key = 'store:local' WHERE key = 'store'"))
    for table in ("entries", "clones"):
        op.execute(sa.text(f"UPDATE {table} SET host = 'local' WHERE host = ''"))
    with op.batch_alter_table("entries") as entries:
        entries.drop_constraint(op.f("uq_entries_image_role_slot"), type_="unique")
        entries.create_unique_constraint(op.f("uq_entries_host_image_role_slot"), ["host", "image", "role", "slot"])
    op.add_column("images", sa.Column("host", sa.Text(), nullable=False, server_default=sa.text("'local'")))
    connection = op.get_bind()
    slots = connection.execute(sa.text("SELECT image, number, version FROM slots ORDER BY image, number")).all()
    publishing = sa.text("SELECT image, number FROM gold_versions WHERE state = 'publishing'")
    begun = {(image, number) for image, number in connection.execute(publishing)}
    op.drop_table("slots")
    _create_tables()
    for image, number, version in slots:
        connection.execute(
            sa.text("INSERT INTO slots (host, image, number) VALUES ('local', :image, :number)"),
            {"image": image, "number": number},
        )
        if version is not None:
            connection.execute(
                sa.text(
                    "INSERT INTO gold_copies (image, version, host, slot, state, evidence) "
                    "VALUES (:image, :version, 'local', :slot, :state, '{}')"
                ),
                {
                    "image": image,
                    "version": version,
                    "slot": number,
                    "state": "filling" if (image, version) in begun else "whole",
                },
            )


def _create_tables() -> None:
    op.create_table(
        "slots",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_slots_number")),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_slots_image")),
        sa.PrimaryKeyConstraint("host", "image", "number", name=op.f("pk_slots")),
    )
    op.create_table(
        "gold_copies",
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('filling', 'whole')", name=op.f("ck_gold_copies_state")),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_gold_copies_image")),
        sa.ForeignKeyConstraint(
            ["image", "version"],
            ["gold_versions.image", "gold_versions.number"],
            name=op.f("fk_gold_copies_image_version"),
        ),
        sa.ForeignKeyConstraint(
            ["host", "image", "slot"],
            ["slots.host", "slots.image", "slots.number"],
            name=op.f("fk_gold_copies_host_image_slot"),
        ),
        sa.PrimaryKeyConstraint("image", "version", "host", name=op.f("pk_gold_copies")),
        sa.UniqueConstraint("host", "image", "slot", name=op.f("uq_gold_copies_host_image_slot")),
    )
