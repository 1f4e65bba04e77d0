"""What every command has: its class, the options that many take, the site that it opens, and how it speaks.

Groups list their commands in whole sentences, and import one only when it is called.  What is given before the name of a command or
after it (``-q``, ``-v``, ``--json``, and in groups ``--site``) is found in the context's ``meta``, which all levels share.  A command
has words for a person and JSON for a program.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.terminal import put, put_json
from goldroot.errors import GoldrootError, UsageError, did_you_mean
from goldroot.escape import escape

if TYPE_CHECKING:
    from goldroot.fleet import UpdatePlan
    from goldroot.site import Site


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


_QUIET, _VERBOSE, _SITE, _JSON = "goldroot.quiet", "goldroot.verbose", "goldroot.site", "goldroot.json"
_COMMANDS, _BY_HAND = "goldroot.commands", "goldroot.by-hand"


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
        made.append(_flag(("--json",), _JSON, "Print the result as JSON.", hidden))
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


def _flag(names: tuple[str, ...], key: str, help: str, hidden: bool) -> click.Option:
    return click.Option(list(names), is_flag=True, expose_value=False, callback=_noted(key), help=help, hidden=hidden)


def _noted(key: str) -> Any:
    def note(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value:
            context.meta[key] = value
        return value

    return note


F = TypeVar("F", bound=Callable[..., Any])


#: The number of a gold version; no database counts further.
VERSION = click.IntRange(0, (1 << 31) - 1)


def json_option(command: F) -> F:
    """Adds ``--json`` (parameter ``as_json``), which also holds where it stands before the command's name."""
    return click.option("--json", "as_json", is_flag=True, callback=_json, help="Print the result as JSON.")(command)


def _json(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    _noted(_JSON)(context, parameter, value)
    return bool(context.meta.get(_JSON))


def plan_option(command: F) -> F:
    """Adds ``--plan`` (parameter ``plan_only``)."""
    return click.option("--plan", "plan_only", is_flag=True, help="Show what would be done; change nothing.")(command)


def commands_option(command: F) -> F:
    """Adds ``--commands`` and ``--by-hand``: a plan says what it would send to z/VM, where the host is one."""
    command = click.option("--by-hand", is_flag=True, expose_value=False, callback=_noted(_BY_HAND),
                           help="As --commands, as DIRMAINT and CP commands for sites without SMAPI.")(command)  # fmt: skip
    return click.option("--commands", is_flag=True, expose_value=False, callback=_noted(_COMMANDS),
                        help="With the plan: every SMAPI call and CP command, and how entries change (z/VM).")(command)  # fmt: skip


def by_hand() -> bool:
    """Whether what would be sent to z/VM is to be told as commands that a person gives."""
    return _said(_BY_HAND)


def tells_commands(*, plan_only: bool) -> bool:
    """Whether ``--commands`` was given.

    :raises UsageError: it was, without a plan.
    """
    asked = _said(_COMMANDS) or by_hand()
    if asked and not plan_only:
        raise UsageError("--commands belongs to --plan", todo="Give both.")
    return asked


def emit(as_json: bool, data: Any, human: Callable[[], None]) -> None:
    """Print ``data`` as JSON (laid out for a person on a terminal, in one line for a program), or let ``human`` speak.

    With ``-q`` nobody speaks; who asks for JSON gets it.
    """
    if as_json:
        put_json(data)
    elif quiet():
        # Errors of some of many servers are told by it, too, on standard error.
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            human()
    else:
        human()


def table(headings: list[str], rows: list[list[str]]) -> None:
    """A plain aligned table on standard output; no colours, no frames, so that it can be piped."""
    shown = [[escape(str(cell)) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(headings))]
    for row in shown:
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def on_terminal() -> bool:
    """Whether progress may be drawn."""
    return sys.stderr.isatty() and not quiet()


def site_option(command: F) -> F:
    """Adds ``--site`` (parameter ``site_dir``); see :func:`open_site`."""
    return click.option(
        "--site",
        "site_dir",
        metavar="DIR",
        type=click.Path(readable=False),  # one that is another user's is told as such, not as a misspelt option
        help="The site's directory (default: $GOLDROOT_SITE, else the one around the current directory).",
    )(command)


def open_site(site_dir: str | None, *, looking: bool = False) -> Site:
    """The site of a command; it is closed when the command ends.

    :param looking: the command only looks, though it is not called a plan: nothing at all is changed by the opening.
    """
    from goldroot.site import Site

    context = click.get_current_context(silent=True)
    site = Site.open(named_site(context, site_dir), looking=looking or (context is not None and is_plan(context)))
    for line in () if quiet() else site.told:
        put(f"goldroot: {line}", err=True)
    if context:
        context.call_on_close(site.close)
        if site.config.group and not site.looking:
            context.call_on_close(lambda: _export(site))  # before it is closed
    return site


def _export(site: Site) -> None:
    """What the site's group may look at, as it is at the end of a command."""
    from goldroot.fleet import EXPORTED, forget_plans

    _write_views(site, dict(EXPORTED))
    forget_plans(site)


def _write_views(site: Site, views: dict[str, Callable[[Site], Any]]) -> None:
    from goldroot.site import export_views

    try:
        export_views(site, views)
    except (GoldrootError, OSError) as error:
        why = error.brief if isinstance(error, GoldrootError) else error.strerror
        put(f"goldroot: the views for the group {site.config.group} were not written: {why}", err=True)


def shown(
    site_dir: str | None, view: str, make: Callable[[Site], Any], pick: Callable[[Any], Any] = lambda found: found
) -> Any:
    """What a command shows: made from the site, or, for a member of the site's group, as it was exported last.

    :param view: its name among the exported ones.
    :param make: makes it.
    :param pick: takes from an exported one, which has everything, what was asked for.
    """
    from goldroot.site import Site, is_members, read_view

    context = click.get_current_context(silent=True)
    root = named_site(context, site_dir) or Site.find()
    if is_members(root) and (found := read_view(root, view)) is not None:
        if not quiet():
            put(f"goldroot: as it was at {found[0]}, when the last command of the site's owner ended", err=True)
        return pick(found[1])
    return make(open_site(site_dir))


def member_view(site_dir: str | None) -> Callable[[str], Any] | None:
    """For a member of the site's group: what gives an exported view by its name (``None``: there is none), and says once how
    old it is.  ``None`` for everybody else.
    """
    from goldroot.site import Site, is_members, read_view

    root = named_site(click.get_current_context(silent=True), site_dir) or Site.find()
    if not is_members(root):
        return None

    def view(name: str) -> Any:
        found = read_view(root, name)
        if found is not None and not quiet():
            put(f"goldroot: {name}: as it was at {found[0]}", err=True)
        return None if found is None else found[1]

    return view


def export_plans(site: Site, plans: Iterable[UpdatePlan]) -> None:
    """Plans that the site's group may look at; a site that names none has nothing of it."""
    from goldroot.fleet import plan_views

    if site.config.group:
        _write_views(site, plan_views(plans))


@contextmanager
def room_for(site: Site, plan_only: bool) -> Iterator[None]:
    """For a command that frees room: on a full disk it has the site's reserve; a plan changes nothing, and has not."""
    from goldroot.site import making_room

    with nullcontext() if plan_only else making_room(site):
        yield


def is_plan(context: click.Context) -> bool:
    """Whether a command only says what it would do: then nothing at all changes, not even a mode."""
    return bool(context.params.get("plan_only")) or context.command.name == "plan"
