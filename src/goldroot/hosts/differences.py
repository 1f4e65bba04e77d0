"""What differs between two entries of one name, and what stands in the way of a change of one: for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from goldroot.errors import Busy, Refused
from goldroot.hosts.port import Entry, Mark


def differences(before: Entry, after: Entry) -> list[str]:
    """What differs between two entries of one name, one line each, for people; serial and token do not count."""
    return [
        *_each("", _standing(before), _standing(after)),
        *_each("set ", {d: _words(m) for d, m in before.marks.items()}, {d: _words(m) for d, m in after.marks.items()}),
        *_each("", _rest(before), _rest(after)),
    ]


def _each(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, "nothing"), after.get(key, "nothing")
        if old != new:
            yield f"{what}{key}: {old} -> {new}"


def _standing(entry: Entry) -> dict[str, str]:
    return (
        dict.fromkeys(entry.others, "something goldroot does not manage")
        | {address: f"disk {disk.id} ({disk.mode})" for address, disk in entry.disks.items()}
        | {address: f"link to {link.owner} {link.address}" for address, link in entry.links.items()}
    )


def _words(mark: Mark) -> str:
    whose = " ".join(filter(None, (mark.image, mark.server)))
    return f"{mark.state}, {whose} version {mark.version}, by {mark.by} since {mark.since}"


def _rest(entry: Entry) -> dict[str, str]:
    return {
        "startable": "yes" if entry.startable else "no",
        "boot": entry.boot or "the root",
        "role": entry.role,
        "generation": str(entry.generation),
        "network": str(entry.network or "private"),
    }


def address_taken(entry: Entry, address: str) -> Refused:
    """The error for an address where something else stands."""
    todo = ""
    if address in entry.others:
        what = "something that goldroot does not manage"
        todo = "Move that to an address outside of goldroot's sets: a device, an adapter, what a profile brings."
    elif address in entry.links:
        what = "a link"
    else:
        what = f"disk {entry.disks[address].id}" if address in entry.disks else "a disk"
    return Refused(f"{address} of {entry.name} is taken by {what}", meaning="Nothing was changed.", todo=todo)


def taken_over(now: Entry) -> Busy:
    """The error for who works on although another command has taken the work over."""
    return Busy(
        f"another command has taken over what was being done with {now.name}",
        meaning=f"Its entry was changed by generation {now.generation}. This command changed nothing more.",
        todo="Look at what that command did.",
    )
