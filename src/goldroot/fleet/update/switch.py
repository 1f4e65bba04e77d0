"""The switch: the clone is stopped, what was written since is merged again, and one atomic change makes the new system
the live one."""

from __future__ import annotations

from goldroot import crash
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.checks import prove
from goldroot.fleet.update.merge import merge_update, still_good
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.reconcile import is_live
from goldroot.fleet.update.update_files import remembered
from goldroot.hosts import Machine, switched
from goldroot.site import Site


def switch_update(task: OpenUpdate, stage: Stage) -> int:
    """Switch an update that has passed its checks; returns the number of new conflicts, and then nothing is switched.

    :raises StillRunning: the clone may still be written; nothing was changed.
    :raises ChecksFailed: what was merged again does not pass.
    """
    site = task.site
    if is_live(site, task.work):
        return 0
    with site.host.stopped(task.machine_name):
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


def exchange(site: Site, machine: Machine) -> Machine:
    """The one atomic change: what stands at 1Bx and 5Bx is exchanged, disks and links together.

    The caller has stopped the machine, and holds it so; the definition is compared and swapped as a whole.
    """
    return site.host.replace(switched(machine))
