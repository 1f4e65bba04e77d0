"""The names of a clone's machine and disks."""

from __future__ import annotations

import os
import re

from goldroot.errors import UsageError
from goldroot.hosts.former import Machine
from goldroot.site import CLONE_NAME, Layout, Site

_DISK = re.compile(r"(?P<clone>[a-z0-9][a-z0-9-]*)-(?P<address>1[0-9A-F]{2})-(?P<work>[0-9]+\.[0-9]+[a-z]?)")


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


def disk_name(clone: str, address: str, generation: int, nth: int, use: str = "") -> str:
    """The id of a disk: whose it is, the live address that it is for, and the piece of work that made it.

    Fencing generations are never used twice, so neither is a disk's id.
    """
    return f"{clone}-{address}-{generation}.{nth}{use}"


def is_disk_of(clone: str, disk: str) -> bool:
    """Whether a disk was made for this clone."""
    found = _DISK.fullmatch(disk)
    return found is not None and found["clone"] == clone


def generation_of(disk: str) -> int:
    """The generation that a clone's disk was made by; 0 where its id says none."""
    found = _DISK.fullmatch(disk)
    return 0 if found is None else int(found["work"].split(".")[0])


def own_addresses(layout: Layout, machine: Machine) -> tuple[str, ...]:
    """The live addresses at which a machine has disks of its own: not the shared ones, but where it is read-write."""
    return tuple(disk.address for disk in layout.disks if disk.address in machine.disks)


def person() -> str:
    """Who gives this command, for the events."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
