"""The trial of a merged system: started in isolation before the switch, and compared with what its server is now."""

from __future__ import annotations

from collections.abc import Sequence

from goldroot.catalog import events
from goldroot.errors import GoldrootError, HostError
from goldroot.fleet.guest import Guest
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import PREPARED
from goldroot.system import Seen, Tried, look_inside, until_tried


def try_out(task: OpenUpdate, stage: Stage) -> Sequence[str]:
    """Start the prepared system, where the site wants that and the host can; what is worse than now, one line each.

    Nothing of it reaches the server's disks or a network.  What is only different is told.
    """
    running = task.site.config.image(task.clone.image).running
    if running.trial != "boot" or not task.host.abilities.trials:
        return []
    stage(f"{task.name}: the new system is tried")
    before = _now(task)
    try:
        with task.host.trial(task.machine_name, PREPARED) as trial:
            tried = until_tried(trial, running.health, before, running.trial_time)
    except HostError as error:
        tried = Tried([" ".join(filter(None, ["it did not begin:", error.brief, error.meaning]))], [], [])
    task.tell(trial={"different": list(tried.different)})
    with task.site.catalog.begin() as tx:
        events.add(
            tx, "tried", f"clone:{task.name}", update=task.update.id, wrong=list(tried.wrong),
            different=list(tried.different), journal=list(tried.journal),
        )  # fmt: skip
    if tried.wrong and tried.journal:
        return [*tried.wrong[:-1], f"{tried.wrong[-1]} (journal: {' | '.join(tried.journal)})"]
    return tried.wrong


def _now(task: OpenUpdate) -> Seen | None:
    """What the server says of itself; ``None`` where it does not run, or cannot be asked."""
    try:
        if task.host.power(task.machine_name).state != "on" or not task.host.abilities.guest_commands:
            return None
        seen = look_inside(Guest(task.host, task.machine_name))
    except GoldrootError:
        return None
    return seen if seen.settled else None
