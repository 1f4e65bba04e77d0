"""A machine's running system, as what asks how it does needs it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from goldroot.catalog import Update, events
from goldroot.errors import GoldrootError
from goldroot.hosts import Host, NetLink
from goldroot.run import Done
from goldroot.site import Site
from goldroot.system import Seen, last_words


@dataclass(frozen=True)
class Guest:
    """A machine's running system, see :class:`goldroot.system.Inside`."""

    host: Host
    name: str

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        return self.host.command(self.name, argv, timeout)

    def gone(self) -> bool:
        return self.host.power(self.name).state == "off"


def console_end(host: Host, machine: str) -> list[str]:
    """What a machine's console said last; nothing where it cannot be read."""
    try:
        return last_words(lambda lines: host.console(machine, lines))
    except GoldrootError:
        return []


def what_it_said(units: Sequence[str], console: Sequence[str]) -> list[str]:
    """Lines of failed units, and the end of a console, for an error."""
    return [*map(str, units), *(f"console: {line}" for line in console)]


#: What an event is called that keeps how a running server did when it was last looked at.
_SEEN = "seen-running"


@dataclass(frozen=True)
class LastBoot:
    """How a server did when it was last looked at, and the network links that it had then."""

    seen: Seen
    links: Sequence[NetLink]


def note_seen(site: Site, name: str, guest: Guest, seen: Seen) -> None:
    """Keep what a running server says of itself: it is off when that is asked for next."""
    if not seen.settled:
        return
    links = [[link.name, list(link.addresses)] for link in guest.host.links(guest.name)]
    with site.catalog.begin() as tx:
        tx.event(_SEEN, f"clone:{name}", failed=sorted(seen.failed), ports=sorted(seen.ports), links=links)


def last_boot(site: Site, name: str) -> LastBoot | None:
    """How a server did when it was last stopped, or found to be well; ``None``: nobody has looked."""
    with site.catalog.read() as tx:
        found = events.last(tx, _SEEN, f"clone:{name}")
    if found is None:
        return None
    seen = Seen("running", frozenset(found.data["failed"]), frozenset(found.data["ports"]))
    return LastBoot(seen, [NetLink(link, tuple(addresses)) for link, addresses in found.data["links"]])


def had_failed(site: Site, update: Update) -> Collection[str]:
    """The units that had failed before a switch: on the server as it was stopped, else in its last boot."""
    if (noted := update.told.get("had_failed")) is not None:
        return [str(unit) for unit in noted]
    before = last_boot(site, update.clone)
    return () if before is None else before.seen.failed
