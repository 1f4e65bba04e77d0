"""What stands where: the disks of a set, links followed, and whether a machine may be changed now."""

from __future__ import annotations

from dataclasses import dataclass

from goldroot.errors import NotFound, StillRunning
from goldroot.hosts.addresses import LIVE, place_of, set_of
from goldroot.hosts.port import Access, Entry, Host


@dataclass(frozen=True, slots=True)
class Standing:
    """A disk that stands at an address, links followed: its id, who owns it, and what the machine may do with it."""

    id: str
    owner: str
    mode: Access


def own_disks(entry: Entry, set: str = LIVE) -> dict[str, str]:
    """The ids of the disks of a set that the entry owns, by their live addresses."""
    return {LIVE + place_of(a): disk.id for a, disk in entry.disks.items() if set_of(a) == set}


def standing(host: Host, entry: Entry, set: str = LIVE) -> dict[str, Standing]:
    """All disks of a set, by their live addresses; links are followed, to the one entry that each leads to.

    :raises NotFound: a link leads to nothing.
    """
    found = {
        LIVE + place_of(a): Standing(disk.id, entry.name, disk.mode)
        for a, disk in entry.disks.items()
        if set_of(a) == set
    }
    owners: dict[str, Entry | None] = {}
    for address, link in entry.links.items():
        if set_of(address) != set:
            continue
        if link.owner not in owners:
            owners[link.owner] = host.find(link.owner)
        owner = owners[link.owner]
        if owner is None or link.address not in owner.disks:
            raise NotFound(f"{entry.name} links {link.owner} {link.address} at {address}, and there is no disk")
        found[LIVE + place_of(address)] = Standing(owner.disks[link.address].id, link.owner, "ro")
    return dict(sorted(found.items()))


def find_entry(host: Host, name: str) -> Entry:
    """An entry that has to be there.

    :raises NotFound: it is not.
    """
    found = host.find(name)
    if found is None:
        raise NotFound(f"there is no machine {name}", todo="Look at the names with: goldroot linked")
    return found


def running_reason(host: Host, name: str) -> str | None:
    """Why a machine may be written at this moment; ``None`` where nothing speaks for it."""
    power = host.power(name)
    return None if power.state == "off" else power.why or f"it is {power.state}"


def refuse_running(host: Host, name: str) -> None:
    """For a plan, which holds nothing.

    :raises StillRunning: the machine runs now.
    """
    if reason := running_reason(host, name):
        raise still_running(name, reason)


def still_running(name: str, reason: str) -> StillRunning:
    """The error for a machine that may still be written."""
    return StillRunning(
        f"{name} may still be written: {reason}",
        meaning="A running system is neither copied nor switched: what it writes would be lost. Nothing was changed.",
        todo="Shut it down (`goldroot machine stop` does, where the host starts machines), or end what is named here; then run "
        "the same command again.",
    )
