"""``--commands`` of the commands that have ``--plan``: what they would send to z/VM, where the host is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.terminal import put
from goldroot.errors import NotFound, UsageError

if TYPE_CHECKING:
    from goldroot.catalog import Fallback
    from goldroot.hosts.zvm import Plan, ZvmHost
    from goldroot.site import Site

F = TypeVar("F", bound=Callable[..., Any])

_ASKED, _BY_HAND = "goldroot.commands", "goldroot.by-hand"


def commands_option(command: F) -> F:
    """Adds ``--commands`` and ``--by-hand``, of which :func:`commands_of` knows."""

    def noted(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_ASKED] = True
            context.meta[_BY_HAND] = option.name == "by_hand" or context.meta.get(_BY_HAND, False)

    command = click.option("--by-hand", is_flag=True, expose_value=False, callback=noted,
                           help="As --commands, as DIRMAINT and CP commands for sites without SMAPI.")(command)  # fmt: skip
    return click.option("--commands", is_flag=True, expose_value=False, callback=noted,
                        help="With the plan: every SMAPI call and CP command, and how entries change (z/VM).")(command)  # fmt: skip


@dataclass
class Commands:
    """The plans that were asked for; none where they were not."""

    plans: list[Plan] = field(default_factory=list)
    by_hand: bool = False

    def data(self) -> dict[str, Any]:
        """For JSON; nothing where they were not asked for."""
        from goldroot.hosts.zvm import plan_as_file

        return {"commands": [plan_as_file(one) for one in self.plans]} if self.plans else {}

    def say(self) -> None:
        from goldroot.cli.zvm_plan import show_plan

        for one in self.plans:
            put()
            show_plan(one, by_hand=self.by_hand)


def commands_of(plans: Callable[[], Iterable[Plan]], *, plan_only: bool = True) -> Commands:
    """What was asked for with ``--commands``.

    :raises UsageError: it was asked for without a plan.
    """
    meta = click.get_current_context().meta
    if not meta.get(_ASKED):
        return Commands()
    if not plan_only:
        raise UsageError("--commands belongs to --plan", todo="Give both.")
    return Commands(list(plans()), meta[_BY_HAND])


def host_of_clone(site: Site, clone: str) -> tuple[ZvmHost, str]:
    """The z/VM host that a clone lives on, and what it calls its machine.

    :raises UsageError: it lives on a host of another kind.
    """
    from goldroot.catalog import clones

    with site.catalog.read() as tx:
        found = clones.get(tx, clone)
    return zvm_host_named(site, found.host), found.machine


def zvm_host_named(site: Site, name: str) -> ZvmHost:
    """:raises UsageError: it is of another kind."""
    from goldroot.hosts.zvm import ZvmHost

    host = site.host_named(name)
    if not isinstance(host, ZvmHost):
        raise UsageError(f"host {name} is not z/VM: it has no such commands", todo="Leave --commands out.")
    return host


def update_plan(site: Site, clone: str, to: int) -> Plan:
    """Of an update."""
    from goldroot.catalog import clones
    from goldroot.hosts.zvm import plan_update
    from goldroot.image import open_version

    host, machine = host_of_clone(site, clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, clone).image
    slot = open_version(site, image, to, host.name).slot
    return plan_update(host.around(), machine, slot, patience=_patience(site, image))


def rollback_plan(site: Site, fallback: Fallback) -> Plan:
    """Of the way back to a fallback."""
    from goldroot.catalog import clones
    from goldroot.hosts.zvm import plan_rollback

    host, machine = host_of_clone(site, fallback.clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, fallback.clone).image
    digit = _set_of(host, machine, fallback)
    return plan_rollback(host.around(), machine, digit, patience=_patience(site, image))


def prune_plan(site: Site, fallback: Fallback) -> Plan:
    """Of the end of a fallback."""
    from goldroot.hosts.zvm import plan_prune

    host, machine = host_of_clone(site, fallback.clone)
    return plan_prune(host.around(), machine, _set_of(host, machine, fallback))


def create_plan(site: Site, clone: str, host_name: str, slot: str, own: Iterable[str]) -> Plan:
    """Of a new clone."""
    from goldroot.catalog import entries
    from goldroot.hosts.zvm import plan_create

    host = zvm_host_named(site, host_name)
    with site.catalog.read() as tx:
        machine = entries.check_free_for_clone(tx, clone, host.name)
    return plan_create(host.around(), machine, slot, own)


def delete_plan(site: Site, clone: str) -> Plan:
    """Of the end of a clone."""
    from goldroot.hosts.zvm import plan_delete

    host, machine = host_of_clone(site, clone)
    return plan_delete(host.around(), machine)


def power_plan(site: Site, clone: str, *, on: bool, patience: int | None = None) -> Plan:
    """Of a start or a stop."""
    from goldroot.catalog import clones
    from goldroot.hosts.zvm import plan_power

    host, machine = host_of_clone(site, clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, clone).image
    seconds = _patience(site, image) if patience is None else patience
    return plan_power(host.around(), machine, on=on, patience=seconds)


def publish_plan(site: Site, image: str, slot: str) -> Plan:
    """Of the next gold version."""
    from goldroot.hosts.zvm import plan_publish
    from goldroot.image import MAINTENANCE, System

    system = System(site, image, MAINTENANCE)
    host = zvm_host_named(site, system.host.name)
    return plan_publish(host.around(), slot, system.machine)


def _set_of(host: ZvmHost, machine: str, fallback: Fallback) -> str:
    """Where a fallback's disks stand in the entry as it is now."""
    entry = host.find(machine)
    marks = {} if entry is None else entry.marks
    digit = next((digit for digit, mark in marks.items() if digit != "1" and mark.by == fallback.work), None)
    if digit is None:
        raise NotFound(f"the entry of {fallback.clone} has no set that update or rollback {fallback.work} left")
    return digit


def _patience(site: Site, image: str) -> int:
    return int(site.config.image(image).running.stop_time)
