"""What a command would send to z/VM, where a server or an image is there: the plans of :mod:`goldroot.hosts.zvm`.

That room is loaded only where somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from goldroot.catalog import Fallback, clones, entries
from goldroot.errors import NotFound, UsageError
from goldroot.image import MAINTENANCE, System, open_version
from goldroot.site import Site

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Plan, ZvmHost


def host_of_clone(site: Site, clone: str) -> tuple[ZvmHost, str]:
    """The z/VM host that a clone lives on, and what it calls its machine.

    :raises UsageError: it lives on a host of another kind.
    """
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


def told_update(site: Site, clone: str, to: int) -> Plan:
    """Of an update."""
    from goldroot.hosts.zvm import plan_update

    host, machine = host_of_clone(site, clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, clone).image
    slot = open_version(site, image, to, host.name).slot
    return plan_update(host.around(), machine, slot, patience=_patience(site, image))


def told_rollback(site: Site, fallback: Fallback) -> Plan:
    """Of the way back to a fallback."""
    from goldroot.hosts.zvm import plan_rollback

    host, machine = host_of_clone(site, fallback.clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, fallback.clone).image
    digit = _set_of(host, machine, fallback)
    return plan_rollback(host.around(), machine, digit, patience=_patience(site, image))


def told_prune(site: Site, fallback: Fallback) -> Plan:
    """Of the end of a fallback."""
    from goldroot.hosts.zvm import plan_prune

    host, machine = host_of_clone(site, fallback.clone)
    return plan_prune(host.around(), machine, _set_of(host, machine, fallback))


def told_create(site: Site, clone: str, host_name: str, slot: str, own: Iterable[str]) -> Plan:
    """Of a new clone."""
    from goldroot.hosts.zvm import plan_create

    host = zvm_host_named(site, host_name)
    with site.catalog.read() as tx:
        machine = entries.check_free_for_clone(tx, clone, host.name)
    return plan_create(host.around(), machine, slot, own)


def told_delete(site: Site, clone: str) -> Plan:
    """Of the end of a clone."""
    from goldroot.hosts.zvm import plan_delete

    host, machine = host_of_clone(site, clone)
    return plan_delete(host.around(), machine)


def told_power(site: Site, clone: str, *, on: bool, patience: int | None = None) -> Plan:
    """Of a start or a stop."""
    from goldroot.hosts.zvm import plan_power

    host, machine = host_of_clone(site, clone)
    with site.catalog.read() as tx:
        image = clones.get(tx, clone).image
    seconds = _patience(site, image) if patience is None else patience
    return plan_power(host.around(), machine, on=on, patience=seconds)


def told_publish(site: Site, image: str, slot: str) -> Plan:
    """Of the next gold version."""
    from goldroot.hosts.zvm import plan_publish

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
