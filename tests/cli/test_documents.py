"""The commands that the documentation shows are commands, and have the options that it gives them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from goldroot.cli.main import cli

ROOT = Path(__file__).parents[2]


def loaded(name: str, place: Path) -> ModuleType:
    """A module that stands outside of the packages."""
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: The one that reads pages, for the walk, too.
reader = loaded("shown", ROOT / "docs/_ext/shown.py")
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


def typed(text: str) -> Iterator[list[str]]:
    """The commands of goldroot in a line that is typed, as words."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    now: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>"):
            start = next((n for n, one in enumerate(now) if one.split("/")[-1] == "goldroot"), None)
            if start is not None and all("=" in one for one in now[:start]):
                yield now[start + 1 :]
            now = ["file"] if set(word) <= set("<>") else []
        else:
            now.append(word)


def not_parsed(words: list[str]) -> str:
    """Why the command line does not take these words; empty where it does.  Files need not be there."""
    command: click.Command = cli
    context = click.Context(cli, info_name="goldroot")
    try:
        while isinstance(command, click.Group):
            _, words, _ = command.make_parser(context).parse_args(words)
            if not words:
                return ""  # a group, or an option that shows something
            name, words = words[0], words[1:]
            found = command.get_command(context, name)
            if found is None:
                return f"there is no {context.command_path} {name}"
            command, context = found, click.Context(found, info_name=name, parent=context, **found.context_settings)
        given, rest, _ = command.make_parser(context).parse_args(words)
        if rest and not command.allow_extra_args:
            return f"more than {context.command_path} takes: {rest}"
        for parameter in command.params:
            value = given.get(parameter.name)
            # What was not given is None, or a value of click's own.
            if parameter.required and not (isinstance(value, str | tuple | list | int) and value):
                return f"{context.command_path} wants {parameter.human_readable_name}"
            if isinstance(parameter.type, click.Choice) and isinstance(value, str):
                parameter.type.convert(value, parameter, context)
    except click.UsageError as error:
        return error.format_message()
    return ""


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


@pytest.mark.parametrize("page", reader.pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_typed_on_a_page_is_taken_by_the_command_line(page: Path) -> None:
    commands = [one for block in reader.blocks(page.read_text()) for one in block.commands]
    lines = [line for one in commands for line in (one.text, *one.inner)]
    whole = [line for line in lines if not re.search(r" \.\.\. ", line)]
    assert [found for line in whole for words in typed(line) if (found := not_parsed(words))] == []


def test_every_example_of_a_help_is_taken_by_the_command_line() -> None:
    examples = list(reader.examples(cli))
    assert len(examples) > 150
    assert [(line, found) for _, line in examples for words in typed(line) if (found := not_parsed(words))] == []
    assert all(list(typed(line)) for _, line in examples)


def test_what_is_wrong_with_a_line_is_found() -> None:
    assert list(typed("A=b .venv/bin/goldroot log 'a b' > x && cat y | goldroot status; echo goldroot c")) == [
        ["log", "a b"], ["status"],
    ]  # fmt: skip
    for line in ("update run --nosuch", "update nosuch", "gold diff debian 1 2 3", "gold diff debian", "review resolve w /e --take",
                 "init --host nosuch"):  # fmt: skip
        assert not_parsed(line.split()) != "", line
    assert not_parsed(["update", "run", "web1", "--plan"]) == ""


PAGE = """
<!-- walk
reader: root
before: mkdir x
ends 4: `two`
differs: 8,475 3f9a0c21b7de
left out `three`: REASON
-->
```console
# one \\
    more
all of it, 8,475 things
...
# two
# two
goldroot: no, ... 3f9a0c21b7de
$ three
# goldroot clone enter web1
# inside
# exit
# after
```
"""


def test_a_page_is_read_as_a_reader_reads_it() -> None:
    (block,) = reader.blocks(PAGE)
    one, two, again, three, enter, after = block.commands
    assert (one.text, one.shown) == ("one \\\n    more", ["all of it, 8,475 things", "..."])
    assert (two.status, again.status, again.shown) == (4, 0, ["goldroot: no, ... 3f9a0c21b7de"])
    assert (three.readers, three.left_out) == (("user",), "REASON")
    assert (enter.inner, enter.readers, after.text) == (["inside", "exit"], ("root",), "after")
    assert (block.before, block.differs) == (["mkdir x"], ["8,475", "3f9a0c21b7de"])
    (indented,) = reader.blocks("text\n\n    make x\n    make y  # why\n\ntext\n")
    assert [command.text for command in indented.commands] == ["make x", "make y  # why"]


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("all of it, 12 things\n", True), ("all  of it, 1,000,000 things\nmore\nand more\n", True),
        ("all of it, many things\n", False), ("all of that, 8,475 things\n", False), ("all of it, 8,475 thing\n", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_printed_is_compared(printed: str, same: bool) -> None:
    (block,) = reader.blocks(PAGE)
    assert (reader.differences(block.commands[0], printed, block.differs) == "") == same
    again = block.commands[2]
    assert reader.differences(again, "goldroot: no, and so 00aa11bb22cc\n", block.differs) == ""
    assert reader.differences(again, "goldroot: no, and so zz\n", block.differs) != ""
    assert reader.differences(again, "goldroot: no, and so 00aa11bb22cc\nmore\n", block.differs) != ""


@pytest.mark.parametrize(
    "page",
    [
        "<!-- walk: nosuch: x -->\n```sh\na\n```\n", "<!-- walk: ends 1: `b` -->\n```sh\na\n```\n", "<!-- walk: before: x -->\n",
        "```bash\ngoldroot status\n```\n", "```\n$ goldroot status\n```\n", "```console\nsaid before anything\n```\n", "```sh\na\n",
        "<!-- walk: reader: nobody -->\n```sh\na\n```\n", "<!-- walk\nbefore: x\n```sh\na\n```\n",
    ],
)  # fmt: skip
def test_a_page_that_the_walk_would_not_run_is_wrong(page: str) -> None:
    with pytest.raises(reader.WrongPage):
        reader.blocks(page)


@pytest.mark.root
@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("# echo one\none\n", ""), ("# echo one\ntwo\n", "it prints something else"), ("# false\n", "ended with 1, not 0"),
        ("# exit 3\n", "the shell ended"), ("# false\n# touch ../../made\n", "ended with 1"),
    ],
)  # fmt: skip
def test_the_walk_fails_where_a_page_is_not_true(shown: str, why: str, tmp_path: Path) -> None:
    """In a place of its own: what a page says is done where the walk stands."""
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{shown}```\n")
    words = [sys.executable, "-c", WALK, str(ROOT / "tools/walk-docs"), str(tmp_path), str(page)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, why in done.stdout) == (1 if why else 0, True), done.stdout + done.stderr
    assert not (tmp_path / "made").exists()


WALK = """
import importlib.machinery, importlib.util, pathlib, sys
loader = importlib.machinery.SourceFileLoader("walk", sys.argv[1])
walk = importlib.util.module_from_spec(importlib.util.spec_from_loader("walk", loader))
sys.modules["walk"] = walk
sys.dont_write_bytecode = True
loader.exec_module(walk)
walk.PROJECT = pathlib.Path(sys.argv[2])
home = sys.argv[2]
walk.pwd.getpwuid = lambda number: walk.pwd.struct_passwd(("root", "x", 0, 0, "", home, "/bin/sh"))
sys.argv[1:] = ["--here", sys.argv[3]]
sys.exit(walk.main())
"""


def test_the_documentation_shows_commands() -> None:
    assert sum(1 for page in PAGES for _ in shown(page)) > 100
    assert wrong(["update", "plan", "web1", "--nosuch"]) == "--nosuch"
    assert wrong(["update", "nosuch", "web1"]) == "nosuch of update nosuch web1"
