"""The order of effects as a model: what each command does to the catalog and to a host, in small steps, and no more.

A world has a host in memory and a catalog of rows.  Every change of either is one *effect*, and a command may be killed
before each: ``T`` is a transaction of the catalog, ``H`` a change of the host.  What a command does first is always the
same: it compares the clone's entry with the catalog (:func:`reconcile`), for the entry alone says whether a switch has
happened, also to a catalog that is older.

The names of the effects and of the states are those that the product has to pass through in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from goldroot.errors import Busy, NotFound, Refused
from goldroot.hosts import (
    Entry,
    Link,
    Mark,
    NewDisk,
    exchange,
    fenced,
    free_set,
    is_live,
    park,
    place_of,
    set_of,
    with_links,
    with_mark,
)
from support.memoryhost import Content, MemoryHost

SLOTS = ("GOLD", "GOLD2", "GOLD3")
SHARED, OWN = "B1", ("B5", "B6")
PLACES = (SHARED, *OWN)

#: States in which an update has switched.
AFTER = ("switched", "starting", "returning")
#: States in which its prepared disks are taken to be what they were filled with.
BEFORE = ("merging", "merged", "checked", "stopping", "switching")
ENDED = ("done", "returned", "cancelled")


class Killed(BaseException):
    """The command was killed before an effect."""


class Stop(Exception):
    """What only a person can decide."""


# -- the catalog


@dataclass(frozen=True)
class Clone:
    state: str  #: creating, filling, filled, active, deleting
    version: int
    last: str  #: id of the last work that made what is live
    disks: Mapping[str, str]  #: of its making, by place
    generation: int = 0


@dataclass(frozen=True)
class Update:
    clone: str
    kind: str  #: update, rollback, carry
    frm: int
    to: int
    state: str = "planned"
    disks: Mapping[str, str] = field(default_factory=dict)  #: that are made for it, by place
    seen: Mapping[str, Content] | None = None  #: the live disks as the last merge saw them
    was_on: bool | None = None
    fallback: str = ""  #: what it goes back to
    returning: str = ""  #: id of the exchange back
    decided: frozenset[str] = frozenset()  #: by a person, in a review


@dataclass(frozen=True)
class Fallback:
    """A kept set.  Its id is that of the work that left it, which the set's mark has too."""

    clone: str
    version: int
    state: str  #: kept, set-aside, used, pruning, pruned
    disks: frozenset[str]


@dataclass(frozen=True)
class Version:
    slot: str
    state: str  #: publishing, published, retired
    by: str


@dataclass(frozen=True)
class Rows:
    clones: Mapping[str, Clone] = field(default_factory=dict)
    updates: Mapping[str, Update] = field(default_factory=dict)
    fallbacks: Mapping[str, Fallback] = field(default_factory=dict)
    versions: Mapping[int, Version] = field(default_factory=dict)

    def put(self, table: str, key: object, row: object) -> Rows:
        return replace(self, **{table: {**getattr(self, table), key: row}})

    def without(self, table: str, key: object) -> Rows:
        return replace(self, **{table: {k: row for k, row in getattr(self, table).items() if k != key}})

    def in_flight(self, clone: str) -> tuple[str, Update] | None:
        return next(((id, u) for id, u in self.updates.items() if u.clone == clone and u.state not in ENDED), None)


class World:
    """A host, a catalog with all that it once was, and what has been done."""

    def __init__(self) -> None:
        self.host = MemoryHost(self.effect)
        self.rows = Rows()
        self.history = [self.rows]
        self.trace: list[str] = []
        self.kill_at = 0
        self.bad: set[int] = set()  #: versions with which a server does not come up healthy
        self._ids = 0

    def copy(self) -> World:
        other = World()
        host = self.host
        other.host = MemoryHost(
            other.effect,
            dict(host.entries),
            dict(host.owners),
            dict(host.contents),
            set(host.sealed),
            dict(host.running),
        )
        other.rows, other.history, other.trace = self.rows, list(self.history), list(self.trace)
        other.bad, other._ids = set(self.bad), self._ids
        return other

    def effect(self, name: str) -> None:
        if self.kill_at and len(self.trace) + 1 == self.kill_at:
            raise Killed(name)
        self.trace.append(name)

    def commit(self, name: str, rows: Rows) -> None:
        self.effect(f"T {name}")
        self.rows = rows
        self.history.append(rows)

    def set(self, id: str, state: str, **values: object) -> Update:
        """An update comes into a state."""
        row = replace(self.rows.updates[id], state=state, **values)  # type: ignore[arg-type]
        self.commit(state, self.rows.put("updates", id, row))
        return row

    def set_clone(self, name: str, state: str, **values: object) -> Clone:
        row = replace(self.rows.clones[name], state=state, **values)  # type: ignore[arg-type]
        self.commit(state, self.rows.put("clones", name, row))
        return row

    def new_id(self) -> str:
        """Ids are not the catalog's: an older catalog never gives one out again."""
        self._ids += 1
        return f"w{self._ids:03}"

    def new_disks(self, name: str) -> dict[str, str]:
        return {place: f"{name}-{place}-{self.new_id()}" for place in OWN}

    def entry(self, name: str) -> Entry:
        return self.host.get(name.upper())


def server_writes(world: World, name: str, what: str) -> bool:
    """The running server writes to the disks that it was started with."""
    given = world.host.running.get(name.upper())
    if given is None:
        return False
    for address, id in given.items():
        if place_of(address) == OWN[0]:
            content = world.host.contents[id]
            world.host.contents[id] = replace(content, written=content.written | {what})
    return True


def live_writes(world: World, name: str) -> frozenset[str]:
    """What the server wrote, as far as it is on its live disks."""
    disks = disks_of(world.entry(name), "1")
    return frozenset().union(*(world.host.contents[disks[place]].written for place in OWN))


def power_on(world: World, name: str) -> None:
    """A person starts the server."""
    world.host.start(name.upper())


# -- what marks say: pure


def kept_sets(entry: Entry) -> dict[str, str]:
    """The set digit of each kept set, by the work that left it."""
    states = ("kept", "set-aside", "removing")
    return {mark.by: digit for digit, mark in entry.marks.items() if mark.state in states and digit != "1"}


def disks_of(entry: Entry, digit: str) -> dict[str, str]:
    """The disks of a set, by place."""
    return {place_of(address): disk.id for address, disk in entry.disks.items() if set_of(address) == digit}


def reconcile(rows: Rows, name: str, entry: Entry | None, slots: Mapping[str, Entry]) -> tuple[Rows, set[str]]:
    """The catalog as the entries say that it is, and the ids of works whose end it did not know.

    :raises Stop: the host is older than the catalog.
    """
    rows = _gold(rows, slots)
    clone = rows.clones.get(name)
    if entry is None or (clone is not None and clone.state == "deleting"):
        return rows, set()
    live = entry.marks["1"]
    if clone is None:
        state = "active" if entry.startable else "creating"
        # A server that is not being made may just have been switched; its making is the last work where it is.
        last = "" if entry.startable else live.by
        clone = Clone(state, live.version, last, disks_of(entry, "1"), entry.generation)
        rows = rows.put("clones", name, clone)
    if live.state == "removing":
        return rows.put("clones", name, replace(clone, state="deleting")), set()
    if clone.state != "active" and entry.startable:
        clone = replace(clone, state="active")  # the last that a making does to the host
        rows = rows.put("clones", name, clone)
    if clone.state != "active":
        return rows, set()
    ended: set[str] = set()
    if live.by != clone.last:
        rows, ended = _switched(rows, name, entry, live)
    rows, pruned = _kept(rows, name, entry)
    rows = _in_flight(rows, name, entry)
    if entry.generation > clone.generation:  # the catalog is older than the host
        rows = _disbelieve(rows, name)
        rows = rows.put("clones", name, replace(rows.clones[name], generation=entry.generation))
    return rows, ended | pruned


def _gold(rows: Rows, slots: Mapping[str, Entry]) -> Rows:
    for slot, entry in slots.items():
        mark = entry.marks["1"]
        for number, version in rows.versions.items():
            if version.slot == slot and version.by != mark.by and version.state == "published":
                rows = rows.put("versions", number, replace(version, state="retired"))
        known = rows.versions.get(mark.version)
        if mark.state == "gold" and (known is None or known.by != mark.by or known.state == "publishing"):
            rows = rows.put("versions", mark.version, Version(slot, "published", mark.by))
        if mark.state == "publishing" and known is None:
            rows = rows.put("versions", mark.version, Version(slot, "publishing", mark.by))
    return rows


def _switched(rows: Rows, name: str, entry: Entry, live: Mark) -> tuple[Rows, set[str]]:
    """What is live was made by a work that the catalog does not have as the last."""
    clone = rows.clones[name]
    known = rows.updates.get(live.by)
    if known is not None and known.state in ENDED:
        raise Stop(f"{name} runs from what {live.by} made, and {clone.last} came after that: the host is older")
    rows = rows.put("clones", name, replace(clone, version=live.version, last=live.by))
    if known is not None:
        return rows.put("updates", live.by, replace(known, state="switched")), {live.by}
    left = kept_sets(entry).get(live.by, "")
    if not left and not clone.last:
        return rows, set()  # it was made, and nothing else
    frm = entry.marks[left].version if left else clone.version
    kind = "rollback" if left and (entry.marks[left].state == "set-aside" or live.version < frm) else "update"
    for id, update in rows.updates.items():
        own = set(update.disks.values()) & set(disks_of(entry, left).values()) if left and kind == "rollback" else set()
        if update.clone == name and update.state not in ENDED and (update.returning == live.by or own):
            return rows.put("updates", id, replace(update, state="returning", returning=live.by)), {id}
    made = Update(name, kind, frm, live.version, "switched")
    return rows.put("updates", live.by, made), {live.by}


def _kept(rows: Rows, name: str, entry: Entry) -> tuple[Rows, set[str]]:
    sets, ended = kept_sets(entry), set()
    for by, digit in sets.items():
        there = frozenset(disks_of(entry, digit).values())
        mark, known = entry.marks[digit], rows.fallbacks.get(by)
        row = known or Fallback(name, mark.version, mark.state, there)
        cut_off = mark.state == "removing" or row.disks != there
        state = "pruning" if row.state == "pruning" or cut_off else mark.state
        rows = rows.put("fallbacks", by, replace(row, state=state))
    for by, row in rows.fallbacks.items():
        if row.clone == name and by not in sets and row.state not in ("used", "pruned"):
            used = row.disks & set(disks_of(entry, "1").values())
            rows = rows.put("fallbacks", by, replace(row, state="used" if used else "pruned"))
            ended |= set() if used else {by}
    return rows, ended


def _in_flight(rows: Rows, name: str, entry: Entry) -> Rows:
    """One work is in flight at most: the one whose set 5 is prepared, or that has switched, or has made nothing yet."""
    five, live = entry.marks.get("5"), entry.marks["1"]
    preparing = five.by if five is not None and five.state == "preparing" else ""
    for id, update in rows.updates.items():
        if update.clone == name and update.state not in ENDED and id != preparing:
            state = _state_of(id, update, entry, bool(preparing))
            rows = rows.put("updates", id, replace(update, state=state))
    known = rows.updates.get(preparing)
    if preparing and known is not None and known.state in BEFORE:
        whole = disks_of(entry, "5") == dict(known.disks)
        state = "making" if not whole else "checked" if known.state == "switching" else known.state
        rows = rows.put("updates", preparing, replace(known, state=state))
    if preparing and five is not None and (known is None or known.state in ENDED):
        kind = "carry" if five.version < live.version else "update"
        back = next((by for by, row in rows.fallbacks.items() if kind == "carry" and _is_back(row, name, five)), "")
        made = Update(name, kind, live.version, five.version, "making", disks_of(entry, "5"), fallback=back)
        rows = rows.put("updates", preparing, made)
    return rows


def _state_of(id: str, update: Update, entry: Entry, other: bool) -> str:
    """The state of a work whose disks are not in set 5; `other`: those of another work are."""
    live = entry.marks["1"]
    if update.state in AFTER and live.by in (id, update.returning):
        return update.state
    if update.kind == "rollback" and update.state not in AFTER:
        if update.fallback not in kept_sets(entry):
            return "cancelled"
        return "checked" if update.state == "switching" else update.state
    kept = {disk for digit in kept_sets(entry).values() for disk in disks_of(entry, digit).values()}
    if kept & set(update.disks.values()):
        return "done"
    if update.state == "cancelling":
        return "cancelling"
    if other or update.frm != live.version or update.state in AFTER:
        return "cancelled"
    # Its set may be gone by a cancel that this catalog does not know.
    return "making" if update.state in BEFORE else update.state


def _disbelieve(rows: Rows, name: str) -> Rows:
    """What an older catalog says of the content of prepared disks may be of an older filling: they are filled again.

    Each filling begins with a higher generation, which is on the host before the first write.
    """
    going = rows.in_flight(name)
    if going is not None and going[1].state in BEFORE:
        rows = rows.put("updates", going[0], replace(going[1], state="making"))
    return rows


def _is_back(row: Fallback, name: str, five: Mark) -> bool:
    return row.clone == name and row.version == five.version and row.state == "kept"


# -- every command begins so


def first(world: World, name: str) -> set[str]:
    """The catalog learns what it does not know; the ids of works whose end that was."""
    slots = {slot: entry for slot in SLOTS if (entry := world.host.find(slot)) is not None}
    rows, ended = reconcile(world.rows, name, world.host.find(name.upper()), slots)
    if rows != world.rows:
        world.commit("found", rows)
    return ended


def raise_generation(world: World, name: str) -> None:
    """Who begins a work, or goes on with another's, raises the generation first: see :func:`fence`."""
    clone = world.rows.clones[name]
    generation = max(clone.generation, world.entry(name).generation) + 1
    world.commit("attempt", world.rows.put("clones", name, replace(clone, generation=generation)))


def fence(world: World, name: str) -> None:
    """Before its first change of the host: whoever was at work there has an old token from now on."""
    generation = world.rows.clones[name].generation
    if world.entry(name).generation < generation:
        world.host.apply(fenced(world.entry(name), generation))


def usable(world: World, name: str) -> Clone:
    clone = world.rows.clones.get(name)
    if clone is None:
        raise NotFound(f"there is no server {name}")
    if clone.state != "active" or not world.entry(name).startable:
        raise Refused(f"{name} is being made or removed")
    return clone


# -- commands


def publish(world: World, number: int) -> str:
    first(world, "")
    version = world.rows.versions.get(number)
    if version is not None and version.state == "published":
        return "published"
    if version is None or version.state == "retired":
        version = Version(_free_slot(world), "publishing", world.new_id())
        rows = world.rows
        for other, old in rows.versions.items():
            if old.slot == version.slot:
                rows = rows.put("versions", other, replace(old, state="retired"))
        world.commit("publishing", rows.put("versions", number, version))
    slot, host = version.slot, world.host
    mark = Mark("publishing", version.by, "debian", "", number, version.by)
    host.define(Entry(slot, "owner", marks={"1": mark})) if host.find(slot) is None else None
    with host.hold(slot):
        if host.get(slot).marks["1"] != mark:
            host.apply(with_mark(host.get(slot), "1", mark))
        for place in PLACES:
            at = host.get(slot).disks.get(f"1{place}")
            if at is None:
                host.create_disk(NewDisk(f"{slot}-{place}-{world.new_id()}", slot, f"1{place}", 0, ""))
            else:
                host.empty_disk(at.id)
        for place in PLACES:
            host.write(host.get(slot).disks[f"1{place}"].id, Content(number))
        for place in PLACES:
            host.seal_disk(host.get(slot).disks[f"1{place}"].id)
        entry = host.get(slot)
        disks = {address: replace(disk, mode="ro") for address, disk in entry.disks.items()}
        host.apply(with_mark(replace(entry, disks=disks), "1", replace(mark, state="gold")))
    assert host.linked(slot) == []
    world.commit("published", world.rows.put("versions", number, replace(version, state="published")))
    return "published"


def _free_slot(world: World) -> str:
    newest = max((n for n, version in world.rows.versions.items() if version.state == "published"), default=0)
    held = {clone.version for clone in world.rows.clones.values()} | {newest}
    held |= {n for u in world.rows.updates.values() if u.state not in ENDED for n in (u.frm, u.to)}
    taken = {version.slot for n, version in world.rows.versions.items() if n in held and version.state == "published"}
    free = [slot for slot in SLOTS if slot not in taken and not world.host.linked(slot)]
    if not free:
        raise Refused("no free slot")
    return free[0]


def create(world: World, name: str, version: int) -> str:
    first(world, name)
    host, clone = world.host, world.rows.clones.get(name)
    if clone is not None and clone.state == "active":
        return "active"
    if clone is None:
        clone = Clone("creating", version, world.new_id(), world.new_disks(name))
        world.commit("creating", world.rows.put("clones", name, clone))
    if missing := [place for place in OWN if place not in clone.disks]:
        disks = {**clone.disks, **{place: f"{name}-{place}-{world.new_id()}" for place in missing}}
        clone = world.set_clone(name, "creating", disks=disks)
    mark = Mark("live", clone.last, "debian", name, clone.version, clone.last)
    slot = world.rows.versions[clone.version].slot
    host.define(Entry(name.upper(), "machine", links={f"1{SHARED}": Link(slot, f"1{SHARED}")}, marks={"1": mark}))
    for place, id in clone.disks.items():
        host.create_disk(NewDisk(id, name.upper(), f"1{place}", 0, ""))
    if clone.state == "creating":
        world.set_clone(name, "filling")
    if not world.entry(name).startable:
        with host.hold(name.upper()):
            for id in clone.disks.values():
                host.empty_disk(id)
                host.write(id, Content(clone.version))
        world.set_clone(name, "filled")
        host.apply(replace(world.entry(name), startable=True))
    world.set_clone(name, "active")
    return "active"


def delete(world: World, name: str) -> str:
    first(world, name)
    host, entry = world.host, world.host.find(name.upper())
    if name not in world.rows.clones:
        return "gone"
    if world.rows.clones[name].state != "deleting":
        world.set_clone(name, "deleting")
    if entry is not None:
        host.stop(entry.name)
        with host.hold(entry.name):
            if (mark := entry.marks["1"]).state != "removing":
                host.apply(with_mark(replace(entry, startable=False), "1", replace(mark, state="removing")))
            for disk in entry.disks.values():
                host.delete_disk(disk.id)
            if host.get(entry.name).links:
                host.apply(replace(host.get(entry.name), links={}))
        host.undefine(entry.name)
    rows = world.rows.without("clones", name)
    for table in ("updates", "fallbacks"):
        for id, row in getattr(rows, table).items():
            rows = rows.without(table, id) if row.clone == name else rows
    world.commit("forgotten", rows)
    return "gone"


def update(world: World, name: str, to: int, *, until: str = "") -> str:
    """:param until: a state in which it waits for a person."""
    first(world, name)
    usable(world, name)
    finished = _finish(world, name)
    if finished is not None and (finished.kind, finished.to) == ("update", to):
        return finished.state
    going = world.rows.in_flight(name)
    if going is not None and going[1].state == "cancelling":
        _cancel(world, *going)
        going = None
    if going is not None:
        if (going[1].kind, going[1].to) != ("update", to):
            raise Busy(f"{name} is being changed by {going[0]}")
        return _go_on(world, going[0], until)
    if world.rows.clones[name].version == to:
        return "done"
    version = world.rows.versions.get(to)
    if version is None or version.state != "published":
        raise NotFound(f"there is no version {to}")
    return _begin(world, name, Update(name, "update", world.rows.clones[name].version, to), until)


def rollback(world: World, name: str, *, carry: bool = False) -> str:
    first(world, name)
    usable(world, name)
    kind = "carry" if carry else "rollback"
    finished = _finish(world, name)
    if finished is not None and (finished.kind in ("rollback", "carry") or finished.state == "returned"):
        return finished.state  # it has gone back: perhaps this very command did, and the catalog is older
    going = world.rows.in_flight(name)
    if going is not None:
        if going[1].kind != kind:
            raise Busy(f"{name} is being changed by {going[0]}")
        return _go_on(world, going[0], "")
    entry = world.entry(name)
    kept = [by for by, row in world.rows.fallbacks.items() if row.clone == name and row.state == "kept"]
    if not kept:
        raise Refused(f"{name} has nothing to go back to")
    newest = max(kept, key=lambda by: entry.marks[kept_sets(entry)[by]].since)
    back = world.rows.fallbacks[newest]
    return _begin(world, name, Update(name, kind, world.rows.clones[name].version, back.version, fallback=newest), "")


def cancel(world: World, name: str) -> str:
    first(world, name)
    usable(world, name)
    finished = _finish(world, name)
    going = world.rows.in_flight(name)
    if going is None:
        return "nothing" if finished is None else finished.state
    return _cancel(world, *going)


def decide(world: World, name: str, what: str) -> str:
    """A person has decided something: what is prepared is merged again, and waits."""
    first(world, name)
    usable(world, name)
    _finish(world, name)
    going = world.rows.in_flight(name)
    if going is None or going[1].kind != "update":
        return "nothing"
    raise_generation(world, name)
    world.set(going[0], "making", decided=going[1].decided | {what})
    return _steps(world, going[0], "merged")


def prune(world: World, name: str) -> str:
    """The oldest kept set goes."""
    ended = first(world, name)
    usable(world, name)
    found = {by: row for by, row in world.rows.fallbacks.items() if row.clone == name}
    if ended & found.keys():
        return "pruned"
    entry, sets = world.entry(name), kept_sets(world.entry(name))
    begun = [by for by, row in found.items() if row.state == "pruning" and by in sets]
    kept = [by for by in sorted(sets, key=lambda by: entry.marks[sets[by]].since) if found[by].state == "kept"]
    if not begun and not kept:
        return "nothing"
    by = (begun or kept)[0]
    going = world.rows.in_flight(name)
    if going is not None and going[1].fallback == by:
        raise Refused(f"{going[0]} goes back to it")
    if not begun:
        world.commit("pruning", world.rows.put("fallbacks", by, replace(found[by], state="pruning")))
    digit = sets[by]
    if (mark := entry.marks[digit]).state != "removing":
        world.host.apply(with_mark(entry, digit, replace(mark, state="removing")))
    for id in sorted(found[by].disks):
        world.host.delete_disk(id)
    _drop_set(world, name, by)
    row = world.rows.fallbacks[by]
    world.commit("pruned", world.rows.put("fallbacks", by, replace(row, state="pruned")))
    return "pruned"


# -- one update, rollback or carry, as its row goes on


def _begin(world: World, name: str, row: Update, until: str) -> str:
    if row.kind != "rollback":
        if "5" in world.entry(name).marks:
            free_set(world.entry(name), PLACES)
        row = replace(row, disks=world.new_disks(name))
    id = world.new_id()
    world.commit("planned", world.rows.put("updates", id, row))
    raise_generation(world, name)
    return _steps(world, id, until)


def _finish(world: World, name: str) -> Update | None:
    """What has switched is finished before anything else is done; returns that."""
    for id, row in world.rows.updates.items():
        if row.clone == name and row.state in AFTER:
            _go_on(world, id, "")
            return world.rows.updates[id]
    return None


def _go_on(world: World, id: str, until: str) -> str:
    raise_generation(world, world.rows.updates[id].clone)
    return _steps(world, id, until)


def _steps(world: World, id: str, until: str) -> str:
    while (row := world.rows.updates[id]).state not in ENDED:
        if row.state == until:
            return row.state
        steps = STEPS if row.kind == "update" else ROLLBACK_STEPS
        steps[row.state](world, id)
    return row.state


def make(world: World, id: str) -> None:
    row, host = world.set(id, "making"), world.host
    fence(world, row.clone)
    entry = world.entry(row.clone)
    five = entry.marks.get("5")
    if five is None or five.by != id:
        if five is not None:
            entry = park(entry, "5", free_set(entry, PLACES))
        entry = with_links(entry, "5", world.rows.versions[row.to].slot, [SHARED])
        host.apply(with_mark(entry, "5", Mark("preparing", id, "debian", row.clone, row.to, id)))
    if missing := [place for place in OWN if place not in row.disks]:  # its row was made from the mark
        disks = {**row.disks, **{place: f"{row.clone}-{place}-{world.new_id()}" for place in missing}}
        row = world.set(id, "making", disks=disks)
    for place, disk in row.disks.items():
        host.create_disk(NewDisk(disk, row.clone.upper(), f"5{place}", 0, ""))
    _begin_filling(world, id)


def _begin_filling(world: World, id: str) -> None:
    """One transaction raises the generation and says that nothing known of the disks holds any more."""
    row = world.rows.updates[id]
    clone = world.rows.clones[row.clone]
    rows = world.rows.put("clones", row.clone, replace(clone, generation=clone.generation + 1))
    world.commit("merging", rows.put("updates", id, replace(row, state="merging")))


def merge(world: World, id: str) -> None:
    row = world.rows.updates[id]
    fence(world, row.clone)  # before the first write: see _disbelieve
    seen = _live(world, row)
    for place, disk in row.disks.items():
        world.host.empty_disk(disk)
        world.host.write(disk, _merged(world, row, place, seen[place]))
    world.set(id, "merged", seen=seen)


def check(world: World, id: str) -> None:
    world.set(id, "checked")


def stop(world: World, id: str) -> None:
    row = world.rows.updates[id]
    was_on = world.host.power(row.clone.upper()).state == "on" if row.was_on is None else row.was_on
    world.set(id, "stopping", was_on=was_on)


def switch(world: World, id: str) -> None:
    row, host = world.rows.updates[id], world.host
    name = row.clone.upper()
    host.stop(name)
    with host.hold(name):
        if row.kind == "carry":  # the server is off all the while, so that nothing is written meanwhile
            make(world, id)
            merge(world, id)
            world.set(id, "checked")
        elif row.kind == "update" and _live(world, row) != row.seen:
            _begin_filling(world, id)
            merge(world, id)
            world.set(id, "checked")
        row = world.set(id, "switching")
        fence(world, row.clone)
        entry = host.get(name)
        digit = kept_sets(entry)[row.fallback] if row.kind == "rollback" else "5"
        host.apply(exchange(entry, digit, id, "kept" if row.kind == "update" else "set-aside", since=id))
        _note_switch(world, id, "switched", id)


def start(world: World, id: str) -> None:
    row = world.set(id, "starting")
    if row.was_on and world.host.power(row.clone.upper()).runs == "older":
        world.host.stop(row.clone.upper())
    if row.was_on:
        world.host.start(row.clone.upper())


def health(world: World, id: str) -> None:
    """Started; asked how it does."""
    row = world.rows.updates[id]
    start(world, id)
    if row.kind == "update" and row.to in world.bad and row.was_on:
        world.set(id, "returning", returning=world.new_id())
    else:
        world.set(id, "done")


def give_back(world: World, id: str) -> None:
    """Its disks are exchanged for those of before, and set aside."""
    row, host = world.rows.updates[id], world.host
    entry = world.entry(row.clone)
    if entry.marks["1"].by != row.returning:
        host.stop(entry.name)
        with host.hold(entry.name):
            digit = kept_sets(host.get(entry.name))[id]
            host.apply(exchange(host.get(entry.name), digit, row.returning, "set-aside", since=row.returning))
    if world.rows.clones[row.clone].last != row.returning:
        _note_switch(world, id, "returning", row.returning)
    if row.was_on:
        host.start(entry.name)
    world.set(id, "returned")


STEPS: Mapping[str, Callable[[World, str], None]] = {
    "planned": make, "making": make, "merging": merge, "merged": check, "checked": stop, "stopping": switch,
    "switched": start, "starting": health, "returning": give_back,
}  # fmt: skip
ROLLBACK_STEPS = {**STEPS, **dict.fromkeys(("planned", "making", "merging", "merged", "checked"), stop)}


def _note_switch(world: World, id: str, state: str, by: str) -> None:
    """The catalog's part of a switch: one transaction, and what :func:`reconcile` would make of the entry."""
    row = world.rows.updates[id]
    rows = world.rows.put("updates", id, replace(row, state=state))
    entry = world.entry(row.clone)
    clone = replace(rows.clones[row.clone], version=entry.marks["1"].version, last=by)
    rows, _ = _kept(rows.put("clones", row.clone, clone), row.clone, entry)
    world.commit("switched", rows)


def _cancel(world: World, id: str, row: Update) -> str:
    if row.state != "cancelling":
        row = world.set(id, "cancelling")
    for disk in row.disks.values():
        world.host.delete_disk(disk)
    _drop_set(world, row.clone, id)
    if row.was_on:
        world.host.start(row.clone.upper())
    world.set(id, "cancelled")
    return "cancelled"


def _drop_set(world: World, name: str, by: str) -> None:
    """Links and mark of the set that this work left or prepared; gold is free only now."""
    entry = world.entry(name)
    for digit in [digit for digit, mark in entry.marks.items() if mark.by == by and digit != "1"]:
        links = {address: link for address, link in entry.links.items() if set_of(address) != digit}
        world.host.apply(with_mark(replace(entry, links=links), digit, None))


def _live(world: World, row: Update) -> dict[str, Content]:
    return {place: world.host.read(id) for place, id in disks_of(world.entry(row.clone), "1").items() if place in OWN}


def _merged(world: World, row: Update, place: str, live: Content) -> Content:
    if row.kind == "update":
        return Content(row.to, live.written | row.decided)
    entry = world.entry(row.clone)
    back = world.host.read(disks_of(entry, kept_sets(entry)[row.fallback])[place])
    return Content(row.to, live.written | back.written)


# -- what always holds


def check_world(world: World, name: str, wrote: set[str]) -> None:
    """After a kill or at an end: exactly old or new, gold untouched, nothing lost."""
    host = world.host
    for entry in host.entries.values():
        for address, link in entry.links.items():
            mark, slot = entry.marks[set_of(address)], host.get(link.owner)
            assert slot.marks["1"].state == "gold", f"{entry.name} {address} links what is not gold"
            assert slot.marks["1"].version == mark.version, f"{entry.name} {address} links another version"
            assert host.contents[slot.disks[link.address].id] == Content(mark.version), "gold was written"
        assert {disk.id for disk in entry.disks.values()} <= host.contents.keys()
    machine = host.find(name.upper())
    if machine is None or not machine.startable:
        return
    live = {place: host.contents[id] for place, id in disks_of(machine, "1").items() if place in OWN}
    assert live.keys() == set(OWN)
    assert all(content.whole and content.gold == machine.marks["1"].version for content in live.values()), live
    assert {place_of(a) for a in machine.links if is_live(a)} == {SHARED}
    kept = {content for id, content in host.contents.items() if host.owners[id] == machine.name and content.whole}
    assert wrote <= {what for content in kept for what in content.written}, "something that was written is lost"


def check_end(world: World, name: str) -> None:
    """Where nothing is in flight any more: the catalog says what the entries say, and nothing is left over."""
    rows, _ = reconcile(
        world.rows, name, world.host.find(name.upper()), {s: e for s in SLOTS if (e := world.host.find(s)) is not None}
    )
    assert rows == world.rows, "the catalog does not say what the entries say"
    assert rows.in_flight(name) is None
    named = {disk.id for entry in world.host.entries.values() for disk in entry.disks.values()}
    assert named == world.host.contents.keys(), "a disk is in no entry"
    machine = world.host.find(name.upper())
    assert (machine is None) == (name not in rows.clones)
    if machine is not None:
        assert all(mark.state != "preparing" for mark in machine.marks.values())
        assert rows.clones[name].version == machine.marks["1"].version
        digits = {set_of(address) for address in (*machine.disks, *machine.links)}
        assert digits == machine.marks.keys(), "a set without a mark, or a mark without a set"


def until_killed(world: World, act: Callable[[World], object], effect: int) -> bool:
    """Do something until it is killed before its nth effect; whether it came to that."""
    world.kill_at = len(world.trace) + effect
    try:
        act(world)
    except Killed:
        return True
    finally:
        world.kill_at = 0
        world.host.held.clear()
    return False


def kills(world: World, act: Callable[[World], object]) -> Iterator[tuple[World, bool]]:
    """The world after a kill before each effect, and after none; whether it was killed."""
    effect, killed = 1, True
    while killed:
        one = world.copy()
        killed = until_killed(one, act, effect)
        effect += 1
        yield one, killed
