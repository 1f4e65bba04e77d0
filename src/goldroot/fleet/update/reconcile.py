"""A switch, and bringing the catalog to the truth: behind it, and before anything else is done with a clone.

The entry says which disks are live and whose work made them; the catalog follows it (:mod:`.entry_says`).  A switch
that was cut off behind its one atomic change is finished here, by whichever command comes next to this clone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from goldroot import crash
from goldroot.catalog import Clone, GoldVersion, Tx, Update, clones, copies, gold, now, updates
from goldroot.counted import counted
from goldroot.errors import GoldrootError, Refused, StillRunning
from goldroot.fleet import manifests
from goldroot.fleet.inputs import read_switched
from goldroot.fleet.update import open_update
from goldroot.fleet.update.entry_says import Rows, follow, has_switched
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import (
    LIVE,
    PREPARED,
    Entry,
    Hold,
    Host,
    Mark,
    applied,
    change,
    fenced,
    find_entry,
    own_disks,
    set_of,
    still_running,
    with_mark,
)
from goldroot.site import DiskRegister, Site, check_clone_name, sweep_rooms

#: How long a command waits for another one on the same clone, in seconds.
WAIT = 5.0

#: What a work comes to behind its switch.
DONE, RETURNED = "done", "returned"
#: When a server is asked how it does that was off at its switch.
NEXT_START = "at next start"


@contextmanager
def clone_lock(site: Site, name: str, doing: str) -> Iterator[None]:
    """Hold a clone: one command at a time; what killed ones left in ``work/`` and on the host goes.

    :raises Busy: another one works on it still; the error names it.
    """
    with site.lock(f"clone-{check_clone_name(name)}", wait=WAIT, doing=doing):
        sweep_rooms(site)
        with suppress(GoldrootError, OSError):  # a host that is not there is told by who needs it
            _tidy(site, name)
        yield


def _tidy(site: Site, name: str) -> None:
    """Where the clone lives; of one that is not made yet, on the site's default host."""
    with site.catalog.read() as tx:
        clone = clones.find(tx, name)
    if clone is None:
        site.host.tidy()
    else:
        DiskRegister(site, site.host_named(clone.host), clone.machine, "clone").tidy()


def reconcile(site: Site, name: str, *, goes_on: Collection[str] = (), starts: bool = True) -> Update | None:
    """Bring the catalog up to the clone's entry; returns the update or rollback whose end that was.

    A cancel that was killed is finished, too, and a server that was stopped for such a work is started again.  The caller
    holds the clone's lock.

    Nobody asks here how a server does that was switched: that is left for its next start, and noted.

    :param goes_on: the kinds of work that the caller goes on with: a server that has to be started and asked how it does
        is left to that.
    :param starts: whether a server may be started.
    :raises Refused: the catalog is older than something that cannot be told from the host, or the host is older.
    """
    rows = sync(site, name)
    if rows is None:
        return None
    finished, clone, works = None, rows.clone, sorted(rows.updates.values(), key=lambda one: one.id)
    going, last = next((one for one in works if not one.ended), None), works[-1] if works else None
    if going is not None and has_switched(clone, going) and not (going.kind in goes_on and is_left(going)):
        if is_left(going):
            _leave_question(site, going)
        finish(site, going)
        finished = going
    if any(one.disks and one.state in ("cancelled", "failed") for one in works):
        clear_cancelled(site, name)
    clear_prepared(site, clone)
    if starts and (finished is not None or (last is not None and last.start_due)):
        settle(site, name)
    return finished


def _leave_question(site: Site, going: Update) -> None:
    with site.catalog.begin() as tx:
        updates.note(tx, going.id, told={**going.told, "health": NEXT_START})


def is_left(update: Update) -> bool:
    """Whether a server that was switched has still to be started and asked how it does, or to go back."""
    return update.start_due or bool(update.told.get("returned_by"))


def settle(site: Site, name: str) -> None:
    """Start a server that ran before its last work, where that has ended without a start: a command was killed.

    What keeps it from starting is written down, and is not an error: the caller has other work to do.
    """
    with site.catalog.read() as tx:
        clone, last = clones.find(tx, name), updates.latest(tx, name)
    if clone is None or last is None or not last.start_due or last.state not in ("done", "cancelled"):
        return
    why = ""
    try:
        site.host_named(clone.host).start(clone.machine)
    except GoldrootError as error:
        why = error.brief
    crash.point("reconcile.started")
    with site.catalog.begin() as tx:
        went = updates.of_work(tx, str(last.told.get("returns", "")))
        for one in filter(None, (last, went)):
            updates.note(tx, one.id, told={**one.told, "settled": True, **({"not_started": why} if why else {})})
    crash.point("reconcile.settled")


def sync(site: Site, name: str) -> Rows | None:
    """The catalog says of a clone what its entry says; nothing on the host is changed.

    :returns: what the catalog has of it; ``None``: it has no such clone.
    """
    with site.catalog.read() as tx:
        clone = clones.find(tx, name)
    if clone is None:
        return None
    entry = site.host_named(clone.host).find(clone.machine)
    linked = (
        {} if entry is None else {link.owner: entry.marks.get(set_of(address)) for address, link in entry.links.items()}
    )
    with site.catalog.read() as tx:
        known = {
            slot.name: gold.find(tx, clone.image, slot.version, clone.host)
            for slot in copies.all_slots(tx, clone.image, clone.host)
            if slot.version is not None and slot.name in linked
        }
        before = rows_of(tx, name)
    if entry is None:
        return before
    _follow_publishes(site, clone, linked, known)
    after = follow(before, entry)
    if after == before:
        return before
    until = now(timedelta(days=site.config.fallback_days))
    with site.catalog.begin() as tx:
        _check_versions(tx, after)
        _store(tx, before, after, until)
        now_there = rows_of(tx, name)
    crash.point("reconcile.followed")
    return now_there


def rows_of(tx: Tx, name: str) -> Rows:
    """What the catalog has of a clone."""
    return Rows(
        clones.get(tx, name),
        {one.work: one for one in updates.every(tx, name)},
        {one.work: one for one in updates.fallbacks(tx, name, all_states=True)},
    )


def _store(tx: Tx, before: Rows, after: Rows, until: str) -> None:
    clone, was = after.clone, before.clone
    # Those that ended first: a clone has one work in flight.
    for one in sorted(after.updates.values(), key=lambda one: not one.ended):
        known = before.updates.get(one.work)
        if known is None:
            updates.found(tx, one)
        elif known != one:
            updates.follow(tx, one.id, one.state)
    for kept in after.fallbacks.values():
        row = before.fallbacks.get(kept.work)
        if row is None:
            of = updates.of_work(tx, kept.work)
            assert of is not None
            row = updates.keep(tx, of.id, kept.disks, until)
        if (row.state, row.gone, dict(row.disks)) != (kept.state, kept.gone, dict(kept.disks)):
            updates.follow_fallback(tx, row.id, kept.state, gone=kept.gone, disks=kept.disks)
    if clone.generation != was.generation:
        clones.fence(tx, clone.name, above=clone.generation - 1)
    if clone.version != was.version:
        clones.move(tx, clone.name, clone.version)
    if (clone.state, clone.last) != (was.state, was.last):
        clones.follow(tx, clone.name, state=clone.state, last=clone.last)
    if clone.state != was.state:
        tx.event("clone-found", f"clone:{clone.name}", was=was.state, now=clone.state)


def _follow_publishes(
    site: Site, clone: Clone, linked: Mapping[str, Mark | None], known: Mapping[str, GoldVersion | None]
) -> None:
    """The versions that a clone links were published.

    :param linked: slots, and what its entry's marks say of them; ``known``: what the catalog has in them.
    """
    for owner, mark in linked.items():
        version = known.get(owner)
        known_so = version is not None and version.state != "publishing" and version.copy == "whole"
        if version is None or not known_so or (mark is not None and mark.version != version.number):
            from goldroot.image import find_linked  # here: an update does not meet it

            find_linked(site, clone.image, owner, clone.host)


def _check_versions(tx: Tx, rows: Rows) -> None:
    """:raises Refused: a version that a work has to do with is unknown to this catalog."""
    new = [one for one in rows.updates.values() if not one.id]
    wanted = {rows.clone.version, *(n for one in new for n in (one.from_version, one.to_version))}
    wanted |= {one.from_version for one in rows.fallbacks.values() if not one.id}
    for number in wanted:
        if gold.find(tx, rows.clone.image, number) is None:
            raise unknown_gold(rows.clone.name, f"gold {number} of {rows.clone.image}")


def unknown_gold(name: str, what: str) -> Refused:
    """The error where a clone stands on gold that the catalog does not know."""
    return Refused(
        f"{name} stands on {what}, which this site's catalog does not know",
        meaning="The catalog is older than that publish: it was restored from a backup. Nothing was changed.",
        todo="Put back a catalog of after that publish; the gold's signed record is in the site's images/ directory.",
    )


def finish(site: Site, update: Update) -> None:
    """What follows a switch: the catalog knows what the server is now, and that the work is done.

    Doing it twice changes nothing, and once the catalog says ``done`` nothing is left to do.
    """
    with site.catalog.read() as tx:
        clone = clones.get(tx, update.clone)
    disks = own_disks(find_entry(site.host_named(clone.host), clone.machine))
    reading = read_switched(site, clone, disks)
    open_update.forget_rows(site, update.clone, update.work)
    with site.catalog.begin() as tx:
        if not updates.get(tx, update.id).ended:
            clones.forget_reading(tx, update.clone) if reading is None else reading.note(tx, update.clone)
            updates.set_state(tx, update.id, "done", error="")
            if update.kind == "rollback":
                tx.event("rolled-back", f"clone:{update.clone}", update=update.id, to_version=update.to_version)
    crash.point(f"{update.kind}.noted")


def clear_cancelled(site: Site, name: str) -> Update | None:
    """Remove the disks of works that came to nothing; returns the newest that had any left."""
    with site.catalog.read() as tx:
        clone = clones.find(tx, name)
        left = updates.uncleared(tx, name) if clone is not None and clone.state == "active" else []
    for update in left:
        assert clone is not None
        clear(site, clone, update)
        with site.catalog.begin() as tx:
            updates.note(tx, update.id, disks={})
        crash.point("update.cleared")
    return left[-1] if left else None


def clear_prepared(site: Site, clone: Clone) -> None:
    """Remove what stands in set 5 by the work that made what is live: a later look at an adopted server left it; again:
    nothing."""
    if clone.state != "active":
        return
    host = site.host_named(clone.host)
    entry = host.find(clone.machine)
    five = None if entry is None else entry.marks.get(PREPARED)
    if entry is not None and five is not None and (five.by, five.state) == (clone.last, "preparing"):
        drop_set(site, host, entry, PREPARED)


def clear(site: Site, clone: Clone, update: Update) -> None:
    """Remove what was prepared for a work, with the links and the mark; again: nothing."""
    open_update.forget_rows(site, clone.name, update.work)
    host = site.host_named(clone.host)
    entry = host.find(clone.machine)
    five = None if entry is None else entry.marks.get(PREPARED)
    if entry is None or five is None or (five.by, five.state) != (update.work, "preparing"):
        return
    drop_set(site, host, entry, PREPARED)


def drop_set(site: Site, host: Host, entry: Entry, digit: str) -> None:
    """Delete the disks of a set, then take away its links and its mark: its gold is free only now."""
    going = sorted(own_disks(entry, digit).values())
    for disk in going:
        manifests.forget(site, disk)
    DiskRegister(site, host, entry.name, "clone").remove(going)
    entry = find_entry(host, entry.name)
    links = {address: link for address, link in entry.links.items() if set_of(address) != digit}
    applied(host, with_mark(replace(entry, links=links), digit, None))
    crash.point("set.dropped")


def is_switched(site: Site, update: Update) -> bool:
    """Whether the clone runs from the result of this work, by its entry."""
    with site.catalog.read() as tx:
        clone = clones.get(tx, update.clone)
    entry = site.host_named(clone.host).find(clone.machine)
    mark = None if entry is None else entry.marks.get(LIVE)
    return mark is not None and mark.by == update.work


# -- the switch itself


@contextmanager
def held(task: OpenUpdate) -> Iterator[Hold]:
    """:raises StillRunning: it may still be written; the error says what of it will be merged again."""
    with ExitStack() as stack:
        try:
            hold = stack.enter_context(task.host.hold(task.machine_name))
        except StillRunning as error:
            if count := task.torn:
                error.meaning = f"{error.meaning} {again_at_switch(count)}".strip()
            raise
        yield hold


def again_at_switch(count: int) -> str:
    """What a person is told of paths that a running server wrote while they were merged."""
    paths = counted(count, "path was written while it was read", "paths were written while they were read")
    return f"{paths}: once the server is stopped, the switch merges again, and keeps what was written last."


def go_live(task: OpenUpdate, hold: Hold, exchanged: Callable[[Entry], Entry], at: str = "") -> None:
    """The one atomic change, and the catalog's part of it; the clone is held all the while.

    :param at: how the names of its crash points begin; the kind of the work without it.
    :raises StillRunning: somebody started it all the same.
    """
    at = at or task.update.kind
    task.set_state("switching")
    crash.point(f"{at}.switching")
    task.fence()
    if reason := hold.broken():
        raise still_running(task.machine_name, reason)
    generation = task.clone.generation
    change(task.host, task.machine_name, lambda entry: fenced(exchanged(entry), generation), task.places)
    crash.point(f"{at}.switched")
    sync(task.site, task.name)
    crash.point(f"{at}.switch-noted")
