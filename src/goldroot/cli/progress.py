"""Progress bars, on a terminal only; rich is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from goldroot.cli.output import on_terminal
from goldroot.escape import escape

#: Gives, for the name of a stage, what is called with the number of entries done since the last call.
Stages = Callable[[str], Callable[[int], None] | None]


@contextmanager
def stages(quiet: bool = False) -> Iterator[Stages]:
    """A counter per stage of long work; nothing at all where standard error is not a terminal."""
    if quiet or not on_terminal():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.completed:,.0f}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True, markup=False, emoji=False, highlight=False), transient=True
    ) as progress:

        def stage(name: str) -> Callable[[int], None]:
            task = progress.add_task(escape(name), total=None)
            return lambda count: progress.update(task, advance=count)

        yield stage


@contextmanager
def counter(total: int, quiet: bool = False) -> Iterator[Callable[[str, str], None]]:
    """How many of so many servers are done, told after each: nothing here works in a thread, so that it may be forked."""
    if quiet or not on_terminal():
        yield lambda name, kind: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("servers", total=total)
        progress.refresh()

        def tell(name: str, kind: str) -> None:
            progress.update(task, advance=1, description=f"{name}: {kind or 'done'}", refresh=True)

        yield tell
