"""Entries as JSON data, passwords masked."""

from __future__ import annotations

from goldroot.zvm.directory import redact
from goldroot.zvm.directory.model import Entry
from goldroot.zvm.directory.secret import MASK
from goldroot.zvm.directory.statement import Statement
from goldroot.zvm.directory.views import DiskOption, Nicdef, Plain, disks, links, view


def entry_row(entry: Entry) -> dict[str, object]:
    """One line about an entry: what it is and what it has."""
    return {
        "kind": entry.kind,
        "name": entry.name,
        "line": entry.header.line,
        "records": sum(len(statement.records) for statement in entry.statements),
        "profile": next(("".join(s.operands[:1]).upper() for s in entry.code("INCLUDE")), ""),
        "mdisks": len(disks(entry)),
        "links": len(links(entry)),
    }


def entry_data(entry: Entry) -> dict[str, object]:
    """A whole entry: every statement with its typed view."""
    said: list[dict[str, object]] = []
    before: Statement | None = None
    for statement, options in entry.with_options():
        if redact.is_rest(before, statement):
            said.append({"keyword": MASK, "line": statement.line, "operands": [MASK] * len(statement.operands)})
        else:
            said.append(statement_data(statement, options))
            before = statement
    return {**entry_row(entry), "statements": said, "text": redact.entry_lines(entry)}


def statement_data(statement: Statement, options: tuple[Statement, ...] = ()) -> dict[str, object]:
    """One statement: keyword, line and fields."""
    found = view(statement, options)
    start: dict[str, object] = {"keyword": redact.field(statement.keyword), "line": statement.line}
    if isinstance(found, Plain):
        return {**start, "operands": redact.operands(statement)}
    if statement.keyword == "COMMAND":
        return {**start, "text": " ".join(redact.operands(statement))}
    if isinstance(found, Nicdef):
        operands = [redact.field(" ".join(pair)).strip() for pair in found.operands]
        return {**start, "vdev": found.vdev, "operands": operands}
    return {**start, **{name: _plain(value) for name, value in found._asdict().items()}}


def _plain(value: object) -> object:
    if isinstance(value, DiskOption):
        return {"keyword": value.kind, "options": list(value.options)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return None if value is None else redact.field(value)
