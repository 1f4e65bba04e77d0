"""What a new gold's account numbers would do to the last gold's files and to the clones' local accounts: pure but for
reading the clones' account files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from goldroot.accounts import AccountTables, merge_login_defs
from goldroot.catalog import clones
from goldroot.errors import GoldrootError
from goldroot.image.site import Site
from goldroot.image.version import Gold, open_version
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


def collisions(clone: str, base: AccountTables, own: AccountTables, new: AccountTables) -> Iterator[Collision]:
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


def clone_collisions(site: Site, image: str, new: AccountTables) -> tuple[list[Collision], list[Note]]:
    """Collisions of every clone of the image; a clone whose accounts cannot be read is noted."""
    found: list[Collision] = []
    notes: list[Note] = []
    golds: dict[int, Gold] = {}
    with site.catalog.read() as tx:
        every = [clone for clone in clones.every(tx, image) if clone.state == "active"]
    for clone in every:
        try:
            base = golds.setdefault(clone.version, open_version(site, image, clone.version))
            address = base.layout.disk_of(b"etc").address
            own = AccountTables.read(site.host.at(clone.machine, address).path, b"etc")
            found += collisions(clone.name, base.accounts, own, new)
        except GoldrootError as error:
            notes.append(Note("accounts-unread", b"", f"the accounts of {clone.name} could not be read: {error.brief}"))
    return found, notes


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
