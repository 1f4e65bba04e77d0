"""Clones: which servers there are, on which gold, and who may write their disks.

``generation`` is the fencing counter of a clone: each piece of work that writes disks raises it (:func:`fence`) and
carries its number along; a step whose number is no longer the clone's own must not touch a disk
(:func:`check_generation`).  The counter survives the clone: a new clone of the same name goes on counting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import copies, entries, events, gold, readings
from goldroot.catalog.schema import ENDED, clones, fences, updates
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
    readings.begin(tx, name)
    events.add(tx, "clone-created", f"clone:{name}", image=image, version=version, kind=kind, host=host)
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
    readings.begin(tx, clone.name)
    readings.give(tx, clone.name, clone.identity)
    events.add(tx, "clone-adopted", f"clone:{clone.name}", image=clone.image, version=clone.version, host=clone.host)
    return get(tx, clone.name)


def forget_gone(tx: Tx, name: str) -> None:
    """Remove the rows of a clone of which nothing is on its host any more: it was removed since this catalog was saved."""
    clone = get(tx, name)
    tx.write(clones.delete().where(clones.c.name == name))
    events.add(tx, "clone-forgotten", f"clone:{name}", image=clone.image, version=clone.version)


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
    readings.give(tx, name, identity)


def move(tx: Tx, name: str, version: int) -> None:
    """The clone is on ``version`` now: its part of a switch, in the same transaction as the update's and fallback's."""
    clone = get(tx, name)
    _set(tx, name, version=version)
    events.add(tx, "clone-moved", f"clone:{name}", from_version=clone.version, to_version=version)


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
    events.add(tx, "clone-deleted", f"clone:{name}", image=clone.image, version=clone.version)


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
