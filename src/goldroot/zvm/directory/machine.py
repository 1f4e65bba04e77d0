"""Edits of a machine: its entry, and for an IDENTITY the SUBCONFIG of each member as well.

A device of an IDENTITY stands in it, for all members of the cluster, or in a SUBCONFIG, for one member.  Each edit
finds the entry that the device stands in; where several members have it, one must be named.
"""

from __future__ import annotations

from collections.abc import Iterable

from goldroot.errors import BadInput, NotFound, Refused
from goldroot.zvm.directory import edit
from goldroot.zvm.directory.keywordform import subconfig_of, subconfigs_of
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.records import RecordLayout
from goldroot.zvm.directory.statement import own_address
from goldroot.zvm.directory.views import links

_WHICH = "Give --member NAME, or the SUBCONFIG itself as --entry."


def machine_parts(directory: Directory, name: str, member: str = "") -> list[Entry]:
    """The entry of a name, and the SUBCONFIG entries that it is built with: all, or that of one member.

    :raises NotFound: no such entry, or it is not built on that member.
    """
    entry = directory.entry(name)
    if member:
        found = subconfig_of(directory, entry, member)
        if found is None:
            raise NotFound(f"{entry.name} is built with no SUBCONFIG on {member.upper()}")
        return [entry, found]
    return [entry, *subconfigs_of(directory, entry)]


def remove(directory: Directory, name: str, where: str, member: str = "") -> Directory:
    """As :func:`edit.remove`, wherever the device stands.  :raises BadInput: several members have one there."""
    holder = _holder(directory, name, edit.address(where), member)
    return directory.replaced(holder, edit.remove(holder, where))


def relink(directory: Directory, name: str, old_owner: str, new_owner: str, member: str = "") -> Directory:
    """As :func:`edit.relink`, in the entry and in its SUBCONFIGs.  :raises NotFound: none has such a LINK."""
    parts, old = machine_parts(directory, name, member), edit.user_id(old_owner)
    linked = [part for part in parts if any(link.owner == old for link, _ in links(part))]
    for part in linked or parts[:1]:
        directory = directory.replaced(part, edit.relink(part, old_owner, new_owner))
    return directory


def exchange(directory: Directory, name: str, one: str, other: str, member: str = "") -> Directory:
    """As :func:`edit.exchange`, wherever the two devices stand.

    :raises BadInput: several members have one of them.  :raises Refused: one stands in the IDENTITY and the other in
        the SUBCONFIG of one member of several: the others would lose a device.
    """
    first, second = edit.address(one), edit.address(other)
    holders = [_holder(directory, name, where, member) for where in (first, second)]
    if holders[0] is holders[1] or first == second:
        return directory.replaced(holders[0], edit.exchange(holders[0], one, other))
    if len(machine_parts(directory, name)) > 2:
        raise Refused(
            f"{first} stands in {holders[0].name} and {second} in {holders[1].name}",
            meaning="A device of an IDENTITY is one of all members; they would see another change than this one.",
            todo="Move both devices into the IDENTITY, or both into the SUBCONFIG of each member.",
        )
    for holder in holders:
        directory = directory.replaced(holder, edit.moved(holder, {first: second, second: first}))
    return directory


def add(
    directory: Directory, name: str, text: str, *options: str, member: str = "", layout: RecordLayout | None = None
) -> Directory:
    """As :func:`edit.add`: to the entry itself, or to the SUBCONFIG of a member.

    :raises Refused: the entry, or a SUBCONFIG beside it, has a device at that address.
    """
    parts = machine_parts(directory, name, member)
    where = own_address(edit.checked_statement(text))
    for part in parts:
        if taken := edit.at_address(part, where):
            raise Refused(
                f"{part.name} has a {taken[0].keyword} at {where} already",
                meaning="Two devices cannot have one address. Nothing was changed.",
                todo="Remove the other first, or take another address.",
            )
    target = parts[1] if member else parts[0]
    return directory.replaced(target, edit.add(target, text, *options, layout=layout))


def add_mdisk(
    directory: Directory,
    name: str,
    operands: str,
    options: Iterable[str] = (),
    *,
    member: str = "",
    layout: RecordLayout | None = None,
) -> Directory:
    """As :func:`edit.add_mdisk`."""
    return add(directory, name, f"MDISK {operands}", *options, member=member, layout=layout)


def add_link(
    directory: Directory, name: str, *operands: str, member: str = "", layout: RecordLayout | None = None
) -> Directory:
    """As :func:`edit.add_link`: owner, address, own address and mode."""
    return add(directory, name, edit.link_text(*operands), member=member, layout=layout)


def _holder(directory: Directory, name: str, where: str, member: str) -> Entry:
    """The one entry of a machine that has a device at an address.

    :raises NotFound: none has.  :raises BadInput: those of several members have.
    """
    parts = machine_parts(directory, name, member)
    holders = [part for part in parts if edit.at_address(part, where)]
    if not holders:
        others = f" and its SUBCONFIG {', '.join(part.name for part in parts[1:])}" if parts[1:] else ""
        raise NotFound(f"{parts[0].name}{others} has no device at {where}", meaning="Nothing was changed.")
    if len(holders) > 1:
        names = ", ".join(part.name for part in holders)
        raise BadInput(f"{names} have a device at {where} each", meaning="Nothing was changed.", todo=_WHICH)
    return holders[0]
