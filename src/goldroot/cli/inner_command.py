"""Commands of goldroot whose last words are a command that it runs: ``machine run``, ``maintain run``, ``clone enter``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

#: Settings of such a command: from its name on, all words are the other command's.
AS_COMMAND = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def command_argument(*, required: bool = True) -> Callable[[Any], Any]:
    """The words of the inner command; ``--`` before them, which people are used to, is not one."""
    return click.argument(
        "command",
        metavar="COMMAND..." if required else "[COMMAND]...",
        nargs=-1,
        required=required,
        type=click.UNPROCESSED,
        callback=_without_dashes,
    )


def _without_dashes(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    words = words[1:] if words[:1] == ("--",) else words
    if parameter.required and not words:
        raise click.MissingParameter(ctx=context, param=parameter)
    if words[:1] == ("",):
        raise click.BadParameter("the name of the program to run is empty", ctx=context, param=parameter)
    return words
