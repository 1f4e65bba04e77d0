"""How every command speaks: words for a person, JSON for a program, progress on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
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


def on_terminal() -> bool:
    """Whether progress may be drawn."""
    return sys.stderr.isatty() and not quiet()
