"""``goldroot backup`` and ``goldroot restore``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import click

from goldroot.cli.command import Command, emit, json_option, named_site, open_site, plan_option, site_option
from goldroot.cli.doctor import say_report
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, NotFound

#: Names of files of one sort that fit on a screen.
SHOWN = 6


@click.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False))
@plan_option
@site_option
@json_option
def backup(file: str, plan_only: bool, site_dir: str | None, as_json: bool) -> None:
    """Write the catalog, the keys, signed records, records of merges, entries and the configuration into FILE, a tar.

    Commands may go on meanwhile: the catalog is taken as it is at one moment, and all else after it. The disks are not in it.
    FILE holds the site's key: it is its owner's alone (mode 0600), and must stay so. A former backup of that name is replaced
    when the new one is complete.

    \b
    Examples:
      goldroot backup /srv/backup/goldroot.tar
      goldroot backup /srv/backup/goldroot.tar --plan
    """
    from goldroot.site import write_backup

    data = write_backup(open_site(site_dir), file, plan_only=plan_only).as_dict()

    def say() -> None:
        verb = "would write" if plan_only else "wrote"
        put(f"{verb} {data['file']}: {counted(data['files'], 'file')}, {data['bytes']:,} bytes")
        put("  It holds the site's private key: whoever can read it can sign gold. Its mode is 0600; keep it so.")
        for one in data["left_out"]:
            put(f"  Not in it: {one}")

    emit(as_json, data, say)


@click.command(cls=Command)
@click.argument("file", type=click.Path())
@click.option(
    "--to", metavar="DIR", type=click.Path(readable=False),
    help="The site's directory (default: the site that other commands would find, else where the backup was made).",
)  # fmt: skip
@plan_option
@site_option
@json_option
def restore(file: str, to: str | None, plan_only: bool, site_dir: str | None, as_json: bool) -> int:
    """Put a backup back: the catalog becomes that of the backup, and what is missing or damaged comes from it.

    Signed records, records of merges and entries that are there and right stay, also where they are newer: by them the older
    catalog is brought up to what happened since. What is replaced is kept in the site, in a directory before-restore-... .
    FILE is read to its end before anything is changed; a foreign, damaged or cut-off one is refused, and so is one of
    another site.

    At the end everything is compared, as goldroot doctor does it. Exit status 1 where that finds something.

    \b
    Examples:
      goldroot restore /srv/backup/goldroot.tar --plan
      goldroot restore /srv/backup/goldroot.tar
      goldroot restore /srv/backup/goldroot.tar --to /srv/goldroot
    """
    from goldroot.fleet import examine, restore_backup
    from goldroot.site import Site

    done = restore_backup(file, to or _found(site_dir), plan_only=plan_only)
    data: dict[str, Any] = {**done.as_dict(), "doctor": None}
    if not plan_only:
        with closing(Site.open(done.root)) as site:
            data["doctor"] = examine(site).as_dict()
    emit(as_json, data, lambda: _say_restored(data))
    return 0 if plan_only or data["doctor"]["sound"] else EXIT_FINDINGS


def _found(site_dir: str | None) -> str:
    """The site that another command would work on; "" where there is none: then the backup says where it was."""
    from goldroot.site import Site

    named = named_site(click.get_current_context(silent=True), site_dir)
    if named:
        return named
    try:
        return Site.find()
    except NotFound:
        return ""


def _say_restored(data: dict[str, Any]) -> None:
    would = "would be " if data["plan"] else ""
    put(f"The backup of {data['made_at']}, for the site {data['root']}:")
    for word, names in (
        (f"{would}put back", data["put"]),
        (f"{would}replaced, and kept in {data['aside']}", data["replaced"]),
        ("otherwise than in the backup, and stays", data["kept"]),
        ("NOT put back, as other disks are there than the entry names", data["refused"]),
    ):
        if names:
            put(f"  {word} ({len(names):,}): {_listed(names)}")
    if data["catalog"]:
        put(f"The catalog {'would be' if data['plan'] else 'is'} that of {data['made_at']}.")
        put("What happened since is told by the hosts: servers, gold, what is kept.")
        put("Lost is what the catalog alone knew: answers, tests, retirements and the log since then.")
    else:
        put(
            "The catalog stays as it is: the database that goldroot.toml names has one. For the backup's, name an empty database."
        )
    if data["doctor"] is not None:
        say_report(data["doctor"])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
