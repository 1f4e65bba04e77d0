"""The sets of an entry: addresses and names, what stands where, and changes: pure functions from an entry to a wanted one.

An address is a set digit and a place: ``1B5`` is set ``1``, place ``B5``.

====== =========================================================================== ======================
set    holds                                                                       on a machine
====== =========================================================================== ======================
``1``  live disks and links                                                        runs from it
``5``  what is being prepared, or what the last exchange put there                 not used
``6``  to ``F``: parked sets, the lowest free digit first                          not used
====== =========================================================================== ======================

A set moves as a whole: its disks, its links and its mark.  Disks outside set 1 are read-only for the machine that owns
them; the one that comes to a live address takes the mode of the one that leaves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from goldroot.errors import BadInput, HostError, NotFound, Refused, StillRunning
from goldroot.hosts.network import checked
from goldroot.hosts.port import Access, Applied, Disk, Entry, EntryChanged, HasOthersDisks, Host, Link, Mark
from goldroot.ids import new_id

T = TypeVar("T")

LIVE, PREPARED = "1", "5"
PARKED = "6789ABCDEF"
SETS = LIVE + PREPARED + PARKED

_ADDRESS = re.compile(rf"[{SETS}][0-9A-F]{{2}}")
_PLACE = re.compile(r"[0-9A-F]{2}")
_ENTRY = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_DISK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"[a-z][a-z0-9-]{0,31}")


def set_of(address: str) -> str:
    """The set digit of an address."""
    return address[0]


def place_of(address: str) -> str:
    """The place of an address: two hexadecimal digits."""
    return address[1:]


def is_live(address: str) -> bool:
    """Whether an address is in set 1."""
    return address[0] == LIVE


def check_address(address: str) -> str:
    """The address, if it is one.

    :raises BadInput: it is not a set digit (1, 5, 6 to F) and two hexadecimal digits, in capitals.
    """
    if not _ADDRESS.fullmatch(address):
        raise BadInput(
            f"{address!r} is not a disk address",
            todo="Addresses are a set digit (1 live, 5 prepared, 6 to F parked) and a place: 1B1, 5B5.",
        )
    return address


def check_set(digit: str) -> str:
    """The set digit, if it is one.

    :raises BadInput: it is not.
    """
    if len(digit) != 1 or digit not in SETS:
        raise BadInput(f"{digit!r} is not a set of disks", todo="Sets are 1 (live), 5 (prepared) and 6 to F (parked).")
    return digit


def check_place(place: str) -> str:
    """The place, if it is one.

    :raises BadInput: it is not two hexadecimal digits.
    """
    if not _PLACE.fullmatch(place):
        raise BadInput(f"{place!r} is not a place of a disk", todo="A place is two hexadecimal digits: B1, B5.")
    return place


def check_entry_name(name: str) -> str:
    """The name, if an entry may have it.

    :raises BadInput: it is not 1 to 32 capital letters, digits, ``-`` and ``_``.
    """
    if not _ENTRY.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be an entry's name",
            todo="Use 1 to 32 capital letters, digits, '-' and '_', beginning with a letter or digit.",
        )
    return name


def check_disk_id(disk: str) -> str:
    """The id, if a disk may have it.

    :raises BadInput: it is not 1 to 128 letters, digits, ``.``, ``_`` and ``-``, beginning with a letter or digit.
    """
    if not _DISK.fullmatch(disk):
        raise BadInput(f"{disk!r} cannot be a disk's id", todo="Ids are letters, digits, '.', '_' and '-'.")
    return disk


def check_host_name(name: str) -> str:
    """The name, if a host may have it in a site.

    :raises BadInput: it is not 1 to 32 small letters, digits and ``-``.
    """
    if not _HOST.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a host's name", todo="Use small letters, digits and '-', beginning with a letter."
        )
    return name


def new_disk_id(owner: str, address: str) -> str:
    """A random id of a disk, with owner and place before it for people: ``web1-1B5-u7k2m9q4xa``."""
    return f"{check_entry_name(owner).lower()}-{LIVE}{place_of(check_address(address))}-{new_id()}"


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


def refuse_others_disks(host: Host, name: str) -> None:
    """Before an entry is removed with its disks.

    :raises Refused: disks stand in it that goldroot did not make, and would be lost with it.
    """
    if isinstance(host, HasOthersDisks) and (there := host.others_disks(name)):
        raise others_disks_stay(name, there)


def others_disks_stay(name: str, there: Sequence[str]) -> Refused:
    """The error for an entry with disks that goldroot did not make."""
    return Refused(
        f"{name} has disks that goldroot did not make: {', '.join(there)}",
        meaning="They would be lost with the entry. Nothing was removed.",
        todo="Move them to another entry, or delete those that nobody needs; then run the command again.",
    )


def still_running(name: str, reason: str) -> StillRunning:
    """The error for a machine that may still be written."""
    return StillRunning(
        f"{name} may still be written: {reason}",
        meaning="A running system is neither copied nor switched: what it writes would be lost. Nothing was changed.",
        todo="Shut it down (`goldroot machine stop` does, where the host starts machines), or end what is named here; then run "
        "the same command again.",
    )


# -- changes


def exchange(entry: Entry, set: str, work: str, left: Literal["kept", "set-aside"], *, since: str) -> Entry:
    """What stands in set 1 and in another set is exchanged, disks and links together.

    A place that has nothing in that set stays as it is.  Set 1 becomes live by this work, in the version that came in;
    the other set becomes ``left``, in the version that was live: also where only some places were exchanged.

    :param work: id of the work.
    :param since: the time, UTC, ISO 8601.
    :raises Refused: there is nothing in that set, a live address is taken by something else, or a set has no mark.
    """
    _check_other(set)
    moving = {place_of(address) for address in (*entry.disks, *entry.links) if set_of(address) == set}
    if not moving:
        raise Refused(f"{entry.name} has nothing in set {set}", todo="Run an update first.")
    _refuse_others(entry, moving, LIVE)
    swap = {LIVE: set, set: LIVE}

    def to(address: str) -> str:
        digit, place = set_of(address), place_of(address)
        return swap.get(digit, digit) + place if place in moving else address

    came, was = _mark(entry, set), _mark(entry, LIVE)
    return replace(
        entry,
        disks=_sorted((to(address), _with_mode(entry, to(address), disk)) for address, disk in entry.disks.items()),
        links=_sorted((to(address), link) for address, link in entry.links.items()),
        marks=_sorted(
            {
                **entry.marks,
                LIVE: replace(came, state="live", by=work, since=since),
                set: replace(was, state=left, by=work, since=since),
            }.items()
        ),
    )


def park(entry: Entry, set: str, free: str) -> Entry:
    """Move a set to a free digit; its mark goes with it as it is.

    :raises Refused: something stands there already.
    """
    _check_other(set)
    if len(free) != 1 or free not in PARKED or free == set:
        raise BadInput(f"a set cannot be parked as set {free!r}", todo=f"Parked sets are {PARKED[0]} to {PARKED[-1]}.")
    places = {place_of(address) for address in (*entry.disks, *entry.links) if set_of(address) == set}
    if _is_taken(entry, free, places):
        raise Refused(f"set {free} of {entry.name} is not free")

    def to(address: str) -> str:
        return free + place_of(address) if set_of(address) == set else address

    return replace(
        entry,
        disks=_sorted((to(address), disk) for address, disk in entry.disks.items()),
        links=_sorted((to(address), link) for address, link in entry.links.items()),
        marks=_sorted((free if digit == set else digit, mark) for digit, mark in entry.marks.items()),
    )


def with_links(entry: Entry, set: str, slot: str, places: Iterable[str]) -> Entry:
    """The links of a set become these: at each place one to the live address of that place in ``slot``.

    :param places: of the shared disks; with none, the set has no links afterwards.
    :raises Refused: something else stands at one of the addresses.
    """
    check_set(set)
    wanted = {check_place(place) for place in places}
    kept = {address: link for address, link in entry.links.items() if set_of(address) != set}
    if taken := sorted(set + place for place in wanted if set + place in entry.disks):
        raise Refused(f"{entry.name} has a disk of its own at {', '.join(taken)}")
    _refuse_others(entry, wanted, set)
    return replace(
        entry, links=_sorted({**kept, **{set + place: Link(slot, LIVE + place) for place in wanted}}.items())
    )


def with_mark(entry: Entry, set: str, mark: Mark | None) -> Entry:
    """The mark of a set; ``None`` takes it away."""
    check_set(set)
    others = {digit: one for digit, one in entry.marks.items() if digit != set}
    return replace(entry, marks=_sorted({**others, **({} if mark is None else {set: mark})}.items()))


def fenced(entry: Entry, generation: int) -> Entry:
    """The entry as whoever has taken the work over wants it: once applied, a change of a lower generation is refused."""
    return replace(entry, serial=f"{generation}.{entry.serial.partition('.')[2]}")


def free_set(entry: Entry, layout: Iterable[str]) -> str:
    """The lowest parked digit with nothing of ours, and nothing else at a place of the layout.

    :param layout: the places.
    :raises Refused: there is none; the error names the kept set to prune.
    """
    places = {check_place(place) for place in layout}
    for digit in PARKED:
        if not _is_taken(entry, digit, places):
            return digit
    kept = sorted((mark.since, digit) for digit, mark in entry.marks.items() if mark.state == "kept")
    oldest = f"Its oldest fallback is set {kept[0][1]}, kept since {kept[0][0]}: prune that." if kept else ""
    raise Refused(
        f"{entry.name} has no free set of addresses", meaning="Nothing was made.", todo=oldest or "Prune a kept set."
    )


def reads_as(entry: Entry, wanted: Entry) -> bool:
    """Whether an entry is as wanted; count and token, which each change makes new, do not matter."""
    return entry.generation == wanted.generation and replace(entry, serial="", token="") == replace(
        wanted, serial="", token=""
    )


def check_entry(entry: Entry) -> Entry:
    """The entry, if one may be so.

    :raises BadInput: a name, id or address cannot be one, or two things would stand at one address, or a disk outside
        set 1 could be written, or an owner would have another set.
    """
    check_entry_name(entry.name)
    for digit in entry.marks:
        check_set(digit)
    for address in (*entry.disks, *entry.links, *filter(None, [entry.boot])):
        check_address(address)
    if both := sorted(entry.disks.keys() & entry.links.keys()):
        raise BadInput(f"{entry.name} would have a disk and a link at {', '.join(both)}")
    for address, disk in entry.disks.items():
        if set_of(address) != LIVE and disk.mode == "rw":
            raise BadInput(f"{entry.name} would write to {disk.id} at {address}, which is not live")
    if entry.boot and set_of(entry.boot) != LIVE:
        raise BadInput(f"{entry.name} would boot from {entry.boot}, which is not live")
    if entry.role == "owner" and any(set_of(address) != LIVE for address in (*entry.disks, *entry.links)):
        raise BadInput(f"{entry.name} is an owner of disks: it has set {LIVE} only")
    if entry.network is not None:
        checked(entry.network)
    for link in entry.links.values():
        check_entry_name(link.owner)
        check_address(link.address)
    return entry


# -- inside


def _check_other(set: str) -> None:
    if check_set(set) == LIVE:
        raise BadInput(f"set {LIVE} is the live one", todo="Name another set.")


def _refuse_others(entry: Entry, places: Iterable[str], set: str) -> None:
    if taken := sorted(set + place for place in places if set + place in entry.others):
        raise Refused(
            f"{entry.name} has something at {', '.join(taken)} that goldroot does not manage",
            todo="Move that to another address, or choose another place in the layout.",
        )


def _is_taken(entry: Entry, digit: str, places: Iterable[str]) -> bool:
    """Whether anything of ours stands in the set, which would be mixed with what comes, or anything else at a place."""
    ours = digit in entry.marks or any(set_of(address) == digit for address in (*entry.disks, *entry.links))
    return ours or any(digit + place in entry.others for place in places)


def _with_mode(entry: Entry, address: str, disk: Disk) -> Disk:
    """The disk as it is at a new address."""
    if set_of(address) != LIVE:
        return replace(disk, mode="ro")
    leaving = entry.disks.get(address)
    mode: Access = leaving.mode if leaving else "rw"
    return replace(disk, mode=mode)


def _mark(entry: Entry, set: str) -> Mark:
    try:
        return entry.marks[set]
    except KeyError:
        raise Refused(
            f"set {set} of {entry.name} has no mark",
            meaning="goldroot marks what it puts there: this was put there by somebody else.",
            todo="Look at the entry, and at what changed it.",
        ) from None


def _sorted(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    return dict(sorted(pairs))


#: How often a change is made again on the entry in force.
TRIES = 3


def applied(host: Host, wanted: Entry) -> Entry:
    """Apply a change, and have it done when this returns; one that a host says it has not made is tried again.

    :raises HostError: it is not made, or nobody knows whether it is.
    :raises EntryChanged, Busy, Refused, NotFound: as :meth:`Host.apply`.
    """
    done = _tried(host, wanted)
    if done.outcome == "done" and done.entry is not None:
        return done.entry
    unknown = done.outcome == "unknown"
    raise HostError(
        f"it is not known whether the entry {wanted.name} was changed" if unknown
        else f"the entry {wanted.name} was not changed: host {host.name} does not do it",
        meaning="The reply was lost." if unknown else "Nothing was changed.",
        todo="Run the same command again: it goes on from what is there.",
    )  # fmt: skip


def _tried(host: Host, wanted: Entry) -> Applied:
    """What becomes of a change; one that is certainly not made is tried again."""
    done = host.apply(wanted)
    for _ in range(TRIES - 1):
        if done.outcome != "unchanged":
            break
        done = host.apply(wanted)
    return done


def change(host: Host, name: str, make: Callable[[Entry], Entry], layout: Iterable[str]) -> Applied:
    """Find an entry, make a change of it, and apply that.

    Where the entry was changed meanwhile, but nothing at an address of the layout, the change is made again on the entry
    in force, three times at most.

    :param make: one of the pure functions of this module, with what it needs.
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
            return _tried(host, make(base))
        except EntryChanged as error:
            if _at(base, places) != _at(error.entry, places):
                raise
            base = error.entry
    return _tried(host, make(base))


def _at(entry: Entry, places: set[str]) -> dict[str, object]:
    there = {**dict.fromkeys(entry.others, "other"), **entry.disks, **entry.links}
    return {address: what for address, what in there.items() if place_of(address) in places} | dict(entry.marks)
