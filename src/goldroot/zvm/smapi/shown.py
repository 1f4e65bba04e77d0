"""What a person may see of a request and of an answer: everything but passwords."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from goldroot.zvm.directory import redact
from goldroot.zvm.smapi.encode import CHARSET, list_items, named
from goldroot.zvm.smapi.outcome import MASK, scrubbed
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.table import LIST_TYPES, CallLayout, Param


def shown_params(layout: CallLayout, params: Mapping[str, object]) -> dict[str, Any]:
    """The parameters in wire order, as they would be sent, defaults included.

    :raises UsageError: as ``encode_request`` does.
    """
    given = named(layout, params)
    return {param.name: _param(layout, param, given.get(param.name)) for param in layout.params}


def shown_values(layout: CallLayout, reply: Reply) -> dict[str, Any]:
    """The values of an answer as plain data (dicts, lists, texts, numbers; bytes as hex)."""
    mask = "directory" in layout.flags
    if layout.api == "Response_Recovery":
        return {name: _recovered(value) for name, value in reply.values.items()}
    items = {value.name for value in layout.values if mask and value.type == "z"}
    return {name: _items(value) if name in items else _plain(value, mask) for name, value in reply.values.items()}


def _param(layout: CallLayout, param: Param, value: object) -> Any:
    if value is None:
        return param.default
    if param.secret:
        return MASK if value else ""
    mask = "directory" in layout.flags
    if param.type in LIST_TYPES:
        items = list_items(param.name, value)
        said = tuple(item.decode(CHARSET) if isinstance(item, bytes) else item for item in items)
        if mask and param.type == "lines" and all(isinstance(item, str) for item in said):
            return _records([str(item) for item in said])
        return [_plain(item, mask) for item in said]
    return _plain(value, mask)


def _masked(record: str) -> str:
    """A directory record, or a keyword, with its passwords masked."""
    return _scrubbed(redact.text(record.encode(CHARSET, "replace")))


def _records(records: Sequence[str]) -> list[str]:
    """The records of an entry: a statement that goes on in the next record is masked as a whole."""
    return [_scrubbed(line) for line in redact.record_lines([one.encode(CHARSET, "replace") for one in records])]


def _scrubbed(shown: str) -> str:
    return scrubbed(shown, ()).rstrip()


def _recovered(value: object) -> Any:
    """A lost answer: what it says it is.  Its bytes may hold any directory entry, and are not shown."""
    data = value if isinstance(value, bytes) else b""
    codes = data[4:] if int.from_bytes(data[:4], "big") == len(data) - 4 else data
    return f"{len(data)} bytes, return code {_int4(codes, 4)}, reason code {_int4(codes, 8)}"


def _int4(data: bytes, at: int) -> str:
    return str(int.from_bytes(data[at : at + 4], "big")) if len(data) >= at + 4 else "?"


def _items(value: object) -> Any:
    """The items of a keyword form, in which the password stands alone."""
    return [_scrubbed(redact.keyword_item(item)) for item in value] if isinstance(value, tuple) else _plain(value, True)


def _plain(value: object, mask: bool) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name), mask) for item in dataclasses.fields(value)}
    if isinstance(value, tuple) and mask and all(isinstance(item, str) for item in value):
        return _items(value) if redact.is_keyword_form(value) else _records(value)
    if isinstance(value, list | tuple):
        return [_plain(item, mask) for item in value]
    return _masked(value) if mask and isinstance(value, str) else value
