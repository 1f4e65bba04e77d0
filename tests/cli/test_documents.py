"""The commands that the documentation shows are commands, and have the options that it gives them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from goldroot.cli.main import cli

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs/reference/generated"
PAGES = [ROOT / "README.md", *(page for page in ROOT.glob("docs/**/*.md") if GENERATED not in page.parents)]
#: A line of a console, an indented one of the README, or code within a sentence; what follows a pipe is another program.
SHOWN = re.compile(
    r"^[$#] (goldroot [^|>;\n]*)|^ {4}(?:\.venv/bin/)?(goldroot [^|>;\n]*)|`(goldroot [^`|>;]*)`", re.MULTILINE
)


def shown(page: Path) -> Iterator[list[str]]:
    for found in SHOWN.finditer(page.read_text()):
        try:
            yield shlex.split(next(filter(None, found.groups())), comments=True)[1:]
        except ValueError:  # a quoted text with a pipe in it: what stands before it is whole
            yield next(filter(None, found.groups())).split("'")[0].split()[1:]


def wrong(words: list[str]) -> str:
    """What of a command there is not; ``...`` and words in capitals stand for anything."""
    command: click.Command = cli
    context = click.Context(cli, info_name="goldroot")
    for number, word in enumerate(words):
        if not isinstance(command, click.Group):
            break
        found = command.get_command(context, word)
        if found is None:
            return "" if word.startswith("-") or word in ("COMMAND", "...") else f"{word} of {' '.join(words)}"
        command, rest = found, words[number + 1 :]
        context = click.Context(command, info_name=word, parent=context)
    else:
        return ""
    known = {option for parameter in command.get_params(context) for option in parameter.opts}
    if any(isinstance(one, click.Argument) and one.name == "command" for one in command.params):
        rest = rest[: next((n for n, word in enumerate(rest) if not word.startswith("-")), len(rest))]
    return " ".join(word for word in rest if word.startswith("--") and word not in known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_documentation_exist(page: Path) -> None:
    assert [found for words in shown(page) if (found := wrong(words))] == []


def test_the_documentation_shows_commands() -> None:
    assert sum(1 for page in PAGES for _ in shown(page)) > 100
    assert wrong(["update", "plan", "web1", "--nosuch"]) == "--nosuch"
    assert wrong(["update", "nosuch", "web1"]) == "nosuch of update nosuch web1"
