"""Accounts that a server removed stay removed, also where gold dropped them in between (see :mod:`goldroot.merge.memory`).

Only names are remembered.  One that gold has again is merged as if base had gold's own record of it, and the clone had deleted
that: nobody comes back with a password or a group because one version of gold did not have him.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace

from goldroot.accounts import GROUP, PASSWD, AccountTables
from goldroot.merge.compare.parts import Part
from goldroot.merge.decide.remembered import REMOVED_BEFORE
from goldroot.merge.memory import Memory, Removed
from goldroot.tree import Note, path_text

#: The file whose names say which accounts there are -> the files that have records of these.
_FILES = {PASSWD: (PASSWD, "shadow", "subuid", "subgid"), GROUP: (GROUP, "gshadow")}
#: The fields of a group that list members: group(5), gshadow(5).
_LISTS = {GROUP: (3,), "gshadow": (2, 3)}
#: How many names are named.
_SHOWN = 10

Accounts = tuple[AccountTables, AccountTables, AccountTables]  #: base, gold, clone


def _place(file: str) -> bytes:
    return b"/etc/" + file.encode()


def _names(tables: AccountTables, file: str) -> set[bytes]:
    return {key.text for key, _ in tables.table(file).records()}


def back_again(accounts: Accounts, memory: Memory, file: str) -> set[bytes]:
    """The names that gold has again of those that the server had removed."""
    base, gold, clone = (_names(tables, file) for tables in accounts)
    return ({*(memory.lines(_place(file)) or ())} & gold) - base - clone


def as_if_in_base(accounts: Accounts, memory: Memory) -> Accounts:
    """The tables, base's with what the server had removed and gold has again."""
    base, gold, clone = accounts
    again = {file: back_again(accounts, memory, file) for file in _FILES}
    if not any(again.values()):
        return accounts
    files = dict(base.files)
    for head, names in again.items():
        for file in _FILES[head]:
            if base.table(file).present or gold.table(file).present:
                files[file] = _with_records(base, gold, file, names, again[PASSWD])
    return AccountTables(files, irregular=base.irregular), gold, clone


def _with_records(base: AccountTables, gold: AccountTables, file: str, names: Set[bytes], users: Set[bytes]) -> bytes:
    table, news = base.table(file), gold.table(file)
    lines = dict(table.lines)
    for key, fields in news.records():
        if key.text in names and key not in lines:
            lines[key] = fields
        elif file in _LISTS and key in lines and not key.odd:
            lines[key] = tuple(_with_members(file, lines[key], fields, users))
    return replace(table, lines=lines, present=True).render() or b""


def _with_members(file: str, was: Sequence[bytes], now: Sequence[bytes], users: Set[bytes]) -> Iterator[bytes]:
    """A group's fields with the members that gold has again, where they would have stood."""
    for index, value in enumerate(was):
        if index not in _LISTS[file] or index >= len(now):
            yield value
            continue
        held = value.split(b",") if value else []
        yield b",".join([*held, *(name for name in now[index].split(b",") if name in users and name not in held)])


def note_removed_accounts(accounts: Accounts, memory: Memory, merged: AccountTables) -> Iterator[Note]:
    """Say who stays away, at the file."""
    for file in _FILES:
        away = sorted(back_again(accounts, memory, file) - _names(merged, file))
        if away:
            names = ", ".join(map(path_text, away[:_SHOWN])) + (
                f" and {len(away) - _SHOWN} more" if len(away) > _SHOWN else ""
            )
            text = f"the server had removed from it what gold has again, and it stays removed: {names}"
            yield Note(REMOVED_BEFORE, _place(file), text)


def accounts_after(accounts: Accounts, memory: Memory, parts: Iterable[Part]) -> Memory:
    """The memory with the accounts that base or the memory had, and neither gold nor the server has."""
    entries = dict(memory.entries)
    base, gold, clone = accounts
    for file in _FILES:
        place = _place(file)
        if not any(part.inside(place) is not None for part in parts):
            continue
        known = {*(memory.lines(place) or ()), *_names(base, file)}
        gone = known - _names(gold, file) - _names(clone, file)
        entries.pop(place, None)
        if gone and clone.table(file).present:
            entries[place] = Removed(place, lines=tuple(sorted(gone)))
    return Memory.of(entries.values())
