"""What the directory manager makes of an entry that it is given.

Seen in the captured calls (``Image_Create_DM``, ``Image_Replace_DM``, and ``Image_Query_DM`` after them): the entry
statement and others come back in upper case, the password stands in a column of eight, every record is padded to 72
columns, statements are reordered (general ones before devices, MDISKs last), and a record ``*PW00=`` with the
password in EBCDIC appears behind the general statements.  A client that compares bytes after its own write is wrong
on a real system, and so it is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goldroot.zvm.simulator.directory import NO_LOGON, Entry
from goldroot.zvm.simulator.statements import (
    COLUMNS,
    DEVICES,
    OF_A_DISK,
    is_comment,
    keyword_of,
    significant,
    statement_of,
)

#: Statements whose operands keep their case.
CASE_KEPT = ("COMMAND", "POSIX", "LOADDEV", "IPL")

#: Passwords that are not passwords, and what a masked one looks like.
NOT_HASHED = (*NO_LOGON, "AUTOONLY", "LBYONLY", "NOPASS", "")


def padded(records: Iterable[str]) -> list[str]:
    """Records as the directory manager gives them out: 72 columns each."""
    return [record[:COLUMNS].ljust(COLUMNS) for record in records]


def rewritten(entry: Entry) -> Entry:
    """The entry as the directory manager keeps it."""
    head = [significant(record) for record in entry.records[: entry.head.index]]
    groups = grouped([upper(record) for record in entry.records[entry.head.index + 1 :]])
    general = [group for group in groups if rank(group) == 0]
    devices = [group for group in groups if rank(group) == 1]
    disks = [group for group in groups if rank(group) == 2]
    tail = [group for group in groups if rank(group) == 3]
    records = [*head, head_record(entry), *flat(general), *password_record(entry), *flat(devices), *flat(disks)]
    return Entry(entry.kind, entry.name, (*records, *flat(tail)))


def head_record(entry: Entry) -> str:
    """The entry statement in upper case; a password column of eight for users."""
    words = significant(entry.records[entry.head.index]).upper().split()
    if entry.kind not in ("USER", "IDENTITY") or len(words) < 3:
        return " ".join(words)
    return f"{entry.kind} {words[1]} {words[2]:<8} {' '.join(words[3:])}".rstrip()


def password_record(entry: Entry) -> list[str]:
    """``*PW00=`` and the password in EBCDIC, for entries that have one."""
    password = entry.password
    if password in NOT_HASHED or set(password) == {"X"}:
        return []
    return [f"*PW00= {password[:8].ljust(8).encode('cp037', 'replace').hex().upper()}"]


def upper(record: str) -> str:
    """A record in upper case, as far as the manager folds it: comments, quoted text and some statements stay."""
    record = significant(record)
    if is_comment(record):
        return record
    words = record.split()
    keyword = keyword_of(words[0])
    if keyword.startswith(CASE_KEPT):
        return record.replace(words[0], words[0].upper(), 1)
    pieces = record.split("'")
    return "'".join(piece if number % 2 else piece.upper() for number, piece in enumerate(pieces))


def grouped(records: Sequence[str]) -> list[list[str]]:
    """Records that must stay together: comments with the statement behind them, MINIOPT with its MDISK,
    continued records with the first."""
    groups: list[list[str]] = []
    waiting: list[str] = []
    goes_on = False
    for record in records:
        if record.lstrip().upper().startswith("*PW00="):
            continue
        if is_comment(record):
            waiting.append(record)
            continue
        statement = statement_of(record)
        if groups and (goes_on or (statement and statement.keyword in OF_A_DISK)):
            groups[-1] += [*waiting, record]
        else:
            groups.append([*waiting, record])
        waiting = []
        goes_on = record.endswith(",")
    return [*groups, waiting] if waiting else groups


def rank(group: Sequence[str]) -> int:
    """0 general, 1 device, 2 minidisk, 3 comments at the end."""
    statement = next((found for record in group if (found := statement_of(record))), None)
    if statement is None:
        return 3
    if statement.keyword == "MDISK":
        return 2
    return 1 if statement.keyword in DEVICES else 0


def flat(groups: Iterable[Iterable[str]]) -> list[str]:
    return [record for group in groups for record in group]


def with_record(entry: Entry, record: str) -> Entry:
    """The entry with one more statement, at the place where its kind belongs."""
    return rewritten(Entry(entry.kind, entry.name, (*entry.records, record)))


def without(entry: Entry, unwanted: Iterable[int]) -> Entry:
    """The entry without the statements whose first records are these; what continues or extends them goes too."""
    gone = set(unwanted)
    kept: list[str] = []
    dropping = False
    previous = ""
    for index, record in enumerate(entry.records):
        statement = statement_of(record)
        follows = bool(statement and statement.keyword in OF_A_DISK) or previous.endswith(",")
        dropping = index in gone or (dropping and (follows or (is_comment(record) and previous.endswith(","))))
        if not dropping:
            kept.append(record)
        if not is_comment(record):
            previous = record
    return Entry(entry.kind, entry.name, tuple(kept))
