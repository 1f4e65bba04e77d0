"""How ``clone diff`` and ``fallback diff`` show what they found."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from goldroot.cli.command import emit
from goldroot.cli.terminal import put, put_patch
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, UsageError, did_you_mean

if TYPE_CHECKING:
    from goldroot.fleet import Drift
    from goldroot.site import Site

patch_option = click.option(
    "--patch",
    "with_patch",
    is_flag=True,
    help="Show the differences of texts, to a pipe or file byte for byte; secrets are not shown.",
)
exit_code_option = click.option(
    "--exit-code", is_flag=True, expose_value=False, help="For older scripts: the exit code says it always."
)
class_option = click.option(
    "--class", "classes", metavar="CLASS", multiple=True,
    help="Only differences of this class of the policy (config, identity, ...); may be given again.",
)  # fmt: skip
#: Classes whose differences are what makes a server itself: they are shown last.
_LAST = ("identity",)


def show_drift(
    site: Site, found: Drift, *, paths: tuple[str, ...], with_patch: bool, classes: tuple[str, ...], as_json: bool
) -> int:  # fmt: skip
    """Print what was found, with lines of texts where they are asked for.

    :param paths: where it was looked; empty: everywhere.
    :param classes: only differences of these; empty: all.
    :returns: the exit code.
    :raises UsageError: there is no such class.
    """
    from goldroot.fleet import drift_patch
    from goldroot.policy import CLASSES

    for name in classes:
        if name not in CLASSES:
            raise UsageError(f"there is no class {name!r}. {did_you_mean(name, list(CLASSES))}".rstrip(),
                             todo=f"Classes: {', '.join(CLASSES)}.")  # fmt: skip
    if classes:
        found = replace(found, entries=[one for one in found.entries if one["rule"]["class"] in classes])
    where = (*paths, *(f"class {name}" for name in classes))
    shown = drift_patch(site, found, exact=not as_json and not sys.stdout.isatty()) if with_patch else {}
    emit(
        as_json,
        {**found.as_dict(), **({"patch": shown} if with_patch else {})},
        lambda: _say(found, shown, where),
    )
    return EXIT_FINDINGS if found.entries else 0


def _say(found: Drift, shown: dict[str, list[str]], asked: tuple[str, ...]) -> None:
    """One line for each path; lines of texts where they are ``shown``, by path.  What makes a server itself is last."""
    for note in found.notes:
        put(f"note: {note}")
    if not found.entries:
        put(f"{found.clone.name} is as {found.other}{' in ' + ', '.join(asked) if asked else ''}.")
        return
    put(_line("class", "change", "next update", "path"))
    for entry in sorted(found.entries, key=lambda one: one["rule"]["class"] in _LAST):
        put(_line(entry["rule"]["class"], entry["change"], entry["next"], entry["path"]))
        put_patch(shown.get(entry["path"], ()), indent="    ")
    counts = ", ".join(f"{count} {cls}" for cls, count in found.by_class.items())
    put(f"{found.clone.name} differs from {found.other} in {counted(len(found.entries), 'place')}: {counts}")
    if lost := sum(entry["next"] == "overwritten" for entry in found.entries):
        put(f"{counted(lost, 'difference')} will be overwritten by the next update: gold's stands there.")


def _line(cls: str, change: str, after: str, path: str) -> str:
    return f"{cls:<9} {change:<16} {after:<11} {path}"
