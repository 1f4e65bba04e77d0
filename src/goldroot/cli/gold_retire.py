"""``goldroot gold retire`` and ``goldroot gold restore``: the end of a version, and the way back from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from goldroot.cli.command import VERSION, Command, emit, json_option, open_site, plan_option, site_option
from goldroot.cli.known_names import gold_versions, host_option, image_names, retired_versions
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import UsageError

if TYPE_CHECKING:
    from goldroot.image import Retirement

#: How many names of servers are told.
SHOWN = 5


@click.command(cls=Command)
@click.argument("image", shell_complete=image_names)
@click.argument("number", type=VERSION, shell_complete=gold_versions)
@click.option(
    "--remove", is_flag=True, help="Also free its slots and remove its disks; refused while anything holds it."
)
@host_option("With --remove: only its copy on this host; the version stays for the others.")
@site_option
@plan_option
@json_option
def retire(
    image: str, number: int, remove: bool, host: str, site_dir: str | None, plan_only: bool, as_json: bool
) -> None:
    """No new clone and no update goes to this version any more; those who are on it stay.

    Where it is the version that clones are told to go to, the newest other one takes its place; no update takes a clone
    back to an older one without --to.  `goldroot gold restore` takes a retirement back while the slot is untouched.

    \b
    Examples:
      goldroot gold retire debian 1 --remove
      goldroot gold retire debian 3 --plan
      goldroot gold retire debian 3 --remove --host west
    """
    from goldroot.image import plan_retirement, removed_by, version_data, version_held
    from goldroot.image import retire_gold as retire_version

    if host and not remove:
        raise UsageError("a version is retired for all hosts", todo="Give --remove, or leave --host out.")
    site = open_site(site_dir)
    version, held = version_held(site, image, number, host)
    follows = plan_retirement(site, image, number)
    if plan_only and remove:
        removed_by(site, image, number, host)
    if not plan_only:
        version = retire_version(site, image, number, remove=remove, host=host)

    def say() -> None:
        would = "would be " if plan_only else ""
        if host:
            put(f"The copy of gold version {number} of {image} on host {host} {would or 'is '}removed.")
            return
        what = f"{would or 'is '}retired" + (f" and {would}removed" if remove else "")
        put(f"Gold version {number} of {image} {what}.")
        if held:
            put(f"Held by: {', '.join(held)}")
        _say_follows(follows, removed=remove)

    emit(as_json, {**version_data(version), "held_by": held, "plan": plan_only, "follows": follows.as_dict()}, say)


def _say_follows(follows: Retirement, *, removed: bool) -> None:
    image, number = follows.image, follows.number
    if follows.was_current and follows.current is None:
        put(
            "  No version is published then: no clone can be made, and none be updated, until another one is published."
        )
    elif follows.was_current:
        put(f"  It is what clones are told to go to. In its place that is gold {follows.current}, which is older.")
    if follows.on_it:
        stay = f", until there is one newer than {number}" if follows.was_current else ""
        put(f"  {_named(follows.on_it)} on it: no update takes one back by itself; they stay{stay}.")
    if follows.under_way:
        put(f"  {_named(follows.under_way)} on the way to it: that goes on.")
    if not removed:
        put(f"  Back, while its slot is untouched: goldroot gold restore {image} {number}")


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{counted(len(names), 'server')} ({', '.join(names[:SHOWN])}{more})"


@click.command(cls=Command)
@click.argument("image", shell_complete=image_names)
@click.argument("number", type=VERSION, shell_complete=retired_versions)
@site_option
@plan_option
@json_option
def restore(image: str, number: int, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Take the retirement of a version back, while its disks are untouched: clones may go to it again.

    Its disks are compared with what was published first, by their inodes or by what the host has as a proof.

    \b
    Example:
      goldroot gold restore debian 3
    """
    from goldroot.image import current_number, restore_gold, version_data

    site = open_site(site_dir)
    version = restore_gold(site, image, number, plan_only=plan_only)
    current = max(number, current_number(site, image))

    def say() -> None:
        put(f"Gold version {number} of {image} {'would be' if plan_only else 'is'} published again.")
        put(f"  Clones are told to go to gold {current}.")

    emit(as_json, {**version_data(version), "current": current, "plan": plan_only}, say)
