"""The trial of a merged system: started in isolation before the switch, and compared with what its server is now."""

from __future__ import annotations

from goldroot.catalog import events
from goldroot.errors import GoldrootError, HostError
from goldroot.fleet.guest import Guest, last_seen
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import PREPARED
from goldroot.system import Seen, Tried, look_inside, until_tried


def try_out(task: OpenUpdate, stage: Stage) -> Tried:
    """Start the prepared system, where the site wants that and the host can, and compare.

    Nothing of it reaches the server's disks or a network.  What is only different is told.
    """
    running = task.site.config.image(task.clone.image).running
    if running.trial != "boot" or not task.host.abilities.trials:
        return Tried((), (), ())
    stage(f"{task.name}: the new system is tried")
    before = _now(task)
    try:
        with task.host.trial(task.machine_name, PREPARED) as trial:
            tried = until_tried(trial, running.health, before, running.trial_time)
    except HostError as error:
        tried = Tried([f"it did not begin: {error.brief}"], [], [*filter(None, [error.meaning]), *error.lines])
    task.tell(trial={"different": list(tried.different)})
    with task.site.catalog.begin() as tx:
        events.add(
            tx, "tried", f"clone:{task.name}", update=task.update.id, wrong=list(tried.wrong),
            different=list(tried.different), journal=list(tried.journal),
        )  # fmt: skip
    return tried


def _now(task: OpenUpdate) -> Seen | None:
    """What the server says of itself, or said in its last boot; ``None`` where nobody has asked it."""
    try:
        if task.host.power(task.machine_name).state != "on" or not task.host.abilities.guest_commands:
            return last_seen(task.site, task.name)
        seen = look_inside(Guest(task.host, task.machine_name))
    except GoldrootError:
        return None
    return seen if seen.settled else None
