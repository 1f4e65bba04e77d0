"""What may be shown of a difference: everything, or for secrets and account tables only that and where they differ.

Nothing here shows a password, a key, a hash of either, or the size of a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from goldroot.merge.decide.text import is_text
from goldroot.policy import ACCOUNTS, Rule

#: Table -> its fields, in order; see passwd(5), group(5), shadow(5), gshadow(5), subuid(5), subgid(5).
SHOWN_FIELDS = {
    b"passwd": ("name", "password", "uid", "gid", "comment", "home", "shell"),
    b"group": ("name", "password", "gid", "members"),
    b"shadow": ("name", "password", "last change", "minimum", "maximum", "warning", "inactivity", "expiry", "reserved"),
    b"gshadow": ("name", "password", "administrators", "members"),
    b"subuid": ("name", "first", "count"),
    b"subgid": ("name", "first", "count"),
}

#: A text of more bytes is not compared for showing: nobody reads it, and comparing takes time that grows with its square.
MAX_SHOWN = 1024 * 1024

#: What a terminal would act upon; a file's content must not be able to move the cursor.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\udc80-\udcff]")


def redact_diff(path: bytes, old: bytes | None, new: bytes | None, rule: Rule) -> list[str]:
    """The lines to show for two versions of a file, without line ends; empty where they are equal.

    :param path: absolute in the system.
    :param old: content, ``None`` where there is no file.
    :param rule: as the policy has it for the path: its class and whether it is secret count.
    """
    if old == new:
        return []
    table = _table(path, rule)
    if table is not None:
        return list(_records(table, old or b"", new or b"")) or [f"{_difference(old, new)}: only order or layout"]
    if rule.secret:
        return [f"secret: {_difference(old, new)}; its content is not shown"]
    if not is_text(old or b"") or not is_text(new or b""):
        return [f"binary: {_difference(old, new)} ({len(old or b'')} -> {len(new or b'')} bytes)"]
    if max(len(old or b""), len(new or b"")) > MAX_SHOWN:
        return [f"large: {_difference(old, new)} ({len(old or b'')} -> {len(new or b'')} bytes)"]
    return _unified(old or b"", new or b"") or [_difference(old, new)]


def printable(text: str) -> str:
    """Text with everything that a terminal would act upon written as ``\\xNN``."""
    return _UNPRINTABLE.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte that is not UTF-8
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _difference(old: bytes | None, new: bytes | None) -> str:
    return "added" if old is None else "removed" if new is None else "differs"


def _table(path: bytes, rule: Rule) -> bytes | None:
    """Which account table a path is (a backup of one, too)."""
    name = path.rpartition(b"/")[2].rstrip(b"-")
    known = rule.cls == ACCOUNTS or path.rpartition(b"/")[0] == b"/etc"
    return name if known and name in SHOWN_FIELDS else None


def _unified(old: bytes, new: bytes) -> list[str]:
    before, after = (_text_lines(side) for side in (old, new))
    shown = difflib.unified_diff(before, after, lineterm="", n=3)
    return [printable(line) for line in list(shown)[2:]]


def _text_lines(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], lines[-1] + "\\ no newline at the end"]


def _records(table: bytes, old: bytes, new: bytes) -> Iterator[str]:
    """Records removed (``-``), added (``+``) and changed (``~``), by name; of other lines only that they differ."""
    (before, other), (after, other_now) = _by_name(old), _by_name(new)
    for name in [*before, *(name for name in after if name not in before)]:
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield ("+" if was is None else "-") + _text(name) + _shown(table, now or was or [])
        elif was != now:
            yield f"~{_text(name)}: " + ", ".join(_changed(table, was, now))
    if other != other_now:
        yield "lines that are blank, duplicate or no record differ"


def _shown(table: bytes, fields: list[bytes]) -> str:
    names = SHOWN_FIELDS[table]
    if len(fields) != len(names):
        return ""
    pairs = list(zip(names, fields, strict=True))[1:]
    return ": " + ", ".join(f"{name} {_text(field)}" for name, field in pairs if field and name != "password")


def _changed(table: bytes, before: list[bytes], after: list[bytes]) -> Iterator[str]:
    names = SHOWN_FIELDS[table]
    if len(before) != len(names) or len(after) != len(names):
        yield "differs, and has not the fields of its table"
        return
    for number, (name, was, now) in enumerate(zip(names, before, after, strict=True), 1):
        if was != now:
            yield f"field {number} ({name}) changed" + ("" if name == "password" else f" {_text(was)} -> {_text(now)}")


def _text(value: bytes) -> str:
    return printable(value.decode("utf-8", "surrogateescape")) or "(empty)"


def _by_name(content: bytes) -> tuple[dict[bytes, list[bytes]], list[bytes]]:
    """The first record of each name, and all other lines."""
    records: dict[bytes, list[bytes]] = {}
    other = []
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) > 1 and fields[0] not in records:
            records[fields[0]] = fields
        else:
            other.append(line)
    return records, other
