"""The catalog as a clone's entry says that it is: pure.

The entry alone says whether a switch has happened, by the marks of its sets.  A catalog may say less: a command was
killed between the two, the power failed, or the catalog was restored from a backup.  What is known of one clone is
taken here, with its entry, and what the catalog has to say comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from goldroot.catalog import Clone, Fallback, Update
from goldroot.errors import Refused
from goldroot.hosts import LIVE, PREPARED, Entry, Mark, own_disks

#: States in which an update's prepared disks are taken to be what they were filled with.
FILLED = ("preparing", "merged", "needs-review", "checked", "switching")
_KEPT = ("kept", "set-aside", "removing")


@dataclass(frozen=True)
class Rows:
    """What the catalog has of one clone; updates by their work, fallbacks by the work that left them."""

    clone: Clone
    updates: Mapping[str, Update]
    fallbacks: Mapping[str, Fallback]

    def put_update(self, one: Update) -> Rows:
        return replace(self, updates={**self.updates, one.work: one})

    def put_fallback(self, one: Fallback) -> Rows:
        return replace(self, fallbacks={**self.fallbacks, one.work: one})


def kept_sets(entry: Entry) -> dict[str, str]:
    """The digit of each set that is kept, by the work that left it."""
    return {mark.by: digit for digit, mark in entry.marks.items() if mark.state in _KEPT and digit != LIVE}


def has_switched(clone: Clone, update: Update) -> bool:
    """Whether what is live was made by this work, by the catalog."""
    return clone.last == update.work


def follow(rows: Rows, entry: Entry) -> Rows:
    """The rows as the entry says that they are; new ones have the number 0.

    :raises Refused: the host is older than the catalog.
    """
    live = entry.marks.get(LIVE)
    if live is None or _is_going(rows.clone, entry, live):
        return rows
    if live.state == "removing":
        return replace(rows, clone=replace(rows.clone, state="deleting"))
    if rows.clone.state != "active" and entry.startable:
        rows = replace(rows, clone=replace(rows.clone, state="active"))
    if rows.clone.state != "active":
        return rows
    if live.by != rows.clone.last:
        rows = _switched(rows, entry, live)
    rows = _in_flight(_kept(rows, entry), entry)
    if entry.generation > rows.clone.generation:  # the catalog is older than the host
        rows = replace(_disbelieved(rows), clone=replace(rows.clone, generation=entry.generation))
    return rows


def _is_going(clone: Clone, entry: Entry, live: Mark) -> bool:
    """A removal that has only begun; one of long ago is over, where another clone of that name stands."""
    return clone.state == "deleting" and (not entry.startable or live.by == clone.last)


def _switched(rows: Rows, entry: Entry, live: Mark) -> Rows:
    """What is live was made by a work that the catalog does not have as the last."""
    clone, known = rows.clone, rows.updates.get(live.by)
    if known is not None and known.state == "done":
        raise Refused(
            f"{clone.name} runs from what {known.kind} {known.id} made, and by the catalog other work came after that",
            meaning="The host was put back to an older state, and the catalog was not. Nothing was changed.",
            todo="Put back the catalog that goes with it, or put the host back to its newest state.",
        )
    rows = replace(rows, clone=replace(clone, version=live.version, last=live.by))
    if (
        went := next((one for one in rows.updates.values() if one.told.get("returned_by") == live.by), None)
    ) is not None:
        return _went_back(rows, went, live)
    if known is not None:
        return rows.put_update(replace(known, state="switching"))
    left = kept_sets(entry).get(live.by)
    if left is None:
        return rows  # it was made again, or what it left was pruned
    mark = entry.marks[left]
    back = mark.state == "set-aside"
    return rows.put_update(
        _found(clone, live.by, mark.version, live.version, kind="rollback" if back else "update", state="switching")
    )


def _went_back(rows: Rows, went: Update, live: Mark) -> Rows:
    """A work whose server did not come up well was undone by an exchange of its own, which gets a row."""
    kind = "rollback" if went.kind == "update" else "update"
    made = _found(rows.clone, live.by, went.to_version, live.version, kind=kind, state="done")
    told = {"returns": went.work, "was_on": went.told.get("was_on", False)}
    return rows.put_update(replace(went, state="failed")).put_update(replace(made, back=went.work, told=told))


def _kept(rows: Rows, entry: Entry) -> Rows:
    sets = kept_sets(entry)
    # Oldest first: rows get their numbers in this order, and the newest number is the way back.
    for by, digit in sorted(sets.items(), key=lambda one: (entry.marks[one[1]].since, one[1] == PREPARED, one[1])):
        mark, there = entry.marks[digit], own_disks(entry, digit)
        if by not in rows.updates:
            to = _came_in(entry, mark)
            kind = "rollback" if mark.state == "set-aside" else "update"
            rows = rows.put_update(_found(rows.clone, by, mark.version, to, kind=kind, state="done"))
        known = rows.fallbacks.get(by) or Fallback(
            0, rows.clone.name, 0, rows.clone.image, mark.version, there, "", "kept", "", by, False
        )
        going = mark.state == "removing" or known.state == "pruned" or (known.id and dict(known.disks) != there)
        state: Any = "pruned" if going else mark.state
        rows = rows.put_fallback(replace(known, state=state, gone=False))
    live = set(own_disks(entry).values())
    for by, row in rows.fallbacks.items():
        if by not in sets and row.state != "used" and not row.gone:
            used = row.state != "pruned" and bool(live & {str(disk) for disk in row.disks.values()})
            rows = rows.put_fallback(replace(row, state="used" if used else "pruned", gone=not used))
    return rows


def _in_flight(rows: Rows, entry: Entry) -> Rows:
    """One work is in flight at most: the one whose set 5 is prepared, or that has switched, or has made nothing yet."""
    five, live = entry.marks.get(PREPARED), entry.marks[LIVE]
    preparing = five.by if five is not None and five.state == "preparing" else ""
    if preparing == live.by:  # a later look at an adopted server was cut off: that is not an update
        preparing = ""
    for work, one in rows.updates.items():
        if not one.ended and work != preparing:
            rows = rows.put_update(replace(one, state=_state_of(rows, one, entry, other=bool(preparing))))
    known = rows.updates.get(preparing)
    if preparing and known is not None and not known.ended and known.state in FILLED:
        whole = own_disks(entry, PREPARED) == dict(known.disks)
        state: Any = "preparing" if not whole else "checked" if known.state == "switching" else known.state
        rows = rows.put_update(replace(known, state=state))
    if preparing and five is not None and (known is None or known.state == "done"):
        back = next(_ways_back(rows, five.version), "") if five.version < live.version else ""
        kind = "rollback" if back else "update"
        made = _found(rows.clone, preparing, live.version, five.version, kind=kind, state="preparing")
        rows = rows.put_update(replace(made, disks=own_disks(entry, PREPARED), back=back, carry=bool(back)))
    return rows


def _state_of(rows: Rows, one: Update, entry: Entry, *, other: bool) -> Any:
    """The state of a work whose disks are not in set 5; ``other``: those of another work are."""
    if has_switched(rows.clone, one):
        return one.state
    sets = kept_sets(entry)
    if one.kind == "rollback" and not one.carry:
        gone = one.back not in sets or entry.marks[sets[one.back]].state != "kept"
        return "cancelled" if gone or other else "planned"
    kept = {disk for digit in sets.values() for disk in own_disks(entry, digit).values()}
    if kept & set(one.disks.values()):
        return "done"  # it has switched, and another work came after it
    if other or one.from_version != rows.clone.version:
        return "cancelled"
    # Its set may be gone by a cancel that this catalog does not know.
    return "preparing" if one.state in FILLED else one.state


def _disbelieved(rows: Rows) -> Rows:
    """What an older catalog says of the content of prepared disks may be of an older filling: they are filled again.

    Each filling begins with a higher generation, which is on the host before the first write.
    """
    for one in rows.updates.values():
        if not one.ended and not has_switched(rows.clone, one) and one.state in FILLED:
            rows = rows.put_update(replace(one, state="preparing"))
    return rows


def _ways_back(rows: Rows, version: int) -> Iterator[str]:
    kept = sorted(rows.fallbacks.values(), key=lambda one: one.id)
    return (one.work for one in reversed(kept) if one.state == "kept" and one.from_version == version)


def _came_in(entry: Entry, left: Mark) -> int:
    """The version that a work brought when it left this set: what the next one left, or what is live."""
    later = [
        (mark.since, mark.version) for digit, mark in entry.marks.items() if digit != LIVE and mark.since > left.since
    ]
    return min(later)[1] if later else entry.marks[LIVE].version


def _found(clone: Clone, work: str, frm: int, to: int, *, kind: Any, state: Any) -> Update:
    return Update(0, clone.name, clone.image, frm, to, kind, state, "", "", "", "", work)
