"""A server around its switch, where its host starts machines: its trial before it, and its stop, start, health and return.

The trial starts the merged system in isolation, and compares it with what its server is now.  The switch holds the server all
the while.

Where the host starts no machines, a person stops the server, and nothing of this is done.  What has to be known after a
kill stands in the update's row before each act (:class:`goldroot.catalog.Update`): that it ran, and has to run again; and
the id of the exchange that takes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from goldroot import crash
from goldroot.catalog import updates
from goldroot.errors import GoldrootError, HealthFailed, HostError
from goldroot.fleet.guest import (
    Guest,
    LastBoot,
    console_end,
    had_failed,
    last_boot,
    note_seen,
    what_it_said,
)
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.reconcile import DONE, NEXT_START, RETURNED, finish, go_live, held, is_switched, settle
from goldroot.hosts import (
    PREPARED,
    Around,
    Entry,
    Hold,
    NetLink,
    exchange,
    utc_now,
    with_mark,
)
from goldroot.ids import new_id
from goldroot.system import (
    WAITS,
    LeftOut,
    Tried,
    last_words,
    left_out,
    look_inside,
    unit_lines,
    until_healthy,
    until_tried,
)


@contextmanager
def stopped(task: OpenUpdate, stage: Stage) -> Iterator[Hold]:
    """On a host that starts machines, the server is off and held for the block; one that ran, and was not switched in it, runs again
    behind it.

    :raises StillRunning: it cannot be stopped; nothing was changed.
    """
    _stop(task, stage)
    try:
        with held(task) as hold:
            yield hold
    except (GoldrootError, OSError, KeyboardInterrupt) as error:
        if _is_to_start(task):
            why = _start_again(task)
            if why and isinstance(error, GoldrootError):
                error.meaning = (
                    f"{error.meaning} It was stopped for the switch, and was not started again: {why}".strip()
                )
        raise
    if _is_to_start(task):
        _start_again(task)


def come_up(task: OpenUpdate, stage: Stage) -> str:
    """After the switch: start the server if it ran before, ask how it does, and take it back if that is bad.

    :returns: :data:`DONE` or :data:`RETURNED`.
    """
    update = task.update
    if update.state == "failed" and update.told.get("returned_by"):
        return RETURNED
    if task.host.abilities.boots and update.told.get("returned_by"):
        return _go_back(task, Trouble(list(update.told.get("wrong", ()))), stage)
    if task.host.abilities.boots and update.start_due:
        if (trouble := _up(task, stage)).wrong:
            return _go_back(task, trouble, stage)
        task.tell(settled=True, health="good")
    elif task.host.abilities.boots and not update.told.get("settled"):
        task.tell(health=NEXT_START)
    finish(task.site, task.update)
    return DONE


def health_failed(update: updates.Update) -> HealthFailed:
    """The error of an update or rollback whose server did not come up well, and is back."""
    wrong = [str(one) for one in update.told.get("wrong", ())]
    when = "at its first start after" if update.told.get("first_start") else "after"
    back = f"It is back on gold {update.from_version}, on the disks that it had"
    again = str(update.told.get("not_started", ""))
    runs = f"{back}, but was not started: {again}." if again else f"{back}, and runs."
    said = what_it_said(update.told.get("said", ()), update.told.get("console", ()))
    error = HealthFailed(
        f"{update.clone} did not come up well {when} the {update.kind} to gold {update.to_version}: "
        + "; ".join(wrong[:5]),
        meaning=f"{runs} What the new system wrote is set aside." + (" What it said last:" if said else ""),
        todo=f"See: goldroot fallback list {update.clone}. Fix the cause in gold or on the server, then run it again.",
    )
    error.lines = said
    return error


# -- before the switch


def _stop(task: OpenUpdate, stage: Stage) -> None:
    """Stop it, if it runs; that it ran is written down before."""
    power = task.host.power(task.machine_name)
    if power.state == "off":
        return
    known = bool(task.update.told.get("was_on"))
    failed: list[str] = []
    if task.host.abilities.guest_commands:
        guest = Guest(task.host, task.machine_name)
        seen = look_inside(guest)
        note_seen(task.site, task.name, guest, seen)
        failed = sorted(seen.failed)
    task.tell(step="stopping", was_on=True, settled=False, had_failed=failed)
    crash.point(f"{task.update.kind}.stopping")
    stage(f"{task.name}: it is stopped")
    patience = task.site.config.image(task.clone.image).running.stop_time
    try:
        how = task.host.stop(task.machine_name, patience)
    except GoldrootError:
        task.tell(step="", was_on=known)
        raise
    task.tell(stopped=how)


def _is_to_start(task: OpenUpdate) -> bool:
    """Whether it ran before, and what it had then is live still; where nobody knows that, it stays off."""
    with task.site.catalog.read() as tx:
        update = updates.get(tx, task.update.id)
    try:
        return update.start_due and not is_switched(task.site, update)
    except GoldrootError:
        return False


def _start_again(task: OpenUpdate) -> str:
    """From the disks that it had; why not, where that did not work."""
    try:
        task.host.start(task.machine_name)
    except GoldrootError as error:
        _note_event(task, "not-started-again", error.brief)
        return error.brief
    task.tell(step="", was_on=False)
    return ""


# -- after it


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a server, one line each, and what it said of that itself."""

    wrong: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def _up(task: OpenUpdate, stage: Stage) -> Trouble:
    """Start it, and ask."""
    host, name = task.host, task.machine_name
    task.tell(step="starting", started=utc_now())
    crash.point(f"{task.update.kind}.starting")
    stage(f"{task.name}: it is started")
    try:
        host.start(name)
        runs = host.power(name).runs
    except GoldrootError as error:
        return Trouble([error.brief], [*filter(None, [error.meaning]), *error.lines])
    crash.point(f"{task.update.kind}.started")
    if runs not in ("current", "unknown"):
        return Trouble([f"it does not run from the new disks, but from {runs}"])
    if not host.abilities.guest_commands:
        return Trouble()
    running = task.site.config.image(task.clone.image).running
    stage(f"{task.name}: is it well?")
    guest, before = Guest(host, name), had_failed(task.site, task.update)
    wrong = until_healthy(guest, running.health, before, running.health_time)
    seen = look_inside(guest)
    if not wrong:
        note_seen(task.site, task.name, guest, seen)
        return Trouble()
    return Trouble(wrong, unit_lines(guest, sorted(seen.failed - set(before))))


# -- and back


def _go_back(task: OpenUpdate, trouble: Trouble, stage: Stage) -> str:
    """Stop it, exchange again, start it from the disks that it had; each part may have been done before a kill."""
    host, name, update = task.host, task.machine_name, task.update
    if not update.told.get("returned_by"):
        # While it is that of the system that did not come up well.
        console = console_end(host, name)
        why, told = "; ".join(trouble.wrong[:5]), {"wrong": trouble.wrong, "said": trouble.said, "console": console}
        task.note(told={**update.told, "step": "returning", "returned_by": new_id(), **told}, error=f"not well: {why}")
        _note_event(task, "health-failed", why)
        crash.point(f"{update.kind}.returning")
    stage(f"{task.name}: it goes back")
    host.stop(name, task.site.config.image(task.clone.image).running.stop_time)
    crash.point(f"{update.kind}.returning-stopped")
    by = str(task.update.told["returned_by"])
    with held(task) as hold:
        go_live(task, hold, _back(task, by), "returning")
    settle(task.site, task.name)
    return RETURNED


def _back(task: OpenUpdate, by: str) -> Callable[[Entry], Entry]:
    """The exchange that undoes this work's: what a rollback went back to is its fallback again."""
    work, back = task.update.work, task.update.back
    is_rollback, carry = task.update.kind == "rollback", task.update.carry

    def exchanged(entry: Entry) -> Entry:
        digit = kept_sets(entry)[work]
        left: Literal["kept", "set-aside"] = "kept" if is_rollback and not carry else "set-aside"
        after = exchange(entry, digit, by, left, since=utc_now())
        if not is_rollback:
            return after
        if not carry:
            return with_mark(after, digit, replace(after.marks[digit], by=back))
        kept = kept_sets(entry).get(back)
        return after if kept is None else with_mark(after, kept, replace(after.marks[kept], state="kept"))

    return exchanged


def _note_event(task: OpenUpdate, what: str, why: str) -> None:
    with task.site.catalog.begin() as tx:
        tx.event(what, f"clone:{task.name}", update=task.update.id, why=why)


def try_out(task: OpenUpdate, stage: Stage) -> Tried:
    """Start the prepared system on a host that can try one, and compare.

    Nothing of it reaches the server's disks or a network.  What is only different is told.
    """
    running = task.site.config.image(task.clone.image).running
    stage(f"{task.name}: the new system is tried")
    before = _now(task)
    links, lacks = _around(task, before)
    around = Around(links, (*WAITS, *(unit for one in lacks for unit in one.units)))
    try:
        with task.host.trial(task.machine_name, PREPARED, around=around) as trial:
            tried = until_tried(trial, running.health, None if before is None else before.seen, running.trial_time)
            if tried.wrong and not tried.journal:  # its kernel may have ended before there was a journal
                tried = replace(tried, journal=what_it_said((), last_words(trial.console)))
    except HostError as error:
        tried = Tried([f"it did not begin: {error.brief}"], [], [*filter(None, [error.meaning]), *error.lines])
    tried = replace(tried, different=[*map(str, lacks), *tried.different])
    task.tell(trial={"different": list(tried.different)})
    with task.site.catalog.begin() as tx:
        tx.event(
            "tried", f"clone:{task.name}", update=task.update.id, wrong=list(tried.wrong),
            different=list(tried.different), journal=list(tried.journal),
        )  # fmt: skip
    return tried


def _around(task: OpenUpdate, now: LastBoot | None) -> tuple[tuple[NetLink, ...], list[LeftOut]]:
    """The links of the server, which lead nowhere in the trial, and what of its fstab is not there in it."""
    own = {f"/{path.decode('utf-8', 'replace')}" for disk in task.layout.disks for path in disk.paths}
    with task.open_prepared() as merged:
        lacks = left_out(merged.tree.read(b"etc/fstab") or b"", own)
        gives_itself = merged.tree.kind(b"etc/network/interfaces") == "file"
    links = {link.name: set(link.addresses) for link in (now.links if now else ())}
    if interface := task.clone.identity.get("interface"):
        links.setdefault(str(interface), set()).add(str(task.clone.identity["address"]))
    # ifupdown fails where a link has the address already that it is to give it; other programs take it over.
    given = (NetLink(name, () if gives_itself else tuple(sorted(has))) for name, has in sorted(links.items()))
    return tuple(given), lacks


def _now(task: OpenUpdate) -> LastBoot | None:
    """How the server does, or did in its last boot; ``None`` where nobody has asked it."""
    try:
        if task.host.power(task.machine_name).state != "on" or not task.host.abilities.guest_commands:
            return last_boot(task.site, task.name)
        seen, links = look_inside(Guest(task.host, task.machine_name)), task.host.links(task.machine_name)
    except GoldrootError:
        return None
    return LastBoot(seen, links) if seen.settled else None
