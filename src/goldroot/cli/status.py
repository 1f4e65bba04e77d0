"""``goldroot status`` and ``goldroot log``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from goldroot.cli.command import Command, emit, json_option, shown, site_option, table, verbose
from goldroot.cli.known_names import clone_and_image_names
from goldroot.cli.terminal import put
from goldroot.counted import counted

#: Lines of each part that fit on a screen.
SHOWN = 8


@click.command(cls=Command)
@site_option
@json_option
def status(site_dir: str | None, as_json: bool) -> None:
    """The whole fleet on one screen: what is in flight, what waits for you, what is about to expire.

    With -v every line is shown, where a part has more than fit.

    \b
    Examples:
      goldroot status
      goldroot status --json
    """
    from goldroot.fleet import fleet_status

    data = shown(site_dir, "status", fleet_status)
    emit(as_json, data, lambda: _say_status(data))


def _say_status(data: dict[str, Any]) -> None:
    if not data["images"]:
        put("There is no image yet. Begin with: goldroot image import NAME --from DIRECTORY-OR-TAR")
        return
    rows = [
        [one["image"], str(one["version"] or "-"), str(one["clones"]), str(one["current"]), _others(one["others"]),
         str(one["free_slots"])]
        for one in data["images"]
    ]  # fmt: skip
    table(["image", "gold", "servers", "on it", "on others", "free slots"], rows)
    _part("In flight", data["in_flight"], _flight, "goldroot update list")
    _part(
        "Waits for you",
        data["waits"],
        lambda one: f"{one['name']}: {one['text']}:  {one['command']}",
        "goldroot status -v",
    )
    _part("About to expire", data["expiring"], _expiring, "goldroot fallback list")
    if not (data["in_flight"] or data["waits"] or data["expiring"]):
        put("Nothing is in flight, waits for you, or is about to expire.")


def _others(others: dict[str, int]) -> str:
    return ", ".join(f"{count} on {version}" for version, count in others.items()) or "-"


def _flight(one: dict[str, Any]) -> str:
    now = ", worked on now" if one["worked_on"] else ""
    return f"{one['clone']}: {one['kind']} from gold {one['from']} to {one['to']}, {one['state']} since {one['changed_at']}{now}"


def _expiring(one: dict[str, Any]) -> str:
    what = "fallback" if one["state"] == "kept" else "disks set aside"
    when = "past its date since" if one["due"] else "until"
    return f"{one['clone']}: {what} {one['fallback']} (gold {one['version']}), {when} {one['kept_until']}"


def _part(title: str, rows: Sequence[dict[str, Any]], line: Callable[[dict[str, Any]], str], more: str) -> None:
    """A title and its lines; no more of them than fit."""
    if not rows:
        return
    shown = rows if verbose() else rows[:SHOWN]
    put(f"{title} ({len(rows):,}):")
    for one in shown:
        put(f"  {line(one)}")
    if len(rows) > len(shown):
        put(f"  ... and {len(rows) - len(shown):,} more: {more}")


@click.command(cls=Command)
@click.argument("name", metavar="[CLONE|IMAGE]", required=False, shell_complete=clone_and_image_names)
@click.option("-n", "limit", type=click.IntRange(1, 100_000), default=30, show_default=True, metavar="N",
              help="The newest N events.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Also the steps on the way, such as each state of an update.")
@site_option
@json_option
def log(name: str | None, limit: int, every: bool, site_dir: str | None, as_json: bool) -> None:
    """What happened, newest last: created, updated, returned, rolled back, published, retired, answered.

    Also of clones and images that are gone.

    \b
    Examples:
      goldroot log
      goldroot log web1 -n 5
    """
    from goldroot.fleet import history, of_past

    data = shown(
        site_dir, "log", lambda site: history(site, name, limit=limit, every=every),
        lambda rows: of_past(rows, name, limit=limit, every=every),
    )  # fmt: skip

    def say() -> None:
        for one in data:
            subject = one["name"] or one["kind"]
            put(f"{one['at']}  {subject}  {one['text']}")
        if not data:
            put("Nothing happened yet.")
        elif len(data) == limit:
            put(f"({counted(limit, 'event')}; more with -n)")

    emit(as_json, data, say)
