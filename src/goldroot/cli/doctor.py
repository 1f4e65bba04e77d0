"""``goldroot doctor``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import Command, emit, json_option, open_site, plan_option, site_option
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, Refused, UsageError

if TYPE_CHECKING:
    from goldroot.fleet import Finding


@click.command(cls=Command)
@click.option("--repair", is_flag=True, help="Repair what can be repaired, as far as you agree.")
@click.option("--yes", is_flag=True, help="Agree to every repair but the removal of disks.")
@click.option(
    "--remove", "removed", multiple=True, metavar="DISK",
    help="With --repair: remove this disk, which no entry names. May be given several times.",
)  # fmt: skip
@plan_option
@site_option
@json_option
def doctor(
    repair: bool, yes: bool, removed: tuple[str, ...], plan_only: bool, site_dir: str | None, as_json: bool
) -> int:
    """Compare what the site says of itself with what stands on its hosts, and bring the two together again.

    Catalog, entries and their marks, disks, signed records and manifests, works that were cut off: what is wrong is said in plain
    words, with what it means and what repairs it. Without --repair nothing is changed. A catalog that was lost, or is
    damaged, is made again from the rest. What commands work on at this moment is left out.

    Each repair is asked for on a terminal; elsewhere it needs --yes. A disk that may be the only copy of what is on it goes only
    where --remove names it.

    Exit status 1 where something is wrong, or is still wrong after the repairs.

    \b
    Examples:
      goldroot doctor
      goldroot doctor --repair --plan
      goldroot doctor --repair --yes
      goldroot doctor --repair --remove web1-1B5-u7k2m9q4xa
    """
    from goldroot.fleet import examine, repair_site

    if (yes or removed) and not repair:
        raise UsageError("--yes and --remove go with --repair", meaning="Nothing was changed.")
    works = repair and not plan_only
    site = open_site(site_dir, looking=not works)
    if works:
        report = repair_site(site, _consent(yes, removed))
    else:
        report = examine(site)
    data = report.as_dict()
    if unknown := set(removed) - {one["removes"] for one in data["findings"]}:
        raise Refused(
            f"{min(unknown)} is not a disk that no entry names", todo="`goldroot doctor` names those that there are."
        )
    emit(as_json, data, lambda: say_report(data, plan=repair and plan_only, removed=removed))
    return 0 if data["sound"] else EXIT_FINDINGS


def _consent(yes: bool, removed: Collection[str]) -> Callable[[Finding], bool]:
    """Whether a repair is wanted; the first one that nobody can be asked about ends the command."""

    def agree(one: Finding) -> bool:
        if one.removes:
            return one.removes in removed
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            if removed:
                return False
            raise Refused(
                "nobody can be asked here which repairs are wanted",
                meaning="Nothing was changed.",
                todo="Look with `goldroot doctor`; then `goldroot doctor --repair --yes` does all that it offers, but removes no disk.",
            )
        put(f"{one.text}.", err=True)
        put(f"  {one.meaning}", err=True)
        return click.confirm(f"  Repair: {one.repair}?", err=True)

    return agree


def say_report(data: dict[str, Any], *, plan: bool = False, removed: Collection[str] = ()) -> None:
    """A report for a person."""
    rows: Sequence[dict[str, Any]] = data["findings"]
    for one in rows:
        word = {"repaired": "repaired: ", "failed": "NOT repaired: "}.get(one["outcome"], "")
        put(f"{word}{one['text']}")
        if one["outcome"] == "repaired":
            continue
        put(f"  {one['meaning']}")
        if one["error"]:
            put(f"  It could not be repaired: {one['error']}")
        if one["repair"]:
            does = plan and (not one["removes"] or one["removes"] in removed)
            put(f"  {'Would be done' if does else 'Repair'}: {one['repair']}")
        if one["command"]:
            put(f"  {'Or' if one['repair'] else 'To do'}: {one['command']}")
    for name in data["kept"]:
        put(f"kept: {name}")
    if data["busy"]:
        put(f"Left out, as commands work on it now: {', '.join(data['busy'])}")
    left = [one for one in rows if one["outcome"] != "repaired"]
    if not left:
        put("Everything is as it should be." if not rows else "Everything is as it should be now.")
        return
    put(f"{counted(len(left), 'thing')} to see to.")
    if not plan and any(one["repair"] and not one["removes"] and one["outcome"] == "found" for one in left):
        put("goldroot doctor --repair does what stands behind Repair.")
