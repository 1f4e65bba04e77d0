"""An update of a clone: begun or gone on with, as a workflow whose steps are each done again after a crash without harm.

::

    merge ----> prove ----> switch ----> note ----> done
      |                       |            |
      |                       |            +------> returned: it did not come up well, and is back
      +--> needs-review <-----+        the workflow ends there: it never waits for a person

The state of a workflow carries the clone, the update's number and the attempt, which shuts earlier ones out; ``outcome`` is set once
the rest is to be passed over.

The key of its run in the durable engine is ``KIND:CLONE:WORK:ATTEMPT``.  A command that was killed leaves its run unfinished: the same
command again goes on with it.  But another command may have ended the work meanwhile (a cancel, a rollback that found the switch
done, a deletion), or a new attempt may have taken its place; its run is removed by the next command that has to do with runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from goldroot import crash
from goldroot.catalog import Tx, Update, clones, decisions, updates
from goldroot.errors import Busy, GoldrootError, NoSpace, Refused
from goldroot.fleet.inputs import Stage, silent
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.entry_says import has_switched
from goldroot.fleet.update.kept import Pruned, prune_beyond
from goldroot.fleet.update.merge import empty_prepared, merge_update, refuse_full, still_good
from goldroot.fleet.update.open_update import (
    Golds,
    OpenUpdate,
    active_clone,
    open_update,
    record_file,
    remembered,
    target_of,
    why_it_stays,
)
from goldroot.fleet.update.power import RETURNED, come_up, health_failed, stopped
from goldroot.fleet.update.reconcile import clear, clone_lock, go_live, held, is_switched, reconcile
from goldroot.hosts import PREPARED, exchange, utc_now
from goldroot.image import check_genuine
from goldroot.run import find
from goldroot.site import Site, boots_by_record, keep_reserve, make_bootable
from goldroot.tree import FULL
from goldroot.workflow import Engine, Step, Workflow, open_engine

NOTHING, REVIEW, DONE = "nothing-to-do", "needs-review", "done"
#: How a work stands (:attr:`Update.stands`) whose command, given again, says what came of it.
TOLD = ("done", "returned")

Act = Callable[[OpenUpdate, Stage], str]


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
        with site.catalog.begin() as tx:
            going = updates.begin(tx, name, target)
    _refuse_other(site, going, to)
    return going


def _said(one: Pruned) -> str:
    what = f"fallback {one.fallback.id} (gold {one.fallback.from_version})"
    return f"{what} is pruned" if one.error is None else f"{what} is to be pruned, and cannot be yet: {one.error.brief}"


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
    record = record_file(site, update.clone, update.work)
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


# -- its runs


@contextmanager
def engine_of(site: Site) -> Iterator[Engine]:
    """The site's durable engine, closed at the end of the block; the runs of works that have ended go then.

    :raises NoSpace: there is no room for the files of one who writes.
    """
    site.catalog.check_writable()  # the engine's database is a file beside it, and its error would say less
    keep_reserve(site)
    with _opened(site) as engine:
        yield engine
        close_ended(site, engine)


def close_ended_runs(site: Site) -> None:
    """:func:`close_ended`, for a command that runs nothing: the engine's code is loaded only where something is to go."""
    with _opened(site) as engine:
        close_ended(site, engine)


def close_ended(site: Site, engine: Engine) -> None:
    """Remove the runs of works that have ended, and those that a later attempt took the place of.

    A run that the same command again will report is left to it.  What keeps a run from going is not an error of the
    command, which has done its work: the next one removes it.
    """
    with suppress(GoldrootError, OSError):
        for key in engine.unfinished():
            if _is_nobodys(site, key):
                with suppress(Busy):  # the command that ended the work is at its own end
                    engine.forget(key)


def run_prefix(update: Update) -> str:
    """How the keys of an update's runs begin; the number of the attempt follows."""
    return f"{update.kind}:{update.clone}:{update.work}:"


def noted_work(tx: Tx, name: str) -> Update | None:
    """The newest work of a clone, or the one that it undid, where that is done: the same command again says so."""
    row = updates.latest(tx, name)
    if row is not None and row.told.get("returns"):
        row = updates.of_work(tx, str(row.told["returns"]))
    return row if row is not None and row.stands in TOLD else None


@contextmanager
def _opened(site: Site) -> Iterator[Engine]:
    with open_engine(site.config.catalog or site.path("workflow.sqlite"), site.path("locks")) as engine:
        yield engine


def _is_nobodys(site: Site, key: str) -> bool:
    """Whether no command will go on with a run."""
    _, clone, work, attempt = key.split(":")
    with site.catalog.read() as tx:
        row, noted = updates.of_work(tx, work), noted_work(tx, clone)
    if row is None or attempt != str(row.attempt):
        return True
    return row.ended and row != noted


# -- its steps


def update_workflow(site: Site, stage: Stage) -> Workflow:
    """The steps of an update."""
    return workflow_of(
        "update", site, stage, (("merge", merge), ("prove", _prove), ("switch", switch), ("note", come_up))
    )


def workflow_of(name: str, site: Site, stage: Stage, acts: tuple[tuple[str, Act], ...]) -> Workflow:
    """A workflow of acts on a task; each returns the outcome, or "" to go on."""
    golds: Golds = {}  # of the versions that the work holds until its end: opened by one step for all

    def step(act: Act) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def do(state: dict[str, Any]) -> dict[str, Any]:
            if state.get("outcome"):
                return {}
            task = open_update(site, state["update"], state["attempt"], golds)
            try:
                outcome = act(task, stage)
            except (GoldrootError, OSError) as error:
                tidy(task, error)
                if isinstance(error, GoldrootError):
                    note_error(task, error)
                raise
            return {"outcome": outcome} if outcome else {}

        return do

    return Workflow(name, tuple(Step(word, step(act)) for word, act in acts))


def tidy(task: OpenUpdate, error: Exception) -> None:
    """Where there was no room, what was prepared goes at once: a full file system must not stay full."""
    if isinstance(error, NoSpace) or (isinstance(error, OSError) and error.errno in FULL):
        with suppress(GoldrootError, OSError):
            if not is_switched(task.site, task.update):
                empty_prepared(task)
                clear(task.site, task.clone, task.update)


def note_error(task: OpenUpdate, error: GoldrootError) -> None:
    """Say in the catalog why an update stands where it stands."""
    with task.site.catalog.begin() as tx:
        known = updates.get(tx, task.update.id)
        if not known.ended:
            updates.set_state(tx, known.id, known.state, error=error.brief)


def merge(task: OpenUpdate, stage: Stage) -> str:
    """Merge onto new disks in set 5."""
    if has_switched(task.clone, task.update):
        return ""
    for gold in (task.base, task.target):
        check_genuine(gold)
    return REVIEW if merge_update(task, stage, live=True) else ""


def _prove(task: OpenUpdate, stage: Stage) -> str:
    """Rebuild, migrate, check, try; on disks that are made again, where a migration was cut off on these."""
    if has_switched(task.clone, task.update):
        return ""
    if task.update.migration == "begun" and merge_update(task, stage, live=True):
        return REVIEW
    prove(task, stage, trial=True)
    return ""


def switch(task: OpenUpdate, stage: Stage) -> str:
    """Stop the clone, merge again what was written since, and make the new system the live one; or go back to review.

    :raises StillRunning: the clone may still be written; nothing was changed.
    :raises ChecksFailed: what was merged again does not pass.
    """
    if has_switched(task.clone, task.update):
        return ""
    with stopped(task, stage) if task.host.abilities.boots else held(task) as hold:
        crash.point("update.held")
        crash.point("update.stopped")
        good = still_good(task, remembered(task.site, task.clone.image), stage, live=False)
        # Merged again in here, and killed before that was proved: a migration that was cut off needs other disks.
        again = task.update.state == "merged"
        if not good or (again and task.update.migration == "begun"):
            if merge_update(task, stage, live=False):
                return REVIEW
            again = True
        if again:
            prove(task, stage)
        _make_bootable(task, stage)
        crash.point("update.before-switch")
        go_live(task, hold, lambda entry: exchange(entry, PREPARED, task.work, "kept", since=utc_now()))
    return ""


def _make_bootable(task: OpenUpdate, stage: Stage) -> None:
    """The boot record of a root of the server's own, after the last write to its files; before the switch, or nothing boots."""
    own = task.update.disks
    if not boots_by_record(task.host, task.layout, own):
        return
    linked = [disk.address for disk in task.layout.disks if disk.address not in own]
    with task.open_prepared("rw") as server:
        for note in make_bootable(task.host, task.machine_name, task.layout, server.opened, linked):
            stage(f"{task.name}: {note.text}")
