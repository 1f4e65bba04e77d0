"""The names of a clone and of its machine."""

from __future__ import annotations

import os

from goldroot.errors import UsageError
from goldroot.hosts import Entry, Host
from goldroot.site import CLONE_NAME, Layout, Site


def check_clone_name(name: str) -> str:
    """The name, if a clone may have it.

    :raises UsageError: it cannot be one.
    """
    if not CLONE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a clone's name",
            todo="Use 1 to 32 small letters, digits and '-', beginning with a letter or digit.",
        )
    return name


def machine_of(site: Site, clone: str) -> str:
    """What the host calls the machine of a clone, by the catalog.

    :raises NotFound: there is no such clone.
    """
    from goldroot.catalog import clones

    with site.catalog.read() as tx:
        return clones.get(tx, clone).machine


def every_clone(site: Site) -> list[str]:
    """The names of all clones, those that are being made or removed among them."""
    from goldroot.catalog import clones

    with site.catalog.read() as tx:
        return [one.name for one in clones.every(tx)]


def host_of(site: Site, clone: str) -> Host:
    """Where a clone lives, by the catalog.

    :raises NotFound: there is no such clone, or the configuration has no such host.
    """
    from goldroot.catalog import clones

    with site.catalog.read() as tx:
        return site.host_named(clones.get(tx, clone).host)


def own_addresses(layout: Layout, entry: Entry) -> tuple[str, ...]:
    """The live addresses at which a machine has disks of its own: not the shared ones, but where it is read-write."""
    return tuple(disk.address for disk in layout.disks if disk.address in entry.disks)


def person() -> str:
    """Who gives this command, for the events."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
