"""What a check finds: one line for a person, with the line of the file."""

from __future__ import annotations

from typing import NamedTuple

from goldroot.zvm.directory.model import Entry
from goldroot.zvm.directory.statement import Statement

#: Severities, the worst first.  A note is something to know, not something wrong.
ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


class Finding(NamedTuple):
    """``line`` is 1-based; ``code`` is stable and meant for programs; ``text`` never holds a password."""

    line: int
    severity: str
    code: str
    entry: str
    text: str

    def as_dict(self) -> dict[str, object]:
        return dict(self._asdict())


def finding(severity: str, code: str, statement: Statement, entry: Entry | None, text: str) -> Finding:
    return Finding(statement.line, severity, code, entry.name if entry else "", text)
