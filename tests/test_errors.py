"""The tree of errors: what is drawn is what there is, and a user can tell each from every other."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import click

import goldroot.zvm.smapi as smapi
from goldroot import errors, workflow
from goldroot.cli.failure import ENDING
from goldroot.cli.main import cli
from goldroot.hosts import port, registry
from goldroot.hosts.libvirt import daemon
from goldroot.hosts.zvm import cp

DRAWN = re.compile(r"^([ │├└─]*)(\w+) +exit (\d)\b", re.MULTILINE)


def every(root: type[errors.GoldrootError]) -> Iterator[type[errors.GoldrootError]]:
    yield root
    for each in root.__subclasses__():
        yield from every(each)


#: Rooms with errors of their own, which must be loaded to be seen.
LOADED = (cp, daemon, port, registry)


def test_the_drawing_is_the_tree() -> None:
    drawn = {name: (len(branch) // 4, int(code)) for branch, name, code in DRAWN.findall(errors.__doc__ or "")}
    base = len(errors.GoldrootError.__mro__) - 1
    there = {
        each.__name__: (len(each.__mro__) - base, each.exit_code)
        for each in every(errors.GoldrootError)
        if each.__module__.startswith("goldroot.") and smapi.SmapiError not in each.__mro__[1:]  # those are its own
    }
    assert drawn == there
    assert "Cancelled" in drawn and issubclass(workflow.Cancelled, errors.Refused)


def test_every_exit_code_is_in_help_and_reference_and_no_other() -> None:
    said = {int(code) for codes in errors.EXIT_CODES for code in codes.split(", ")}
    own = {errors.EXIT_OK, errors.EXIT_FINDINGS, errors.EXIT_BUG, errors.EXIT_UNPRINTED}
    by_signals = {128 + number for number in (signal.SIGINT, signal.SIGPIPE, *ENDING)}
    assert said == own | by_signals | {each.exit_code for each in every(errors.GoldrootError)}
    page = (Path(__file__).parents[1] / "docs/howto/unattended.md").read_text()
    assert re.findall(r"^\| (\d[\d, ]*) \|", page, re.MULTILINE) == [*errors.EXIT_CODES]
    printed = cli.get_help(click.Context(cli, info_name="goldroot")).partition("Exit codes:\n")[2]
    assert re.findall(r"^  (\d[\d, ]*?)  ", printed, re.MULTILINE) == [*errors.EXIT_CODES]


def test_every_error_has_a_word_of_its_own() -> None:
    words = [
        each.kind for each in dict.fromkeys(every(errors.GoldrootError)) if each.__module__.startswith("goldroot.")
    ]
    assert len(words) == len(set(words))
