"""``goldroot zvm plan``: what an operation sends to z/VM, as calls and commands, and the same by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.command import Group, emit, json_option, open_site, site_option
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, BadInput, NotFound, UsageError
from goldroot.files import read_given

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Around, Plan, Standing, ZvmHost
    from goldroot.site import Site

F = TypeVar("F", bound=Callable[..., Any])

#: The group of volumes that a plan names where no site says one.
GROUP = "GROUP"


def _source_options(command: F) -> F:
    for option in (
        json_option,
        site_option,
        click.option("--host", "host_name", metavar="NAME", default="", help="Which z/VM host of the site."),
        click.option("--directory", type=click.Path(), metavar="FILE", help="Read entries from a user directory in FILE."),
        click.option("--prefix", "prefixes", multiple=True, metavar="SLOT=DIGIT",
                     help="With --directory: the digit before a slot's device numbers, where it is not 1."),
        click.option("--by-hand", is_flag=True, help="As DIRMAINT and CP commands, for sites without SMAPI."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(cls=Group)
def plan() -> None:
    """Show what an operation sends to z/VM: SMAPI calls, CP commands, and the change of each directory entry.

    Nothing is changed.  Entries are read through SMAPI, as the site's z/VM host says, or from a file: then no site and no
    SMAPI is needed.  With --by-hand the same is told as DIRMAINT and CP commands; `goldroot zvm plan check` says
    afterwards whether it was done right.

    \b
    Examples:
      goldroot zvm plan update WEB1 --to S10GOLD2
      goldroot zvm plan update S10RO1 --to S10GOLD2 --directory USER.DIRECT --by-hand
      goldroot zvm plan update WEB1 --to S10GOLD2 --json > plan.json; goldroot zvm plan check plan.json
    """


@plan.command()
@click.argument("user")
@click.option("--to", "slot", required=True, metavar="SLOT", help="The entry whose disks are the next gold.")
@_source_options
def update(user: str, slot: str, **options: Any) -> None:
    """The server USER moves to the gold in SLOT, and keeps what it has as its fallback.

    \b
    Example:
      goldroot zvm plan update WEB1 --to S10GOLD2
    """
    from goldroot.hosts.zvm import plan_update

    _show(lambda around: plan_update(around, user.upper(), slot.upper()), options)


@plan.command()
@click.argument("user")
@click.option("--set", "digit", default="5", show_default=True, metavar="DIGIT", help="Where its fallback stands.")
@_source_options
def rollback(user: str, digit: str, **options: Any) -> None:
    """The server USER goes back to what stands in a set.

    \b
    Example:
      goldroot zvm plan rollback WEB1
    """
    from goldroot.hosts.zvm import plan_rollback

    _show(lambda around: plan_rollback(around, user.upper(), digit.upper()), options)


@plan.command()
@click.argument("user")
@click.option("--set", "digit", required=True, metavar="DIGIT", help="The set that goes: 5, 6 to 9, A to F.")
@_source_options
def prune(user: str, digit: str, **options: Any) -> None:
    """A set that the server USER keeps goes for good.

    \b
    Example:
      goldroot zvm plan prune WEB1 --set 6
    """
    from goldroot.hosts.zvm import plan_prune

    _show(lambda around: plan_prune(around, user.upper(), digit.upper()), options)


@plan.command()
@click.argument("user")
@click.option("--gold", "slot", required=True, metavar="SLOT", help="The entry whose disks are its gold.")
@click.option("--own", multiple=True, default=("1B5", "1B6"), show_default=True, metavar="ADDRESS",
              help="Where it has disks of its own; all others are linked.")  # fmt: skip
@_source_options
def create(user: str, slot: str, own: Sequence[str], **options: Any) -> None:
    """A new server USER on the gold in SLOT.

    \b
    Examples:
      goldroot zvm plan create WEB2 --gold S10GOLD
      goldroot zvm plan create DB1 --gold S10GOLD --own 1B1 --own 1B5 --own 1B6
    """
    from goldroot.hosts.zvm import plan_create

    addresses = [address.upper() for address in own]
    _show(lambda around: plan_create(around, user.upper(), slot.upper(), addresses), options)


@plan.command()
@click.argument("slot")
@click.option("--from", "maintenance", required=True, metavar="USER", help="The maintenance system.")
@_source_options
def publish(slot: str, maintenance: str, **options: Any) -> None:
    """The disks of a maintenance system become those of SLOT.

    \b
    Example:
      goldroot zvm plan publish S10GOLD2 --from S10RWMNT
    """
    from goldroot.hosts.zvm import plan_publish

    _show(lambda around: plan_publish(around, slot.upper(), maintenance.upper()), options)


@plan.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@_source_options
def check(file: str, **options: Any) -> int:
    """Whether the entry that a plan is about says what the plan wanted.

    FILE is what a plan with --json has printed.  Exit code 1: something is otherwise.

    \b
    Examples:
      goldroot zvm plan check plan.json
      goldroot zvm plan check plan.json --directory USER.DIRECT
    """
    from goldroot.hosts.zvm import plan_differs, plan_from_file, plan_said

    try:
        user, wanted = plan_from_file(read_given(file))
    except OSError as error:
        raise BadInput(f"{file!r} cannot be read: {error.strerror}", todo="Give the file of a plan.") from error
    around = _around(options)
    names = around.style.words.names
    name = names.shown(user)
    found: Standing | None = around.find(name)
    if found is None:
        raise NotFound(f"there is no entry {user}")
    lines = plan_differs(plan_said(found, names), wanted)

    def human() -> None:
        put(f"{user} is as it was planned." if not lines else f"{user} is not as it was planned:")
        for line in lines:
            put(f"  {line}")

    emit(options["as_json"], {"user": user, "right": not lines, "differences": lines}, human)
    return EXIT_FINDINGS if lines else 0


def show_plan(made: Plan, *, by_hand: bool) -> None:
    """A plan for a person."""
    steps = [step for step in made.steps if step.by_hand or not by_hand]
    for number, step in enumerate(steps, 1):
        put(f"{number}. {step.what}")
        for where, text in step.by_hand if by_hand else step.calls:
            put(f"     {where:<8}  {text}")
        if step.diff:
            put(f"     entry of {step.entry}:")
            for line in step.diff:
                put(f"       {line}")
        if step.back:
            put(f"     back: {step.back}")
    if not steps:
        put("Nothing would be done.")
    put(f"Afterwards {made.user} has:")
    for address, what in made.after.items():
        put(f"  {address:<6} {what}")
    put(f"Nothing was changed. {counted(len(steps), 'step')}.")


def _show(make: Callable[[Around], Plan], options: dict[str, Any]) -> None:
    from goldroot.hosts.zvm import plan_as_file

    made = make(_around(options))
    emit(options["as_json"], plan_as_file(made), lambda: show_plan(made, by_hand=options["by_hand"]))


def _around(options: dict[str, Any]) -> Around:
    if options["directory"]:
        from goldroot.hosts.zvm import around_directory
        from goldroot.zvm.directory import files

        prefixes = dict(_prefix(text) for text in options["prefixes"])
        return around_directory(files.load(options["directory"]), prefixes=prefixes, group=GROUP)
    if options["prefixes"]:
        raise UsageError("--prefix is for --directory: the site's table has prefixes")
    return zvm_host(open_site(options["site_dir"]), options["host_name"]).around()


def zvm_host(site: Site, name: str) -> ZvmHost:
    """The z/VM host of a site.

    :raises UsageError: there is none, or there are several and none is named.
    """
    from goldroot.hosts.registry import ZVM
    from goldroot.hosts.zvm import ZvmHost

    there = [table.name for table in site.config.hosts.values() if table.kind == ZVM]
    if name and name not in there:
        raise UsageError(f"{name!r} is not a z/VM host of this site", todo=f"There are: {', '.join(there) or 'none'}.")
    if not name and len(there) != 1:
        raise UsageError(
            "which z/VM host?" if there else "this site has no z/VM host",
            todo=f"Name it with --host: {', '.join(there)}." if there else 'Write one: [hosts.NAME] with kind = "zvm".',
        )
    host = site.host_named(name or there[0])
    assert isinstance(host, ZvmHost)
    return host


def _prefix(text: str) -> tuple[str, str]:
    slot, equals, digit = text.upper().partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not SLOT=DIGIT", todo="Write it so: --prefix S10GOLD=2.")
    return slot, digit
