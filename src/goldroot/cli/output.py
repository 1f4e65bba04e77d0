"""How every command speaks: words for a person, JSON for a program, progress on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TypeVar

import click

from goldroot.cli.lazy import quiet
from goldroot.cli.terminal import put, put_json
from goldroot.escape import escape

F = TypeVar("F", bound=Callable[..., Any])

#: The number of a gold version; no database counts further.
VERSION = click.IntRange(0, (1 << 31) - 1)


def json_option(command: F) -> F:
    """Adds ``--json`` (parameter ``as_json``)."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def plan_option(command: F) -> F:
    """Adds ``--plan`` (parameter ``plan_only``)."""
    return click.option("--plan", "plan_only", is_flag=True, help="Show what would be done; change nothing.")(command)


class Unprinted(Exception):
    """Standard output cannot be written: no fault of what the command did, and no error of the same kind."""


def emit(as_json: bool, data: Any, human: Callable[[], None]) -> None:
    """Print ``data`` as JSON (laid out for a person on a terminal, in one line for a program), or let ``human`` speak.

    With ``-q`` nobody speaks; who asks for JSON gets it.
    """
    try:
        if as_json:
            put_json(data)
        elif quiet():
            # Errors of some of many servers are told by it, too, on standard error.
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
                human()
        else:
            human()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unprinted(error.strerror or str(error)) from error


def table(headings: list[str], rows: list[list[str]]) -> None:
    """A plain aligned table on standard output; no colours, no frames, so that it can be piped."""
    shown = [[escape(str(cell)) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(headings))]
    for row in shown:
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def counted(number: int, word: str) -> str:
    """``1 path``, ``2,000 paths``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def on_terminal() -> bool:
    """Whether progress may be drawn."""
    return sys.stderr.isatty() and not quiet()


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
