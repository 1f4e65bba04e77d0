"""What was read of each server's disks that others ask about: what must be one server's alone, and its local accounts.

A row says what a server was when it was last read: at its making, at each merge, at each switch.  So an update and a
publish ask here, by an index, and open no other server.  One that was never read since this is kept (a catalog of
an older goldroot) is noted as such: :func:`unread` names it, and it is never taken for one without an identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog.schema import clones, identities, local_accounts, readings
from goldroot.catalog.store import Tx, now

What = Literal["identity", "accounts"]
AccountKind = Literal["user", "group"]

#: What a person said, not what was read: it is known from the moment on when the clone is begun.
GIVEN: Mapping[str, str] = {"hostname": "given host name", "address": "given address"}


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """How a server's accounts differ from its gold's; ``number`` is ``None`` where gold has it and the server has not."""

    kind: AccountKind
    name: bytes
    number: int | None


@dataclass(frozen=True, slots=True)
class LocalAccounts:
    """The local accounts of one server; ``ranges`` is what its login.defs says, as lists of numbers."""

    local: tuple[LocalAccount, ...] = ()
    ranges: Mapping[str, Sequence[int]] = field(default_factory=dict)


def given(identity: Mapping[str, Any]) -> dict[str, str]:
    """What a person gave a clone that must be its own: kind -> value, without a prefix length, in small letters."""
    values = {kind: str(identity.get(key) or "").partition("/")[0].lower() for key, kind in GIVEN.items()}
    return {kind: value for kind, value in values.items() if value}


def begin(tx: Tx, clone: str) -> None:
    """Rows of a clone that is begun: nothing was read."""
    for what in ("identity", "accounts"):
        tx.add(readings, clone=clone, what=what, digest="", data={}, read_at="")


def give(tx: Tx, clone: str, identity: Mapping[str, Any]) -> None:
    """What is given is another thing from now on."""
    tx.write(identities.delete().where(identities.c.clone == clone, identities.c.kind.in_(GIVEN.values())))
    for kind, value in given(identity).items():
        tx.add(identities, clone=clone, kind=kind, value=value)


def note_identity(tx: Tx, clone: str, found: Mapping[str, str]) -> None:
    """A server's fingerprints (kind -> hash) as they were read now; the same ones again cost one question."""
    if not _changed(tx, clone, "identity", sorted(found.items()), {}):
        return
    tx.write(identities.delete().where(identities.c.clone == clone, identities.c.kind.not_in(GIVEN.values())))
    if found:
        tx.write(identities.insert(), [{"clone": clone, "kind": kind, "value": value} for kind, value in found.items()])


def note_accounts(tx: Tx, clone: str, found: LocalAccounts) -> None:
    """A server's local accounts as they were read now; the same ones again cost one question."""
    data = {key: list(numbers) for key, numbers in found.ranges.items()}
    rows = [(one.kind, one.name.hex(), one.number) for one in sorted(found.local, key=lambda a: (a.kind, a.name))]
    if not _changed(tx, clone, "accounts", rows, data):
        return
    tx.write(local_accounts.delete().where(local_accounts.c.clone == clone))
    if found.local:
        rows_of = [{"clone": clone, "kind": a.kind, "name": a.name, "number": a.number} for a in found.local]
        tx.write(local_accounts.insert(), rows_of)


def forget(tx: Tx, clone: str) -> None:
    """What was read does not hold any more, and could not be read again: to be read when somebody asks."""
    tx.write(readings.update().where(readings.c.clone == clone).values(digest=""))


def unread(tx: Tx, what: What, image: str | None = None) -> list[str]:
    """The clones in use, by name, of which this was never read; of one image."""
    query = (
        sa.select(readings.c.clone)
        .join(clones, clones.c.name == readings.c.clone)
        .where(readings.c.what == what, readings.c.digest == sa.literal_column("''"), clones.c.state == "active")
        .order_by(readings.c.clone)
    )
    return [row.clone for row in tx.rows(query if image is None else query.where(clones.c.image == image))]


def sharing(tx: Tx, clone: str, found: Mapping[str, str], *, active: bool = True) -> Iterator[tuple[str, str]]:
    """Other clones that have one of these values under the same kind: (kind, clone), by kind and name.

    :param active: those in use alone, not those that are being made or removed.
    """
    if not found:
        return
    same = [sa.and_(identities.c.kind == kind, identities.c.value == value) for kind, value in sorted(found.items())]
    query = sa.select(identities.c.kind, identities.c.clone).where(sa.or_(*same), identities.c.clone != clone)
    if active:
        query = query.join(clones, clones.c.name == identities.c.clone).where(clones.c.state == "active")
    yield from sorted((row.kind, row.clone) for row in tx.rows(query))


def accounts_of(tx: Tx, image: str) -> dict[str, LocalAccounts]:
    """The local accounts of every clone of an image that is in use and was read, by name: in two questions for all."""
    of_image = (clones.c.image == image, clones.c.state == "active")
    known = sa.select(readings.c.clone, readings.c.data).join(clones, clones.c.name == readings.c.clone)
    read = tx.rows(known.where(readings.c.what == "accounts", readings.c.digest != "", *of_image))
    rows = tx.rows(sa.select(local_accounts).join(clones, clones.c.name == local_accounts.c.clone).where(*of_image))
    local: dict[str, list[LocalAccount]] = {row.clone: [] for row in read}
    for row in rows:
        if row.clone in local:
            local[row.clone].append(LocalAccount(row.kind, row.name, row.number))
    return {
        row.clone: LocalAccounts(tuple(local[row.clone]), row.data) for row in sorted(read, key=lambda one: one.clone)
    }


def _changed(tx: Tx, clone: str, what: What, found: object, data: Mapping[str, object]) -> bool:
    """Whether this is not what was read before; it is noted as read, where it is not."""
    digest = hashlib.sha256(json.dumps([found, data], sort_keys=True).encode()).hexdigest()
    this = sa.and_(readings.c.clone == clone, readings.c.what == what)
    if tx.value(sa.select(readings.c.digest).where(this)) == digest:
        return False
    tx.write(readings.update().where(this).values(digest=digest, data=dict(data), read_at=now()))
    return True
