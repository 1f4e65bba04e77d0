"""Updates and rollbacks, and the conflicts that each one met.

::

    planned -> preparing -> merged -+-> checked -> switching -> done
                  ^                 v      |
                  |            needs-review|       (what changed since is merged again: back to preparing)
                  +-----------------+------+
    failed, cancelled: from every state but done; never once the switch is made, but for one that went back by itself

On a host that starts machines, ``told`` says besides how far the stop, the start and the return have come: ``step``,
``was_on`` (the server ran before, and has to run again), ``settled`` (it was seen to), ``returned_by`` (the id of the
exchange that took it back), and of such an exchange ``returns`` (the work that it undid).  :attr:`Update.stands` is the
state with that in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import clones, copies, gold
from goldroot.catalog.schema import ENDED, updates
from goldroot.catalog.store import Tx, now
from goldroot.errors import NotFound, Refused
from goldroot.ids import new_id

Kind = Literal["update", "rollback"]
State = Literal["planned", "preparing", "merged", "needs-review", "checked", "switching", "done", "failed", "cancelled"]

#: What a step of the power is called -> the states in which it can be.
STEPS: Mapping[str, tuple[State, ...]] = {
    "stopping": ("planned", "preparing", "merged", "needs-review", "checked"),
    "switched": ("switching",),
    "starting": ("switching",),
    "returning": ("switching",),
    "returned": ("failed",),
}

#: From which states a state is reached.  Staying in one is always allowed: steps are done again after a crash.
REACHED_FROM: dict[State, tuple[State, ...]] = {
    "planned": (),
    "preparing": ("planned", "merged", "needs-review", "checked"),
    "merged": ("preparing",),
    "needs-review": ("preparing", "merged", "checked"),
    "checked": ("merged", "needs-review", "planned"),
    "switching": ("checked",),
    "done": ("switching",),
    "failed": ("planned", "preparing", "merged", "needs-review", "checked", "switching"),
    "cancelled": ("planned", "preparing", "merged", "needs-review", "checked"),
}


@dataclass(frozen=True, slots=True)
class Update:
    """One clone's way from a version to another one (kind ``rollback``: back).  ``record``: its record's path."""

    id: int
    clone: str
    image: str
    from_version: int
    to_version: int
    kind: Kind
    state: State
    record: str
    error: str
    created_at: str
    changed_at: str
    work: str = ""  #: its id, which no other one ever has
    back: str = ""  #: of a rollback: id of the work that left what it goes back to
    inputs: str = ""
    migration: str = ""
    disks: Mapping[str, str] = field(default_factory=dict)  #: that are made for it: ids by live address
    seen: Mapping[str, str] = field(default_factory=dict)  #: the live disks that were merged
    told: Mapping[str, Any] = field(default_factory=dict)
    carry: bool = False
    attempt: int = 0

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in ENDED

    @property
    def stands(self) -> str:
        """The state, for people: also how far the stop, the start or the return has come."""
        if self.state == "failed" and self.told.get("returned_by"):
            return "returned"
        step = str(self.told.get("step", ""))
        return step if self.state in STEPS.get(step, ()) else self.state

    @property
    def reason(self) -> str:
        """Why it stands as it stands, one short sentence; "" where there is nothing to add."""
        return "the server went back by itself" if self.told.get("returns") and not self.error else self.error

    @property
    def goes_on(self) -> str:
        """The command that goes on with it."""
        if self.kind == "update":
            return f"goldroot update run {self.clone}"
        return f"goldroot rollback {self.clone}" + (" --carry" if self.carry else "")

    @property
    def start_due(self) -> bool:
        """Whether the server ran before, was stopped for this work, and nobody has seen to it since."""
        return bool(self.told.get("was_on")) and not self.told.get("settled")


def begin(tx: Tx, clone: str, to_version: int, *, kind: Kind = "update", back: str = "", carry: bool = False) -> Update:
    """Plan an update; it holds both of its versions until it ends.

    :raises Refused: one of this clone is in flight; the clone is not active; the version has no disks any more, or (for
        an update) is not published.
    """
    of = clones.get(tx, clone)
    if of.state != "active":
        raise Refused(f"clone {clone!r} is {of.state}", todo="Finish that first.")
    going = in_flight(tx, clone)
    if going is not None:
        raise Refused(
            f"update {going.id} of clone {clone!r}, to version {going.to_version}, is {going.state}",
            meaning="A clone has one update at a time.",
            todo="Finish or cancel that one first.",
        )
    to = gold.get(tx, of.image, to_version, of.host)
    everywhere = copies.every(tx, of.image, to_version)
    if not everywhere or to.state == "publishing" or (kind == "update" and to.state != "published"):
        gone = to.state if everywhere else "removed"
        raise Refused(f"gold version {to_version} of {of.image!r} is {gone}", todo="Take a published version.")
    copies.check_whole(tx, of.image, to_version, of.host)
    at = now()
    number = tx.add(
        updates,
        clone=clone,
        image=of.image,
        from_version=of.version,
        to_version=to_version,
        kind=kind,
        state="planned",
        record="",
        error="",
        created_at=at,
        changed_at=at,
        work=new_id(),
        back=back,
        carry=carry,
    )
    tx.event(f"{kind}-begun", f"clone:{clone}", update=number, from_version=of.version, to_version=to_version)
    return get(tx, number)


def found(tx: Tx, update: Update) -> Update:
    """The row of a work that the clone's entry tells of and that this catalog does not know: it is older."""
    at = now()
    number = tx.add(
        updates, clone=update.clone, image=update.image, from_version=update.from_version,
        to_version=update.to_version, kind=update.kind, state=update.state, record="", error="", created_at=at,
        changed_at=at, work=update.work, back=update.back, disks=dict(update.disks), carry=update.carry,
        told=dict(update.told),
    )  # fmt: skip
    tx.event(f"{update.kind}-found", f"clone:{update.clone}", update=number, from_version=update.from_version,
        to_version=update.to_version,
    )  # fmt: skip
    return get(tx, number)


def follow(tx: Tx, number: int, state: State) -> None:
    """Bring the row up to what the clone's entry says, from whatever state it was in: this catalog may be older."""
    update = get(tx, number)
    if update.state == state:
        return
    tx.write(updates.update().where(updates.c.id == number).values(state=state, changed_at=now()))
    if (update.state, state) != ("checked", "switching"):
        tx.event(f"{update.kind}-found", f"clone:{update.clone}", update=number, was=update.state, now=state)


def note(tx: Tx, number: int, **values: Any) -> Update:
    """Write down what is known of a work besides its state: columns of :class:`Update` by name.

    Its time is that of the state that people see: it moves only where that is another one then.
    """
    before = get(tx, number)
    after = replace(before, **{name: _as_kept(value) for name, value in values.items()})
    at = before.changed_at if after.stands == before.stands else now()
    tx.write(updates.update().where(updates.c.id == number).values(changed_at=at, **values))
    return replace(after, changed_at=at)


def _as_kept(value: Any) -> Any:
    """A value as it is read again: what is not a text, a number or a truth is kept as JSON."""
    return value if isinstance(value, str | int) else json.loads(json.dumps(value))


def reopen(tx: Tx, number: int, **told: object) -> Update:
    """A work that is done goes on: its server was off at the switch, and is started now.

    :param told: what is known besides, see :attr:`Update.told`.
    """
    update = get(tx, number)
    values = {"state": "switching", "told": {**update.told, **told}, "changed_at": now()}
    tx.write(updates.update().where(updates.c.id == number).values(**values))
    tx.event(f"{update.kind}-first-start", f"clone:{update.clone}", update=number)
    return get(tx, number)


def begin_attempt(tx: Tx, number: int) -> int:
    """Its workflow is begun once more; returns the number of this attempt, which shuts the one before out."""
    attempt = get(tx, number).attempt + 1
    tx.write(updates.update().where(updates.c.id == number).values(attempt=attempt))
    return attempt


_OF_CLONE = sa.select(updates).where(updates.c.clone == sa.bindparam("clone"))
_FIND = sa.select(updates).where(updates.c.id == sa.bindparam("number"))
_IN_FLIGHT = _OF_CLONE.where(updates.c.state.not_in(ENDED))
_LATEST = _OF_CLONE.order_by(updates.c.id.desc()).limit(1)
_UNCLEARED = _OF_CLONE.where(updates.c.state.in_(("cancelled", "failed"))).order_by(updates.c.id)
_OF_WORK = sa.select(updates).where(updates.c.work == sa.bindparam("work"))


def find(tx: Tx, number: int) -> Update | None:
    """The update, or ``None``."""
    row = tx.first(_FIND, number=number)
    return None if row is None else Update(*row)


def get(tx: Tx, number: int) -> Update:
    """:raises NotFound: there is none of that number."""
    found = find(tx, number)
    if found is None:
        raise NotFound(f"there is no update {number}", todo="`goldroot update list` names those that there are.")
    return found


def in_flight(tx: Tx, clone: str) -> Update | None:
    """The clone's update that has not ended, if there is one."""
    row = tx.first(_IN_FLIGHT, clone=clone)
    return None if row is None else Update(*row)


def all_in_flight(tx: Tx) -> list[Update]:
    """Every update and rollback that has not ended, oldest first."""
    query = sa.select(updates).where(updates.c.state.not_in(ENDED)).order_by(updates.c.id)
    return [Update(*row) for row in tx.rows(query)]


def of_work(tx: Tx, work: str) -> Update | None:
    """The update of that id, or ``None``."""
    row = tx.first(_OF_WORK, work=work)
    return None if row is None else Update(*row)


def uncleared(tx: Tx, clone: str) -> list[Update]:
    """The clone's updates that came to nothing and still have disks, oldest first."""
    return [one for one in (Update(*row) for row in tx.rows(_UNCLEARED, clone=clone)) if one.disks]


def latest(tx: Tx, clone: str) -> Update | None:
    """The clone's newest update or rollback, in flight or ended."""
    row = tx.first(_LATEST, clone=clone)
    return None if row is None else Update(*row)


def every(tx: Tx, clone: str | None = None, *, state: State | None = None) -> list[Update]:
    """All updates, oldest first; of one clone, in one state."""
    query = sa.select(updates).order_by(updates.c.id)
    if clone is not None:
        query = query.where(updates.c.clone == clone)
    if state is not None:
        query = query.where(updates.c.state == state)
    return [Update(*row) for row in tx.rows(query)]


def set_state(tx: Tx, number: int, state: State, *, record: str | None = None, error: str | None = None) -> Update:
    """Move an update on.  Setting the state that it has already is not an error: a step may be done twice.

    :raises Refused: there is no way from its state to that one.
    """
    update = get(tx, number)
    if update.state != state and update.state not in REACHED_FROM[state]:
        raise Refused(
            f"update {number} of clone {update.clone!r} is {update.state}: it cannot become {state}",
            meaning="Nothing was changed.",
        )
    values = {key: value for key, value in (("record", record), ("error", error)) if value is not None}
    at = update.changed_at if update.state == state else now()
    tx.write(updates.update().where(updates.c.id == number).values(state=state, changed_at=at, **values))
    if update.state != state:
        ways = {"from_version": update.from_version, "to_version": update.to_version} if state in ENDED else {}
        tx.event(f"{update.kind}-{state}", f"clone:{update.clone}", update=number, **values, **ways)
    kept = {"record": update.record, "error": update.error, **values}
    return replace(update, state=state, changed_at=at, record=kept["record"], error=kept["error"])
