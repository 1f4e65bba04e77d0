"""Shared disks that others were put in the place of: no server is started from them."""

from __future__ import annotations

from goldroot.catalog import Clone
from goldroot.errors import Damaged, GoldrootError
from goldroot.hosts import find_entry, is_live
from goldroot.image import is_replaced, open_version
from goldroot.site import Site


def refuse_replaced(site: Site, clone: Clone, outcome: str, version: int | None = None) -> None:
    """See that what a server would run from is its gold version, where its host starts machines and has a proof.

    :param outcome: what was not done; for the error.
    :param version: the gold version that it goes to; without it the one of its live disks.
    :raises Damaged: its shared disks are other ones.
    """
    host = site.host_named(clone.host)
    entry = find_entry(host, clone.machine)
    if not host.abilities.boots or not any(is_live(address) for address in entry.links):
        return
    # While an update is switched and not yet done, the catalog has the version before.
    number = entry.marks["1"].version if version is None else version
    try:
        replaced = is_replaced(open_version(site, clone.image, number, clone.host))
    except GoldrootError:  # its record does not hold, which doctor tells; a disk that is lost is told by the start
        return
    if replaced:
        raise Damaged(
            f"the disks of gold {number} of {clone.image} on host {clone.host} are not what was published",
            meaning=f"{outcome}: it would run from another system than its own.",
            todo=f"Look with `goldroot gold verify {clone.image} {number}`; put the disks back, or publish again.",
        )
