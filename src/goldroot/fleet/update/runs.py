"""The runs of the durable engine that updates and rollbacks have, and the end of those that nobody goes on with.

The key of a run is ``KIND:CLONE:WORK:ATTEMPT``.  A command that was killed leaves its run unfinished: the same command again goes on
with it.  But another command may have ended the work meanwhile (a cancel, a rollback that found the switch done, a deletion), or a
new attempt may have taken its place; its run is removed by the next command that has to do with runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot.catalog import Tx, Update, updates
from goldroot.errors import Busy, GoldrootError
from goldroot.fleet.update.power import RETURNED
from goldroot.fleet.update.steps import DONE
from goldroot.site import Site, keep_reserve
from goldroot.workflow import Engine, open_engine


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
    return row if row is not None and row.stands in (DONE, RETURNED) else None


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
