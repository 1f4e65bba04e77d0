"""Account numbers that gold's files carry on the disks that a clone links: nobody can give these files other owners.

So an account of gold's that has another number on a clone than in gold is not the owner of what gold says is its, and who
has gold's number there is: a local group with the number of ``crontab`` would own gold's set-gid program.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from goldroot.accounts import AccountTables, numbers_in_acl
from goldroot.image import Gold
from goldroot.tree import Manifest

USER, GROUP = "user", "group"


@dataclass(frozen=True, slots=True)
class OtherNumber:
    """An account of gold's that has another number on a clone, or none while another has its; names as text."""

    kind: str  #: USER or GROUP
    name: str
    number: int  #: in gold
    own: int | None  #: on the clone; None where there is no such account
    holder: str | None  #: who has gold's number on the clone

    @property
    def axes(self) -> set[str]:
        """The axes on which its number may have been decided."""
        field = "uid" if self.kind == USER else "gid"
        return {f"accounts:{name}:{field}" for name in (self.name, self.holder) if name is not None}

    def __str__(self) -> str:
        here = "does not exist here" if self.own is None else f"has {self.own} here"
        return here + ("" if self.holder is None else f", where {self.number} is {self.holder}'s")


def other_numbers(gold: AccountTables, own: AccountTables) -> Iterator[OtherNumber]:
    """Gold's accounts that are not what gold says in the tables of a clone.

    One that the clone deleted is none of them, as long as its number is nobody's.
    """
    tables = (
        (USER, gold.users, gold.user_names, own.users, own.user_names),
        (GROUP, gold.groups, gold.group_names, own.groups, own.group_names),
    )
    for kind, numbers, names, here, names_here in tables:
        for number, name in names.items():
            now, holder = here.get(name), names_here.get(number)
            # Gold may give one number two names, of which the clone may have deleted the first.
            known = holder is None or numbers.get(holder) == number
            if now != number and not (now is None and known):
                yield OtherNumber(kind, _text(name), number, now, None if holder is None else _text(holder))


def on_shared_disks(gold: Gold, own: AccountTables, addresses: Collection[str]) -> Mapping[OtherNumber, bytes]:
    """Those whose number files on gold's disks at these addresses carry: the first such path (no leading slash)."""
    strange = list(other_numbers(gold.accounts, own))
    found: dict[OtherNumber, bytes] = {}
    for address in addresses if strange else ():
        manifest = gold.manifest(address)
        for one in strange:
            path = None if one in found else first_path(manifest, one.kind, one.number)
            if path is not None:
                found[one] = path
    return found


def tells_of(note: Mapping[str, Any], one: OtherNumber) -> bool:
    """Whether a note of a record tells of a decision about the number of this account, or of who has it."""
    return note["kind"] == "decided" and note.get("data", {}).get("axis") in one.axes


def first_path(manifest: Manifest, kind: str, number: int) -> bytes | None:
    """The first path that belongs to a number, or whose ACLs name it."""
    columns = manifest.columns
    sets = {nth for nth, held in enumerate(columns.xattr_sets) if number in numbers_in_acl(held)[kind == GROUP]}
    rows = [next((row for row, nth in enumerate(columns.xattrs) if nth in sets), len(columns))] if sets else []
    with suppress(ValueError):
        rows.append((columns.uids if kind == USER else columns.gids).index(number))
    row = min(rows, default=len(columns))
    return manifest.entry(row).path if row < len(columns) else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
