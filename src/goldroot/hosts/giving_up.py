"""Removing what is left of an entry that cannot be used any more: only a person's word does it."""

from __future__ import annotations

from goldroot.errors import Refused
from goldroot.hosts.filehost import FileHost
from goldroot.hosts.port import Host


def give_up_entry(host: Host, name: str) -> list[str]:
    """Remove an entry that is damaged, or of which disks are missing, with every disk that is its own by its label.

    :returns: the ids of the disks that went.
    :raises Refused: this host cannot tell which disks are its, or one of them is in use or linked.
    :raises Busy: somebody works on it.
    """
    if not isinstance(host, FileHost):
        raise Refused(
            f"a {host.kind} host does not remove what it cannot read",
            meaning="Nothing was removed.",
            todo=f"Put the entry {name} right there, then run the command again without --force.",
        )
    return host.give_up(name)
