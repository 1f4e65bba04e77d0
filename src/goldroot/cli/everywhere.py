"""What every command takes, before its name or after it: ``-q``, ``-v``, and in groups ``--site``.

A parameter given at any level is found in the context's ``meta``, which all levels share.
"""

from __future__ import annotations

from typing import Any

import click

from goldroot.errors import UsageError

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
