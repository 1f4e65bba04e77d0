"""The simulated user directory: entries of records, and what a guest gets out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from goldroot.errors import BadInput

from .statements import (
    ABBREVIATIONS,
    COLUMNS,
    ENTRIES,
    Statement,
    is_comment,
    keyword_of,
    significant,
    statement_of,
    statements,
    vdev,
)

#: Entry kind -> the number by which ``Query_All_DM`` calls it.
TYPE_NUMBERS = {"USER": 0, "PROFILE": 1, "POOL": 3, "DIRECTORY": 4, "GLOBALDEFS": 5, "IDENTITY": 6, "SUBCONFIG": 7}

#: Entries that are users: they can be logged on.
USERS = ("USER", "IDENTITY")

#: What fixed records may be long: with sequence numbers, and without.
WIDTHS = (80, COLUMNS)

#: Longer than any line of a directory, in characters: a "line end" that makes longer ones stands in a fixed record.
LONGEST_LINE = 160

#: Control characters, as they are kept in comments.
NO_TEXT = dict.fromkeys(range(0x20), ".") | {ord("\t"): "\t"}

#: Instead of a password: nobody logs on with one.
NO_LOGON = ("NOLOG",)


@dataclass(frozen=True)
class Entry:
    """One entry; ``records`` are its lines without padding, the entry statement among them.  It never changes: an
    edit makes a new one."""

    kind: str
    name: str
    records: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def statements(self) -> list[Statement]:
        return list(statements(self.records))

    def find(self, keyword: str) -> Iterator[Statement]:
        """The entry's own statements of one kind."""
        return (statement for statement in self.statements if statement.keyword == keyword)

    @property
    def head(self) -> Statement:
        """The USER, IDENTITY, PROFILE or SUBCONFIG statement."""
        return next(statement for statement in self.statements if statement.keyword == self.kind)

    @property
    def password(self) -> str:
        """The logon password of a user; secret, never shown."""
        return self.head.operand(1) if self.kind in USERS else ""

    @property
    def pooled(self) -> bool:
        """Whether this describes a pool of users; there may be an identity of the same name beside it."""
        return self.kind == "IDENTITY" and any(self.find("POOL"))

    @property
    def key(self) -> str:
        return f"{self.name} POOL" if self.pooled else self.name

    @property
    def type_number(self) -> int:
        return TYPE_NUMBERS["POOL"] if self.pooled else TYPE_NUMBERS[self.kind]


class Directory:
    """All entries, in the order of the source.

    :param member: the member of the cluster that is simulated: whose ``BUILD ON`` counts.
    """

    def __init__(self, entries: Iterable[Entry] = (), member: str = "") -> None:
        self.entries: dict[str, Entry] = {entry.key: entry for entry in entries}
        self.member = member or self._first_member()

    def at(self, member: str) -> Directory:
        """The same entries, as another member of the cluster reads them."""
        there = Directory((), member)
        there.entries = self.entries
        return there

    @classmethod
    def from_text(cls, text: str | bytes, member: str = "") -> Directory:
        """Read a source directory.

        :raises BadInput: there is not one entry in it, or a statement holds bytes that no text has.
        """
        source = text.decode("iso8859-1") if isinstance(text, bytes) else text
        lines = [plain(line) for line in lines_of(source)]
        if any("\0" in line for line in lines):
            raise BadInput(
                "this is not a user directory: it holds zero bytes", todo="Give it a USER DIRECT file as text."
            )
        found = list(entries_of(lines))
        if not found:
            raise BadInput(
                "this is not a user directory: no USER, IDENTITY or PROFILE statement in it",
                todo="Give it a USER DIRECT file as text.",
            )
        return cls(found, member)

    def text(self) -> str:
        """The whole directory again, one record a line."""
        return "".join(record + "\n" for entry in self.entries.values() for record in entry.records)

    def _first_member(self) -> str:
        for entry in self.entries.values():
            for build in entry.find("BUILD"):
                if build.operand(0) == "ON" and build.operand(1) not in ("", "*"):
                    return build.operand(1)
        return "ZVM"

    def get(self, name: str) -> Entry | None:
        return self.entries.get(name.upper())

    def user(self, name: str) -> Entry | None:
        """The entry of somebody who can own disks and be logged on."""
        entry = self.get(name)
        return entry if entry and entry.kind in USERS else None

    def names(self) -> list[str]:
        """Users, identities and their parts: what ``Image_Name_Query_DM`` lists."""
        return [
            entry.name for entry in self.entries.values() if entry.kind in (*USERS, "SUBCONFIG") and not entry.pooled
        ]

    def parts(self, name: str) -> list[Entry]:
        """The entries that make up a guest on this member: its own, its SUBCONFIG, its profile."""
        entry = self.user(name)
        if entry is None:
            return []
        built = [self.get(one.operand(4)) for one in entry.find("BUILD") if one.operand(1) in (self.member, "*")]
        own = [entry, *(part for part in built if part)]
        included = [self.get(one.operand(0)) for part in own for one in part.find("INCLUDE")]
        return [*own, *(part for part in included if part and part.kind == "PROFILE")]

    def disk(self, owner: str, address: str) -> tuple[Entry, Statement] | None:
        """The MDISK that ``owner`` has at ``address`` (four digits), and the entry that it stands in."""
        for part in self.parts(owner) or ([entry] if (entry := self.get(owner)) else []):
            for statement in part.find("MDISK"):
                if vdev(statement.operand(0)) == address:
                    return part, statement
        return None


def is_uncached(part: Entry, disk: Statement) -> bool:
    """Whether the options behind an MDISK keep it out of the minidisk cache."""
    for option in part.statements[part.statements.index(disk) + 1 :]:
        if option.keyword not in ("MINIOPT", "DASDOPT"):
            return False
        if option.keyword == "MINIOPT" and "NOMDC" in option.operands:
            return True
    return False


def lines_of(source: str) -> list[str]:
    """Lines, or the records of a file of fixed records: 80 columns each, or 72 where that fits better.

    A record of a fixed file may hold anything where the directory manager keeps a binary checksum (``*DVHOPT``), also
    what ends a line elsewhere, or zero bytes.
    """
    end = next((end for end in ("\n", "\r") if end in source), "")
    if not end:
        return cut(source)
    lines = source.replace("\r\n", "\n").split(end)
    if max(map(len, lines)) > LONGEST_LINE and any(len(source) % width == 0 for width in WIDTHS):
        records = cut(source)
        unknown = -statements_among(records)[0]
        return records if unknown * 2 < len(records) else lines
    return lines


def cut(source: str) -> list[str]:
    """Records of the width that fits better."""
    made = ([source[at : at + width] for at in range(0, len(source), width)] for width in WIDTHS)
    return max(made, key=statements_among)


def plain(record: str) -> str:
    """A record as it is kept: in a comment, what is not text becomes a dot, since a reply may end its lines with it."""
    return record.translate(NO_TEXT) if is_comment(record) else record


def statements_among(records: list[str]) -> tuple[int, int]:
    """How many records are statements or comments that are whole, and how many begin in the same column."""
    begins = [(len(one) - len(one.lstrip()), one.split()[0]) for one in records if one.strip()]
    known = sum(word[0] == "*" or keyword_of(word) in ABBREVIATIONS for _, word in begins)
    columns = [column for column, _ in begins]
    return known - len(begins), max(map(columns.count, set(columns)), default=0) - len(columns)


def entries_of(lines: Iterable[str]) -> Iterator[Entry]:
    """Cut a source into entries; what stands before the first belongs to the first."""
    records: list[str] = []
    head: Statement | None = None
    for line in lines:
        record = significant(line)
        statement = statement_of(record)
        if statement and statement.keyword in ENTRIES:
            if head:
                yield made(head, records)
                records = []
            head = statement
        records.append(record)
    if head:
        while not records[-1]:
            records.pop()
        yield made(head, records)


def made(head: Statement, records: list[str]) -> Entry:
    return Entry(head.keyword, head.operand(0) or head.keyword, tuple(records))


def entry_of(records: Iterable[str]) -> Entry | None:
    """The one entry in these records; nothing where there is none or more than one."""
    found = list(entries_of(records))
    return found[0] if len(found) == 1 else None
