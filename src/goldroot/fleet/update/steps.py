"""An update as a workflow: steps that are each done again after a crash without harm.

::

    merge ----> prove ----> switch ----> note ----> done
      |                       |            |
      |                       |            +------> returned: it did not come up well, and is back
      +--> needs-review <-----+        the workflow ends there: it never waits for a person

The state carries the clone, the update's number and the attempt, which shuts earlier ones out; ``outcome`` is set once the rest is
to be passed over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from goldroot import crash
from goldroot.catalog import updates
from goldroot.errors import GoldrootError, NoSpace
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.entry_says import has_switched
from goldroot.fleet.update.merge import empty_prepared, merge_update, still_good
from goldroot.fleet.update.open_update import Golds, OpenUpdate, open_update, remembered
from goldroot.fleet.update.power import come_up, go_live, stopped
from goldroot.fleet.update.reconcile import clear, is_switched
from goldroot.hosts import PREPARED, exchange, utc_now
from goldroot.image import check_genuine
from goldroot.site import Site, boots_by_record, make_bootable
from goldroot.tree import FULL
from goldroot.workflow import Step, Workflow

REVIEW, DONE = "needs-review", "done"

Act = Callable[[OpenUpdate, Stage], str]


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
        with contextlib.suppress(GoldrootError, OSError):
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
    with stopped(task, stage) as hold:
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
