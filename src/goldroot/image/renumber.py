"""What a new gold's account numbers would do to the last gold's files and to the clones' local accounts.

The clones' accounts are asked of the catalog, where each merge and each switch leaves them; a clone is opened only where
it was never read since the catalog keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from goldroot.accounts import AccountTables, LoginDefs, NumberRanges, merge_login_defs
from goldroot.catalog import Clone, LocalAccounts, clones
from goldroot.errors import GoldrootError
from goldroot.hosts import find_entry, standing
from goldroot.image.gold_version import Gold, local_accounts, open_version
from goldroot.site import Site
from goldroot.tree import Note


@dataclass(frozen=True, slots=True)
class Renumbered:
    """An account of the last gold that has another number in the new one; ``kind`` is ``user`` or ``group``."""

    kind: str
    name: str
    old: int
    new: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name} moves from {self.old} to {self.new}"


@dataclass(frozen=True, slots=True)
class Collision:
    """A clone's local account whose number, or name, the new gold gives to an account of its own."""

    clone: str
    kind: str
    local: str
    number: int
    gold: str
    gold_number: int
    asks: bool = True  #: whether an update of the clone would ask: not about a system account that comes with gold

    def __str__(self) -> str:
        if self.local == self.gold:
            said = f"its own {self.kind} {self.local} ({self.number}) comes with gold as {self.gold_number}"
            return f"{self.clone}: {said}" + ("" if self.asks else ", and its files follow")
        return f"{self.clone}: its own {self.kind} {self.local} has {self.number}, which gold gives to {self.gold}"


def renumbered(old: Mapping[str, Mapping[str, int]], new: AccountTables) -> list[Renumbered]:
    """Accounts of both that have different numbers; ``old`` is a version's ``numbers``."""
    found = []
    for kind, key, numbers in (("user", "users", new.users), ("group", "groups", new.groups)):
        for name, number in sorted(old[key].items()):
            now = numbers.get(name.encode("utf-8", "surrogateescape"))
            if now is not None and now != number:
                found.append(Renumbered(kind, name, number, now))
    return found


class HasNumbers(Protocol):
    """The accounts of a clone, as far as a collision depends on them: read from its files, or asked of the catalog."""

    @property
    def users(self) -> Mapping[bytes, int]: ...
    @property
    def groups(self) -> Mapping[bytes, int]: ...
    @property
    def login_defs(self) -> LoginDefs: ...


@dataclass(frozen=True)
class Numbers:
    """The accounts of a clone as the catalog has them: name -> number, and where numbers come from."""

    users: Mapping[bytes, int]
    groups: Mapping[bytes, int]
    login_defs: LoginDefs


def with_local(base: AccountTables, known: LocalAccounts) -> Numbers:
    """A clone's accounts again, from its gold's and from what the catalog keeps: the reverse of :func:`local_accounts`."""
    tables = {"user": dict(base.users), "group": dict(base.groups)}
    for one in known.local:
        if one.number is None:
            tables[one.kind].pop(one.name, None)
        else:
            tables[one.kind][one.name] = one.number
    users, groups = (NumberRanges(*known.ranges[key]) for key in ("users", "groups"))
    defs = base.login_defs._replace(users=users, groups=groups)
    return Numbers(tables["user"], tables["group"], defs)


def collisions(clone: str, base: AccountTables, own: HasNumbers, new: AccountTables) -> Iterator[Collision]:
    """Local accounts of one clone (those that its gold does not have) that meet an account of the new gold.

    The same system account on both sides takes gold's number at an update, which asks about a person's.
    A second name of an account that both golds have, such as another with uid 0, meets nobody: it goes where that goes.
    """
    defs = merge_login_defs(base.login_defs, new.login_defs, own.login_defs)
    tables = (
        ("user", defs.users, base.users, own.users, new.users, new.user_names),
        ("group", defs.groups, base.groups, own.groups, new.groups, new.group_names),
    )
    for kind, ranges, before, mine, numbers, names in tables:
        led = {number for name, number in before.items() if mine.get(name) == number and name in numbers}
        for name, number in sorted(mine.items()):
            if name in before or (number in led and name not in numbers):
                continue
            other = name if name in numbers else names.get(number)
            if other is not None and (other != name or numbers[name] != number):
                theirs = numbers[other]
                asks = other != name or not (ranges.is_system(number) and ranges.is_system(theirs))
                yield Collision(clone, kind, _text(name), number, _text(other), theirs, asks)


def clone_collisions(
    site: Site, image: str, new: AccountTables, *, keep: bool = False
) -> tuple[list[Collision], list[Note]]:
    """Collisions of every clone of the image; a clone whose accounts cannot be read is noted.

    :param keep: what had to be read is left in the catalog for the next time.
    """
    found: list[Collision] = []
    notes: list[Note] = []
    with site.catalog.read() as tx:
        every = [clone for clone in clones.every(tx, image) if clone.state == "active"]
        known = clones.accounts_of(tx, image)
    golds: dict[tuple[int, str], Gold] = {}
    for clone in every:
        try:
            key = clone.version, clone.host
            if key not in golds:
                golds[key] = open_version(site, image, *key)
            gold = golds[key]
            own = known.get(clone.name) or _read(site, clone, gold, keep=keep)
            found += collisions(clone.name, gold.accounts, with_local(gold.accounts, own), new)
        except GoldrootError as error:
            notes.append(Note("accounts-unread", b"", f"the accounts of {clone.name} could not be read: {error.brief}"))
    return found, notes


def _read(site: Site, clone: Clone, gold: Gold, *, keep: bool) -> LocalAccounts:
    """A clone that the catalog does not know of yet."""
    address = gold.layout.disk_of(b"etc").address
    own = _read_accounts(site, clone, address)
    found = local_accounts(gold.accounts, own)
    if keep:
        with site.catalog.begin() as tx:
            if clones.find(tx, clone.name) == clone:  # it may have been switched to another gold meanwhile
                clones.note_accounts(tx, clone.name, found)
    return found


def _read_accounts(site: Site, clone: Clone, address: str) -> AccountTables:
    host = site.host_named(clone.host)
    disk = standing(host, find_entry(host, clone.machine))[address]
    with host.open_disks({disk.id: "ro"}, view="live") as opened:
        return AccountTables.read(opened[disk.id].path, b"etc")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
