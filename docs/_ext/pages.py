"""Pages made from the code: commands, errors, classes of paths, layouts.

Every page is reStructuredText in ``docs/reference/generated``, a folder that holds nothing else.  The pages of the
commands serve twice, in the HTML and as man pages.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from goldroot import errors
from goldroot.cli.main import COMMANDS, cli
from goldroot.policy import CLASSES
from goldroot.site import TEMPLATE

#: Rooms with errors of their own, which can reach a user too.
WITH_ERRORS = ("goldroot.workflow", "goldroot.zvm.smapi")

#: Headings of man pages that are none in HTML.
MANUAL_SECTIONS = ("SYNOPSIS", "DESCRIPTION", "OPTIONS")

#: The name of a page, its manual's name, and the line below it.
Manual = tuple[str, str, str]


def write_all(folder: Path) -> list[Manual]:
    """Write all pages, remove those that nothing writes any more, and name the manuals."""
    manuals = list(command_pages())
    texts = {name: text for name, _, _, text in manuals}
    texts["commands"] = command_list(manuals)
    texts["errors"] = error_page()
    texts["classes"] = class_page()
    files = {f"{name}.rst": text for name, text in texts.items()} | {"goldroot.toml": TEMPLATE}
    files |= {f"{name}.man": f".SH {name}\n" for name in MANUAL_SECTIONS}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        file = folder / name
        # Untouched where it is as it was, so that a second build has little to do.
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    return [(f"reference/generated/{page}", manual, summary) for page, manual, summary, _ in manuals]


def command_pages() -> Iterator[tuple[str, str, str, str]]:
    """A page for goldroot itself and one for each command or group: page, manual, summary, text."""
    root = click.Context(cli, info_name="goldroot", **cli.context_settings)
    listed = "\n".join(
        f"``goldroot {name}``\n   {line}  See :manpage:`goldroot-{name}(1)`." for name, (_, line) in COMMANDS.items()
    )
    own = "\n".join(
        [*heading("goldroot", "="), *body(cli, root, of_page=True), "", "Commands", "--------", "", listed, ""]
    )
    yield "goldroot", "goldroot", summary_of(cli), own + "\n".join(["", *exit_codes("-")]) + FURTHER
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(root, name)
        if command is None:
            raise RuntimeError(f"goldroot {name} is announced and is not there")
        text = "\n".join(described(command, click.Context(command, info_name=name, parent=root), "="))
        yield f"goldroot-{name}", f"goldroot-{name}", line.rstrip("."), text + "\n"


def exit_codes(underline: str) -> list[str]:
    """Every exit code of goldroot, and its meaning."""
    lines = [*heading("Exit codes", underline), ""]
    for codes, meaning in errors.EXIT_CODES.items():
        lines += [codes, f"   {meaning}", ""]
    return [
        *lines,
        "A command that goldroot runs for you (``maintain run``, ``fallback mount``, ...) gives its own exit status.",
        "",
    ]


FURTHER = """
Environment
-----------

``GOLDROOT_SITE``
   The site's directory, where ``--site`` is not given and no site is around the current directory.
"""


def described(command: click.Command, context: click.Context, underline: str) -> list[str]:
    """A command and, below it, those of its group."""
    of_page = underline == "="
    lines = [*heading(context.command_path, underline), *body(command, context, of_page=of_page)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                lines += ["", *described(inner, click.Context(inner, info_name=name, parent=context), "-")]
    return lines


def manual_section(name: str) -> list[str]:
    """A heading that only the man page has, where readers look for it (man-pages(7)).

    It comes from a file, as what stands in the text loses its line end, which the heading needs.
    """
    return [".. raw:: manpage", f"   :file: {name}.man", ""]


def body(command: click.Command, context: click.Context, *, of_page: bool = False) -> list[str]:
    """Usage, help and options of a command; ``of_page``: the page is about this one, and the manual's sections are its."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    section = manual_section if of_page else lambda name: []
    lines = [*section("SYNOPSIS"), "::", "", f"   {usage}", "", *section("DESCRIPTION")]
    lines += [*prose(command.help or ""), *prose(command.epilog or ""), *section("OPTIONS")]
    options = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and record[1]
    ]
    for names, text in options:
        lines += [f"``{names}``", *[f"   {line}" for line in escape(text).splitlines() or [""]], ""]
    return lines


def prose(text: str) -> list[str]:
    """Help text: paragraphs as they are, those that click leaves alone (after ``\\b``) as they stand."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines += ["::", "", *[f"   {line}" for line in paragraph.splitlines()[1:]], ""]
        else:
            lines += [escape(line) for line in paragraph.splitlines()] + [""]
    return lines


def escape(text: str) -> str:
    """Text that reStructuredText takes as it is."""
    for char in "\\*|_":
        text = text.replace(char, "\\" + char)
    # A single backtick is a literal already, by the default role.
    return text


def summary_of(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").splitlines()[0].rstrip(".")


def heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def command_list(manuals: list[tuple[str, str, str, str]]) -> str:
    lines = [
        *heading("Commands", "="),
        "Made from the command line itself; the same pages are the manual (``man -l``).",
        "",
    ]
    lines += [".. toctree::", "   :maxdepth: 2", ""]
    return "\n".join([*lines, *[f"   {page}" for page, *_ in manuals]]) + "\n"


def error_page() -> str:
    """The tree of errors, their exit codes, and what each means."""
    lines = [*heading("Errors and exit codes", "=")]
    lines += [
        "Every error says what happened, what it means for your data, and what to do. With ``--json`` it is an object with",
        "``error`` (the word below), ``what``, ``meaning``, ``todo``, ``lines`` (what a console or a journal says of it)",
        "and ``exit_code``.",
        "",
        "::",
        "",
        *[f"   {line}".rstrip() for line in tree_of_errors()],
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - word",
        "     - exit code",
        "     - class",
    ]
    for room in WITH_ERRORS:
        importlib.import_module(room)
    for error in every_error(errors.GoldrootError):
        lines += [f"   * - ``{error.kind}``", f"     - {error.exit_code}", f"     - ``{error.__name__}``"]
    return "\n".join([*lines, "", *exit_codes("-")])


def tree_of_errors() -> list[str]:
    """The drawing in the docstring of ``goldroot.errors``."""
    text = inspect.cleandoc(errors.__doc__ or "")
    return inspect.cleandoc(text.split("::\n\n", 1)[1].split("\n\n", 1)[0]).splitlines()


def every_error(root: type[errors.GoldrootError]) -> Iterator[type[errors.GoldrootError]]:
    yield root
    for each in root.__subclasses__():
        yield from every_error(each)


def class_page() -> str:
    lines = [*heading("Classes of paths", "="), "What a rule of a policy may say with ``class``.", ""]
    for name, meaning in CLASSES.items():
        lines += [f"``{name}``", f"   {escape(meaning)}", ""]
    return "\n".join(lines)
