"""A change of an entry that somebody else may be changing, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from goldroot.errors import NotFound
from goldroot.hosts.addresses import place_of
from goldroot.hosts.port import Applied, Entry, EntryChanged, Host

#: How often a change is made again on the entry in force.
TRIES = 3


def change(host: Host, name: str, make: Callable[[Entry], Entry], layout: Iterable[str]) -> Applied:
    """Find an entry, make a change of it, and apply that.

    Where the entry was changed meanwhile, but nothing at an address of the layout, the change is made again on the entry
    in force, three times at most.

    :param make: one of the pure functions of :mod:`goldroot.hosts.changes`, with what it needs.
    :param layout: places.
    :raises EntryChanged: something of the layout was changed.
    :raises NotFound: there is no such entry.
    """
    base = host.find(name)
    if base is None:
        raise NotFound(f"there is no entry {name}", todo="Is this the host that was meant?")
    places = set(layout)
    for _ in range(TRIES):
        try:
            return host.apply(make(base))
        except EntryChanged as error:
            if _standing(base, places) != _standing(error.entry, places):
                raise
            base = error.entry
    return host.apply(make(base))


def _standing(entry: Entry, places: set[str]) -> dict[str, object]:
    there = {**dict.fromkeys(entry.others, "other"), **entry.disks, **entry.links}
    return {address: what for address, what in there.items() if place_of(address) in places} | dict(entry.marks)
