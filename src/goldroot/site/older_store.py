"""A site of an older goldroot is converted when its host is first opened: its machines become entries with marks.

The catalog's own tables were converted when it was opened (its works have ids since then).  What stood in files comes
over here: ``records/web1/7/work.json`` into the row of that update, and the directory is called after the work's id.
Killed anywhere, the next command does it all again; the store's one rename is the last of it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from goldroot.hosts import LIVE, PREPARED, Disk, Entry, Link, Mark, free_set, is_live, place_of, set_of
from goldroot.ids import new_id

if TYPE_CHECKING:
    from goldroot.catalog import Clone, Fallback, Update
    from goldroot.hosts.directory import DirectoryHost, FormerMachine
    from goldroot.hosts.registry import SiteHost
    from goldroot.site.site import Site

Ids = Mapping[str, str]
_WORK = "work.json"


def convert_store(site: Site, host: DirectoryHost) -> None:
    """Convert the store of a directory host that is an older one.

    :raises Refused: it is another site's.
    """
    from goldroot.hosts.directory import convert, former_machines, is_former
    from goldroot.site.disks import check_former

    with _alone(host.store):
        if is_former(host.store):
            machines = former_machines(host.store)
            check_former(site, host, [machine.name for machine in machines])
            entries = list(_Conversion(site, host, machines).entries())
            sealed = {disk.id for entry in entries if entry.role == "owner" for disk in entry.disks.values()}
            convert(host, entries, sealed)


@contextmanager
def _alone(store: str) -> Iterator[None]:
    handle = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass
class _WorkFile:
    """What a ``work.json`` said.  Disks are ids by live address."""

    number: int
    old: Ids = field(default_factory=dict)
    new: Ids = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


class _Conversion:
    def __init__(self, site: Site, host: SiteHost, machines: list[FormerMachine]) -> None:
        from goldroot.catalog import clones, copies, entries, gold

        self.site = site
        self.machines = machines
        self.disks = set(os.listdir(os.path.join(host.store, "disks")))
        with site.catalog.read() as tx:
            self.names = {one.name: one for one in entries.every(tx, host=host.name)}
            images = sorted({one.image for one in self.names.values() if one.image})
            slots = [slot for image in images for slot in copies.all_slots(tx, image, host.name)]
            self.slots = {slot.name: slot for slot in slots}
            self.states = {
                (slot.image, slot.version): gold.get(tx, slot.image, slot.version).state
                for slot in slots
                if slot.version is not None
            }
            self.clones = {one.name: one for one in clones.every(tx)}

    def entries(self) -> Iterator[Entry]:
        """An entry for each machine, and what the catalog has to know of it."""
        for machine in self.machines:
            whose = self.names.get(machine.name)
            entry = _entry(machine)
            if whose is not None and whose.clone:
                yield self._clone(entry, self.clones[whose.clone])
            elif whose is not None and whose.role == "slot":
                yield self._slot(entry, whose.image)
            else:
                yield _marked(entry, Mark("live", new_id(), whose.image if whose else "", "", 0, ""))

    def _slot(self, entry: Entry, image: str) -> Entry:
        """A slot: what its disks are called says what it holds, also where the catalog is older."""
        numbers = {id.split(".gold.")[1].split(".")[0] for disk in entry.disks.values() if ".gold." in (id := disk.id)}
        number = int(numbers.pop()) if len(numbers) == 1 else 0
        slot = self.slots.get(entry.name)
        begun = slot is not None and slot.version == number and self.states.get((image, number)) == "publishing"
        linked = any(link[0] == entry.name for machine in self.machines for link in machine.links.values())
        state: Literal["gold", "publishing"] = "gold" if number and (linked or not begun) else "publishing"
        return _marked(entry, Mark(state, new_id(), image, "", number, ""))

    def _clone(self, entry: Entry, clone: Clone) -> Entry:
        from goldroot.catalog import updates

        with self.site.catalog.read() as tx:
            rows = {one.id: one for one in updates.every(tx, clone.name)}
            kept = [one for one in updates.fallbacks(tx, clone.name, all_states=True) if not one.gone]
        works = _works(self.site, clone.name, rows)
        self._rows(clone, rows, works)
        live = _own(entry, LIVE)
        switched = [one for one in works if one.new and _is(live, one.new) and one.number in rows]
        last = rows[switched[-1].number] if switched else None
        version = self._version(entry, LIVE, last.to_version if last else clone.version)
        by = last.work if last else clone.last
        before = replace(entry, serial=f"{clone.generation}.{entry.serial.partition('.')[2]}")
        entry = _marked(_only(before, LIVE), Mark("live", by, clone.image, clone.name, version, _since(last, clone)))
        if last is not None and last.state == "done":
            self._set_last(clone, last.work)
        places = sorted({place_of(a) for a in (*before.disks, *before.links)})
        going = next((row for row in rows.values() if not row.ended), None)
        work = next((one for one in works if going is not None and one.number == going.id), None)
        five = _own(before, PREPARED)
        if going is not None and work is not None and going is not last and five and _is(five, work.new):
            if not (going.kind == "rollback" and not going.carry):
                mark = Mark("preparing", going.work, clone.image, clone.name, going.to_version, going.changed_at)
                entry = _with_set(entry, PREPARED, five, _links(before, PREPARED), mark)
        elif last is not None and last.state != "done" and five:
            left: Literal["kept", "set-aside"] = "kept" if last.kind == "update" else "set-aside"
            mark = Mark(left, last.work, clone.image, clone.name, last.from_version, last.changed_at)
            entry = _with_set(entry, PREPARED, five, _links(before, PREPARED), mark)
        return self._with_kept(entry, clone, kept, (before, places))

    def _with_kept(self, entry: Entry, clone: Clone, kept: list[Fallback], former: tuple[Entry, list[str]]) -> Entry:
        """The sets of fallbacks and of what was set aside; the newest is in set 5, where that is free."""
        before, places = former
        shared = sorted(place for place in places if LIVE + place in before.links)
        for one in sorted(kept, key=lambda one: -one.id):
            ids = {a: str(id) for a, id in one.disks.items() if not a.startswith("before-")}
            if one.state in ("used", "pruned") or not ids or not set(ids.values()) <= self.disks:
                self._gone(one, ids)
                continue
            if {disk.id for disk in entry.disks.values()} & set(ids.values()):
                continue  # it is in set 5 already
            state: Literal["kept", "set-aside"] = "kept" if one.state == "kept" else "set-aside"
            digit = PREPARED if PREPARED not in entry.marks else free_set(entry, places)
            links = self._links_to(one, shared)
            mark = Mark(state, one.work, clone.image, clone.name, one.from_version, one.created_at)
            entry = _with_set(entry, digit, ids, links, mark)
            self._split(one, ids)
            back = {a.removeprefix("before-"): str(id) for a, id in one.disks.items() if a.startswith("before-")}
            used = next((row for row in kept if back and dict(row.disks) == back), None)
            if used is not None and set(back.values()) <= self.disks:
                # A carry took what it went back to along; these are two sets.
                mark = Mark("set-aside", used.work, clone.image, clone.name, used.from_version, used.created_at)
                links = self._links_to(used, shared)
                entry = _with_set(entry, free_set(entry, places), back, links, mark)
        return entry

    def _links_to(self, one: Fallback, places: list[str]) -> dict[str, Link]:
        """Links to the gold of a fallback, by place; none where its version has no slot any more."""
        wanted = (one.image, one.from_version)
        slot = next((slot.name for slot in self.slots.values() if (slot.image, slot.version) == wanted), "")
        return {place: Link(slot, LIVE + place) for place in places} if slot else {}

    def _version(self, entry: Entry, digit: str, else_: int) -> int:
        owner = next((link.owner for address, link in entry.links.items() if set_of(address) == digit), "")
        slot = self.slots.get(owner)
        return slot.version if slot is not None and slot.version is not None else else_

    # -- the catalog's part; each of these may be done twice

    def _rows(self, clone: Clone, rows: Mapping[int, Update], works: list[_WorkFile]) -> None:
        from goldroot.catalog import updates

        with self.site.catalog.begin() as tx:
            for work in works:
                row, data = rows.get(work.number), work.data
                if row is None or row.disks or not data:
                    continue
                number = int(data.get("fallback") or 0)
                found = [one for one in updates.fallbacks(tx, clone.name, all_states=True) if one.id == number]
                half = row.state in ("planned", "preparing")
                own = {} if data.get("fallback") and not data.get("carry") else dict(work.new)
                updates.note(
                    tx, row.id, disks={} if half or row.state in ("cancelled", "failed") else own,
                    seen=dict(work.old), back=found[0].work if found else "", carry=bool(data.get("carry")),
                    inputs="" if data.get("carry") else str(data.get("digest", "")), migration=str(data.get("migration", "")),
                    told={key: data.get(key, empty) for key, empty in _TOLD},
                )  # fmt: skip
        for work in works:
            if (row := rows.get(work.number)) is not None:
                place = self.site.path("records", clone.name)
                with suppress(FileNotFoundError):
                    os.rename(os.path.join(place, str(work.number)), os.path.join(place, row.work))

    def _set_last(self, clone: Clone, work: str) -> None:
        from goldroot.catalog import clones

        with self.site.catalog.begin() as tx:
            clones.follow(tx, clone.name, last=work)

    def _gone(self, one: Fallback, ids: Ids) -> None:
        from goldroot.catalog import updates

        state: Any = "pruned" if one.state == "kept" else one.state
        with self.site.catalog.begin() as tx:
            updates.follow_fallback(tx, one.id, state, gone=state == "pruned", disks=ids or one.disks)

    def _split(self, one: Fallback, ids: Ids) -> None:
        from goldroot.catalog import updates

        if dict(one.disks) != dict(ids):
            with self.site.catalog.begin() as tx:
                updates.follow_fallback(tx, one.id, one.state, gone=False, disks=ids)


#: What a person is told of a work, and what stood there where nothing was to be told.
_TOLD: tuple[tuple[str, Any], ...] = (("failed", {}), ("not_compared", []), ("torn", 0))


def _works(site: Site, clone: str, rows: Mapping[int, Update]) -> list[_WorkFile]:
    """What is written down of a clone's works, oldest first; a directory may have its work's id already."""
    place = site.path("records", clone)
    called = {str(number): number for number in rows} | {row.work: number for number, row in rows.items()}
    found = []
    for name in os.listdir(place) if os.path.isdir(place) else ():
        if name in called:
            with suppress(FileNotFoundError), open(os.path.join(place, name, _WORK), "rb") as file:
                data = json.load(file)
                found.append(_WorkFile(called[name], data["old"], data["new"], data))
    return sorted(found, key=lambda one: one.number)


def _entry(machine: FormerMachine) -> Entry:
    return Entry(
        machine.name,
        "owner" if machine.is_owner else "machine",
        disks={
            address: Disk(id, "rw" if is_live(address) and not machine.is_owner else "ro")
            for address, id in machine.disks.items()
        },
        links={address: Link(*link) for address, link in machine.links.items()},
        startable=not machine.is_owner,
        serial=f"0.{machine.generation}",
    )


def _marked(entry: Entry, mark: Mark) -> Entry:
    return replace(entry, marks={LIVE: mark})


def _only(entry: Entry, digit: str) -> Entry:
    return replace(
        entry,
        disks={a: disk for a, disk in entry.disks.items() if set_of(a) == digit},
        links={a: link for a, link in entry.links.items() if set_of(a) == digit},
    )


def _own(entry: Entry, digit: str) -> dict[str, str]:
    return {LIVE + place_of(a): disk.id for a, disk in entry.disks.items() if set_of(a) == digit}


def _links(entry: Entry, digit: str) -> dict[str, Link]:
    return {place_of(a): link for a, link in entry.links.items() if set_of(a) == digit}


def _with_set(entry: Entry, digit: str, ids: Ids, links: Mapping[str, Link], mark: Mark) -> Entry:
    return replace(
        entry,
        disks={**entry.disks, **{digit + place_of(a): Disk(id, "ro") for a, id in ids.items()}},
        links={**entry.links, **{digit + place: link for place, link in links.items()}},
        marks={**entry.marks, digit: mark},
    )


def _is(standing: Ids, wanted: Ids) -> bool:
    return bool(wanted) and all(standing.get(address) == id for address, id in wanted.items())


def _since(last: Update | None, clone: Clone) -> str:
    return last.changed_at if last is not None else clone.created_at
