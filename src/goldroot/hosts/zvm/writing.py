"""From an entry that is wanted to the directory entry that says it: only what differs is written, all else stays as it is.

A minidisk keeps its extent, passwords and options: its address changes, and its mode with that.  Links at an address
that stays are rewritten in place.  What is not goldroot's is neither moved nor touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from goldroot.errors import Refused
from goldroot.hosts.port import Access, Entry, Link, Role
from goldroot.hosts.sets import is_live
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.reading import Standing, access_of
from goldroot.hosts.zvm.records import is_ours, written
from goldroot.zvm import directory as source
from goldroot.zvm.directory import Statement, address_of, edit
from goldroot.zvm.directory.keywords import DEVICE
from goldroot.zvm.directory.records import layout_of
from goldroot.zvm.directory.rewrite import rewritten
from goldroot.zvm.directory.shapes import link_shape, mdisk_shape


@dataclass(frozen=True, slots=True)
class Words:
    """The words that goldroot writes.

    :param names: user IDs and device numbers.
    :param link: mode of links to gold: ``RR``, or ``SR`` where the site keeps writers off by that.
    :param disk: mode of a machine's own live disks.
    :param logon: in the place of a password, of a machine that may be started and has had none.
    """

    names: Names
    link: str = "RR"
    disk: str = "MR"
    logon: str = "AUTOONLY"


#: The mode of a disk that its machine only reads.
ASIDE = "RR"

Roles = Callable[[str], Role]


def changed(now: Standing, wanted: Entry, words: Words, roles: Roles) -> source.Entry:
    """The directory entry that reads as ``wanted``.

    :param roles: what the entry of a name is; asked of the owners of new links only.
    :raises Refused: a disk that goldroot did not make would be moved.
    :raises BadInput: a statement would pass column 72.
    """
    entry = _without_links(now, wanted, words.names)
    entry = _disks_moved(entry, now.entry, wanted, words)
    entry = _links_written(entry, now, wanted, words, roles)
    entry = _started(entry, now.entry, wanted, words)
    entry = _booted(entry, now.entry, wanted, words.names)
    return with_records(entry, wanted, words.names)


def with_records(entry: source.Entry, wanted: Entry, names: Names) -> source.Entry:
    """The entry with goldroot's comment records for ``wanted``, in the place of those that it has, or at its end."""
    layout = layout_of([record for statement in entry.statements for record in statement.records])
    links = [address for address in wanted.links if _needs_record(entry, wanted, address, names)]
    new = [Statement("*", (layout.record(text.encode("ascii")),), []) for text in written(wanted, links)]
    kept: list[Statement] = []
    place = None
    for statement in entry.statements:
        if statement.keyword == "*" and is_ours(statement.records[0].text.decode("latin-1")):
            place = len(kept) if place is None else place
        else:
            kept.append(statement)
    at = len(kept) if place is None else place
    return source.Entry([*kept[:at], *new, *kept[at:]])


def new_entry(template: Iterable[str], wanted: Entry, words: Words, roles: Roles) -> source.Entry:
    """The directory entry of one that is defined: a template's lines, its links, and goldroot's records.

    :param template: ``{user}`` stands for the user ID.
    """
    user = words.names.user(wanted.name)
    lines = [line.replace("{user}", user).encode("latin-1") for line in template]
    entry = source.Directory.of_lines(lines).entries[0]
    empty = Standing(Entry(wanted.name, wanted.role, startable=wanted.startable), entry, ())
    return changed(empty, wanted, words, roles)


# -- links


def _without_links(now: Standing, wanted: Entry, names: Names) -> source.Entry:
    entry = now.text
    for address in sorted(now.entry.links.keys() - wanted.links.keys()):
        entry = edit.remove(entry, names.device(wanted.name, wanted.role, address))
    return entry


def _links_written(entry: source.Entry, now: Standing, wanted: Entry, words: Words, roles: Roles) -> source.Entry:
    for address, link in sorted(wanted.links.items()):
        if now.entry.links.get(address) == link:
            continue
        device = words.names.device(wanted.name, wanted.role, address)
        owner, theirs = words.names.user(link.owner), words.names.device(link.owner, roles(link.owner), link.address)
        if address in now.entry.links:
            entry = _pointed(entry, device, owner, theirs)
        else:
            entry = edit.add_link(entry, owner, theirs, device, words.link)
    return entry


def _pointed(entry: source.Entry, device: str, owner: str, theirs: str) -> source.Entry:
    """The link at an address leads elsewhere; its mode stays."""

    def change(statement: Statement) -> Statement:
        text = [word.decode("latin-1") for word in statement.raw_words]
        new = {1: owner.encode(), 2: theirs.encode()}
        if link_shape(text).vdev2 is None:
            new[2] += b" " + device.encode()
        done = rewritten(statement, new)
        return Statement(done.keyword, done.records, b" ".join(done.raw_words).split(), done.line)

    return _changed_at(entry, "LINK", device, change)


def _needs_record(entry: source.Entry, wanted: Entry, address: str, names: Names) -> bool:
    """Whether a link leads to a device that says not by its number that it is goldroot's."""
    device = names.device(wanted.name, wanted.role, address)
    link: Link = wanted.links[address]
    gold = names.device(link.owner, "owner", link.address)
    found = [said for said, _ in source.links(entry) if said.address == device]
    return not any(address_of(said.vdev1) == gold for said in found)


# -- disks


def _disks_moved(entry: source.Entry, now: Entry, wanted: Entry, words: Words) -> source.Entry:
    here = {disk.id: address for address, disk in now.disks.items()}
    there = {disk.id: address for address, disk in wanted.disks.items()}
    for id in sorted(id for id, address in here.items() if id.startswith("?") and there[id] != address):
        raise Refused(
            f"{now.name} has a minidisk at {here[id]} that goldroot did not make ({id[1:]})",
            meaning="It is not moved. Nothing was changed.",
            todo="Move it by hand, or adopt it.",
        )
    device = {address: words.names.device(now.name, now.role, address) for address in {*now.disks, *wanted.disks}}
    leaving = {address: _mode_at(entry, device[address]) for address in now.disks}
    moves = {device[here[id]]: device[there[id]] for id in here if here[id] != there[id]}
    entry = edit.moved(entry, moves) if moves else entry
    for id, address in there.items():
        mode = _mode(wanted.disks[address].mode, address, _mode_at(entry, device[address]), leaving.get(address), words)
        if not id.startswith("?") and mode is not None:
            entry = _changed_at(entry, "MDISK", device[address], lambda one, mode=mode: _with_mode(one, mode))  # type: ignore[misc]
    return entry


def _mode(wanted: Access, address: str, is_now: str, left: str | None, words: Words) -> str | None:
    """The mode that a minidisk needs; ``None``: the one that it has will do."""
    if wanted == access_of(is_now):
        return None
    if wanted == "ro" or not is_live(address):
        return ASIDE
    return left if left and access_of(left) == "rw" else words.disk


def _mode_at(entry: source.Entry, device: str) -> str:
    return next((disk.mode for disk, _ in source.disks(entry) if disk.address == device), "")


def _with_mode(statement: Statement, mode: str) -> Statement:
    at = mdisk_shape([word.decode("latin-1") for word in statement.raw_words]).mode
    if at < len(statement.raw_words):
        return rewritten(statement, {at: mode.encode()})
    last = len(statement.raw_words) - 1
    done = rewritten(statement, {last: statement.raw_words[last] + b" " + mode.encode()})
    return Statement(done.keyword, done.records, b" ".join(done.raw_words).split(), done.line)


# -- the machine


def _started(entry: source.Entry, now: Entry, wanted: Entry, words: Words) -> source.Entry:
    """Whether it may be logged on; a password is given up where it may not, and is not known afterwards."""
    if now.startable == wanted.startable:
        return entry
    word = words.logon if wanted.startable else "NOLOG"
    return _mapped(entry, lambda one: rewritten(one, {2: word.encode()}) if one is entry.header else one)


def _booted(entry: source.Entry, now: Entry, wanted: Entry, names: Names) -> source.Entry:
    if now.boot == wanted.boot:
        return entry
    statements = list(entry.code("IPL"))
    if not wanted.boot:
        gone = {id(one) for one in statements}
        return source.Entry([one for one in entry.statements if id(one) not in gone])
    device = names.device(wanted.name, wanted.role, wanted.boot)
    if statements:
        return _mapped(entry, lambda one: rewritten(one, {1: device.encode()}) if one is statements[-1] else one)
    layout = layout_of([record for statement in entry.statements for record in statement.records])
    text = f"IPL {device}".encode()
    new = Statement("IPL", (layout.record(b" " + text),), text.split())
    at = 1 + max(place for place, one in enumerate(entry.statements) if one.is_code and one.keyword not in DEVICE)
    return source.Entry([*entry.statements[:at], new, *entry.statements[at:]])


def _changed_at(
    entry: source.Entry, keyword: str, device: str, change: Callable[[Statement], Statement]
) -> source.Entry:
    """The entry with the statement of a device changed."""
    chosen = {id(one) for one in edit.at_address(entry, device) if one.keyword == keyword}
    return _mapped(entry, lambda one: change(one) if id(one) in chosen else one)


def _mapped(entry: source.Entry, change: Callable[[Statement], Statement]) -> source.Entry:
    return source.Entry([change(one) for one in entry.statements])
