"""Statements: records grouped by continuation, with the statement's name resolved and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.zvm.directory.keywords import ADDRESSED, BLANK, COMMENT, HEADERS, LOOKUP, is_known, keyword_of
from goldroot.zvm.directory.records import LAST_COLUMN, Record


class Statement:
    """One statement, comment or blank record.

    ``keyword``: the full name (abbreviations resolved), ``*`` for a comment, "" for a blank record, the first word in
    capitals where it is not a known statement.  ``raw_words``: the words of columns 1-72, the first included, without
    the commas that continue it; none for comments.  ``line``: 1-based in the file, 0 for a new statement.
    """

    __slots__ = ("keyword", "line", "raw_words", "records")

    def __init__(self, keyword: str, records: tuple[Record, ...], raw_words: list[bytes], line: int = 0) -> None:
        self.keyword = keyword
        self.records = records
        self.raw_words = raw_words
        self.line = line

    @property
    def operands(self) -> list[str]:
        """The words behind the first, as written."""
        return [word.decode("latin-1") for word in self.raw_words[1:]]

    @property
    def is_code(self) -> bool:
        """Whether this is a statement, and neither comment nor blank."""
        return self.keyword not in (COMMENT, BLANK)

    def places(self) -> list[tuple[int, int, int]]:
        """Where each word of ``raw_words`` stands: index into ``records``, start and end column (0-based)."""
        spans = [(at, record, record.words()) for at, record in enumerate(self.records) if at == 0 or is_text(record)]
        found: list[tuple[int, int, int]] = []
        for at, record, words in spans if self.is_code else []:
            found += [(at, start, end) for start, end in words]
            if record.text[: words[-1][1]].endswith(b",") and (at + 1 < len(self.records) or at == spans[-1][0]):
                _, start, end = found.pop()
                if end - start > 1 or not found:
                    found.append((at, start, end - 1))
        return found

    @property
    def tail(self) -> str:
        """The operands as one text, blanks within a record kept, as COMMAND and LOADDEV take them."""
        parts: list[str] = []
        last = -1
        for at, start, end in self.places()[1:]:
            if at != last:
                parts.append("")
                begin = start
            last = at
            parts[-1] = self.records[at].raw[begin:end].decode("latin-1")
        return " ".join(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statement) and self.records == other.records

    def __hash__(self) -> int:
        return hash(self.records)

    def __repr__(self) -> str:
        return f"<Statement {self.keyword if is_known(self.keyword) else '?'} line {self.line}>"


def is_text(record: Record) -> bool:
    """Whether a record is neither comment nor blank."""
    body = record.text.lstrip()
    return bool(body) and body[:1] != b"*"


def statements_of(records: list[Record], before: int = 0) -> Iterator[Statement]:
    """Records grouped into statements; ``before`` is added to their line numbers.

    A statement whose last word ends in a comma goes on in the next record that is neither comment nor blank; records
    between are part of it.  A header never continues anything, so that one stray comma cannot swallow an entry.
    """
    at, end = 0, len(records)
    while at < end:
        record = records[at]
        words = record.raw[:LAST_COLUMN].split()
        line = before + at + 1
        at += 1
        if not words:
            yield Statement(BLANK, (record,), words, line)
        elif words[0][:1] == b"*":
            yield Statement(COMMENT, (record,), [], line)
        else:
            keyword = LOOKUP.get(words[0]) or keyword_of(words[0])
            if words[-1][-1:] == b",":
                more = _continued(records, at, words)
                yield Statement(keyword, tuple(records[at - 1 : more]), words, line)
                at = more
            else:
                yield Statement(keyword, (record,), words, line)


def _continued(records: list[Record], at: int, words: list[bytes]) -> int:
    """Appends the continuation's words to ``words``; returns the index behind its last record."""
    done = at
    while at < len(records) and words[-1][-1:] == b",":
        more = records[at].raw[:LAST_COLUMN].split()
        at += 1
        if not more or more[0][:1] == b"*":
            continue
        if keyword_of(more[0]) in HEADERS and len(more[0]) >= 4:
            break
        _drop_comma(words)
        words.extend(more)
        done = at
    if words[-1][-1:] == b",":
        _drop_comma(words)
    return done


def _drop_comma(words: list[bytes]) -> None:
    words[-1] = words[-1][:-1]
    if not words[-1] and len(words) > 1:
        words.pop()


def address_of(word: str) -> str:
    """A virtual device address as four capital hexadecimal digits; the word in capitals where it is none."""
    return word.upper().zfill(4) if is_address(word) else word.upper()


def addresses_at(statement: Statement) -> int | None:
    """Which word (0 is the statement's name) holds the address that a device statement defines; None where none.

    A LINK defines its third operand, or, where that is missing (a mode or a comment follows), its second.
    """
    words = statement.raw_words
    if statement.keyword not in ADDRESSED:
        return None
    if statement.keyword != "LINK":
        return 1 if len(words) > 1 else None
    if len(words) < 3:
        return None
    return 3 if len(words) > 3 and is_address(words[3].decode("latin-1")) else 2


def is_address(word: str) -> bool:
    """Whether a word is one to four hexadecimal digits."""
    return 0 < len(word) <= 4 and all(digit in "0123456789abcdefABCDEF" for digit in word)


def own_address(statement: Statement) -> str:
    """The address that a device statement defines, as four digits; "" where it defines none."""
    at = addresses_at(statement)
    return "" if at is None else address_of(statement.raw_words[at].decode("latin-1"))
