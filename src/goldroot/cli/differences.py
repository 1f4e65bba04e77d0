"""How ``clone diff`` and ``fallback diff`` show what they found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from goldroot.cli.output import counted, emit
from goldroot.cli.terminal import put, put_patch
from goldroot.errors import EXIT_FINDINGS

if TYPE_CHECKING:
    from goldroot.fleet import Drift
    from goldroot.site import Site

patch_option = click.option(
    "--patch",
    "with_patch",
    is_flag=True,
    help="Show the differences of texts, to a pipe or file byte for byte; secrets are not shown.",
)
exit_code_option = click.option("--exit-code", "by_exit", is_flag=True, help="Exit with 1 when there are differences.")


def show_drift(site: Site, found: Drift, *, with_patch: bool, by_exit: bool, as_json: bool) -> int:
    """Print what was found, with lines of texts where they are asked for.

    :returns: the exit code.
    """
    from goldroot.fleet import drift_patch

    shown = drift_patch(site, found, exact=not as_json and not sys.stdout.isatty()) if with_patch else {}
    emit(as_json, {**found.as_dict(), **({"patch": shown} if with_patch else {})}, lambda: _say(found, shown))
    return EXIT_FINDINGS if by_exit and found.entries else 0


def _say(found: Drift, shown: dict[str, list[str]]) -> None:
    """One line for each path, with its class; lines of texts where they are ``shown``, by path."""
    for entry in found.entries:
        put(f"{entry['rule']['class']:<9} {entry['change']:<16} {entry['path']}")
        put_patch(shown.get(entry["path"], ()), indent="    ")
    if not found.entries:
        put(f"{found.clone.name} is as {found.other}.")
        return
    counts = ", ".join(f"{count} {cls}" for cls, count in found.by_class.items())
    put(f"{found.clone.name} differs from {found.other} in {counted(len(found.entries), 'place')}: {counts}")
