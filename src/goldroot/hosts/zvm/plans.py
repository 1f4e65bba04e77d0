"""Plans for a system programmer: what an operation sends to z/VM, in its order, made without touching anything.

The entries are those of now; each step is planned on what the step before it leaves.  A site that goldroot does not
manage yet (a directory in a file, of somebody who follows the paper) is planned in the same way, without goldroot's
comment records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from goldroot.errors import Refused
from goldroot.hosts.port import Entry, Mark
from goldroot.hosts.sets import (
    LIVE,
    PREPARED,
    exchange,
    free_set,
    is_live,
    others_disks_stay,
    park,
    place_of,
    set_of,
    with_links,
    with_mark,
)
from goldroot.hosts.zvm.plan_check import said
from goldroot.hosts.zvm.plan_moves import SINCE, WORK, Around, Moves, sets_of
from goldroot.hosts.zvm.plan_steps import (
    Disk,
    Line,
    Plan,
    entry_deleted,
    entry_made,
    guest_off,
    guest_on,
)
from goldroot.hosts.zvm.reading import Standing
from goldroot.hosts.zvm.writing import new_entry

#: The boot record of the disk that has ``/boot``, where that holds a kernel.
RECORD = Line(
    "Linux", "zipl --noninteractive --add-files --target /boot --image KERNEL --ramdisk INITRD --parameters WORDS"
)
#: Seconds that a guest has for its shutdown where nobody says.
PATIENCE = 300


def plan_update(around: Around, name: str, slot: str, *, patience: int = PATIENCE) -> Plan:
    """A server moves to the gold in a slot; what it has is kept in another set.

    :raises NotFound: there is no such entry.
    :raises Refused: no set is free, it has nothing of its own, or the slot is none.
    """
    _gold(around, slot)
    moves = Moves(around, around.get(name))
    entry = moves.now.entry
    own = [address for address in sorted(entry.disks) if is_live(address)]
    linked = [address for address in sorted(entry.links) if is_live(address)]
    if not own:
        raise Refused(f"{name} has no disk of its own at a live address", todo="Is this the server that was meant?")
    if PREPARED in sets_of(entry):
        entry = park(entry, PREPARED, free_set(entry, map(place_of, (*own, *linked))))
    entry = with_links(entry, PREPARED, slot, [place_of(address) for address in linked])
    moves.fence()
    moves.change(
        with_mark(entry, PREPARED, _next_mark(around, entry, slot)),
        f"Set 5 of {moves.user} links the next gold; what stood there is parked.",
    )
    for address in own:
        wanted = PREPARED + place_of(address)
        size = max(moves.size_at(address), around.pool.units_at(address))
        moves.make(wanted, size)
    moves.fence()
    prepared = [PREPARED + place_of(address) for address in own]
    moves.ask("Nobody else has a prepared disk.", prepared)
    off = guest_off(moves.user, patience, moves.member)
    if not around.snapshots:
        moves.steps.append(off)
    moves.use(
        f"The merge: {_its_disks(around)} and both golds are read, the prepared disks are written.",
        _merged(moves, own, linked, slot),
        Line("Linux", "goldroot merge --base OLD-GOLD --gold NEW-GOLD --clone SERVER --into PREPARED"),
        copies=own if around.snapshots else (),
    )
    moves.use(
        "What was made is read again: rebuilds, checks, and the record.",
        [Disk(moves.user, moves.device(address), "R") for address in prepared],
    )
    if around.snapshots:
        moves.steps.append(off)
    moves.fence()
    # What CMS or a profile's IPL boots from is not known; of a server that links nothing it is a disk of its own.
    if around.records and (entry.boot in own or not linked):
        disks = [Disk(moves.user, moves.device(address), "M") for address in prepared]
        moves.use("The prepared root gets a boot record of its own.", disks, RECORD)
    after = exchange(moves.now.entry, PREPARED, WORK, "kept", since=SINCE)
    moves.change(after, f"The switch of {moves.user}: one replacement exchanges disks, links and modes.", held=True)
    moves.steps.append(guest_on(moves.user, moves.member))
    return _plan("update", moves)


def plan_rollback(around: Around, name: str, digit: str = PREPARED, *, patience: int = PATIENCE) -> Plan:
    """A server goes back to what stands in a set.

    :raises Refused: nothing stands there.
    """
    moves = Moves(around, around.get(name))
    entry = moves.now.entry
    own = [address for address in sorted(entry.disks) if is_live(address)]
    off = guest_off(moves.user, patience, moves.member)
    if not around.snapshots:
        moves.steps.append(off)
    live = [] if around.snapshots else [Disk(moves.user, moves.device(address), "R") for address in own]
    moves.use(
        f"What was written since the switch is listed, of {_its_disks(around)}.",
        live,
        copies=own if around.snapshots else (),
    )
    if around.snapshots:
        moves.steps.append(off)
    moves.fence()
    after = exchange(moves.now.entry, digit, WORK, "set-aside", since=SINCE)
    moves.change(
        after, f"The way back of {moves.user}: sets 1 and {digit} are exchanged in one replacement.", held=True
    )
    moves.steps.append(guest_on(moves.user, moves.member))
    return _plan("rollback", moves)


def plan_prune(around: Around, name: str, digit: str) -> Plan:
    """A kept set goes, and with it its links.

    :raises Refused: it is the live one, or nothing stands there.
    """
    moves = Moves(around, around.get(name))
    entry = moves.now.entry
    if digit == LIVE or digit not in sets_of(entry):
        raise Refused(f"{name} has no set {digit} that could go", todo=f"It has: {', '.join(sorted(sets_of(entry)))}.")
    going = with_mark(entry, digit, replace(entry.marks[digit], state="removing"))
    moves.change(going, f"Set {digit} of {moves.user} is on its way out: nobody goes back to it.")
    kept = sorted(address for address in entry.disks if set_of(address) == digit)
    moves.ask(f"{moves.user} has not had it since its logon: else it waits for the next stop.", kept)
    for address in kept:
        moves.delete(address)
    left = with_links(with_mark(moves.now.entry, digit, None), digit, "", [])
    moves.change(left, f"The links of set {digit} go: the gold that they led to is free only then.")
    return _plan("prune", moves)


def plan_create(around: Around, name: str, slot: str, own: Iterable[str]) -> Plan:
    """A new server on the gold in a slot.

    :param own: live addresses of which it has disks of its own; the slot's others are linked.
    :raises Refused: the name is taken, the slot is none, or has no disk at an address of its own ones.
    """
    if around.find(name) is not None:
        raise Refused(f"there is an entry {name} already", todo="Choose another name.")
    gold = Moves(around, _gold(around, slot))
    own = list(own)
    if unknown := sorted(set(own) - gold.now.entry.disks.keys()):
        there = ", ".join(sorted(gold.now.entry.disks))
        raise Refused(
            f"{slot} has no disk at {', '.join(unknown)}", todo=f"A disk of its own stands at one of {there}."
        )
    places = [place_of(address) for address in gold.now.entry.disks if address not in (mine := sorted(own))]
    empty = Entry(name, "machine", marks={LIVE: Mark("live", WORK, "", name, 0, SINCE)}, serial="0.0")
    wanted = with_links(empty, LIVE, slot, places)
    text = new_entry(around.style.lines(wanted), wanted, around.style.words, around.role)
    moves = Moves(around, Standing(wanted, text, ()), managed=gold.managed)
    moves.steps.append(entry_made(moves.user, moves.now.text))
    for address in mine:
        moves.make(address, max(gold.size_at(address), around.pool.units_at(address)))
    moves.use(
        "Its own disks are filled from gold's, and get its identity: host name, machine-id, ssh host keys.",
        [Disk(gold.user, gold.device(LIVE + place), "R") for place in places]
        + [
            disk
            for a in mine
            for disk in (Disk(gold.user, gold.device(a), "R"), Disk(moves.user, moves.device(a), "M"))
        ],
        Line("Linux", "dasdfmt, fdasd, mkfs of each new disk; copy; identity"),
        *([RECORD] if around.records and moves.now.entry.boot in mine else []),
    )
    moves.change(replace(moves.now.entry, startable=True), f"{moves.user} may be logged on.")
    return _plan("create", moves)


def plan_delete(around: Around, name: str) -> Plan:
    """A server that is off goes, with all its disks.

    :raises Refused: disks stand in its entry that goldroot did not make.
    """
    if there := around.others_disks(name):
        raise others_disks_stay(name, there)
    moves = Moves(around, around.get(name))
    moves.change(replace(moves.now.entry, startable=False), f"Nobody can log {moves.user} on any more.", held=True)
    for address in sorted(moves.now.entry.disks):
        moves.delete(address)
    moves.change(replace(moves.now.entry, links={}), f"{moves.user} links no gold any more.")
    moves.steps.append(entry_deleted(moves.user, moves.now.text))
    return Plan("delete", moves.user, tuple(moves.steps), {})


def plan_power(around: Around, name: str, *, on: bool, patience: int = PATIENCE) -> Plan:
    """A server is logged on or off; its entry stays as it is."""
    moves = Moves(around, around.get(name))
    moves.steps.append(guest_on(moves.user, moves.member) if on else guest_off(moves.user, patience, moves.member))
    return _plan("start" if on else "stop", moves)


def plan_publish(around: Around, slot: str, maintenance: str) -> Plan:
    """The disks of a maintenance system become those of a slot.

    :raises NotFound: there is no such maintenance system.
    :raises Refused: the slot is none, or somebody links it; the maintenance system links gold itself.
    """
    work, found = Moves(around, around.get(maintenance)), around.find(slot)
    if found is not None:
        _gold(around, slot)
    if shared := sorted(address for address in work.now.entry.links if is_live(address)):
        raise Refused(
            f"{maintenance} owns no disk at {', '.join(shared)}, where it links gold",
            todo="A maintenance system has all its disks itself.",
        )
    if links := around.linked(slot):
        users = ", ".join(dict.fromkeys(user for user, _, _ in links))
        raise Refused(
            f"{slot} is linked by {users}",
            meaning="Gold that somebody has is never written.",
            todo="Name a slot that nobody links, or move those first.",
        )
    if found is None:
        wanted_slot = Entry(slot, "owner", marks={LIVE: Mark("publishing", WORK, "", "", 0, SINCE)}, serial="0.0")
        text = new_entry(around.style.lines(wanted_slot), wanted_slot, around.style.words, around.role)
        moves = Moves(around, Standing(wanted_slot, text, ()), managed=work.managed)
        moves.steps.append(entry_made(moves.user, moves.now.text))
    else:
        moves = Moves(around, found)
        moves.mark("publishing")
    wanted = sorted(address for address in work.now.entry.disks if is_live(address))
    for address in wanted:
        if address not in moves.now.entry.disks:
            moves.make(address, max(work.size_at(address), around.pool.units_at(address)))
    moves.ask("Nobody has a disk of the slot.", wanted)
    moves.use(
        f"{moves.user} is filled from {work.user}, which nobody else gets meanwhile; W is refused beside any other link.",
        [
            disk
            for a in wanted
            for disk in (Disk(work.user, work.device(a), "EW"), Disk(moves.user, moves.device(a), "W"))
        ],
        Line("Linux", "the files are copied"),
        *([RECORD] if around.records else []),
    )
    moves.use(
        "What was written is read again, for the manifest that is signed.",
        [Disk(moves.user, moves.device(a), "R") for a in wanted],
    )
    moves.mark("gold")
    return _plan("publish", moves)


# -- inside


def _plan(kind: str, moves: Moves) -> Plan:
    return Plan(kind, moves.user, tuple(moves.steps), said(moves.now, moves.around.style.words.names))


def _merged(moves: Moves, own: Sequence[str], linked: Sequence[str], slot: str) -> Iterable[Disk]:
    """The disks that a merge opens: the server's, both golds' at the same places, and the prepared ones."""
    names = moves.around.style.words.names
    entry = moves.now.entry
    for address in [] if moves.around.snapshots else own:
        yield Disk(moves.user, moves.device(address), "R")
    for owner in dict.fromkeys([*(entry.links[a].owner for a in linked), slot]):
        for address in (*own, *linked):
            yield Disk(names.user(owner), names.device(owner, "owner", LIVE + place_of(address)), "R")
    for address in own:
        yield Disk(moves.user, moves.device(PREPARED + place_of(address)), "M")


def _gold(around: Around, slot: str) -> Standing:
    """A slot of gold.

    :raises NotFound: there is no such entry.
    :raises Refused: it is another machine, whose disks are nobody's gold.
    """
    if (found := around.get(slot)).entry.role != "owner":
        raise Refused(
            f"{slot} is not a slot of gold",
            meaning="Gold is owned by a user with NOLOG, at the numbers of its slot (11B1, say).",
            todo="Look at its name, and at the digit before its addresses (--prefix, or prefixes in the host's table).",
        )
    return found


def _its_disks(around: Around) -> str:
    """How a server's own disks are read."""
    return "FLASHCOPYs of the disks of the running server" if around.snapshots else "the server's disks"


def _next_mark(around: Around, entry: Entry, slot: str) -> Mark:
    """Of the set that is prepared: the slot says what comes, the live set whose it is."""
    gold, live = around.get(slot).entry.marks.get(LIVE), entry.marks[LIVE]
    image, version = (gold.image, gold.version) if gold is not None else ("", 0)
    return Mark("preparing", WORK, image, live.server, version, SINCE)
