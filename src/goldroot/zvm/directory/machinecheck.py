"""Checks of what an entry as a whole says: storage sizes, and where it stands in the directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.zvm.directory.findings import ERROR, Finding, finding
from goldroot.zvm.directory.keywordform import subconfigs_of
from goldroot.zvm.directory.model import MACHINES, Directory, Entry
from goldroot.zvm.directory.shapes import kib
from goldroot.zvm.directory.statement import Statement
from goldroot.zvm.directory.views import User, view

#: In which order entries stand (IBM, "Source Directory File Formats"); all others come last, in any order.
_RANK = {"DIRECTORY": 0, "GLOBALDEFS": 1, "PROFILE": 2}
#: Statement -> the operand of USER and IDENTITY that it overrides.
_SIZES = {"STORAGE": "storage", "MAXSTORAGE": "maximum"}


def entry_order(directory: Directory) -> Iterator[Finding]:
    """DIRECTORY, GLOBALDEFS and PROFILE entries stand before those of users."""
    highest: Entry | None = None
    for entry in directory.entries:
        rank = _RANK.get(entry.kind, len(_RANK))
        if highest is not None and rank < _RANK.get(highest.kind, len(_RANK)):
            text = f"{entry.header.keyword} {entry.name} must stand before {highest.header.keyword} {highest.name}"
            yield finding(ERROR, "entry-order", entry.header, entry, f"{text} in line {highest.header.line}")
        elif highest is None or rank > _RANK.get(highest.kind, len(_RANK)):
            highest = entry


def storage(directory: Directory) -> Iterator[Finding]:
    """Storage sizes that are none, and machines that log on with more than they may have."""
    for entry in directory.entries:
        for word, statement in _all_sizes(entry):
            if word and kib(word) is None:
                text = f"{entry.name} has a storage size that is none (write for example 512M)"
                yield finding(ERROR, "storage-size", statement, entry, text)
        if entry.kind in MACHINES:
            # On each member an IDENTITY has what that member's SUBCONFIG says; without one, what it says itself.
            members = subconfigs_of(directory, entry)
            for parts in [[member, entry] for member in members] or [[entry]]:
                yield from _over_maximum(directory, parts)


def _over_maximum(directory: Directory, parts: Sequence[Entry]) -> Iterator[Finding]:
    entry = parts[-1]
    default, maximum = (_size(directory, parts, keyword) for keyword in _SIZES)
    if default is None or maximum is None:
        return
    first, most = kib(default[0]), kib(maximum[0])
    if first is not None and most is not None and first > most:
        text = f"{entry.name} logs on with {default[0]} of storage and may have {maximum[0]} at most"
        said = [(part, one) for part in parts for one in (default[1], maximum[1]) if one in part.statements]
        holder, statement = max(said, key=lambda one: one[1].line, default=(entry, entry.header))
        yield finding(ERROR, "storage-over-maximum", statement, holder, text)


def _size(directory: Directory, parts: Sequence[Entry], keyword: str) -> tuple[str, Statement] | None:
    """A size and where it is said: by a statement of a SUBCONFIG or the entry, in its first statement, or in its
    profile."""
    entry = parts[-1]
    names = ["".join(statement.operands[:1]) for part in parts for statement in part.code("INCLUDE")]
    profiles = [found for name in names if (found := directory.find(name, "PROFILE"))]
    user = view(entry.header)
    said = [(_first(statement), statement) for part in parts for statement in part.code(keyword)]
    said.append((getattr(user, _SIZES[keyword]) if isinstance(user, User) else "", entry.header))
    said += [(_first(statement), statement) for profile in profiles for statement in profile.code(keyword)]
    return next(((word, statement) for word, statement in said if word not in ("", "*")), None)


def _all_sizes(entry: Entry) -> Iterator[tuple[str, Statement]]:
    user = view(entry.header)
    if isinstance(user, User):
        yield user.storage, entry.header
        yield user.maximum, entry.header
    for statement in entry.code(*_SIZES):
        yield _first(statement), statement


def _first(statement: Statement) -> str:
    return "".join(statement.operands[:1]).upper()
