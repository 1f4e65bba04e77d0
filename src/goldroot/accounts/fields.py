"""The fields of account records, and one record merged field by field.

Formats: passwd(5), group(5), shadow(5), gshadow(5), subuid(5).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from goldroot.accounts.tables import GROUP, GSHADOW, PASSWD, SHADOW, SUBGID, SUBUID, AccountTables, Key, number_of
from goldroot.accounts.three_way import BOTH, Absent, Check, Questions, changed_by, etc, merge_members, record_name
from goldroot.conflicts import CLONE, GOLD, Conflict

# -- Passwords that let nobody in: ``*``, ``!`` and their like, as tools write them for a system account.  They are equal only
# where the account has no shell to log in with: a key opens an account whose password is ``*``, and not one whose password
# begins with ``!`` (sshd(8), "locked").

LOCKED = (b"*", b"!", b"!*", b"!!")
NO_LOGIN = (b"nologin", b"false")


def is_locked_twice(file: str, key: Key, gold: AccountTables, clone: AccountTables) -> bool:
    """Whether gold and the clone both added a system account that nobody can log in to, each with its own word for that."""
    return file == SHADOW and all(_is_locked(tables, key) for tables in (gold, clone))


def _is_locked(tables: AccountTables, key: Key) -> bool:
    shadow, passwd = tables.table(SHADOW).lines.get(key), tables.table(PASSWD).lines.get(key)
    if shadow is None or passwd is None or len(passwd) < 7:
        return False
    if not tables.login_defs.users.is_system(int(passwd[2])):
        return False
    return shadow[1] in LOCKED and os.path.basename(passwd[6]) in NO_LOGIN


def agreed(
    gold: Mapping[str, bytes | None], clone: Mapping[str, bytes | None]
) -> tuple[Mapping[str, bytes | None], Mapping[str, bytes | None]]:
    """Both sides' fields of such an account with what they agree on: the clone's word for the password, and what only one
    of them says of its ageing."""
    word, _, date = (clone["password"] or b"").partition(b":")
    golds = (gold["password"] or b"").partition(b":")[2]
    both = {name: value or gold.get(name) for name, value in clone.items()}
    both["password"] = word + b":" + (date or golds)
    return {name: both[name] if not value or name == "password" else value for name, value in gold.items()}, both


PLAIN, SECRET, DATED, MEMBERS, NUMBER, GROUP_NAME = "plain", "secret", "dated", "members", "number", "group-name"

Fields = tuple[bytes, ...]
Pieces = Mapping[str, bytes | None]  #: field name -> its canonical bytes, None where the line ends before it


class Field(NamedTuple):
    """One field for the merge; it may be several of the file's (a password with the day of its change)."""

    name: str
    first: int  #: index in the line; the name is 0
    width: int = 1
    kind: str = PLAIN

    def of(self, fields: Fields) -> bytes | None:
        """The field's bytes in a line, None where the line ends before it."""
        part = fields[self.first : self.first + self.width]
        return b":".join(part) if part else None


_REST = 1000  #: more fields than the format knows are one field together

FIELDS: Mapping[str, tuple[Field, ...]] = {
    PASSWD: (
        Field("password", 1, kind=SECRET),
        Field("uid", 2, kind=NUMBER),
        Field("gid", 3, kind=GROUP_NAME),
        Field("gecos", 4),
        Field("home", 5),
        Field("shell", 6),
        Field("rest", 7, _REST),
    ),
    GROUP: (
        Field("password", 1, kind=SECRET),
        Field("gid", 2, kind=NUMBER),
        Field("members", 3, kind=MEMBERS),
        Field("rest", 4, _REST),
    ),
    SHADOW: (
        Field("password", 1, 2, DATED),
        Field("min", 3),
        Field("max", 4),
        Field("warn", 5),
        Field("inactive", 6),
        Field("expire", 7),
        Field("reserved", 8),
        Field("rest", 9, _REST),
    ),
    GSHADOW: (
        Field("password", 1, kind=SECRET),
        Field("admins", 2, kind=MEMBERS),
        Field("members", 3, kind=MEMBERS),
        Field("rest", 4, _REST),
    ),
    SUBUID: (Field("range", 1, 2),),
    SUBGID: (Field("range", 1, 2),),
}


def pieces(tables: AccountTables, file: str, fields: Fields | None) -> Pieces:
    """A line's fields by name, passwd's gid as the name of the group; ``#N`` is a number without a name there."""
    if fields is None:
        return {}
    found = {field.name: field.of(fields) for field in FIELDS[file]}
    if file == PASSWD:
        found["gid"] = group_reference(tables, fields[3])
    return found


def group_reference(tables: AccountTables, gid: bytes) -> bytes:
    """What passwd's gid means in its own tables: a group's name, or ``#N``."""
    name = tables.group_names.get(int(gid))
    return b"#%d" % int(gid) if name is None else name


def canonical(tables: AccountTables, file: str, fields: Fields | None) -> bytes:
    """A whole line as a value that does not depend on how its numbers are given out to groups."""
    if fields is None:
        return b""
    parts = pieces(tables, file, fields).values()
    return b":".join([fields[0], *(part for part in parts if part is not None)])


def same_record(file: str, old: Pieces, new: Pieces) -> bool:
    """Whether nothing that means something changed from ``old`` to ``new``, where gold made ``new``.

    A gold that is built again dates every password to the day of its building; that is not a change.
    """
    return all(_same(field, old.get(field.name), new.get(field.name)) for field in FIELDS[file])


def _same(field: Field, old: bytes | None, new: bytes | None) -> bool:
    if old is None or new is None or old == new:
        return old == new
    if field.kind == NUMBER:
        return int(old) == int(new)
    return field.kind == DATED and same_password(old, new)


def same_password(old: bytes | None, new: bytes | None) -> bool:
    """Whether ``password:date`` differ only by a date that has no meaning of its own (0 and none have one)."""
    if old is None or new is None:
        return old is new
    (old_hash, _, _), (new_hash, _, date) = old.partition(b":"), new.partition(b":")
    return old == new or (old_hash == new_hash and date not in (b"", b"0"))


class ThreeLines(NamedTuple):
    """One key's lines in base, gold and clone; None where a side has none."""

    base: Fields | None
    gold: Fields | None
    clone: Fields | None

    def number_text(self, index: int, number: int) -> bytes:
        """How to write a number: as the side does whose line counts, where it means the same."""
        touched = self.clone is not None and self.clone != self.base
        for fields in (self.clone, self.gold) if touched else (self.gold, self.clone):
            if fields is not None and len(fields) > index and number_of(fields[index]) == number:
                return fields[index]
        return b"%d" % number


class RecordMerger:
    """Merges records of one file field by field; ``tables`` are base's, gold's and the clone's."""

    def __init__(
        self, file: str, tables: tuple[AccountTables, AccountTables, AccountTables], absent: Absent, ask: Questions
    ) -> None:
        self.file = file
        self.tables = tables
        self.absent = absent
        self.ask = ask

    def merge(self, key: Key, sides: ThreeLines) -> Pieces:
        """The merged fields of a record that gold and clone both have; its own number is left to the numbering."""
        base = pieces(self.tables[0], self.file, sides.base)
        gold = pieces(self.tables[1], self.file, sides.gold)
        clone = pieces(self.tables[2], self.file, sides.clone)
        if sides.base is None and gold != clone and is_locked_twice(self.file, key, self.tables[1], self.tables[2]):
            gold, clone = agreed(gold, clone)
        if key.text in self.absent.returned and self.file in (PASSWD, SHADOW):
            return {**clone, **gold}
        merged: dict[str, bytes | None] = {}
        for field in FIELDS[self.file]:
            name = field.name
            merged[name] = self._field(key, field, base.get(name), gold.get(name), clone.get(name))
        return merged

    def alone(self, gold: Pieces | None, clone: Pieces | None) -> Pieces:
        """The fields of a record that comes from one side, its lists without accounts that are not in the result."""
        there, here = gold or {}, clone or {}
        lists = [field.name for field in FIELDS[self.file] if field.kind == MEMBERS]
        merged = {name: merge_members(None, there.get(name), here.get(name), self.absent) for name in lists}
        return {**there, **here, **merged}

    def _field(
        self, key: Key, field: Field, base: bytes | None, gold: bytes | None, clone: bytes | None
    ) -> bytes | None:
        if field.kind == MEMBERS:
            return merge_members(base, gold, clone, self.absent)
        who = changed_by(base, gold, clone)
        if who != BOTH or field.kind == NUMBER:
            return gold if who == GOLD else clone
        if field.kind == DATED and (same_password(base, gold) or same_password(clone, gold)):
            return clone
        return self._conflict(key, field, (base, gold, clone))

    def _conflict(self, key: Key, field: Field, values: tuple[bytes | None, ...]) -> bytes | None:
        name = record_name(key)
        asked = Conflict(
            etc(self.file),
            f"accounts:{name}:{field.name}",
            "both-changed",
            (values[0] or b"", values[1] or b"", values[2] or b""),
            detail=f"gold and the server both changed field {field.first + 1} ({field.name}) of {name}",
            secret=field.kind in (SECRET, DATED),
        )
        answer = self.ask.pick(asked, self._check(field))
        if isinstance(answer, bytes):
            return answer
        return values[2] if answer == CLONE else values[1]

    def _check(self, field: Field) -> Check:
        return lambda value: check_value(field, value, {name for tables in self.tables[1:] for name in tables.groups})


def check_value(field: Field, value: bytes, groups: set[bytes]) -> str:
    """Why a person's own value of a field cannot be written; "" where it can."""
    if b"\n" in value or b"\0" in value:
        return "it holds a line end or a NUL"
    if field.width < _REST and value.count(b":") != field.width - 1:
        return f"it must hold {field.width - 1} colons"
    if field.kind == GROUP_NAME and value not in groups:
        return "there is no group of that name"
    if field.name == "range" and any(number_of(part) is None for part in value.split(b":")):
        return "a range is start:count"
    return ""
