"""Points of ``goldroot zvm doctor`` that are asked of SMAPI and of the directory."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.hosts.zvm.doctor import Asked, Point
from goldroot.hosts.zvm.manager import LOCKED
from goldroot.hosts.zvm.members import at
from goldroot.hosts.zvm.reading import included, is_managed
from goldroot.zvm import directory as source
from goldroot.zvm.smapi import CallRefused, CannotConnect

#: The lowest level whose calls were seen (z/VM 7.1).
SEEN_LEVEL = 640
#: Calls that change something, which only their use would prove.
CHANGES = (
    "Image_Lock_DM", "Image_Unlock_DM", "Image_Replace_DM", "Image_Create_DM", "Image_Delete_DM", "Image_Disk_Create_DM",
    "Image_Disk_Delete_DM", "Image_Activate", "Image_Deactivate",
)  # fmt: skip
#: Answer of Image_MDISK_Link_Query for an owner who is not logged on (captured).
NOT_ON = (8, 12)
#: Mode of a LINK that says none (IBM, CP Planning and Administration).
DEFAULT = "R"
#: Records of the largest entry of the captured directory.
LARGE = 250


def server(asked: Asked) -> Iterator[Point]:
    """Who answers, and how it is reached."""
    there = asked.client.server
    asked.client.check_authentication()
    yield Point("login", "Is the user ID known to SMAPI?", "well", (f"{asked.client.userid} at {there}",))
    tls = there.tls and not there.insecure
    yield Point(
        "tls",
        "Is the way to SMAPI encrypted and checked?",
        "well" if tls else "note",
        (f"TLS: {'yes' if there.tls else 'no'}; certificate checked: {'yes' if tls else 'no'}",),
        "" if tls else "The password of each call goes over the network in clear: set tls = true and ca_file.",
    )
    level = asked.client.query_api_functional_level()
    known = level >= SEEN_LEVEL
    yield Point(
        "level",
        "Which level of SMAPI is it?",
        "well" if known else "note",
        (f"{level}", asked.client.query_directory_manager_level_dm().strip() or "directory manager: it does not say"),
        "" if known else f"Calls were compared with those of level {SEEN_LEVEL} and newer: look at --plan first.",
    )


def authorisations(asked: Asked) -> Iterator[Point]:
    """What the caller may do; reading is tried, changing is only looked up."""
    try:
        listed = asked.client.call("Authorization_List_Query", asked.client.userid).values.get(
            "authorization_record_array", ()
        )
        rows = listed if isinstance(listed, tuple) else ()
        saw = tuple(sorted({f"{row.function_name} for {row.for_userid}" for row in rows}))
    except CallRefused as error:
        saw = (f"Authorization_List_Query: {_code(error)}",)
    yield Point(
        "authorisations",
        "Which changing calls may it make?",
        "note",
        saw[:40] or ("nothing is listed",),
        f"goldroot needs {', '.join(CHANGES)} for gold slots, servers and their new names.",
    )


def comments(asked: Asked) -> Iterator[Point]:
    """Whether comments in entries are given back: marks and serials are comments."""
    managed = [entry for entry in asked.everybody if is_managed(entry)]
    with_comments = [entry for entry in asked.everybody if any(not one.is_code for one in entry.statements)]
    state, follows = "well", ""
    if not with_comments:
        state = "unknown"
        follows = "No entry has one. goldroot looks again after its first change, and says so if they are lost."
    yield Point(
        "comments",
        "Does the directory manager keep comments?",
        state,  # type: ignore[arg-type]  # one of them
        (f"{len(with_comments)} entries with comments, {len(managed)} of them with goldroot's",),
        follows,
    )
    own = [entry for entry in with_comments if any(b"*DVHOPT" in r.text for s in entry.statements for r in s.records)]
    yield Point(
        "dvhopt",
        "Do entries come with the directory manager's own records (*DVHOPT)?",
        "note" if own else "well",
        (f"{len(own)} entries",),
        "They are sent back as they are; whether Image_Replace_DM wants that, only a change shows: try a test guest." if own else "",
    )  # fmt: skip


def largest(asked: Asked) -> Iterator[Point]:
    """Entries that may be too large for one replacement, and where device statements stand."""
    entries = asked.everybody
    most = max((len(entry.lines()) for entry in entries), default=0)
    yield Point(
        "size",
        "How large is the largest entry?",
        "well" if most <= LARGE else "note",
        (f"{len(entries)} entries, the largest with {most} records",),
        "" if most <= LARGE else "No larger one was ever replaced: try a test guest with as many records first.",
    )
    members = [entry.name for entry in entries if entry.kind == "IDENTITY" and is_managed(entry) and included(entry)]
    yield Point(
        "members",
        "Do servers have parts on single members of a cluster?",
        "note" if members else "well",
        tuple(members[:20]) or ("no managed entry is an IDENTITY with SUBCONFIGs",),
        "What is in a SUBCONFIG is left alone; goldroot's disks and links have to stand in the IDENTITY." if members else "",
    )  # fmt: skip


def names(asked: Asked) -> Iterator[Point]:
    """Whether names with national characters come back as they were sent."""
    found = [entry.name for entry in asked.everybody if any(sign in entry.name for sign in "@#$")]
    if not found:
        yield Point("names", "Do user IDs with @ # $ come through?", "unknown", ("no entry has one",))
        return
    same = [name for name in found[:5] if (there := asked.manager.read(name)) is not None and there.name == name]
    well = len(same) == len(found[:5])
    yield Point(
        "names",
        "Do user IDs with @ # $ come through?",
        "well" if well else "wrong",
        tuple(found[:5]),
        "" if well else "SMAPI's character set differs: use names without these signs.",
    )


def links(asked: Asked) -> Iterator[Point]:
    """Links to gold: their modes, who may hold stable ones, and what SMAPI says of an owner who never logs on."""
    slots = [entry for entry in asked.managed if entry.role == "owner"]
    if not slots:
        yield Point("gold-links", "How is gold linked?", "unknown", ("no slot of goldroot's is there yet",))
        return
    found = [link for slot in slots for link in asked.entries.linking(slot.name)]
    modes = sorted({link.mode or DEFAULT for _, link in found})
    stable = asked.link_mode == "SR"
    yield Point(
        "gold-links",
        "How is gold linked?",
        "well" if not found or {asked.link_mode} >= set(modes) else "note",
        (f"{len(found)} LINK statements, modes {' '.join(modes) or '-'}; link_mode is {asked.link_mode}",),
        "Links that goldroot did not make keep their mode." if set(modes) - {asked.link_mode} else "",
    )
    if stable:
        lacking = [user for user in sorted({user for user, _ in found}) if not _may_be_stable(asked, user)]
        yield Point(
            "stable-links",
            "May the servers have stable links (OPTION LNKSTABL)?",
            "wrong" if lacking else "well",
            tuple(lacking[:20]) or ("all that link gold",),
            "CP gives them no SR link: add OPTION LNKSTABL, or set link_mode to RR." if lacking else "",
        )
    slot = next((one for one in slots if one.disks or one.others), None)
    if slot is not None:
        device = asked.entries.names.device(slot.name, "owner", min({*slot.disks, *slot.others}))
        try:
            asked.client.image_mdisk_link_query(asked.entries.names.user(slot.name), device)
            said = "answered"
        except CallRefused as error:
            said = _code(error)
        expected = f"{NOT_ON[0]}/{NOT_ON[1]}"
        yield Point(
            "link-query",
            "What does Image_MDISK_Link_Query say of an owner who never logs on?",
            "well" if said == expected else "note",
            (said,),
            "" if said == expected else "goldroot asks CP (QUERY LINKS), and does not need it.",
        )


def left(asked: Asked) -> Iterator[Point]:
    """Locks that stand, and minidisks that nobody knows."""
    managed = asked.managed
    locked = []
    for entry in managed:
        user = asked.entries.names.user(entry.name)
        info = asked.client.image_lock_query_dm(user)
        if info.locked:
            locked.append(f"{user}, by {info.by}")
    yield Point(
        "locks",
        "Is an entry of goldroot's locked?",
        "note" if locked else "well",
        tuple(locked) or (f"none of {len(managed)}",),
        f"No change of it is possible (400/{LOCKED[1]}) until whoever has the lock gives it back." if locked else "",
    )
    standing = [(entry.name, asked.entries.standing(entry.name)) for entry in managed]
    unknown = [f"{name} {a} {id[1:]}" for name, now in standing if now for a, id in now.unknown.items()]
    yield Point(
        "unknown-disks",
        "Does an entry have a minidisk that goldroot does not know?",
        "note" if unknown else "well",
        tuple(unknown[:20]) or (f"none of {len(managed)} entries",),
        "It is never touched, and its address stays taken." if unknown else "",
    )


def room(asked: Asked) -> Iterator[Point]:
    """The groups that new minidisks come from."""
    saw, full = [], False
    for pool in asked.pool.all():
        found = asked.client.image_volume_space_query_dm(pool.group, query=2, entry=3)
        free, unit = sum(one.size for one in found), pool.geometry
        largest = max((one.size for one in found), default=0)
        saw.append(f"{free} {unit.word} are free ({free * unit.size >> 30} GiB), the largest gap has {largest}")
        full = full or not free
    names = " and ".join(pool.group for pool in asked.pool.all())
    yield Point(
        "room",
        f"Has group {names} room?",
        "wrong" if full else "well",
        tuple(saw),
        "" if not full else "Name another group, or give it a volume: without room nothing can be made.",
    )  # fmt: skip


def cluster(asked: Asked) -> Iterator[Point]:
    """Whether the other members answer, and whether servers are logged on where the site's table says."""
    what = "Do the other members of the cluster answer, and are servers on where they belong?"
    if not _is_cluster(asked) or (members := asked.members) is None:
        yield Point("cluster", what, "well", ("the host's table has one member alone",))
        return
    saw, away, state = [], [], "well"
    for name, client in members.clients.items():
        try:
            saw.append(f"{name or 'this one'}: level {client.query_api_functional_level()}")
        except CannotConnect as error:
            state = "wrong"
            saw.append(f"{name}: {error.brief}")
    for entry in asked.managed if state == "well" else ():
        user = asked.entries.names.user(entry.name)
        there = [name for name, _ in members.having(user)] if entry.role == "machine" else []
        away += [f"{user} is logged on{at(name) or ' at this one'}" for name in there if name != members.home(user)]
    yield Point(
        "cluster",
        what,
        "note" if away else state,  # type: ignore[arg-type]  # one of them
        (*saw, *away[:20]),
        "The next stop and start brings it home; say member_of in the host's table, if it shall stay." if away
        else "Servers whose home does not answer cannot be started, stopped or updated." if state == "wrong" else "",
    )  # fmt: skip


def _is_cluster(asked: Asked) -> bool:
    return asked.members is not None and len(asked.members) > 1


def caching(asked: Asked) -> Iterator[Point]:
    """Minidisk cache on gold: another member of a cluster may read what was written before.

    Where servers run at several members, the management guest reads by one what others write: their own disks, too.
    """
    cached = []
    for entry in asked.managed:
        found = asked.entries.text(entry.name) if entry.role == "owner" or _is_cluster(asked) else None
        ours = {asked.entries.names.device(entry.name, entry.role, address) for address in entry.disks}
        for disk, _ in source.disks(found[1]) if found else ():
            if (entry.role == "owner" or disk.address in ours) and not any(
                "NOMDC" in str(option).upper() for option in disk.options
            ):
                cached.append(f"{entry.name} {disk.address}")
    yield Point(
        "cache",
        "Are gold's disks (in a cluster, all of goldroot's) kept out of the minidisk cache?",
        "note" if cached else "well",
        tuple(cached[:20]) or ("all of them have MINIOPT NOMDC, or there are none",),
        "On volumes that several members share, a member may read what stood there before another one wrote: add MINIOPT "
        "NOMDC to these minidisks, or share no volume." if cached else "",
    )  # fmt: skip


def _code(error: CallRefused) -> str:
    return "/".join(map(str, error.code))


def _may_be_stable(asked: Asked, user: str) -> bool:
    entry = asked.manager.read(user)
    parts = [] if entry is None else [entry, *asked.manager.beside(entry)]
    words = {word.upper() for part in parts for one in part.code("OPTION") for word in one.operands}
    return any(word.startswith("LNKS") for word in words)
