"""The switch: the clone is stopped, what was written since is merged again, and one atomic change makes the new system
the live one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from goldroot import crash
from goldroot.errors import StillRunning
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.entry_says import has_switched
from goldroot.fleet.update.merge import merge_update, still_good
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.reconcile import sync
from goldroot.fleet.update.update_files import remembered
from goldroot.hosts import PREPARED, Entry, Hold, change, exchange, fenced, still_running, utc_now


def switch_update(task: OpenUpdate, stage: Stage) -> int:
    """Switch an update that has passed its checks; returns the number of new conflicts, and then nothing is switched.

    :raises StillRunning: the clone may still be written; nothing was changed.
    :raises ChecksFailed: what was merged again does not pass.
    """
    if has_switched(task.clone, task.update):
        return 0
    with held(task) as hold:
        crash.point("update.stopped")
        if not still_good(task, remembered(task.site, task.clone.image), stage, live=False):
            if left := merge_update(task, stage, live=False):
                return left
            prove(task, stage)
        crash.point("update.before-switch")
        go_live(task, hold, lambda entry: exchange(entry, PREPARED, task.work, "kept", since=utc_now()))
    return 0


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
    paths = (
        "1 path was written while it was read" if count == 1 else f"{count:,} paths were written while they were read"
    )
    return f"{paths}: once the server is stopped, the switch merges again, and keeps what was written last."


def go_live(task: OpenUpdate, hold: Hold, exchanged: Callable[[Entry], Entry]) -> None:
    """The one atomic change, and the catalog's part of it; the clone is held all the while.

    :raises StillRunning: somebody started it all the same.
    """
    task.set_state("switching")
    task.fence()
    crash.point(f"{task.update.kind}.switching")
    if reason := hold.broken():
        raise still_running(task.machine_name, reason)
    generation = task.clone.generation
    change(task.host, task.machine_name, lambda entry: fenced(exchanged(entry), generation), task.places)
    crash.point(f"{task.update.kind}.switched")
    sync(task.site, task.name)
    crash.point(f"{task.update.kind}.switch-noted")
