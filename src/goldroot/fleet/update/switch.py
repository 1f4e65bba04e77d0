"""The switch: the clone is stopped, what was written since is merged again, and one atomic change makes the new system
the live one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from goldroot import crash
from goldroot.errors import StillRunning
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.merge import merge_update, still_good
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.reconcile import is_live
from goldroot.fleet.update.update_files import remembered
from goldroot.hosts.former import Machine, switched
from goldroot.site import Site


def switch_update(task: OpenUpdate, stage: Stage) -> int:
    """Switch an update that has passed its checks; returns the number of new conflicts, and then nothing is switched.

    :raises StillRunning: the clone may still be written; nothing was changed.
    :raises ChecksFailed: what was merged again does not pass.
    """
    site = task.site
    if is_live(site, task.work):
        return 0
    with _stopped(task):
        crash.point("update.stopped")
        if not still_good(task, remembered(site, task.clone.image), stage, live=False):
            if left := merge_update(task, stage, live=False):
                return left
            prove(task, stage)
        task.check()
        crash.point("update.before-switch")
        exchange(site, task.machine)
    crash.point("update.switched")
    return 0


@contextmanager
def _stopped(task: OpenUpdate) -> Iterator[None]:
    """:raises StillRunning: it may still be written; the error says what of it will be merged again."""
    with ExitStack() as stack:
        try:
            stack.enter_context(task.site.former.stopped(task.machine_name))
        except StillRunning as error:
            if count := task.work.torn:
                error.meaning = f"{error.meaning} {again_at_switch(count)}".strip()
            raise
        yield


def again_at_switch(count: int) -> str:
    """What a person is told of paths that a running server wrote while they were merged."""
    paths = (
        "1 path was written while it was read" if count == 1 else f"{count:,} paths were written while they were read"
    )
    return f"{paths}: once the server is stopped, the switch merges again, and keeps what was written last."


def exchange(site: Site, machine: Machine) -> Machine:
    """The one atomic change: what stands at 1Bx and 5Bx is exchanged, disks and links together.

    The caller has stopped the machine, and holds it so; the definition is compared and swapped as a whole.
    """
    return site.former.replace(switched(machine))
