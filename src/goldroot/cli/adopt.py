"""``goldroot clone adopt``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from goldroot.cli.command import VERSION, Command, emit, json_option, open_site, plan_option, site_option, verbose
from goldroot.cli.known_names import host_option, image_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS

Data = Mapping[str, Any]

#: So many of each list are named without ``-v``.
SHOWN = 10
#: Notes that a person is told without ``-v``.
_TOLD = (
    "other-release", "services-not-started", "no-host-name", "mount-left-out", "device-not-made", "said-by-tar", "account-kept",
    "owner-not-kept",
    "rebuild-due", "packages-unknown",
)  # fmt: skip


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--from", "source", required=True, metavar="DIR|TAR|ssh:HOST", type=click.Path(readable=False),
    help="The server's root file system: a directory, a tar, or the server itself, read by ssh.",
)  # fmt: skip
@click.option("--image", required=True, shell_complete=image_names, help="The image that it becomes a clone of.")
@click.option("--gold", "number", type=VERSION, metavar="N", help="The gold version (default: the nearest).")
@click.option("--sudo", is_flag=True, help="With ssh:HOST: read there by `sudo -n`.")
@click.option("--read-write", is_flag=True, help="Copies of all disks; without it the shared ones are linked.")
@host_option("Where the clone lives (default: the site's default host); gold has to have a copy there.")
@site_option
@plan_option
@json_option
def adopt(
    name: str, source: str, image: str, number: int | None, sudo: bool, read_write: bool, host: str,
    site_dir: str | None, plan_only: bool, as_json: bool,
) -> int:  # fmt: skip
    """Make a clone of a server that was not made from gold; the server is only read, and stays as it is.

    The gold version whose packages are nearest becomes its base. What the server changed comes along on its own disks; what it
    has otherwise on the disks that all servers share is named, and does not. Host name, keys and numbers of users stay.

    The same command again takes what is new on the server since. Exit code 1: something does not come along, or is for you
    to decide; from the second run on, of what was not named before, or something is not taken because the clone changed it, too.

    \b
    Examples:
      goldroot clone adopt shop --from ssh:root@shop.example.org --image debian --plan
      goldroot clone adopt shop --from shop.tar.zst --image debian
    """
    from goldroot.fleet import AdoptForm, adopt_server, plan_adoption

    site = open_site(site_dir)
    form = AdoptForm(source, image, number, host, sudo, read_write)
    with stages(as_json) as stage:
        done = (plan_adoption if plan_only else adopt_server)(site, name, form, stage=stage)
    emit(as_json, done.report, lambda: _say(done.report))
    return EXIT_FINDINGS if done.waits else 0


def _say(data: Data) -> None:
    if data["first"]:
        _say_base(data)
    else:
        _say_new(data)
    _say_packages(data)
    _say_lost(data)
    _say_own(data)
    _say_questions(data)
    if not verbose():
        put("With -v everything is named; --json has it, too.")


def _say_base(data: Data) -> None:
    would = "would become" if data["plan"] else "is"
    far = ", ".join(f"gold {one['version']}: {one['differ']:,} {_differing(one)}" for one in data["versions"][:3])
    what = "read-write clone" if data["kind"] == "read-write" else "clone"
    put(f"{data['clone']} {would} a {what} of {data['image']} {data['version']}, host name {data['hostname']}")
    if far:
        put(f"  the nearest version: {far}")


def _differing(one: Data) -> str:
    return "packages differ" if one["by"] == "packages" else "shared files differ"


def _say_new(data: Data) -> None:
    new, kept = data["new"], data["kept"]
    verb = "would take" if data["plan"] else "took"
    if not new:
        put(f"{data['clone']}: nothing is new on the server" + (" that could be taken" if kept else ""))
    else:
        put(f"{data['clone']}: {verb} {counted(len(new), 'path that is', 'paths that are')} new on the server")
        _list(new, lambda one: f"{one['what']:<8} {one['path']}")
    if kept:
        put(f"not taken, as the clone changed the same since: {len(kept):,}")
        _list(kept, str)


def _say_packages(data: Data) -> None:
    missing, extra, other = data["missing"], data["extra"], data["other"]
    if extra:
        put(f"packages that only the server has, whose programs do not come along: {len(extra):,}")
        _list(extra, lambda one: f"{one['name']} {one['server']}")
    if other:
        put(f"packages in another version, of which gold's is used: {len(other):,}")
        _list(other, lambda one: f"{one['name']} {one['server']} -> {one['gold']}")
    if missing:
        put(f"packages that only gold has, and the server has from now on: {len(missing):,}")
        _list(missing, lambda one: f"{one['name']} {one['gold']}")


def _say_lost(data: Data) -> None:
    lost = data["lost"]
    if lost:
        put(f"otherwise on the server, on disks that all servers share, so it does not come along: {len(lost):,}")
        _list(lost, _lost)
    if data["made"]:
        put(f"  and {counted(data['made'], 'file')} there that programs make again")


def _lost(one: Data) -> str:
    more = f" ({counted(one['count'], 'path')} in it)" if one["count"] > 1 else ""
    whose = f"of {one['package']}" if one["package"] else "of no package"
    return f"{one['what']:<8} {one['path']}{more}, {whose}"


def _say_own(data: Data) -> None:
    own = data["own"]
    put(f"its own from now on, otherwise than gold: {counted(len(own), 'place')}")
    _list(own, lambda one: f"{one['what']:<8} {one['path']}" + (f" ({', '.join(one['axes'])})" if one["axes"] else ""))
    for which, words in (
        ("updated", "as a package brought it to the server, so gold's content is taken"),
        ("both", "changed by the server, and gold has another content; the server's stands"),
        ("removed", "gold's, and removed by the server; it stays removed"),
        ("dropped", "unchanged on the server, and gold's version of its package has it no more; it goes"),
        ("behind", "alternatives of programs that do not come along; gold's are used"),
    ):
        if data[which]:
            put(f"{words}: {len(data[which]):,}")
            _list(data[which], str)
    if data["arrived"]:
        put(f"gold's alone, which comes along with what it belongs to: {counted(len(data['arrived']), 'path')}")
    if data["renumbered"]:
        put(f"users and groups that get other numbers, and their files with them: {len(data['renumbered']):,}")
        _list(list(data["renumbered"].items()), lambda one: f"{one[0]} {one[1]}")


def _say_questions(data: Data) -> None:
    if data["questions"]:
        put(f"to look at, since nobody can decide it for you: {len(data['questions']):,}")
        _list(data["questions"], lambda one: f"{one['path']}: {one['detail'] or one['kind']}")
    told = data["notes"] if verbose() else [one for one in data["notes"] if one["kind"] in _TOLD]
    for one in told:
        put(f"note: {one['path']}: {one['text']}")


def _list(rows: Sequence[Any], line: Callable[[Any], str]) -> None:
    for row in rows if verbose() else rows[:SHOWN]:
        put(f"  {line(row)}")
    if not verbose() and len(rows) > SHOWN:
        put(f"  ... and {len(rows) - SHOWN:,} more")
