"""Click groups: one that lists its commands in whole sentences, one that imports a command only when it is called.

What every command takes, before its name or after it (``-q``, ``-v``, and in groups ``--site``), is found in the context's ``meta``,
which all levels share.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from goldroot.errors import UsageError, did_you_mean


class Command(click.Command):
    """Has the options that every command has, and takes no word that is not UTF-8."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        add_options(self, group=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        left = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            check_words(self, ctx)
        return left


class Group(click.Group):
    """Lists its commands in whole sentences; click cuts them at one line, also where the terminal is wide."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        add_options(self, group=True, hidden=not isinstance(self, LazyGroup))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command {args[0]!r}. {did_you_mean(args[0], self.list_commands(ctx))}".rstrip())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.line_of(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def line_of(self, ctx: click.Context, name: str) -> str:
        """The first sentence of a command's help."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=1000) if command else ""


class LazyGroup(Group):
    """:param commands_at: name -> (``module:attribute``, help line)."""

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands_at, *(name for name in super().list_commands(ctx) if name not in self.commands_at)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_at:
            return super().get_command(ctx, cmd_name)
        module, attribute = self.commands_at[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def line_of(self, ctx: click.Context, name: str) -> str:
        """From the table alone, where it stands there."""
        return self.commands_at[name][1] if name in self.commands_at else super().line_of(ctx, name)


_QUIET, _VERBOSE, _SITE = "goldroot.quiet", "goldroot.verbose", "goldroot.site"


def quiet() -> bool:
    """Whether nothing but errors is to be said."""
    return _said(_QUIET)


def verbose() -> bool:
    """Whether a person wants to be told more."""
    return _said(_VERBOSE)


def named_site(context: click.Context | None, own: str | None = None) -> str | None:
    """The site that the command line names.

    :param own: what the command itself was given, which counts first.
    """
    if own is not None or context is None:
        return own
    found = context.params.get("site_dir", None)
    return found if found is not None else context.meta.get(_SITE)


def add_options(command: click.Command, *, group: bool, hidden: bool = False) -> None:
    """Give a command (a group) the options that all have, unless one of its own has the name."""
    known = {name for parameter in command.params for name in parameter.opts}
    made = [
        _flag(("-q", "--quiet"), _QUIET, "Say nothing but errors; the exit code tells how it went.", hidden),
        _flag(("-v", "--verbose"), _VERBOSE, "Say more.", hidden),
    ]
    if group:
        made.insert(
            0,
            click.Option(
                ["--site"], metavar="DIR", type=click.Path(readable=False), expose_value=False, hidden=hidden,
                callback=_noted(_SITE), help="The site's directory, for every command that works on one.",
            ),
        )  # fmt: skip
    command.params += [one for one in made if not known & set(one.opts)]


#: Words that goldroot hands on, and paths inside a system.
_ANY_BYTES = ("command", "path", "paths")


def check_words(command: click.Command, context: click.Context) -> None:
    """See that every word that is neither a path, which may have any bytes, nor a command's is UTF-8.

    :raises UsageError: one is not.
    """
    for parameter in command.params:
        if isinstance(parameter.type, click.Path | click.File) or parameter.name in _ANY_BYTES:
            continue
        value = context.params.get(parameter.name or "")
        for word in value if isinstance(value, tuple) else (value,):
            if isinstance(word, str):
                check_word(word)


def check_word(word: str) -> None:
    """:raises UsageError: the word is not UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"this argument is not UTF-8: {word}",
            meaning="Names in a site are; nothing was done.",
            todo="Write a byte of a path as goldroot shows it: \\xff.",
        ) from None


def _said(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return bool(context is not None and context.meta.get(key))


def _flag(names: tuple[str, str], key: str, help: str, hidden: bool) -> click.Option:
    return click.Option(list(names), is_flag=True, expose_value=False, callback=_noted(key), help=help, hidden=hidden)


def _noted(key: str) -> Any:
    def note(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value:
            context.meta[key] = value
        return value

    return note
