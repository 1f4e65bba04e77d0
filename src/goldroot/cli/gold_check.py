"""``goldroot gold check``, and how its findings are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.command import Command, emit, json_option, open_site, site_option
from goldroot.cli.known_names import image_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS
from goldroot.tree import path_text

if TYPE_CHECKING:
    from goldroot.image import Checked

F = TypeVar("F", bound=Callable[..., Any])

#: How many of the files that were left are named.
SHOWN = 10


def accept_option(command: F) -> F:
    """Adds ``--accept WHAT``, which may be given several times."""
    return click.option(
        "--accept", multiple=True, metavar="WHAT",
        help="Accept findings of one kind (no-hashes, doubled, orphans), or a single one by its name; remembered and recorded.",
    )(command)  # fmt: skip


@click.command(cls=Command)
@click.argument("image", shell_complete=image_names)
@click.option(
    "--clean", is_flag=True, help="Remove what maintenance left: histories, logs, cached packages. No directory."
)
@accept_option
@site_option
@json_option
def check(image: str, clean: bool, accept: tuple[str, ...], site_dir: str | None, as_json: bool) -> int:
    """Look for what should not go to every server: in IMAGE's maintenance system, before it is published.

    Accounts that nobody can log in to, names and numbers that stand twice, and records without an account are findings:
    exit status 1, and a publish is refused until they are fixed or accepted. So it is with what ties the system to one host,
    such as a keytab, which a publish takes with --keep. Warnings are what the version before has, too,
    what the system points at and does not have (units, shells, mount points), and what maintenance left behind.

    \b
    Examples:
      goldroot gold check debian
      goldroot gold check debian --clean --accept orphans
    """
    from goldroot.image import check_gold

    with stages(as_json) as stage:
        site = open_site(site_dir)
        checked = check_gold(site, image, clean=clean, accept=accept, progress=stage("reading the maintenance system"))

    def say() -> None:
        say_checked(checked)
        for tie in checked.ties:
            put(f"refused: it ties gold to one host: {tie}; goldroot gold publish {image} --keep takes it along")
        for note in checked.doubtful:
            put(f"warning: {path_text(note.path)}: {note.text}")
        if checked.cleaned:
            put(f"removed {counted(checked.cleaned, 'file')} that maintenance left")
        words = "may not be published as it is" if refused else "may be published, as far as its check goes"
        put(f"{image} {words}.")

    refused = bool(checked.refused or checked.ties)
    own = [{"path": path_text(note.path), "text": note.text} for note in checked.doubtful]
    data = {**checked_data(checked), "ties": [str(tie) for tie in checked.ties], "doubtful": own}
    emit(as_json, {"image": image, **data}, say)
    return EXIT_FINDINGS if refused else 0


def checked_data(checked: Checked) -> dict[str, Any]:
    """What a check found, as JSON data."""
    kinds = {"refused": checked.refused, "known": checked.known, "accepted": checked.accepted}
    found = {
        word: [{"what": one.what, "name": one.key, "text": one.text} for one in findings]
        for word, findings in kinds.items()
    }
    left = ["/" + path_text(path) for _, path in checked.leftovers]
    return {**found, "broken": list(checked.broken), "leftovers": left, "cleaned": checked.cleaned}


def say_checked(checked: Checked) -> None:
    """What a check found, for a person."""
    for one in checked.refused:
        put(f"refused: {one.text} [{one.key}]")
    for one in checked.known:
        put(f"warning: {one.text}, as in the version before [{one.key}]")
    for one in checked.accepted:
        put(f"accepted: {one.text} [{one.key}]")
    for text in checked.broken[:SHOWN]:
        put(f"warning: {text}")
    if len(checked.broken) > SHOWN:
        put(f"warning: ... and {len(checked.broken) - SHOWN:,} more that lead to nothing; every one with --json")
    if checked.leftovers:
        shown = ", ".join("/" + path_text(path) for _, path in checked.leftovers[:SHOWN])
        more = ", ..." if len(checked.leftovers) > SHOWN else ""
        put(
            f"warning: maintenance left {counted(len(checked.leftovers), 'file')} (goldroot gold check --clean): {shown}{more}"
        )
