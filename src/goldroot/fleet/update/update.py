"""Updates of clones: begun, gone on with, cancelled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from goldroot import crash
from goldroot.catalog import Update, clones, decisions, images, updates
from goldroot.errors import NotFound, Refused
from goldroot.fleet.inputs import Stage, silent
from goldroot.fleet.update import open_update
from goldroot.fleet.update.kept import Pruned, prune_beyond
from goldroot.fleet.update.merge import refuse_full
from goldroot.fleet.update.open_update import active_clone, target_of, why_it_stays
from goldroot.fleet.update.power import RETURNED, health_failed
from goldroot.fleet.update.reconcile import clear_cancelled, clone_lock, is_left, is_switched, reconcile, settle, sync
from goldroot.fleet.update.runs import engine_of, noted_work, run_prefix
from goldroot.fleet.update.steps import DONE, REVIEW, update_workflow
from goldroot.run import find
from goldroot.site import Site
from goldroot.workflow import Engine, Workflow, load_engine

if TYPE_CHECKING:
    from goldroot.fleet.parallel import Outcomes, Tell

NOTHING = "nothing-to-do"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: ``done``, ``needs-review`` or ``nothing-to-do``."""

    clone: str
    outcome: str
    update: int
    from_version: int
    to_version: int
    conflicts: int = 0
    record: str = ""
    failed_rebuilds: Mapping[str, str] = field(default_factory=dict)  #: commands, and why they failed
    not_compared: Sequence[str] = ()  #: clones whose identity is not known: they may have this one's
    shared: Sequence[str] = ()  #: files that should be this server's alone, and another one has, too, as before
    dangling: Sequence[str] = ()  #: links beside what was made again that lead to nothing any more
    health: str = ""  #: "good", "at next start"; "" where the host starts no machines
    different: Sequence[str] = ()  #: what the trial found to be otherwise than on the server, and no worse
    merged_again: int = 0  #: paths that the running server wrote while they were merged: the switch merges again
    answers: Sequence[dict[str, Any]] = ()  #: remembered answers that its merge used
    stays: str = ""  #: why it stays on a version that was retired; "" where that is not so
    pruned: Sequence[str] = ()  #: what was kept for the way back and went, as there was more of it than the site keeps

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**named, "from": self.from_version, "to": self.to_version}  # from_version, to_version: the older names


def run_update(site: Site, engine: Engine, name: str, to: int | None = None, *, stage: Stage = silent) -> Outcome:
    """Move a clone to a version (the current one), or go on with the update that was begun.

    :raises StillRunning: it may still be written: it was merged and not switched; the same command goes on.
    :raises ChecksFailed: the merged system is not fit; nothing was switched.
    :raises HealthFailed: it did not come up well, and is back on the disks that it had.
    :raises Refused: another update or a rollback of it is in flight.
    """
    with clone_lock(site, name, f"update of {name}"):
        found = _to_go_on_with(site, engine, name, to, stage)
        done = found if isinstance(found, Outcome) else go_on(site, engine, found, lambda: update_workflow(site, stage))
        if done.outcome == REVIEW:
            return done
        return replace(done, pruned=[_said(one) for one in prune_beyond(site, name)])


def _to_go_on_with(site: Site, engine: Engine, name: str, to: int | None, stage: Stage) -> Update | Outcome:
    """The update that was begun, now or before; or what it came to, where nothing is left to do."""
    settled = reconcile(site, name, goes_on=("update",))
    clone = active_clone(site, name)
    noted = finish_noted(site, engine, "update", name, lambda: update_workflow(site, stage))
    if settled is not None and settled.kind == "update":
        noted = outcome_of(site, settled.id, DONE)
    if noted is not None and to in (None, noted.to_version):
        return noted
    with site.catalog.read() as tx:
        going = updates.in_flight(tx, name)
    if going is None:
        target = target_of(site, clone, to)
        if target == clone.version:
            stays = why_it_stays(site, clone, target) if to is None else ""
            return Outcome(name, NOTHING, 0, clone.version, clone.version, stays=stays)
    look_for_programs()
    if going is None:
        refuse_full(site, clone)
        going = _begin(site, name, target)
    _refuse_other(site, going, to)
    return going


def _said(one: Pruned) -> str:
    what = f"fallback {one.fallback.id} (gold {one.fallback.from_version})"
    return f"{what} is pruned" if one.error is None else f"{what} is to be pruned, and cannot be yet: {one.error.brief}"


def run_updates(
    root: str, names: Sequence[str], to: int | None = None, *, jobs: int = 1, stop_after: int = 0,
    tell: Tell | None = None,
) -> Outcomes[Outcome]:  # fmt: skip
    """:func:`run_update` for many clones of the site at ``root``, see :func:`goldroot.fleet.parallel.on_each`.

    Each process has an engine of its own: an executor of DBOS is one process.  They share the databases as commands do
    that are given in two terminals: one writes at a time, and the lock of a clone keeps all others from it.
    """
    from goldroot.fleet.parallel import on_each

    if jobs > 1:
        load_engine()  # once, before there are copies of this process

    @contextmanager
    def opened() -> Iterator[Callable[[str], Outcome]]:
        with closing(Site.open(root)) as site, engine_of(site) as engine:
            yield lambda name: run_update(site, engine, name, to)

    return on_each(names, opened, jobs=jobs, stop_after=stop_after, tell=tell)


def chosen_clones(site: Site, image: str | None = None) -> list[str]:
    """The clones in use, by name: of one image, or all.

    :raises NotFound: no such image.
    """
    with site.catalog.read() as tx:
        if image is not None:
            images.get(tx, image)
        return [clone.name for clone in clones.every(tx, image) if clone.state == "active"]


def look_for_programs() -> None:
    """What a merge may need in its middle is missed before it begins. :raises MissingProgram: it is not installed."""
    find("git")  # merges the lines of a text that both sides changed


def go_on(site: Site, engine: Engine, update: Update, make: Callable[[], Workflow]) -> Outcome:
    """Run an update's workflow: the run that was killed, from the step where it was, else a new one."""
    crash.point(f"{update.kind}.begun")
    while True:
        key, attempt = _run_of(site, engine, update)
        state = engine.run(make(), key, {"clone": update.clone, "update": update.id, "attempt": attempt})
        with site.catalog.read() as tx:
            now = updates.get(tx, update.id)
        # The engine's database may be of another time than the catalog (one of them came from a backup): a run that ended
        # then is not a run of this update, and the next attempt has a key of its own.
        if state["outcome"] == now.stands:
            return _outcome(site, now, now.stands)


def finish_noted(site: Site, engine: Engine, kind: str, name: str, make: Callable[[], Workflow]) -> Outcome | None:
    """End the run of a command that was killed when all its work was done, so that its repetition begins nothing new."""
    with site.catalog.read() as tx:
        row = noted_work(tx, name)
    if row is None or row.kind != kind:
        return None
    pending = engine.find(f"{run_prefix(row)}{row.attempt}")
    if pending is None or pending.error or pending.cancel_asked:
        return None
    engine.run(make(), pending.key, pending.state)
    return outcome_of(site, row.id, row.stands)


def _begin(site: Site, name: str, to: int) -> Update:
    with site.catalog.begin() as tx:
        return updates.begin(tx, name, to)


def _refuse_other(site: Site, update: Update, to: int | None) -> None:
    if update.kind != "update":
        name = update.clone
        raise Refused(
            f"a rollback of {name} was begun",
            todo=f"Finish it with `{update.goes_on}`, or cancel it: goldroot update cancel {name}",
        )
    if to not in (None, update.to_version):
        raise Refused(
            f"an update of {update.clone} to version {update.to_version} was begun",
            todo=f"Finish it (without --to), or cancel it with: goldroot update cancel {update.clone}",
        )


def _run_of(site: Site, engine: Engine, update: Update) -> tuple[str, int]:
    """The key and number of the attempt to go on with.

    One that was killed goes on where it was.  One that an error or a review ended begins again, with the next number,
    which shuts the old one out; what it had made is taken over by the merge where it is still good.
    """
    with site.catalog.read() as tx:
        attempt = updates.get(tx, update.id).attempt
    pending = engine.find(f"{run_prefix(update)}{attempt}") if attempt else None
    if pending is not None:
        if not pending.error and not pending.cancel_asked:
            return pending.key, attempt
        engine.cancel(pending.key)
    with site.catalog.begin() as tx:
        clones.fence(tx, update.clone)
        attempt = updates.begin_attempt(tx, update.id)
    crash.point(f"{update.kind}.attempt-begun")
    return f"{run_prefix(update)}{attempt}", attempt


def outcome_of(site: Site, number: int, outcome: str) -> Outcome:
    """What a run came to.

    :raises HealthFailed: the server went back by itself.
    """
    with site.catalog.read() as tx:
        update = updates.get(tx, number)
    return _outcome(site, update, outcome)


def _outcome(site: Site, update: Update, outcome: str) -> Outcome:
    if outcome == RETURNED:
        raise health_failed(update)
    left = 0
    if outcome == REVIEW:
        with site.catalog.read() as tx:
            left = len(decisions.conflicts_of(tx, update.id, state="open"))
    record = open_update.record_file(site, update.clone, update.work)
    told = update.told
    return Outcome(
        update.clone, outcome, update.id, update.from_version, update.to_version, left,
        record if os.path.exists(record) else "", told.get("failed", {}), told.get("not_compared", []),
        told.get("shared", []), told.get("dangling", []),
        str(told.get("health", "")), told.get("trial", {}).get("different", []),
        0 if outcome == DONE else told.get("torn", 0), _used(site, update),
    )  # fmt: skip


def _used(site: Site, update: Update) -> list[dict[str, Any]]:
    """The remembered answers that its merge used."""
    if not update.told.get("answers"):
        return []
    from goldroot.fleet.answers import used_answers

    return used_answers(site, update.image, update.told["answers"])


def cancelled_update(site: Site, name: str) -> Update:
    """The newest update or rollback of a clone, which was given up."""
    with site.catalog.read() as tx:
        last = updates.latest(tx, name)
    assert last is not None  # the caller knows that one was given up
    return last


def cancel_update(site: Site, name: str) -> Update:
    """Give up the update or rollback of a clone that is in flight; its disks go, the server stays as it is.

    :raises Refused: there is none, or it has switched already; where only the catalog's word of that is missing, that is
        brought up.
    """
    with clone_lock(site, name, f"cancel of the update of {name}"):
        sync(site, name)
        _refuse_switched(site, name)
        cut_off = clear_cancelled(site, name)
        settled = reconcile(site, name)
        with site.catalog.read() as tx:
            clones.get(tx, name)
            going = updates.in_flight(tx, name)
        if going is None and cut_off is not None:
            return cut_off
        if going is None:
            done = f": {settled.kind} {settled.id} had switched already, and is done" if settled else ""
            raise Refused(f"no update of {name} is in flight{done}", meaning="Nothing was changed.")
        with site.catalog.begin() as tx:
            clones.fence(tx, name)
            ended = updates.set_state(tx, going.id, "cancelled")
        crash.point("update.cancelled")
        clear_cancelled(site, name)
        settle(site, name)
        return ended


def waiting_update(site: Site, name: str) -> Update | None:
    """The clone's update in flight; one that has switched already counts as none."""
    with site.catalog.read() as tx:
        going = updates.in_flight(tx, name)
    return None if going is None or is_switched(site, going) else going


def plan_cancel(site: Site, name: str) -> Update:
    """What :func:`cancel_update` would give up.

    :raises Refused: as that. :raises NotFound: none is in flight.
    """
    _refuse_switched(site, name)
    if (found := waiting_update(site, name)) is None:
        raise NotFound(f"no update of {name} is in flight")
    return found


def _refuse_switched(site: Site, name: str) -> None:
    """:raises Refused: its update or rollback has switched, and is not at its end: it goes on, or back, but not away."""
    with site.catalog.read() as tx:
        going = updates.in_flight(tx, name)
    if going is None or not is_left(going) or not is_switched(site, going):
        return
    if going.told.get("returned_by"):
        where = f"It did not come up well, and is on its way back to gold {going.from_version}"
        then = ""
    else:
        where = f"It has the disks of gold {going.to_version}, and nobody has asked yet how it does with them"
        then = f"; it goes back by itself where it does not do well. To go back all the same, then: goldroot rollback {name}"
    raise Refused(
        f"{going.kind} {going.id} of {name} has switched already ({going.stands}): it cannot be cancelled",
        meaning=f"{where}. Nothing was changed.",
        todo=f"Finish it: {going.goes_on}{then if going.kind == 'update' else ''}",
    )
