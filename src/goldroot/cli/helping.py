"""``goldroot help``: the same as ``--help``, in the order in which people ask."""

from __future__ import annotations

from collections.abc import Sequence

import click

from goldroot.cli.command import Command, emit, json_option
from goldroot.cli.terminal import put_exact
from goldroot.errors import UsageError, did_you_mean


def _words(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The commands that begin so, below those that stand on the line."""
    above = context.params.get(parameter.name or "") or ()
    try:
        group = _found(context.find_root(), above)
    except UsageError:
        return []
    command = group.command
    names = command.list_commands(group) if isinstance(command, click.Group) else []
    return [name for name in names if name.startswith(begun)]


@click.command("help", cls=Command)
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=_words)
@json_option
def help_command(words: tuple[str, ...], as_json: bool) -> None:
    """Say how a COMMAND is used; without one, which commands there are.

    \b
    Examples:
      goldroot help
      goldroot help update run
    """
    found = _found(click.get_current_context().find_root(), words)
    text = found.get_help() + "\n"
    emit(as_json, {"command": found.command_path, "help": text}, lambda: put_exact(text))


def _found(root: click.Context, words: Sequence[str]) -> click.Context:
    """The context of a command.

    :raises UsageError: there is no such command.
    """
    context = click.Context(root.command, info_name=root.info_name, help_option_names=root.help_option_names)
    for word in words:
        group = context.command
        command = group.get_command(context, word) if isinstance(group, click.Group) else None
        if command is None:
            known = group.list_commands(context) if isinstance(group, click.Group) else []
            raise UsageError(
                f"there is no command {word!r} in {context.command_path!r}. {did_you_mean(word, known)}".rstrip(),
                todo=f"See: {context.command_path} --help",
            )
        context = click.Context(command, info_name=word, parent=context)
    return context
