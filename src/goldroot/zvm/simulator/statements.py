"""One record of a directory as words, read by the simulator's own rules.

This is on purpose not the parser of ``goldroot.zvm.directory``: two readers that were written apart do not
share their mistakes.  Sources: the directory captured from a z/VM 7.1 system, IBM's *CP Planning and Administration*
for the statements, VM/370's directory for the one-letter abbreviations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

#: Significant columns of a record; what stands behind them (sequence numbers) is not part of the statement.
COLUMNS = 72

#: Statement -> fewest letters by which it is known.
ABBREVIATIONS = {
    "ACCOUNT": 1,
    "BUILD": 5,
    "CLASS": 2,
    "COMMAND": 3,
    "CONSOLE": 1,
    "CPU": 2,
    "CRYPTO": 2,
    "DASDOPT": 4,
    "DEDICATE": 1,
    "DIRECTORY": 3,
    "GLOBALDEFS": 9,
    "IDENTITY": 5,
    "INCLUDE": 3,
    "IPL": 1,
    "IUCV": 2,
    "LINK": 1,
    "LOADDEV": 4,
    "LOGONBY": 6,
    "MACHINE": 3,
    "MAXSTORAGE": 7,
    "MDISK": 1,
    "MINIOPT": 4,
    "NAMESAVE": 4,
    "NICDEF": 3,
    "OPTION": 1,
    "POOL": 4,
    "PROFILE": 4,
    "SHARE": 3,
    "SPECIAL": 4,
    "SPOOL": 1,
    "STORAGE": 4,
    "SUBCONFIG": 4,
    "USER": 1,
    "VMRELOCATE": 4,
}

#: Statements that begin an entry.
ENTRIES = frozenset({"DIRECTORY", "GLOBALDEFS", "PROFILE", "USER", "IDENTITY", "SUBCONFIG"})

#: Statements that describe a device; a directory manager keeps them behind the general ones.
DEVICES = frozenset({"CONSOLE", "DEDICATE", "LINK", "MDISK", "NICDEF", "SPECIAL", "SPOOL", "DASDOPT", "MINIOPT"})

#: Statements that say more about the MDISK before them.
OF_A_DISK = frozenset({"DASDOPT", "MINIOPT"})


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement: full keyword, operands in upper case, and the place of its first record in the entry."""

    keyword: str
    operands: tuple[str, ...] = field(repr=False)
    index: int
    text: str = field(repr=False)

    def operand(self, number: int, default: str = "") -> str:
        """Operand ``number``, counted from 0."""
        return self.operands[number] if number < len(self.operands) else default

    def value(self, name: str) -> str:
        """The word behind the word ``name``; "" where it is not there."""
        return self.operand(self.operands.index(name) + 1) if name in self.operands else ""


def significant(record: str) -> str:
    """The columns that count, without trailing blanks."""
    return record[:COLUMNS].rstrip()


def is_comment(record: str) -> bool:
    """A comment, or a record of the directory manager's own such as ``*PW=``."""
    return record.lstrip()[:1] in ("*", "")


def keyword_of(word: str) -> str:
    """The full name of a statement for a word that may abbreviate it; the word itself where none is known."""
    word = word.upper()
    for full, fewest in ABBREVIATIONS.items():
        if len(word) >= fewest and full.startswith(word):
            return full
    return word


def statement_of(record: str, index: int = 0) -> Statement | None:
    """The statement on one record, or nothing for a comment or a blank record."""
    if is_comment(record):
        return None
    words = significant(record).split()
    upper = tuple(word.upper() for word in words[1:])
    return Statement(keyword_of(words[0]), upper, index, significant(record).strip())


def statements(records: Iterable[str]) -> Iterator[Statement]:
    """All statements; a record that ends with a comma goes on in the next one."""
    held = ""
    first = 0
    for index, record in enumerate(records):
        if is_comment(record):
            continue
        if not held:
            first = index
        held = f"{held[:-1]} {significant(record).strip()}" if held else significant(record).strip()
        if held.endswith(","):
            continue
        found = statement_of_text(held, first)
        held = ""
        if found:
            yield found
    if held and (found := statement_of_text(held[:-1], first)):
        yield found


def statement_of_text(text: str, index: int) -> Statement | None:
    """A statement of any length (continued records together are longer than 72 columns)."""
    words = text.split()
    if not words:
        return None
    return Statement(keyword_of(words[0]), tuple(word.upper() for word in words[1:]), index, text)


def vdev(word: str) -> str:
    """A virtual device address as four hexadecimal digits in upper case; the word itself where it is none."""
    try:
        return f"{int(word, 16):04X}"
    except ValueError:
        return word.upper()


def same_device(one: str, other: str) -> bool:
    return vdev(one) == vdev(other)
