"""A user directory as data: entries of statements of records, and never a byte lost.

::

    Directory
    ├── preamble   statements before the first entry (comments, as a rule)
    └── Entry      kind USER, name LINUX1: its header and all that follows until the next header
        └── Statement   keyword LINK, words, line number
            └── Record  the bytes (several, where a trailing comma continues the statement)

Everything is immutable in use: an edit makes new statements, entries and directories and shares the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goldroot.errors import BadInput, NotFound
from goldroot.zvm.directory.keywords import DISK_OPTIONS, HEADERS
from goldroot.zvm.directory.records import Record, RecordLayout, join, layout_of, split
from goldroot.zvm.directory.statement import Statement, statements_of

#: Entries that define something which can be logged on.
MACHINES = frozenset({"USER", "IDENTITY"})
#: A group of users that share one entry: ``IDENTITY name`` or ``USER name`` with a POOL statement.
POOL = "POOL"


class Entry:
    """One entry.

    ``kind``: USER, IDENTITY, SUBCONFIG, PROFILE, DIRECTORY, GLOBALDEFS or POOL.  ``name``: in capitals.
    """

    __slots__ = ("kind", "name", "statements")

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.statements = tuple(statements)
        header = self.statements[0]
        words = header.operands
        self.name = words[0].upper() if words else header.keyword
        self.kind = POOL if self._is_pool() else header.keyword
        if header.keyword == "GLOBALDEFS":
            self.name = header.keyword

    def _is_pool(self) -> bool:
        code = (statement for statement in self.statements[1:] if statement.is_code)
        return self.header.keyword in MACHINES and (first := next(code, None)) is not None and first.keyword == POOL

    @property
    def header(self) -> Statement:
        return self.statements[0]

    def code(self, *keywords: str) -> Iterator[Statement]:
        """The statements that are neither comment nor blank; of ``keywords`` only, where some are given."""
        for statement in self.statements:
            if statement.keyword in keywords if keywords else statement.is_code:
                yield statement

    def with_options(self) -> Iterator[tuple[Statement, tuple[Statement, ...]]]:
        """Each statement with the MINIOPT and DASDOPT statements that belong to it (to an MDISK, as a rule)."""
        code = list(self.code())
        at = 0
        while at < len(code):
            end = at + 1
            while code[at].keyword == "MDISK" and end < len(code) and code[end].keyword in DISK_OPTIONS:
                end += 1
            yield code[at], tuple(code[at + 1 : end])
            at = end

    def to_bytes(self) -> bytes:
        return join(record for statement in self.statements for record in statement.records)

    def lines(self) -> list[bytes]:
        """The records without line ends, as SMAPI's ``Image_Replace_DM`` takes them."""
        return [record.raw for statement in self.statements for record in statement.records]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self.statements == other.statements

    def __hash__(self) -> int:
        return hash(self.statements)

    def __repr__(self) -> str:
        return f"<Entry {self.kind} {self.name}>"


class Directory:
    """A user directory, or a part of one (a single entry as the directory manager answers it)."""

    def __init__(self, preamble: tuple[Statement, ...], entries: tuple[Entry, ...]) -> None:
        self.preamble = preamble
        self.entries = entries
        self._named: dict[str, list[Entry]] | None = None

    @classmethod
    def parse(cls, data: bytes, before: int = 0) -> Directory:
        """Any bytes: never fails, and ``parse(data).to_bytes() == data``.

        :param before: added to the line numbers: how many records stand before these.
        """
        preamble: list[Statement] = []
        entries: list[Entry] = []
        current: list[Statement] = preamble
        for statement in statements_of(split(data), before):
            if statement.keyword in HEADERS:
                if current is not preamble:
                    entries.append(Entry(current))
                current = [statement]
            else:
                current.append(statement)
        if current is not preamble:
            entries.append(Entry(current))
        return cls(tuple(preamble), tuple(entries))

    @classmethod
    def of_lines(cls, lines: Iterable[bytes]) -> Directory:
        """From records without line ends, as SMAPI's ``Image_Query_DM`` answers them; the opposite of ``lines``."""
        return cls.parse(b"".join(line + b"\n" for line in lines))

    def to_bytes(self) -> bytes:
        return join(record for statement in self.statements() for record in statement.records)

    def statements(self) -> Iterator[Statement]:
        """All statements, in the order of the file."""
        yield from self.preamble
        for entry in self.entries:
            yield from entry.statements

    def records(self) -> list[Record]:
        return [record for statement in self.statements() for record in statement.records]

    def layout(self) -> RecordLayout:
        """How a new record must look to fit in."""
        return layout_of(self.records())

    def named(self, name: str) -> list[Entry]:
        """All entries of a name, of any kind."""
        if self._named is None:
            self._named = {}
            for entry in self.entries:
                self._named.setdefault(entry.name, []).append(entry)
        return self._named.get(name.upper(), [])

    def find(self, name: str, *kinds: str) -> Entry | None:
        """The first entry of a name, of ``kinds`` where some are given; None where there is none."""
        return next((entry for entry in self.named(name) if not kinds or entry.kind in kinds), None)

    def entry(self, name: str) -> Entry:
        """The entry to work on: a USER or IDENTITY before any other kind.

        :raises NotFound: no entry of that name.  :raises BadInput: several that are equally good.
        """
        found = self.named(name)
        best = [entry for entry in found if entry.kind in MACHINES] or found
        if not best:
            raise NotFound(f"the directory has no entry {name.upper()}", todo="See `directory show` for its entries.")
        if len(best) > 1:
            raise BadInput(f"the directory has {len(best)} entries {name.upper()}", todo="See `directory check`.")
        return best[0]

    def replaced(self, old: Entry, new: Entry) -> Directory:
        """The directory with one entry (found by identity) replaced."""
        return Directory(self.preamble, tuple(new if entry is old else entry for entry in self.entries))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directory) and (self.preamble, self.entries) == (other.preamble, other.entries)

    def __hash__(self) -> int:
        return hash((self.preamble, self.entries))
