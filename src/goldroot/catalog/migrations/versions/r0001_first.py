"""The first schema.  A migration is never changed once it is released: it does not look at ``schema.py``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_subject", "events", ["subject"], unique=False)
    op.create_table(
        "fences",
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("clone", name=op.f("pk_fences")),
    )
    op.create_table(
        "images",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("os", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_images")),
    )
    op.create_table(
        "decisions",
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("take", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_decisions_image")),
        sa.PrimaryKeyConstraint("image", "key", name=op.f("pk_decisions")),
    )
    op.create_table(
        "gold_versions",
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("untested", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state <> 'published' OR published_at IS NOT NULL", name=op.f("ck_gold_versions_published_at")
        ),
        sa.CheckConstraint("state IN ('publishing', 'published', 'retired')", name=op.f("ck_gold_versions_state")),
        sa.CheckConstraint("number > 0", name=op.f("ck_gold_versions_number")),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_gold_versions_image")),
        sa.PrimaryKeyConstraint("image", "number", name=op.f("pk_gold_versions")),
    )
    op.create_table(
        "maintenance",
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('maintenance', 'test')", name=op.f("ck_maintenance_role")),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_maintenance_image")),
        sa.PrimaryKeyConstraint("image", "role", name=op.f("pk_maintenance")),
    )
    op.create_table(
        "tests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("tested_at", sa.Text(), nullable=False),
        sa.CheckConstraint("form IN ('read-write', 'read-only')", name=op.f("ck_tests_form")),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_tests_image")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tests")),
    )
    op.create_index("ix_tests_image_fingerprint", "tests", ["image", "fingerprint"], unique=False)
    op.create_table(
        "clones",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("identity", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('read-only', 'read-write')", name=op.f("ck_clones_kind")),
        sa.CheckConstraint("state IN ('active', 'creating', 'deleting')", name=op.f("ck_clones_state")),
        sa.ForeignKeyConstraint(
            ["image", "version"], ["gold_versions.image", "gold_versions.number"], name=op.f("fk_clones_image_version")
        ),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_clones_image")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clones")),
    )
    op.create_index("ix_clones_image_version", "clones", ["image", "version"], unique=False)
    op.create_table(
        "slots",
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_slots_number")),
        sa.ForeignKeyConstraint(
            ["image", "version"], ["gold_versions.image", "gold_versions.number"], name=op.f("fk_slots_image_version")
        ),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_slots_image")),
        sa.PrimaryKeyConstraint("image", "number", name=op.f("pk_slots")),
        sa.UniqueConstraint("image", "version", name=op.f("uq_slots_image_version")),
        sa.UniqueConstraint("name", name=op.f("uq_slots_name")),
    )
    op.create_table(
        "updates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("to_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('update', 'rollback')", name=op.f("ck_updates_kind")),
        sa.CheckConstraint(
            "state IN ('planned', 'preparing', 'merged', 'needs-review', 'checked', "
            "'switching', 'done', 'failed', 'cancelled')",
            name=op.f("ck_updates_state"),
        ),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_updates_clone"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["image", "from_version"],
            ["gold_versions.image", "gold_versions.number"],
            name=op.f("fk_updates_image_from_version"),
        ),
        sa.ForeignKeyConstraint(
            ["image", "to_version"],
            ["gold_versions.image", "gold_versions.number"],
            name=op.f("fk_updates_image_to_version"),
        ),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_updates_image")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_updates")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_updates_clone_in_flight",
        "updates",
        ["clone"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('done', 'failed', 'cancelled')"),
        postgresql_where=sa.text("state NOT IN ('done', 'failed', 'cancelled')"),
    )
    op.create_table(
        "conflicts",
        sa.Column("update_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("axis", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("stands", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'decided')", name=op.f("ck_conflicts_state")),
        sa.ForeignKeyConstraint(["update_id"], ["updates.id"], name=op.f("fk_conflicts_update_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("update_id", "key", name=op.f("pk_conflicts")),
    )
    op.create_index("ix_conflicts_key", "conflicts", ["key"], unique=False)
    op.create_table(
        "fallbacks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clone", sa.Text(), nullable=False),
        sa.Column("update_id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("disks", sa.JSON(), nullable=False),
        sa.Column("kept_until", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('kept', 'used', 'pruned', 'set-aside')", name=op.f("ck_fallbacks_state")),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_fallbacks_clone"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["image", "from_version"],
            ["gold_versions.image", "gold_versions.number"],
            name=op.f("fk_fallbacks_image_from_version"),
        ),
        sa.ForeignKeyConstraint(["image"], ["images.name"], name=op.f("fk_fallbacks_image")),
        sa.ForeignKeyConstraint(["update_id"], ["updates.id"], name=op.f("fk_fallbacks_update_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallbacks")),
        sa.UniqueConstraint("update_id", name=op.f("uq_fallbacks_update_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_fallbacks_image_from_version", "fallbacks", ["image", "from_version"], unique=False)
