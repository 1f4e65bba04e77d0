"""Accounts and memberships that a server removed stay removed, also where gold dropped them in between (see
:mod:`goldroot.merge.memory`).

Of accounts only names are remembered.  One that gold has again is merged as if base had gold's own record of it, and the clone
had deleted that: nobody comes back with a password or a group because one version of gold did not have him.  Who was taken out
of a group is remembered as a line of its file that says nothing else (``wheel:::anna``); gold is merged as if it had not put
him there again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace

from goldroot.accounts import GROUP, GROUP_FILES, GSHADOW, MEMBER_LISTS, PASSWD, USER_FILES, AccountTables, Key, Table
from goldroot.merge.compare.parts import Part
from goldroot.merge.decide.remembered import REMOVED_BEFORE
from goldroot.merge.memory import Memory, Removed
from goldroot.tree import Note, path_text, some_names

#: The file whose names say which accounts there are -> the files that have records of these.
_FILES = {PASSWD: USER_FILES, GROUP: GROUP_FILES}

Accounts = tuple[AccountTables, AccountTables, AccountTables]  #: base, gold, clone


def as_remembered(accounts: Accounts, memory: Memory) -> Accounts:
    """The tables as they are merged: base's with the accounts that the server had removed and gold has again, gold's without
    the memberships."""
    back = _Back(accounts, memory)
    base, gold, clone = accounts
    return back.base_with_accounts(base, gold), back.gold_without_memberships(gold), clone


def note_removed_accounts(accounts: Accounts, memory: Memory, merged: AccountTables) -> Iterator[Note]:
    """Say who stays away, at the file: accounts, and members of groups that group(5) does not tell already."""
    back, told = _Back(accounts, memory), set[bytes]()
    for file in (PASSWD, GROUP, GSHADOW):
        away = sorted(back.names(file) - _names(merged, file)) if file in _FILES else []
        away += sorted({_said(line) for line in back.memberships(file) - _memberships(merged, file)} - told)
        told.update(away)
        if away:
            text = "the server had removed from it what gold has again, and it stays removed: "
            yield Note(REMOVED_BEFORE, _place(file), text + some_names(map(path_text, away)))


def accounts_after(accounts: Accounts, memory: Memory, parts: Iterable[Part]) -> Memory:
    """The memory with the accounts and memberships that base or the memory had, and neither gold nor the server has."""
    entries = dict(memory.entries)
    for file in (PASSWD, GROUP, GSHADOW):
        place = _place(file)
        if not any(part.inside(place) is not None for part in parts):
            continue
        entries.pop(place, None)
        if gone := _gone(accounts, file, {*(memory.lines(place) or ())}):
            entries[place] = Removed(place, lines=tuple(sorted(gone)))
    return Memory.of(entries.values())


def _gone(accounts: Accounts, file: str, known: Set[bytes]) -> set[bytes]:
    """What of a file is to be remembered.  Who was in a group that the server removed went with it, and a user that it removed
    went from all groups."""
    base, gold, clone = accounts
    if not clone.table(file).present:
        return set()
    groups = _names(clone, file)
    users = _names(base, PASSWD) - _names(clone, PASSWD)
    left = {line for line in _memberships(base, file) if _group(line) in groups and _user(line) not in users}
    left |= {line for line in known if b":" in line}
    gone = left - _memberships(gold, file) - _memberships(clone, file)
    if file in _FILES:
        gone |= {*(line for line in known if b":" not in line), *_names(base, file)} - _names(gold, file) - groups
    return gone


@dataclass(frozen=True)
class _Back:
    """What gold has again of what the server had removed, and base has not."""

    accounts: Accounts
    memory: Memory

    def names(self, file: str) -> set[bytes]:
        """The accounts of passwd(5) or group(5)."""
        base, gold, clone = (_names(tables, file) for tables in self.accounts)
        return (self._known(file) & gold) - base - clone

    def memberships(self, file: str) -> set[bytes]:
        """The memberships of group(5) or gshadow(5), each as a line."""
        known = {line for line in self._known(file) if b":" in line}
        if not known:
            return set()
        users = self.names(PASSWD)
        base, gold, clone = (_memberships(tables, file) for tables in self.accounts)
        return {line for line in (known & gold) - base - clone if _user(line) not in users}

    def _known(self, file: str) -> set[bytes]:
        return {*(self.memory.lines(_place(file)) or ())}

    def base_with_accounts(self, base: AccountTables, gold: AccountTables) -> AccountTables:
        """Base as if it had gold's records of the accounts, and these in gold's groups."""
        again = {file: self.names(file) for file in _FILES}
        files = dict(base.files)
        for head, names in again.items():
            for file in _FILES[head] if any(again.values()) else ():
                if base.table(file).present or gold.table(file).present:
                    files[file] = _with_records(base, gold, file, names, again[PASSWD])
        return AccountTables(files, irregular=base.irregular)

    def gold_without_memberships(self, gold: AccountTables) -> AccountTables:
        """Gold as if it had not put these users into these groups again."""
        files = dict(gold.files)
        for file in GROUP_FILES:
            if away := self.memberships(file):
                table = gold.table(file)
                lines = {key: _without(file, key, fields, away) for key, fields in table.lines.items()}
                files[file] = replace(table, lines=lines).render() or b""
        return AccountTables(files, irregular=gold.irregular)


def _place(file: str) -> bytes:
    return b"/etc/" + file.encode()


def _names(tables: AccountTables, file: str) -> set[bytes]:
    return {key.text for key, _ in tables.table(file).records()}


def _memberships(tables: AccountTables, file: str) -> set[bytes]:
    """Who is in which group, each as a line of the file with nothing else in it."""
    return {
        _line(key.text, index, name)
        for key, fields in (tables.table(file).records() if file in MEMBER_LISTS else ())
        for index in MEMBER_LISTS[file]
        for name in b",".join(fields[index : index + 1]).split(b",")
        if name
    }


def _line(group: bytes, index: int, name: bytes) -> bytes:
    return group + b":" * index + name


def _group(line: bytes) -> bytes:
    return line.partition(b":")[0]


def _user(line: bytes) -> bytes:
    return line.rpartition(b":")[2]


def _said(line: bytes) -> bytes:
    """A membership for a person."""
    return _user(line) + b" of " + _group(line)


def _without(file: str, key: Key, fields: tuple[bytes, ...], away: Set[bytes]) -> tuple[bytes, ...]:
    """A group's fields without some of its members."""
    if key.odd:
        return fields
    return tuple(
        b",".join(name for name in value.split(b",") if _line(key.text, index, name) not in away)
        if index in MEMBER_LISTS[file]
        else value
        for index, value in enumerate(fields)
    )


def _with_records(base: AccountTables, gold: AccountTables, file: str, names: Set[bytes], users: Set[bytes]) -> bytes:
    table: Table = base.table(file)
    lines = dict(table.lines)
    for key, fields in gold.table(file).records():
        if key.text in names and key not in lines:
            lines[key] = fields
        elif file in MEMBER_LISTS and key in lines and not key.odd:
            lines[key] = tuple(_with_members(file, lines[key], fields, users))
    return replace(table, lines=lines, present=True).render() or b""


def _with_members(file: str, was: tuple[bytes, ...], now: tuple[bytes, ...], users: Set[bytes]) -> Iterator[bytes]:
    """A group's fields with the members that gold has again, where they would have stood."""
    for index, value in enumerate(was):
        if index not in MEMBER_LISTS[file] or index >= len(now):
            yield value
            continue
        held = value.split(b",") if value else []
        yield b",".join([*held, *(name for name in now[index].split(b",") if name in users and name not in held)])
