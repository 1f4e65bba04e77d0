"""The one atomic change that makes other disks the live ones, with the server held all the while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from goldroot import crash
from goldroot.errors import StillRunning
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.reconcile import sync
from goldroot.hosts import Entry, Hold, change, fenced, still_running


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


def go_live(task: OpenUpdate, hold: Hold, exchanged: Callable[[Entry], Entry], at: str = "") -> None:
    """The one atomic change, and the catalog's part of it; the clone is held all the while.

    :param at: how the names of its crash points begin; the kind of the work without it.
    :raises StillRunning: somebody started it all the same.
    """
    at = at or task.update.kind
    task.set_state("switching")
    crash.point(f"{at}.switching")
    task.fence()
    if reason := hold.broken():
        raise still_running(task.machine_name, reason)
    generation = task.clone.generation
    change(task.host, task.machine_name, lambda entry: fenced(exchanged(entry), generation), task.places)
    crash.point(f"{at}.switched")
    sync(task.site, task.name)
    crash.point(f"{at}.switch-noted")
