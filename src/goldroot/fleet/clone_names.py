"""What the catalog says of clones in one word: their names, the machine of one, and where it lives."""

from __future__ import annotations

import os

from goldroot.hosts import Host
from goldroot.site import Site


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


def person() -> str:
    """Who gives this command, for the events."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
