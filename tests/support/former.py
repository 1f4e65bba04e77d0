"""Looking at a site's store, and changing it by hand, in the words that the tests have for it."""

from __future__ import annotations

from goldroot.hosts.former.directory import DirectoryHost
from goldroot.image import System
from goldroot.site import Site
from goldroot.tree import Manifest


def former(site: Site) -> DirectoryHost:
    """The store of a site."""
    return site.former  # type: ignore[return-value]


def path_of(system: System, address: str) -> str:
    """Where the files of a disk of an image's system are."""
    return former(system.site).at(system.machine, address).path


def scan_of(system: System) -> dict[str, Manifest]:
    """The disks of an image's system as they are now."""
    with system.open() as opened:
        return system.scan(opened)
