"""From a user directory entry to an :class:`~goldroot.hosts.Entry`, by the one rule of what in it is goldroot's.

* A minidisk with a fixed extent at an address of goldroot's is a disk.  Which one says the registry, by the extent;
  an extent that is not in it is shown as ``?VOLUME:START:SIZE``, and never touched.
* A link that only reads is goldroot's where it leads to a device of a gold slot (11B1, which no other system has
  there), or where a record of goldroot's names it: it leads to another machine's disk.
* Everything else that takes an address is ``others``: temporary disks, network adapters with all their devices, what
  CP commands in the entry make, what included profiles and the SUBCONFIGs of an IDENTITY bring, and whatever stands at a
  number that is not an address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from goldroot.errors import BadInput, Damaged
from goldroot.hosts.port import Access, Disk, Entry, Link, Role
from goldroot.hosts.sets import check_entry, is_live
from goldroot.hosts.zvm.devices import taken
from goldroot.hosts.zvm.names import Names, is_address
from goldroot.hosts.zvm.records import Said, read
from goldroot.zvm import directory as source
from goldroot.zvm.directory import view
from goldroot.zvm.directory.views import Build, Ipl, Named, User

#: Link modes in which a machine only reads.
READING = frozenset({"R", "RR", "SR", "ER"})


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Where a minidisk lies: volume label, first cylinder or block, and how many."""

    volume: str
    start: int
    size: int

    def __str__(self) -> str:
        return f"{self.volume}:{self.start}:{self.size}"


#: The id of the disk on an extent that stands in an entry; "" for one that is being made or removed (it is nobody's
#: disk, but its address is taken); ``None``: it is not goldroot's.
Registry = Callable[[str, str, Extent], str | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A directory entry as it was read: what goldroot sees in it, and all of it."""

    entry: Entry
    text: source.Entry
    beside: tuple[source.Entry, ...]  #: profiles and SUBCONFIGs that bring devices
    #: minidisks at addresses of goldroot's that are not its disks: they are among the entry's ``others``
    unknown: Mapping[str, str] = field(default_factory=dict)


def standing(
    found: source.Entry, beside: Iterable[source.Entry], *, name: str, names: Names, registry: Registry
) -> Standing:
    """What a directory entry says.

    :param beside: the profiles and SUBCONFIGs that it is made of besides.
    :raises Damaged: a record of goldroot's in it is not one that it writes.
    """
    said = _said(found, name)
    role = role_of(said, found, name, names)
    parts = tuple(beside)
    disks, links, others = _devices(found, said, (name, role), names, registry)
    for part in parts:
        others |= {names.address(name, role, device) for statement in part.code() for device in taken(statement)}
    entry = Entry(
        name=name,
        role=role,
        disks=dict(sorted(disks.items())),
        links=dict(sorted(links.items())),
        others=frozenset(others - disks.keys() - links.keys()),
        startable=role == "machine" and _logon(found) != "NOLOG",
        boot=_boot(found, name, role, names),
        marks=dict(sorted(said.marks.items())),
        serial=said.serial,
        token=token_of(found),
    )
    return Standing(entry, found, parts)


def with_known_disks(found: Standing) -> Standing:
    """The same, where what goldroot does not know is not a disk: a guest's own 0191, say, is neither opened, moved nor deleted."""
    unknown = {address: disk.id for address, disk in found.entry.disks.items() if disk.id.startswith("?")}
    if not unknown:
        return found
    known = {address: disk for address, disk in found.entry.disks.items() if address not in unknown}
    entry = replace(found.entry, disks=known, others=found.entry.others | unknown.keys())
    return replace(found, entry=entry, unknown=unknown)


def is_managed(found: source.Entry) -> bool:
    """Whether goldroot has written into an entry."""
    try:
        return bool(read(_comments(found)).role)
    except ValueError:
        return True


def role_in(found: source.Entry, name: str, names: Names) -> Role:
    """As :func:`role_of`.  :raises Damaged: a record of goldroot's in it is not one that it writes."""
    return role_of(_said(found, name), found, name, names)


def role_of(said: Said, found: source.Entry, name: str, names: Names) -> Role:
    """What an entry is: as its record says, or else an owner if nobody may log it on and its disks are numbered so."""
    if said.role:
        return "owner" if said.role == "owner" else "machine"
    numbers = [disk.address for disk, _ in source.disks(found)]
    slot = [number for number in numbers if is_address(names.address(name, "owner", number))]
    return "owner" if slot and _logon(found) == "NOLOG" else "machine"


def token_of(found: source.Entry) -> str:
    """What stands for all of an entry; padding and sequence fields are not part of it."""
    lines = [record.text.rstrip() for statement in found.statements for record in statement.records]
    return hashlib.sha256(b"\n".join(lines)).hexdigest()[:32]


def included(found: source.Entry) -> list[tuple[str, str]]:
    """The profiles that an entry includes, and the SUBCONFIGs that it is built with: (kind, name)."""
    names = []
    for statement in found.code("INCLUDE", "BUILD"):
        said = view(statement)
        if isinstance(said, Build):
            names.append(("SUBCONFIG", said.subconfig))
        elif isinstance(said, Named):
            names.append(("PROFILE", said.name))
    return [(kind, name) for kind, name in names if name]


def beside(found: source.Entry, read: Callable[[str, str], source.Entry | None]) -> list[source.Entry]:
    """The profiles and SUBCONFIGs that an entry is made of besides, also a profile that a SUBCONFIG includes.

    :param read: the entry of a kind and a name; names of profiles are apart from all others.
    """
    parts = []
    for kind, name in included(found):
        if (part := read(kind, name)) is not None:
            parts += [part, *(beside(part, read) if kind == "SUBCONFIG" else ())]
    return parts


def extent_of(disk: source.Mdisk) -> Extent | None:
    """The extent of a minidisk; ``None``: it has none of its own (temporary, virtual, a real device, AUTO, to END), or
    only holds a place for the directory manager (``$$$$$$``)."""
    fixed = disk.disktype == "PERM" and disk.start.isdecimal() and disk.size.isdecimal()
    if not fixed or not disk.volume.strip("$"):
        return None
    return Extent(disk.volume, int(disk.start), int(disk.size))


def access_of(mode: str) -> Access:
    """What the owner of a minidisk may do with it; without a mode it writes."""
    return "ro" if mode in READING or mode.rstrip("VSDEX") in READING else "rw"


def is_links(link: source.Link, said: Said, name: str, role: Role, names: Names) -> Link | None:
    """A LINK statement as a link of goldroot's; ``None``: it is not one."""
    owner = names.entry(link.owner)
    address = names.address(name, role, link.address)
    if owner is None or not is_address(address) or (link.mode or "R") not in READING:
        return None
    there = names.address(owner, "owner", link.vdev1)
    if is_address(there):
        return Link(owner, there)
    there = names.address(owner, "machine", link.vdev1)
    return Link(owner, there) if address in said.links and is_address(there) else None


def _devices(
    found: source.Entry, said: Said, who: tuple[str, Role], names: Names, registry: Registry
) -> tuple[dict[str, Disk], dict[str, Link], set[str]]:
    name, role = who
    disks: dict[str, Disk] = {}
    links: dict[str, Link] = {}
    others: set[str] = set()
    for statement in found.code():
        seen = view(statement)
        if isinstance(seen, source.Mdisk) and (disk := _disk(seen, who, names, registry)) is not None:
            disks[names.address(name, role, seen.address)] = disk
        elif isinstance(seen, source.Link) and (link := is_links(seen, said, name, role, names)) is not None:
            links[names.address(name, role, seen.address)] = link
        else:
            others |= {names.address(name, role, device) for device in taken(statement)}
    return disks, links, others


def _disk(seen: source.Mdisk, who: tuple[str, Role], names: Names, registry: Registry) -> Disk | None:
    name, role = who
    extent, address = extent_of(seen), names.address(name, role, seen.address)
    if extent is None or not is_address(address) or (role == "owner" and not is_live(address)):
        return None
    id = registry(name, address, extent)
    if id == "":
        return None
    return Disk(id or f"?{extent}", access_of(seen.mode) if is_live(address) else "ro")


def _said(found: source.Entry, name: str) -> Said:
    try:
        return read(_comments(found))
    except ValueError as error:
        raise _damaged(name, str(error)) from error


def _comments(found: source.Entry) -> list[str]:
    return [
        record.text.decode("latin-1")
        for statement in found.statements
        if not statement.is_code
        for record in statement.records
    ]


def _logon(found: source.Entry) -> str:
    said = view(found.header)
    return said.logon if isinstance(said, User) else "NOLOG"


def _boot(found: source.Entry, name: str, role: Role, names: Names) -> str:
    for statement in found.code("IPL"):
        said = view(statement)
        address = names.address(name, role, said.system) if isinstance(said, Ipl) and said.system else ""
        if is_address(address) and is_live(address):
            return address
    return ""


def _damaged(name: str, why: str) -> Damaged:
    return Damaged(
        f"the directory entry of {name} is not one that goldroot understands ({why})",
        meaning="Its comment records `* GOLDROOT` say what its sets are for. Nothing was changed.",
        todo="Look at the entry; put these records right by hand, or put back the entry of a backup.",
    )


def checked(found: Standing) -> Standing:
    """The same, if goldroot's part of it is one that may be.

    :raises Damaged: it is not.
    """
    try:
        check_entry(found.entry)
    except BadInput as error:
        raise _damaged(found.entry.name, error.brief) from error
    return found
