"""Checks of a whole directory: what the directory manager would refuse, and what it would not notice.

Each check is a generator over one directory; ``check`` runs them all and sorts by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from goldroot.zvm.directory.extents import at_the_label, overlaps
from goldroot.zvm.directory.findings import ERROR, NOTE, WARNING, Finding, finding
from goldroot.zvm.directory.keywordform import subconfig_of, subconfigs_of
from goldroot.zvm.directory.machinecheck import entry_order, storage
from goldroot.zvm.directory.model import MACHINES, Directory, Entry
from goldroot.zvm.directory.statement import Statement, address_of, is_address, own_address
from goldroot.zvm.directory.statementcheck import faults
from goldroot.zvm.directory.views import Build, Link, User, disks, links, view

#: Findings about what a part of a directory need not hold.
ELSEWHERE = frozenset(
    {
        "link-owner-missing",
        "profile-missing",
        "profile-unused",
        "subconfig-missing",
        "subconfig-unused",
        "ipl-device-missing",
    }
)
#: Links that lead to links are followed this far.
LONGEST_CHAIN = 50


def check(directory: Directory, *, part: bool = False, missing: Iterable[Statement] = ()) -> list[Finding]:
    """All findings, by line.

    :param part: the directory is a part of one: what it refers to may be elsewhere, and that it is not here is a note.
    :param missing: LOAD statements whose file is not there: an error each, and the rest is a part of a directory.
    """
    found = [one for run in CHECKS for one in run(directory)]
    lost = [
        finding(ERROR, "load-missing", one, None, "there is no file of that name beside this one") for one in missing
    ]
    found += lost
    if part or lost:
        found = [one._replace(severity=NOTE) if one.code in ELSEWHERE else one for one in found]
    return sorted(set(found), key=lambda one: (one.line, one.severity, one.code, one.text))


def duplicate_entries(directory: Directory) -> Iterator[Finding]:
    """Names that are taken twice: users, identities and subconfigurations share one space, profiles have their own."""
    seen: dict[tuple[bool, str], Entry] = {}
    for entry in directory.entries:
        if entry.kind in ("DIRECTORY", "GLOBALDEFS", "POOL"):
            continue
        first = seen.setdefault((entry.kind == "PROFILE", entry.name), entry)
        if first is not entry:
            text = f"{entry.kind} {entry.name} is defined already as {first.kind} in line {first.header.line}"
            yield finding(ERROR, "duplicate-entry", entry.header, entry, text)


def duplicate_addresses(directory: Directory) -> Iterator[Finding]:
    """Two devices at one address: within an entry, or in an IDENTITY and a SUBCONFIG of it.

    Several NICDEF statements of one address describe one adapter.  A profile's device gives way to the entry's own.
    """
    for entry in directory.entries:
        yield from _twice(entry, {})
        for subconfig in subconfigs_of(directory, entry):
            own = {own_address(s): (s.keyword, s.line, entry.name) for s in entry.code() if own_address(s)}
            yield from _twice(subconfig, own)


def _twice(entry: Entry, taken: dict[str, tuple[str, int, str]]) -> Iterator[Finding]:
    taken = dict(taken)
    for statement in entry.code():
        where = own_address(statement)
        if not where:
            continue
        keyword, line, name = taken.setdefault(where, (statement.keyword, statement.line, entry.name))
        if line != statement.line and not keyword == statement.keyword == "NICDEF":
            text = f"{statement.keyword} {where} of {entry.name}: {where} is the {keyword} of {name} in line {line}"
            yield finding(ERROR, "duplicate-address", statement, entry, text)


def missing_disks(directory: Directory) -> Iterator[Finding]:
    """LINKs to users or disks that the directory does not have.

    A link may lead to a link of the owner, as MAINT's do to the disks of MAINT710; it is followed to the minidisk.
    """
    owned = {entry.name: _linkable(directory, entry) for entry in directory.entries if entry.kind in MACHINES}
    for entry in directory.entries:
        for link, statement in links(entry):
            disk = f"{link.owner} {address_of(link.vdev1)}"
            if link.owner not in owned:
                text = f"{entry.name} links {disk}, and there is no entry {link.owner}"
                yield finding(ERROR, "link-owner-missing", statement, entry, text)
            elif is_address(link.vdev1) and (broken := _follow(owned, link)):
                text = f"{entry.name} links {disk}, {broken}"
                yield finding(ERROR, "link-disk-missing", statement, entry, text)


def _follow(owned: Mapping[str, Mapping[str, Link | None]], link: Link) -> str:
    """Why a link leads to no minidisk; "" where it leads to one, or leaves the directory on a later step."""
    first, steps = link, 0
    while True:
        where = address_of(link.vdev1)
        if link.owner not in owned:
            return f"which leads to {link.owner} {where}, and there is no entry {link.owner}"
        if where not in owned[link.owner]:
            return "which does not exist" if link is first else f"which leads to {link.owner} {where}: no such disk"
        target = owned[link.owner][where]
        if target is None:
            return ""
        link, steps = target, steps + 1
        if steps > LONGEST_CHAIN:
            return "which leads in a circle"


def _linkable(directory: Directory, entry: Entry) -> dict[str, Link | None]:
    """What can be linked of a user, on any member: address -> None for a minidisk, the LINK for a link."""
    found: dict[str, Link | None] = {}
    for each in [entry, *subconfigs_of(directory, entry)]:
        found |= {link.address: link for link, _ in links(each)}
    for each in [entry, *subconfigs_of(directory, entry)]:
        found |= {disk.address: None for disk, _ in disks(each)}
    return found


def profiles(directory: Directory) -> Iterator[Finding]:
    """INCLUDE: of a profile that exists, once, before all other statements, and not in a profile."""
    used = set()
    for entry in directory.entries:
        code = list(entry.code())
        for number, statement in enumerate(entry.code("INCLUDE")):
            name = "".join(statement.operands[:1]).upper()
            used.add(name)
            if not directory.find(name, "PROFILE"):
                yield finding(ERROR, "profile-missing", statement, entry, f"there is no PROFILE {name or '(no name)'}")
            if number:
                yield finding(ERROR, "include-twice", statement, entry, f"{entry.name} has a second INCLUDE")
            elif entry.kind == "PROFILE":
                yield finding(ERROR, "include-in-profile", statement, entry, "a PROFILE cannot include another")
            elif code[1] is not statement:
                text = f"INCLUDE {name} must be the first statement of {entry.name}"
                yield finding(ERROR, "include-late", statement, entry, text)
    for entry in directory.entries:
        if entry.kind == "PROFILE" and entry.name not in used and not _in_pool(directory, entry.name):
            yield finding(NOTE, "profile-unused", entry.header, entry, f"no entry includes PROFILE {entry.name}")


def _in_pool(directory: Directory, profile: str) -> bool:
    words = [s.operands for entry in directory.entries if entry.kind == "POOL" for s in entry.code("POOL")]
    return any(profile in (word.upper() for word in operands) for operands in words)


def subconfigs(directory: Directory) -> Iterator[Finding]:
    """BUILD and SUBCONFIG: each refers to the other, and each subconfiguration belongs to one identity."""
    used: dict[str, int] = {}
    for entry in directory.entries:
        for statement in entry.code("BUILD"):
            build = view(statement)
            assert isinstance(build, Build)
            if not directory.find(build.subconfig, "SUBCONFIG"):
                text = f"there is no SUBCONFIG {build.subconfig or '(no name)'}, which {entry.name} is built with"
                yield finding(ERROR, "subconfig-missing", statement, entry, text)
            if used.setdefault(build.subconfig, statement.line) != statement.line:
                text = f"SUBCONFIG {build.subconfig} is used in line {used[build.subconfig]} already"
                yield finding(ERROR, "subconfig-twice", statement, entry, text)
        if entry.kind == "IDENTITY" and subconfig_of(directory, entry) is None and not any(entry.code("BUILD")):
            yield finding(WARNING, "identity-not-built", entry.header, entry, f"{entry.name} is built on no member")
    for entry in directory.entries:
        if entry.kind == "SUBCONFIG" and entry.name not in used:
            text = f"no IDENTITY is built with SUBCONFIG {entry.name}"
            yield finding(WARNING, "subconfig-unused", entry.header, entry, text)


def logons(directory: Directory) -> Iterator[Finding]:
    """Entries that anyone can log on to, or that have no password operand."""
    for entry in directory.entries:
        user = view(entry.header)
        if entry.kind not in MACHINES or not isinstance(user, User):
            continue
        if user.logon == "NOPASS":
            yield finding(WARNING, "no-password", entry.header, entry, f"anyone can log on to {entry.name} (NOPASS)")
        elif not user.logon and user.password is None:
            yield finding(ERROR, "password-missing", entry.header, entry, f"{entry.name} has no password operand")


def ipl_devices(directory: Directory) -> Iterator[Finding]:
    """IPL of an address at which the machine has no device."""
    for entry in directory.entries:
        statement = next(entry.code("IPL"), None)
        if entry.kind not in MACHINES or statement is None or not statement.operands:
            continue
        system = statement.operands[0]
        if is_address(system) and system[0].isdigit() and address_of(system) not in _devices(directory, entry):
            text = f"{entry.name} is to IPL {address_of(system)} and has no device there"
            yield finding(WARNING, "ipl-device-missing", statement, entry, text)


def _devices(directory: Directory, entry: Entry) -> set[str]:
    names = ["".join(s.operands[:1]) for s in entry.code("INCLUDE")]
    entries = [entry, *(profile for name in names if (profile := directory.find(name, "PROFILE")))]
    return {own_address(s) for each in (*entries, *subconfigs_of(directory, entry)) for s in each.code()}


def statements(directory: Directory) -> Iterator[Finding]:
    """Faults of single records and statements, and of their order."""
    for statement in directory.preamble:
        if statement.is_code and statement.keyword != "LOAD":
            yield finding(ERROR, "outside", statement, None, "a statement stands before the first entry")
    for entry in directory.entries:
        yield from faults(entry)


CHECKS: tuple[Callable[[Directory], Iterator[Finding]], ...] = (
    statements,
    duplicate_entries,
    duplicate_addresses,
    missing_disks,
    profiles,
    subconfigs,
    logons,
    ipl_devices,
    overlaps,
    at_the_label,
    entry_order,
    storage,
)
