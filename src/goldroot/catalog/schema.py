"""The tables.  Names are the keys (an image, a clone), so that a person can read the database with ``sqlite3``.

::

    images ──┬── maintenance (role: maintenance, test)     what was changed, how often
             ├── tests                                     what was tested, in which form, with what result
             ├── gold_versions ── gold_copies ── slots     a copy of a version stands in a slot of a host
             ├── decisions                                 a person's answers, for every clone of the image
             └── clones ─┬─ updates ──┬── conflicts
                         │            └── fallbacks
                         ├─ identities                     what must be one server's alone, under an index
                         ├─ local_accounts                 accounts that its gold has not, or has otherwise
                         └─ readings                       whether the two are known, and from when
    entries   the names of machines and slots on each host, each once: whose they are
    disks     what each disk is for, and whether its making or removal has come to its end
    fences    the last generation of every clone name ever used
    events    what happened, only ever added to
    site      what the catalog says of itself: which store of each host is its own

Times are UTC in ISO 8601 with a ``Z``, to the second, so that they sort as text.  A path is bytes, as the kernel's is.
A change here needs a migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)

#: The revisions of the schema, oldest first; the last one is what this code speaks.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")

#: The host of a site that gives its host no name.
LOCAL = "local"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _one_of(column: str, *words: str) -> CheckConstraint:
    quoted = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({quoted})", name=column)


def _image(*, primary: bool = False) -> Column[str]:
    return Column("image", Text, ForeignKey("images.name"), primary_key=primary, nullable=False)


def _clone() -> Column[str]:
    return Column("clone", Text, ForeignKey("clones.name", ondelete="CASCADE"), nullable=False)


def _text(name: str) -> Column[str]:
    """A text that older rows have not."""
    return Column(name, Text, nullable=False, server_default=text("''"))


def _data(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False, server_default=text("'{}'"))


def _truth(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _version(column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["image", column], ["gold_versions.image", "gold_versions.number"])


images = Table(
    "images",
    metadata,
    Column("name", Text, primary_key=True),
    Column("layout", Text, nullable=False),
    Column("os", JSON, nullable=False),
    Column("created_at", Text, nullable=False),
    # Its home: where its maintenance and test systems are, and its versions are published.
    Column("host", Text, nullable=False, server_default=text(f"'{LOCAL}'")),
)

maintenance = Table(
    "maintenance",
    metadata,
    _image(primary=True),
    Column("role", Text, primary_key=True),
    Column("changes", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    _one_of("role", "maintenance", "test"),
)

tests = Table(
    "tests",
    metadata,
    Column("id", Integer, primary_key=True),
    _image(),
    Column("form", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("log", Text, nullable=False),
    Column("tested_at", Text, nullable=False),
    _one_of("form", "read-write", "read-only"),
    Index("ix_tests_image_fingerprint", "image", "fingerprint"),
)

gold_versions = Table(
    "gold_versions",
    metadata,
    _image(primary=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("digests", JSON, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("untested", Boolean, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("published_at", Text),
    Column("note", Text, nullable=False),
    Column("signature", JSON, nullable=False),
    _one_of("state", "publishing", "published", "retired"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("state <> 'published' OR published_at IS NOT NULL", name="published_at"),
)

slots = Table(
    "slots",
    metadata,
    Column("host", Text, primary_key=True),
    _image(primary=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    CheckConstraint("number > 0", name="number"),
)

gold_copies = Table(
    "gold_copies",
    metadata,
    _image(primary=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("host", Text, primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # By address, what a host gives as cheap proof that nobody wrote to the sealed disk; "" where it has none.
    Column("evidence", JSON, nullable=False),
    _version("version"),
    ForeignKeyConstraint(["host", "image", "slot"], ["slots.host", "slots.image", "slots.number"]),
    UniqueConstraint("host", "image", "slot"),
    _one_of("state", "filling", "whole"),
)

clones = Table(
    "clones",
    metadata,
    Column("name", Text, primary_key=True),
    _image(),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("identity", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    _text("last"),  # the id of the work that made what is live
    _version("version"),
    _one_of("kind", "read-only", "read-write"),
    _one_of("state", "active", "creating", "deleting"),
    Index("ix_clones_image_version", "image", "version"),
)

entries = Table(
    "entries",
    metadata,
    Column("host", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("clone", Text, ForeignKey("clones.name", ondelete="CASCADE")),
    # Not a reference: an import takes its names before it makes anything, and there is an image at its end.
    Column("image", Text),
    Column("slot", Integer, nullable=False),
    UniqueConstraint("clone"),
    UniqueConstraint("host", "image", "role", "slot"),
    _one_of("role", "clone", "maintenance", "test", "slot"),
    CheckConstraint("name = upper(name)", name="capitals"),
    CheckConstraint("(role = 'clone') = (clone IS NOT NULL) AND (role = 'clone') = (image IS NULL)", name="owner"),
    CheckConstraint("(role = 'slot') = (slot > 0)", name="slot"),
)

disks = Table(
    "disks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    # An entry's name; not a reference: an entry's name goes first where an import was cut off.
    Column("owner", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("made_for", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Text, nullable=False),
    _one_of("purpose", "clone", "system", "gold"),
    _one_of("state", "intended", "made", "deleting"),
    Index("ix_disks_host_owner", "host", "owner"),
)

site = Table(
    "site",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

fences = Table(
    "fences",
    metadata,
    Column("clone", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
)

#: Updates in these states hold nothing and stand in nobody's way.
ENDED = ("done", "failed", "cancelled")
_NOT_ENDED = text("state NOT IN ('done', 'failed', 'cancelled')")

updates = Table(
    "updates",
    metadata,
    Column("id", Integer, primary_key=True),
    _clone(),
    _image(),
    Column("from_version", Integer, nullable=False),
    Column("to_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    _text("work"),  # its id: random, since numbers come back after a restore, and name other things then
    _text("back"),  # of a rollback: the work that left what it goes back to
    _text("inputs"),  # a digest of what decided the last merge besides the trees
    _text("migration"),  # of the state on the new disks: "begun", "done", or "" where nothing was
    _data("disks"),  # that are made for it: ids by live address
    _data("seen"),  # the live disks that were merged: ids by live address
    _data("told"),  # what a person is told of it: rebuilds that failed, clones that could not be compared, torn paths
    _truth("carry"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),  # how often its workflow was begun
    _version("from_version"),
    _version("to_version"),
    _one_of("kind", "update", "rollback"),
    _one_of(
        "state",
        "planned",
        "preparing",
        "merged",
        "needs-review",
        "checked",
        "switching",
        *ENDED,
    ),
    Index("uq_updates_clone_in_flight", "clone", unique=True, sqlite_where=_NOT_ENDED),
    Index("ix_updates_clone", "clone"),
    Index("uq_updates_work", "work", unique=True),
    # Numbers are never used twice: a record and a fallback name an update by its number.
    sqlite_autoincrement=True,
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("update_id", Integer, ForeignKey("updates.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("path", LargeBinary, nullable=False),
    Column("axis", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("answers", JSON, nullable=False),
    Column("stands", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("own", Boolean, nullable=False, server_default=true()),
    Column("state", Text, nullable=False),
    _one_of("state", "open", "decided"),
    Index("ix_conflicts_key", "key"),
)

decisions = Table(
    "decisions",
    metadata,
    _image(primary=True),
    Column("key", Text, primary_key=True),
    Column("take", Text, nullable=False),
    Column("content", LargeBinary),
    Column("who", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("note", Text, nullable=False),
)

fallbacks = Table(
    "fallbacks",
    metadata,
    Column("id", Integer, primary_key=True),
    _clone(),
    Column("update_id", Integer, ForeignKey("updates.id", ondelete="CASCADE"), nullable=False),
    _image(),
    Column("from_version", Integer, nullable=False),
    Column("disks", JSON, nullable=False),
    Column("kept_until", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    _text("work"),  # that left it; the set's mark names it, too
    _truth("gone"),  # pruned, and its disks are gone
    _version("from_version"),
    UniqueConstraint("update_id"),
    _one_of("state", "kept", "used", "pruned", "set-aside"),
    Index("ix_fallbacks_clone", "clone"),
    Index("ix_fallbacks_work", "work"),
    Index("ix_fallbacks_image_from_version", "image", "from_version"),
    sqlite_autoincrement=True,
)


def _of_clone() -> Column[str]:
    return Column("clone", Text, ForeignKey("clones.name", ondelete="CASCADE"), primary_key=True)


identities = Table(
    "identities",
    metadata,
    _of_clone(),
    Column("kind", Text, primary_key=True),
    #: A hash of what was found on the disks; as it is (in small letters) for a name or address that a person gave.
    Column("value", Text, nullable=False),
    Index("ix_identities_kind_value", "kind", "value"),
)

local_accounts = Table(
    "local_accounts",
    metadata,
    _of_clone(),
    Column("kind", Text, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    Column("number", BigInteger),  # none: gold has this account, and the clone has not
    _one_of("kind", "user", "group"),
)

_UNREAD = text("digest = ''")

readings = Table(
    "readings",
    metadata,
    _of_clone(),
    Column("what", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # of what was read; "" before the first time
    Column("data", JSON, nullable=False),
    Column("read_at", Text, nullable=False),
    _one_of("what", "identity", "accounts"),
    # As above, the condition for PostgreSQL stands in the migration: naming it here would import that dialect.
    Index("ix_readings_unread", "what", "clone", sqlite_where=_UNREAD),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_events_subject", "subject"),
    sqlite_autoincrement=True,
)
