"""How far a command is, on a terminal only; rich is imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from goldroot.cli.output import on_terminal
from goldroot.escape import escape

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

Total = Callable[[], int | None]


class Stages:
    """What nobody watches, see :class:`goldroot.fleet.Stage`."""

    def __call__(self, name: str, total: Total | None = None, /) -> Callable[[int], None] | None:
        """Begin a stage; the one before has ended."""
        return None

    def done(self, name: str) -> None:
        """One of the servers is done."""


class _Drawn(Stages):
    """A line for the stage that is under way, below one for the servers where there are several."""

    def __init__(self, progress: Progress, servers: int) -> None:
        self._progress = progress
        self._servers = progress.add_task("servers", total=servers) if servers > 1 else None
        self._last = self._servers

    def __call__(self, name: str, total: Total | None = None, /) -> Callable[[int], None]:
        if self._last is not None and self._last != self._servers:
            self._progress.update(self._last, visible=False)
        known = total() if total is not None else None
        self._last = task = self._progress.add_task(escape(name), total=known)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            # There may be more than when it was last seen.
            self._progress.update(task, completed=done, total=None if known is None else max(known, done))

        return advance

    def done(self, name: str) -> None:
        if self._servers is not None:
            self._progress.update(self._servers, advance=1)


@contextmanager
def stages(quiet: bool = False, servers: int = 1) -> Iterator[Stages]:
    """A counter per stage of long work; nothing at all where standard error is not a terminal.

    :param servers: of how many it is told when each is done (:meth:`Stages.done`).
    """
    if quiet or not on_terminal():
        yield Stages()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(SpinnerColumn(), *_columns(), console=console, transient=True) as progress:
        yield _Drawn(progress, servers)


@contextmanager
def counter(total: int, quiet: bool = False) -> Iterator[Callable[[str, str], None]]:
    """How many of so many servers are done, told after each: nothing here works in a thread, so that it may be forked."""
    if quiet or not on_terminal():
        yield lambda name, kind: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*_columns(), console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("servers", total=total)
        progress.refresh()

        def tell(name: str, kind: str) -> None:
            progress.update(task, advance=1, description=f"{name}: {kind or 'done'}", refresh=True)

        yield tell


def _columns() -> tuple[ProgressColumn, ...]:
    """What it is, how many of how many, how long it took, and how long it will take: the last where the total is known."""
    from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return Text("") if task.total is None else Text.assemble(super().render(task), " left")

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeLeft(),
    )
