"""The switch: the clone is stopped, what was written since is merged again, and one atomic change makes the new system
the live one."""

from __future__ import annotations

from goldroot import crash
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.entry_says import has_switched
from goldroot.fleet.update.go_live import go_live
from goldroot.fleet.update.merge import merge_update, still_good
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.power import stopped
from goldroot.fleet.update.update_files import remembered
from goldroot.hosts import PREPARED, exchange, utc_now


def switch_update(task: OpenUpdate, stage: Stage) -> int:
    """Switch an update that has passed its checks; returns the number of new conflicts, and then nothing is switched.

    :raises StillRunning: the clone may still be written; nothing was changed.
    :raises ChecksFailed: what was merged again does not pass.
    """
    if has_switched(task.clone, task.update):
        return 0
    with stopped(task, stage) as hold:
        crash.point("update.stopped")
        if not still_good(task, remembered(task.site, task.clone.image), stage, live=False):
            if left := merge_update(task, stage, live=False):
                return left
            prove(task, stage)
        crash.point("update.before-switch")
        go_live(task, hold, lambda entry: exchange(entry, PREPARED, task.work, "kept", since=utc_now()))
    return 0
