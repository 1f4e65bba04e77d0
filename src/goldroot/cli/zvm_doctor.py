"""``goldroot zvm doctor``: what the z/VM system is like, without changing anything."""

from __future__ import annotations

import json
import platform
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from goldroot import files
from goldroot.cli.command import Command, emit, json_option, open_site, site_option
from goldroot.cli.terminal import put
from goldroot.cli.zvm_plan import zvm_host
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS
from goldroot.version import __version__

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Point


@click.command(cls=Command)
@click.option(
    "--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write the report as JSON to FILE, too."
)
@click.option("--all", "every", is_flag=True, help="Show what is well, too.")
@click.option("--host", "host_name", metavar="NAME", default="", help="Which z/VM host of the site.")
@site_option
@json_option
def doctor(report: str | None, every: bool, host_name: str, site_dir: str | None, as_json: bool) -> int:
    """Look at the z/VM system that a site's host is on, and say what follows for the configuration.  It changes nothing.

    Much of what goldroot believes of z/VM was read and never seen: each point looks at one such thing.  The report holds no
    password, and is fit to be attached to a bug report; it names user IDs and device numbers.

    Exit code 1: something is wrong, goldroot cannot work so.

    \b
    Examples:
      goldroot zvm doctor
      goldroot zvm doctor --report zvm-report.json
    """
    host = zvm_host(open_site(site_dir), host_name)
    points = list(host.examine())
    data = {
        "goldroot": __version__, "machine": platform.machine(), "host": host.name,
        "points": [point.as_dict() for point in points],
    }  # fmt: skip
    if report is not None:
        files.write(report, (json.dumps(data, indent=2) + "\n").encode())
    emit(as_json, data, lambda: _say(points, every, report))
    return EXIT_FINDINGS if any(point.state == "wrong" for point in points) else 0


def _say(points: list[Point], every: bool, report: str | None) -> None:
    for point in points:
        if point.state == "well" and not every:
            continue
        put(f"{point.state:<8} {point.key}: {point.what}")
        for line in point.saw:
            put(f"           {line}")
        if point.follows:
            put(f"           -> {point.follows}")
    count: Counter[Any] = Counter(point.state for point in points)
    words = ", ".join(f"{count[state]} {state}" for state in ("wrong", "note", "unknown", "well") if count[state])
    put(f"{counted(len(points), 'point')}: {words}. Nothing was changed.")
    if report is not None:
        put(f"The report stands in {report}.")
