"""One account file merged line by line: which lines are in the result, with which fields, in which order."""

from __future__ import annotations

from collections.abc import Mapping

from goldroot.accounts.fields import FIELDS, NUMBER, Pieces, RecordMerger, ThreeLines, pieces
from goldroot.accounts.login_defs import number_of
from goldroot.accounts.numbers import Claim
from goldroot.accounts.presence import RecordPresence
from goldroot.accounts.questions import Questions
from goldroot.accounts.tables import PASSWD, RANGE_FILES, AccountTables, Key, by_account
from goldroot.accounts.three_way import Absent, merge_order, three_way
from goldroot.accounts.withdrawn import KEPT, WITHDRAWN

Tables = tuple[AccountTables, AccountTables, AccountTables]  #: base's, gold's, the clone's


class AccountFile:
    """One merged file: its records by name of field, and the odd lines, in no order yet."""

    def __init__(self, file: str, tables: Tables) -> None:
        self.file = file
        self.tables = tables
        self.base, self.gold, self.clone = (by_account(side, file) for side in tables)
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
