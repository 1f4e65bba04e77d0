"""Machine names get a table of their own, and the catalog says which store is its own.

Up to here a machine's name was derived from what a clone or an image is called, and two could come to one name.  Where
they did, the host's entry is that of whoever came last: a test system that was made, or a slot that was used, over a
clone's machine.  So these keep the name, and the clone gets another one; a system or slot that was never made gives way
to the clone.  The journal says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: Role, image, number of the slot (0 for a system), the name that it had.
_System = tuple[str, str, int, str]


def upgrade() -> None:
    op.create_table(
        "site",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_site")),
    )
    op.create_table(
        "entries",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("clone", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('clone', 'maintenance', 'test', 'slot')", name=op.f("ck_entries_role")),
        sa.CheckConstraint("name = upper(name)", name=op.f("ck_entries_capitals")),
        sa.CheckConstraint(
            "(role = 'clone') = (clone IS NOT NULL) AND (role = 'clone') = (image IS NULL)",
            name=op.f("ck_entries_owner"),
        ),
        sa.CheckConstraint("(role = 'slot') = (slot > 0)", name=op.f("ck_entries_slot")),
        sa.ForeignKeyConstraint(["clone"], ["clones.name"], name=op.f("fk_entries_clone"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", "name", name=op.f("pk_entries")),
        sa.UniqueConstraint("clone", name=op.f("uq_entries_clone")),
        sa.UniqueConstraint("image", "role", "slot", name=op.f("uq_entries_image_role_slot")),
    )
    _fill(op.get_bind())
    with op.batch_alter_table("slots") as slots:
        slots.drop_constraint(op.f("uq_slots_name"), type_="unique")
        slots.drop_column("name")


def _fill(connection: sa.Connection) -> None:
    used, unused = _systems(connection)
    clones = connection.execute(sa.text("SELECT host, name FROM clones ORDER BY name")).all()
    taken: set[str] = set()
    for role, image, slot, name in used:
        _add(connection, taken, name, role=role, image=image, slot=slot)
    for host, clone in clones:
        _add(connection, taken, clone.upper(), role="clone", clone=clone, host=host)
    for role, image, slot, name in unused:
        _add(connection, taken, name, role=role, image=image, slot=slot)


def _systems(connection: sa.Connection) -> tuple[list[_System], list[_System]]:
    """Systems and slots of all images: those that the host has been asked to make, and the others."""
    made = {(image, role) for image, role in connection.execute(sa.text("SELECT image, role FROM maintenance"))}
    images = [image for (image,) in connection.execute(sa.text("SELECT name FROM images ORDER BY name"))]
    slots = connection.execute(sa.text("SELECT image, number, name, version FROM slots ORDER BY image, number")).all()
    used: list[_System] = []
    unused: list[_System] = []
    for image in images:
        for role, suffix in (("maintenance", "RWMNT"), ("test", "RWTST")):
            (used if (image, role) in made else unused).append((role, image, 0, image.upper() + suffix))
    for image, number, name, version in slots:
        (unused if version is None else used).append(("slot", image, number, name))
    return used, unused


def _add(connection: sa.Connection, taken: set[str], wanted: str, **values: object) -> None:
    name = next(one for one in _names(wanted) if one not in taken)
    taken.add(name)
    row = {"host": "", "clone": None, "image": None, "slot": 0, **values, "name": name}
    connection.execute(
        sa.text(
            "INSERT INTO entries (host, name, role, clone, image, slot) "
            "VALUES (:host, :name, :role, :clone, :image, :slot)"
        ),
        row,
    )
    if name != wanted:
        _tell(connection, wanted, row)


def _names(wanted: str) -> Iterator[str]:
    yield wanted
    for times in range(1, 100):
        yield from (wanted + letter * times for letter in "BCDEFGHIJKLMNOPQRSTUVWXYZ")


def _tell(connection: sa.Connection, wanted: str, row: dict[str, object]) -> None:
    events = sa.table("events", sa.column("at"), sa.column("what"), sa.column("subject"), sa.column("data", sa.JSON()))
    subject = f"clone:{row['clone']}" if row["clone"] else f"image:{row['image']}"
    data = {"role": row["role"], "wanted": wanted, "name": row["name"]}
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    connection.execute(sa.insert(events).values(at=at, what="machine-renamed", subject=subject, data=data))
