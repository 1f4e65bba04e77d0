"""Records of a user directory file: bytes in, the same bytes out.

A record is a line (LF or CRLF), or, in a file without line ends, 80 or 72 bytes.  Columns 1-72 carry the statement,
73-80 are free for sequence numbers; source: IBM, CP Planning and Administration, and the files themselves, which mix
records with and without sequence numbers.  Text is latin-1 at most and often no text at all, so that everything here
is bytes: a record of fixed length may hold the byte of a line end (``*DVHOPT`` ends in a binary checksum).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from goldroot.errors import BadInput
from goldroot.zvm.directory.keywords import is_known, keyword_of

#: The last column (1-based) that a statement may use.
LAST_COLUMN = 72
#: The width of a card: statement and sequence field.
CARD = 80
BLANK = b" "
_WORD = re.compile(rb"\S+")
#: The widths that fixed records have, the usual one first.
WIDTHS = (CARD, LAST_COLUMN)
#: Lines longer than this (bytes) are not lines of a directory: a line end inside a fixed record made them.
_NO_LINE = 2 * CARD
#: Records that are looked at to tell one width from the other.
_SAMPLE = 5_000


class Record(NamedTuple):
    """One record: its bytes and the line end that follows it (b"" in fixed files and at the end of a file)."""

    raw: bytes
    eol: bytes

    @property
    def text(self) -> bytes:
        """Columns 1-72."""
        return self.raw[:LAST_COLUMN]

    @property
    def sequence(self) -> bytes:
        """Column 73 and all that follows."""
        return self.raw[LAST_COLUMN:]

    def words(self) -> list[tuple[int, int]]:
        """Start and end (0-based, end exclusive) of each blank-separated word in columns 1-72."""
        return [found.span() for found in _WORD.finditer(self.text)]


def split(data: bytes) -> list[Record]:
    """The records of ``data``; ``join(split(data)) == data`` for any bytes."""
    eol = b"\n" if b"\n" in data else b"\r" if b"\r" in data else b""
    if not eol or _only_seems_lines(data, eol):
        width = fixed_width(data)
        return [Record(data[at : at + width], b"") for at in range(0, len(data), width)]
    parts = data.split(eol)
    last = parts.pop()
    if eol == b"\n":
        records = [Record(part[:-1], b"\r\n") if part[-1:] == b"\r" else Record(part, b"\n") for part in parts]
    else:
        records = [Record(part, b"\r") for part in parts]
    return [*records, Record(last, b"")] if last else records


def join(records: Iterable[Record]) -> bytes:
    """The bytes of ``records``."""
    return b"".join([part for record in records for part in record])


def fixed_width(data: bytes) -> int:
    """Bytes in a record of a file without line ends: 80 or 72, or all of it where it is no longer than a card."""
    if len(data) <= CARD:
        return max(len(data), 1)
    whole = [width for width in WIDTHS if len(data) % width == 0]
    return whole[0] if len(whole) == 1 else max(WIDTHS, key=lambda width: _fit_of(data, width))


def _only_seems_lines(data: bytes, eol: bytes) -> bool:
    """Whether the line ends of ``data`` stand inside fixed records: the lines are too long, and records fit."""
    if len(data) <= CARD or not any(len(data) % width == 0 for width in WIDTHS):
        return False
    if max(map(len, data.split(eol))) <= _NO_LINE:
        return False
    return _fit_of(data, fixed_width(data))[0] > 0.9


def _fit_of(data: bytes, width: int) -> tuple[float, float]:
    """How well records of a width fit: the share that begins as a statement or a comment does, and the share that
    begins in the commonest column, blank records left out.

    With the wrong width every record begins elsewhere in a statement, whatever its indentation.
    """
    starts = range(0, min(len(data), width * _SAMPLE), width)
    begins = [found for at in starts if (found := _WORD.search(data, at, at + width))]
    if not begins:
        return 0.0, 0.0
    good = sum(1 for found in begins if found[0][:1] == b"*" or is_known(keyword_of(found[0])))
    columns = Counter(found.start() % width for found in begins)
    return good / len(begins), columns.most_common(1)[0][1] / len(begins)


class RecordLayout(NamedTuple):
    """How new records of a file must look: their line end, and the width that they are padded to (0: not padded)."""

    eol: bytes
    width: int

    def record(self, text: bytes) -> Record:
        """A new record.  :raises BadInput: when ``text`` would pass column 72."""
        return Record(fits(printable(text.rstrip(BLANK))).ljust(self.width), self.eol)


def layout_of(records: Sequence[Record]) -> RecordLayout:
    """The layout that most of ``records`` have."""
    if not records:
        return RecordLayout(b"\n", 0)
    (eol, _), *_ = Counter(record.eol for record in records).most_common(1)
    (width, common), *_ = Counter(len(record.raw) for record in records).most_common(1)
    fixed = len(records) > 1 and not any(record.eol for record in records)
    padded = width in (LAST_COLUMN, CARD) and common * 2 > len(records)
    return RecordLayout(eol or (b"" if fixed else b"\n"), width if fixed or padded else 0)


def fits(text: bytes) -> bytes:
    """``text`` itself.  :raises BadInput: when it passes column 72."""
    if len(text) > LAST_COLUMN:
        raise BadInput(
            f"the {verb_of(text)} statement would be {len(text)} columns long",
            meaning="A directory statement ends in column 72; what follows is ignored. Nothing was changed.",
            todo="Shorten it: drop optional operands, or write the addresses without leading zeros.",
        )
    return text


def printable(text: bytes) -> bytes:
    """``text`` itself.  :raises BadInput: when it holds a control character, which would break the record in two."""
    if any(byte < 0x20 for byte in text):
        raise BadInput(f"the {verb_of(text)} statement holds a control character", todo="Write it with blanks only.")
    return text


def verb_of(text: bytes) -> str:
    """The first word, for messages: never an operand, which may be a password."""
    words = text.split(None, 1)
    return words[0].decode("latin-1").upper() if words else "blank"


def replace_words(record: Record, new: dict[int, bytes]) -> Record:
    """``record`` with word ``index -> text`` replaced, and nothing else changed that can stay.

    Columns 73-80 are kept.  Words behind a replaced one stay in their columns where the blanks before them allow it;
    where column 72 would be passed, runs of blanks behind it are given up.
    :raises BadInput: when it does not fit even so.
    """
    spans = record.words()
    text, shift = record.text, 0
    for index in sorted(new):
        start, end = spans[index][0] + shift, spans[index][1] + shift
        before = len(text)
        text = _put(text, start, end, new[index])
        shift += len(text) - before
    return Record(_fit(text, record) + record.sequence, record.eol)


def _put(text: bytes, start: int, end: int, word: bytes) -> bytes:
    """``text`` with [start:end] replaced; blanks behind it grow or shrink (to one) so that the rest stays in place."""
    rest = text[end:]
    grown = len(word) - (end - start)
    blanks = len(rest) - len(rest.lstrip(BLANK))
    at_end = blanks == len(rest)
    if grown < 0:
        rest = rest if at_end and not rest else BLANK * -grown + rest
    elif grown > 0:
        rest = rest[min(grown, blanks if at_end else max(blanks - 1, 0)) :]
    return text[:start] + word + rest


def _fit(text: bytes, old: Record) -> bytes:
    """``text`` padded as the record was, and within 72 columns in any case."""
    body = text.rstrip(BLANK)
    if len(body) > LAST_COLUMN:
        indent = body[: len(body) - len(body.lstrip(BLANK))]
        body = indent + BLANK.join(body.split())
    if len(body) > LAST_COLUMN:
        body = body.lstrip(BLANK)
    padded = old.sequence or old.text[-1:] == BLANK or len(old.text) == LAST_COLUMN
    return fits(body).ljust(len(old.text) if padded else 0)
