"""Clones: which servers there are, on which gold, who may write their disks, and what was read of these.

``generation`` is the fencing counter of a clone: each piece of work that writes disks raises it (:func:`fence`) and
carries its number along; a step whose number is no longer the clone's own must not touch a disk
(:func:`check_generation`).  The counter survives the clone: a new clone of the same name goes on counting.

What was read of a server's disks is what others ask about: what must be one server's alone, and its local accounts.  A row says
what a server was when it was last read: at its making, at each merge, at each switch.  So an update and a publish ask here, by an
index, and open no other server.  One that was never read since this is kept (a catalog of an older goldroot) is noted as
such: :func:`unread` names it, and it is never taken for one without an identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import copies, entries, gold
from goldroot.catalog.schema import ENDED, clones, fences, identities, local_accounts, readings, updates
from goldroot.catalog.schema import entries as entry_table
from goldroot.catalog.store import Tx, check_name, nearest, now
from goldroot.errors import Busy, NotFound, Refused
from goldroot.ids import new_id

CloneKind = Literal["read-only", "read-write"]
State = Literal["active", "creating", "deleting"]


@dataclass(frozen=True, slots=True)
class Clone:
    """A server made from gold; ``identity`` is what makes it itself (host name, addresses: no secrets), ``machine`` what
    its host calls it; ``host`` is where it lives."""

    name: str
    image: str
    version: int
    kind: CloneKind
    state: State
    host: str
    identity: Mapping[str, Any]
    generation: int
    created_at: str
    last: str  #: id of the work that made what is live
    machine: str


_WITH_MACHINE = sa.select(clones, entry_table.c.name).select_from(
    clones.join(entry_table, entry_table.c.clone == clones.c.name)
)
_FIND = _WITH_MACHINE.where(clones.c.name == sa.bindparam("name"))


def create(tx: Tx, name: str, image: str, version: int, kind: CloneKind, *, host: str = "") -> Clone:
    """Add a clone in state ``creating``, without an identity; it holds its gold version from now on.

    :param host: where it will live; "": on the image's home.
    :raises Refused: there is one of that name, or a machine is called as its own would be, or the version is not
        published, or has no copy on that host.
    :raises NotFound: no such image or version.
    :raises UsageError: a name that cannot be one.
    """
    known = find(tx, check_name("clone", name))
    if known is not None:
        raise Refused(f"there is a clone {name!r} already ({known.state})", todo="Take another name, or delete it.")
    of = gold.get(tx, image, version)
    if of.state != "published":
        raise Refused(f"gold version {version} of {image!r} is {of.state}", todo="Take a published version.")
    host = host or of.host
    copies.check_whole(tx, image, version, host)
    machine = entries.check_free_for_clone(tx, name, host)
    fence, work = _next_fence(tx, name), new_id()
    clone = Clone(name, image, version, kind, "creating", host, {}, fence, now(), work, machine)
    tx.add(
        clones,
        name=name,
        image=image,
        version=version,
        kind=kind,
        state=clone.state,
        host=host,
        identity=clone.identity,
        generation=clone.generation,
        created_at=clone.created_at,
        last=work,
    )
    entries.take_for_clone(tx, name, host)
    _begin_readings(tx, name)
    tx.event("clone-created", f"clone:{name}", image=image, version=version, kind=kind, host=host)
    return clone


def found(tx: Tx, clone: Clone) -> Clone:
    """The rows of a clone that its host has, and that this catalog does not know: it is older, or new.

    :raises Refused: there is one of that name, or its machine's name is another's.
    :raises NotFound: its gold version is unknown, too.
    """
    if (known := find(tx, check_name("clone", clone.name))) is not None:
        raise Refused(f"there is a clone {clone.name!r} already ({known.state})")
    gold.get(tx, clone.image, clone.version)
    tx.add(
        clones, name=clone.name, image=clone.image, version=clone.version, kind=clone.kind, state=clone.state,
        host=clone.host, identity=dict(clone.identity), generation=clone.generation, created_at=clone.created_at,
        last=clone.last,
    )  # fmt: skip
    _next_fence(tx, clone.name, clone.generation - 1)
    entries.take_as_found(tx, clone.name, clone.machine, clone.host)
    _begin_readings(tx, clone.name)
    _give(tx, clone.name, clone.identity)
    tx.event("clone-adopted", f"clone:{clone.name}", image=clone.image, version=clone.version, host=clone.host)
    return get(tx, clone.name)


def forget_gone(tx: Tx, name: str) -> None:
    """Remove the rows of a clone of which nothing is on its host any more: it was removed since this catalog was saved."""
    clone = get(tx, name)
    tx.write(clones.delete().where(clones.c.name == name))
    tx.event("clone-forgotten", f"clone:{name}", image=clone.image, version=clone.version)


def find(tx: Tx, name: str) -> Clone | None:
    """The clone, or ``None``."""
    row = tx.first(_FIND, name=name)
    return None if row is None else Clone(*row)


def get(tx: Tx, name: str) -> Clone:
    """:raises NotFound: there is none of that name."""
    found = find(tx, name)
    if found is None:
        near = nearest(name, [row[0] for row in tx.rows(sa.select(clones.c.name))])
        raise NotFound(f"there is no clone {name!r}", todo=f"`goldroot clone list` names those that there are.{near}")
    return found


def every(tx: Tx, image: str | None = None, version: int | None = None) -> list[Clone]:
    """All clones, by name; of one image, or on one version of it."""
    query = _WITH_MACHINE.order_by(clones.c.name)
    if image is not None:
        query = query.where(clones.c.image == image)
    if version is not None:
        query = query.where(clones.c.version == version)
    return [Clone(*row) for row in tx.rows(query)]


def activate(tx: Tx, name: str) -> None:
    """The clone's disks are complete."""
    _set(tx, get(tx, name).name, state="active")


def set_identity(tx: Tx, name: str, identity: Mapping[str, Any]) -> None:
    """Change what is known of a clone's identity."""
    _set(tx, get(tx, name).name, identity=dict(identity))
    _give(tx, name, identity)


def move(tx: Tx, name: str, version: int) -> None:
    """The clone is on ``version`` now: its part of a switch, in the same transaction as the update's and fallback's."""
    clone = get(tx, name)
    _set(tx, name, version=version)
    tx.event("clone-moved", f"clone:{name}", from_version=clone.version, to_version=version)


def follow(tx: Tx, name: str, **values: object) -> None:
    """Bring the row up to the clone's entry: state, version, last work."""
    _set(tx, get(tx, name).name, **values)


def begin_delete(tx: Tx, name: str) -> Clone:
    """State ``deleting``; it still holds its gold until :func:`forget`, which comes after its disks are gone.

    :raises Refused: an update of it is in flight.
    """
    get(tx, name)
    going = tx.first(sa.select(updates).where(updates.c.clone == name, updates.c.state.not_in(ENDED)))
    if going is not None:
        raise Refused(
            f"update {going.id} of clone {name!r} is {going.state}",
            todo=f"Finish it, or cancel it with `goldroot update cancel {name}`.",
        )
    _set(tx, name, state="deleting")
    return get(tx, name)


def forget(tx: Tx, name: str) -> None:
    """Remove a clone whose disks are gone, with its updates and fallbacks; the events keep what happened.

    :raises Refused: it is not in state ``deleting``.
    """
    clone = find(tx, name)
    if clone is None:
        return
    if clone.state != "deleting":
        raise Refused(f"clone {name!r} is {clone.state}: begin with begin_delete", meaning="Nothing was removed.")
    tx.write(clones.delete().where(clones.c.name == name))
    tx.event("clone-deleted", f"clone:{name}", image=clone.image, version=clone.version)


def fence(tx: Tx, name: str, *, above: int = 0) -> int:
    """Begin a piece of work on a clone's disks: whoever began one before is shut out.  Returns the new generation.

    :param above: a generation that was used already, though this catalog may not know it.
    """
    generation = _next_fence(tx, get(tx, name).name, above)
    _set(tx, name, generation=generation)
    return generation


def check_generation(tx: Tx, name: str, generation: int) -> Clone:
    """See that nobody began other work on the clone since.

    :raises Busy: somebody did; this work must stop.
    """
    clone = get(tx, name)
    if clone.generation != generation:
        raise Busy(
            f"other work on clone {name!r} began in the meantime",
            meaning="This command stops here; it has not written since.",
            todo="See `goldroot update list` for what goes on.",
        )
    return clone


def _next_fence(tx: Tx, name: str, above: int = 0) -> int:
    last = tx.value(sa.select(fences.c.generation).where(fences.c.clone == name))
    generation = max(int(last or 0), above) + 1
    if last is None:
        tx.add(fences, clone=name, generation=generation)
    else:
        tx.write(fences.update().where(fences.c.clone == name).values(generation=generation))
    return generation


def _set(tx: Tx, name: str, **values: object) -> None:
    tx.write(clones.update().where(clones.c.name == name).values(**values))


# -- what was read of them

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


def _begin_readings(tx: Tx, clone: str) -> None:
    """Rows of a clone that is begun: nothing was read."""
    for what in ("identity", "accounts"):
        tx.add(readings, clone=clone, what=what, digest="", data={}, read_at="")


def _give(tx: Tx, clone: str, identity: Mapping[str, Any]) -> None:
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


def forget_reading(tx: Tx, clone: str) -> None:
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
