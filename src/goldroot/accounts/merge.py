"""Merging the account tables of three systems, and giving every name of the result its number.

The six files are merged by record and by field.  Owners are names: a file's owner is what its own tree's table calls
the number, and the merged tables say which number that name has in the result (``AccountsMerge.users``, ``.groups``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import NamedTuple

from goldroot.accounts.fields import FIELDS, NUMBER, Pieces, RecordMerger, ThreeLines, pieces
from goldroot.accounts.numbers import Claim, Numbering, note_renumbered, renumbered_of
from goldroot.accounts.owners import AccountsMerge
from goldroot.accounts.presence import (
    KEPT,
    WITHDRAWN,
    Presence,
    RecordPresence,
    absent_users,
    nologin_of,
    returned_users,
    withdraw_password,
    withdraw_user,
    without_unused_ranges,
)
from goldroot.accounts.ranges import Range, moved_with_ranges, separate_ranges
from goldroot.accounts.sides import GROUP_FILES, AccountSide, InUse
from goldroot.accounts.tables import (
    ACCOUNT_FILES,
    GROUP,
    GSHADOW,
    PASSWD,
    RANGE_FILES,
    SHADOW,
    SUBGID,
    SUBUID,
    AccountTables,
    Key,
    LoginDefs,
    NumberRanges,
    by_account,
    merge_login_defs,
    number_of,
)
from goldroot.accounts.three_way import Absent, Questions, merge_order, shown, three_way
from goldroot.counted import counted

Tables = tuple[AccountTables, AccountTables, AccountTables]  #: base's, gold's, the clone's


class AccountFile:
    """One merged file: its records by name of field, and the odd lines, in no order yet."""

    def __init__(self, file: str, tables: Tables) -> None:
        self.file = file
        self.tables = tables
        base, gold, clone = tables
        self.base, self.gold, self.clone = by_account(base, file), by_account(gold, file), by_account(clone, file)
        self.records: dict[Key, Pieces] = {}
        self.odd: set[Key] = set()

    def merge(self, fates: Mapping[bytes, str], absent: Absent, ask: Questions) -> None:
        """Decide for every line whether it is in the result, and with which fields."""
        presence = RecordPresence(self.file, fates, ask)
        records = RecordMerger(self.file, self.tables, absent, ask)
        for key in self._keys():
            if key.odd:
                if three_way(key in self.base.lines, key in self.gold.lines, key in self.clone.lines):
                    self.odd.add(key)
                continue
            merged = self._record(key, presence, records)
            if merged is not None:
                self.records[key] = merged

    def _record(self, key: Key, presence: RecordPresence, records: RecordMerger) -> Pieces | None:
        sides = self.sides(key)
        if presence.stands(key):
            sides = sides._replace(gold=None)
        if sides.gold is not None and sides.clone is not None:
            return records.merge(key, sides)
        base = pieces(self.tables[0], self.file, sides.base)
        if sides.clone is not None:
            clone = pieces(self.tables[2], self.file, sides.clone)
            return records.alone(None, clone) if presence.clone_only(key, base, clone) else None
        if sides.gold is not None:
            gold = pieces(self.tables[1], self.file, sides.gold)
            return records.alone(gold, None) if presence.gold_only(key, base, gold) else None
        return None

    def _keys(self) -> list[Key]:
        """Every line that gold or the clone has, the clone's first."""
        return list(dict.fromkeys([*self.clone.lines, *self.gold.lines]))

    def sides(self, key: Key) -> ThreeLines:
        return ThreeLines(self.base.lines.get(key), self.gold.lines.get(key), self.clone.lines.get(key))

    def claims(self, fates: Mapping[bytes, str]) -> list[Claim]:
        """The numbers that the records of passwd or group lay claim to."""
        found = []
        for key in self.records:
            sides = self.sides(key)
            base, gold, clone = (None if line is None else int(line[2]) for line in sides)
            found.append(
                Claim(key, base, gold, clone, kept=sides.gold is None and fates.get(key.text) in (KEPT, WITHDRAWN))
            )
        return found

    def render(self, numbers: Mapping[Key, int], gids: Mapping[bytes, int], bare: Mapping[int, int]) -> bytes | None:
        """The file's bytes.

        :param numbers: of users, or of groups for the files about groups.
        :param gids: the numbers of what passwd's references to groups mean.
        :param bare: a number without an account -> the one to write instead.
        """
        result = self.records.keys() | self.odd
        order = merge_order(self.base.keys, self.gold.keys, self.clone.keys, result)
        order += [key for key in self.records if all(line is None for line in self.sides(key))]  # made by the merge
        if not order and not three_way(self.base.present, self.gold.present, self.clone.present):
            return None
        heads = {key: self._head(key, numbers, bare) for key in order if not key.odd}
        lines = [key.text if key.odd else self._line(key, heads[key], numbers, gids) for key in order]
        newline = three_way(self.base.newline, self.gold.newline, self.clone.newline)
        return b"\n".join(lines) + (b"\n" if newline and lines else b"")

    def _head(self, key: Key, numbers: Mapping[Key, int], bare: Mapping[int, int]) -> bytes:
        """The first field: a name, or the number of an account, or a number alone."""
        sides = self.sides(key)
        own = next((line[0] for line in (sides.clone, sides.gold) if line is not None), key.text)
        if key.by_number:
            return sides.number_text(0, numbers.get(Key(key.account, 0), int(own)))
        moved = bare.get(int(own)) if self.file in RANGE_FILES and number_of(own) is not None else None
        return key.text if moved is None else b"%d" % moved

    def _line(self, key: Key, head: bytes, numbers: Mapping[Key, int], gids: Mapping[bytes, int]) -> bytes:
        sides = self.sides(key)
        record = self.records[key]
        parts: list[bytes | None] = [head]
        for one in FIELDS[self.file]:
            if one.kind == NUMBER:
                parts.append(sides.number_text(one.first, numbers[key]))
            elif self.file == PASSWD and one.name == "gid":
                parts.append(sides.number_text(one.first, gids[record["gid"] or b""]))
            else:
                parts.append(record[one.name])
        while parts[-1] is None:
            parts.pop()
        return b":".join(part or b"" for part in parts)


# -- Records of ``shadow`` and ``gshadow`` whose account there is not: what a half-done removal leaves.


class Orphan(NamedTuple):
    """One record; ``file`` is ``shadow`` or ``gshadow``."""

    file: str
    name: bytes


def orphans(tables: AccountTables, users: Collection[bytes] = (), groups: Collection[bytes] = ()) -> list[Orphan]:
    """The records of shadow and gshadow without an account, in the order of their files.

    :param users: names that are accounts although they do not stand in passwd (nss-altfiles' ``/usr/lib/passwd``).
    :param groups: the same for groups.
    """
    found = []
    for file, of, others in ((SHADOW, PASSWD, users), (GSHADOW, GROUP, groups)):
        if not tables.table(of).present:
            continue  # without the table nothing can be told; a system may make its accounts at boot
        names = {key.text for key, _ in tables.table(of).records()} | set(others)
        found += [
            Orphan(file, key.text) for key, _ in tables.table(file).records() if not key.nth and key.text not in names
        ]
    return found


def note_orphans(ask: Questions, files: Mapping[str, bytes | None], clone: AccountTables) -> None:
    """One remark for each file about orphans of a merge that the server did not have before."""
    merged = AccountTables.of({name: data for name, data in files.items() if data is not None})
    before = set(orphans(clone))
    new = [orphan for orphan in orphans(merged) if orphan not in before]
    for file in (SHADOW, GSHADOW):
        names = [shown(orphan.name) for orphan in new if orphan.file == file]
        if names:
            text = (
                f"{counted(len(names), 'record has', 'records have')} no account in the result: {', '.join(names[:10])}"
            )
            ask.note("account-orphans", file, text + (", ..." if len(names) > 10 else ""), names=names)


def merge_account_tables(tables: Tables, used: InUse, ask: Questions) -> AccountsMerge:
    """Merge the account tables of base, gold and clone, with all that the plan of a merge knows of their use."""
    merger = _Merger(tables, ask)
    merger.merge_records(used)
    return merger.numbered(used)


class _Merger:
    """The six files of one merge, in the order in which one needs another."""

    def __init__(self, tables: Tables, ask: Questions) -> None:
        self.tables = tables
        self.ask = ask
        self.files: dict[str, AccountFile] = {}
        for file in ACCOUNT_FILES:
            self.files[file] = AccountFile(file, tables)
        self.user_fates: Mapping[bytes, str] = {}
        self.group_fates: Mapping[bytes, str] = {}

    def merge_records(self, used: InUse) -> None:
        """Merge all files but for the numbers of accounts."""
        base, gold, clone = (AccountSide(tables) for tables in self.tables)
        presence = Presence(base, gold, clone, self.ask)
        self.user_fates = presence.users(used)
        absent = absent_users(self.user_fates, returned_users(*self.tables, self.ask))
        self.files[PASSWD].merge(self.user_fates, absent, self.ask)
        self.group_fates = presence.groups(used, self.primary_groups())
        for file in ACCOUNT_FILES[1:]:
            fates = self.group_fates if file in GROUP_FILES else self.user_fates
            self.files[file].merge(fates, absent, self.ask)
        self._withdraw({name for name, fate in self.user_fates.items() if fate == WITHDRAWN}, used)

    def _withdraw(self, names: Set[bytes], used: InUse) -> None:
        """Take away every way in; see :mod:`goldroot.accounts.presence`."""
        users, passwords = self.files[PASSWD].records, self.files[SHADOW].records
        nologin = nologin_of(self.tables[side] for side in (1, 2, 0))
        shadowed = any(tables.table(SHADOW).present for tables in self.tables[1:])
        for key in [key for key in users if key.text in names]:
            users[key] = withdraw_user(users[key], nologin, shadowed)
            if shadowed:
                passwords.setdefault(key, {})
        for key in [key for key in passwords if key.text in names]:
            passwords[key] = withdraw_password(passwords[key])
        ranges = {file: self.files[file].records for file in RANGE_FILES}
        without_unused_ranges(ranges, names, {SUBUID: used.bare_uids, SUBGID: used.bare_gids})

    def primary_groups(self) -> set[bytes]:
        """What passwd's gids of the result mean: names of groups, or ``#N``."""
        return {record["gid"] or b"" for record in self.files[PASSWD].records.values()}

    def numbered(self, used: InUse) -> AccountsMerge:
        """Number the accounts, and write the files."""
        defs = merge_login_defs(*(side.login_defs for side in self.tables))
        references = self.primary_groups()
        by_number = {key.text for file in RANGE_FILES for key in self.files[file].records}
        bare_uids = used.bare_uids | {int(text) for text in by_number if number_of(text) is not None}
        bare_gids = used.bare_gids | {int(name[1:]) for name in references if name.startswith(b"#")}
        users = self._number(PASSWD, "uid", defs.users, self.user_fates, bare_uids)
        groups = self._number(GROUP, "gid", defs.groups, self.group_fates, bare_gids)
        user_numbers = self._names(users, used.users, [side.users for side in self.tables])
        group_numbers = self._names(groups, used.groups | references, [side.groups for side in self.tables])
        bare_users = _ask_bare(users, bare_uids, user_numbers)
        bare_groups = _ask_bare(groups, bare_gids, group_numbers)
        self._separate_ranges(defs)
        bare_users = self._with_ranges(SUBUID, used.bare_uids) | bare_users
        bare_groups = self._with_ranges(SUBGID, used.bare_gids) | bare_groups
        renumbered = list(renumbered_of(users, self.files[PASSWD].claims(self.user_fates)))
        renumbered += renumbered_of(groups, self.files[GROUP].claims(self.group_fates))
        note_renumbered(self.ask, renumbered)
        gids = {name: _reference(name, group_numbers, bare_groups) for name in references}
        files = {
            name: file.render((groups if name in GROUP_FILES else users).numbers, gids, bare_users)
            for name, file in self.files.items()
        }
        note_orphans(self.ask, files, self.tables[2])
        return AccountsMerge(
            files,
            user_numbers,
            group_numbers,
            self.ask.conflicts,
            self.ask.notes,
            renumbered,
            {number: moved for number, moved in bare_users.items() if moved != number},
            {number: moved for number, moved in bare_groups.items() if moved != number},
        )

    def _number(
        self, file: str, field_name: str, ranges: NumberRanges, fates: Mapping[bytes, str], bare: Set[int]
    ) -> Numbering:
        taken = set(bare)
        for tables in self.tables:
            for line in tables.table(file).lines.values():
                fields = line[0].split(b":") if len(line) == 1 else line
                taken.update(int(part) for part in fields[2:3] if part.isdigit() and len(part) < 20)
        numbering = Numbering(file, field_name, ranges, taken, self.ask)
        numbering.assign(self.files[file].claims(fates))
        return numbering

    def _names(self, numbering: Numbering, in_use: Set[bytes], tables: list[Mapping[bytes, int]]) -> dict[bytes, int]:
        """Each name's number; also of names that are used and have no account in the result."""
        numbers = {key.text: number for key, number in numbering.numbers.items() if key.nth == 0}
        for name in sorted(in_use - numbers.keys()):
            base, gold, clone = (side.get(name) for side in tables)
            if base is not None or gold is not None or clone is not None:
                numbers[name] = numbering.reserve(Claim(Key(name, 0), base, gold, clone))
                self._note_nameless(numbering.file, name, numbers[name])
        return numbers

    def _note_nameless(self, file: str, name: bytes, number: int) -> None:
        text = (
            f"{shown(name)}: the result has no account of this name, and what belongs to it there carries the bare"
            f" number {number}"
        )
        self.ask.note("no-account", file, text, name=shown(name), number=number)

    def _separate_ranges(self, defs: LoginDefs) -> None:
        for file, first in (("subuid", defs.sub_users[0]), ("subgid", defs.sub_groups[0])):
            merged = self.files[file]
            ranges = [_range(key, merged.sides(key), record["range"] or b"") for key, record in merged.records.items()]
            known = (b":".join(fields[1:]) for tables in self.tables for _, fields in tables.table(file).records())
            for key, value in separate_ranges(file, ranges, known, first, self.ask).items():
                if value is None:
                    del merged.records[key]
                else:
                    merged.records[key] = {"range": value}

    def _with_ranges(self, file: str, bare: Set[int]) -> dict[int, int]:
        """Numbers of users' containers, which move with the range that they are given from."""
        merged = self.files[file]
        ranges = [
            (b":".join(line[1:]), record["range"] or b"0:0")
            for key, record in merged.records.items()
            if (line := merged.sides(key).clone) is not None
        ]
        moved = moved_with_ranges(ranges, bare)
        if moved:
            text = f"{len(moved):,} numbers of ranges that moved were moved with them, and the files that carry them"
            self.ask.note("ranges-moved", file, text, count=len(moved))
        return moved


def _ask_bare(numbering: Numbering, bare: Set[int], names: Mapping[bytes, int]) -> dict[int, int]:
    """What becomes of numbers that had no name and have one in the result."""
    named = {number for key, number in numbering.numbers.items() if key.nth == 0}
    return {number: numbering.bare(number, names) for number in sorted(bare & named)}


def _range(key: Key, sides: ThreeLines, value: bytes) -> Range:
    base, gold, clone = (None if line is None else b":".join(line[1:]) for line in sides)
    return Range(key, base, gold, clone, value)


def _reference(name: bytes, groups: Mapping[bytes, int], bare: Mapping[int, int]) -> int:
    """The number to write for what passwd's gid means."""
    if name.startswith(b"#"):
        return bare.get(int(name[1:]), int(name[1:]))
    return groups[name]
