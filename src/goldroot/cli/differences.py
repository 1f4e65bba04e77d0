"""How ``clone diff`` and ``fallback diff`` show what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from goldroot.cli.output import counted
from goldroot.cli.terminal import put, put_patch

if TYPE_CHECKING:
    from goldroot.fleet import Drift

patch_option = click.option(
    "--patch",
    "with_patch",
    is_flag=True,
    help="Show the differences of texts, to a pipe or file byte for byte; secrets are not shown.",
)
exit_code_option = click.option("--exit-code", "by_exit", is_flag=True, help="Exit with 1 when there are differences.")


def say_drift(found: Drift, shown: dict[str, list[str]]) -> None:
    """One line for each path, with its class; lines of texts where they are ``shown``, by path."""
    for entry in found.entries:
        put(f"{entry['rule']['class']:<9} {entry['change']:<16} {entry['path']}")
        put_patch(shown.get(entry["path"], ()), indent="    ")
    if not found.entries:
        put(f"{found.clone.name} is as {found.other}.")
        return
    counts = ", ".join(f"{count} {cls}" for cls, count in found.by_class.items())
    put(f"{found.clone.name} differs from {found.other} in {counted(len(found.entries), 'place')}: {counts}")
