"""What each side did to a path, in words; lines of a difference only where a text changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldroot.conflicts import SIDES, takes_content
from goldroot.counted import counted
from goldroot.merge.decide.text import is_text
from goldroot.merge.record.redact import FIELDS, redact_diff
from goldroot.merge.review.question import LINK_MARK, Question, answers_of
from goldroot.tree import path_text

#: What a side did: what base had, then what the side has.
Side = Mapping[str, Any] | None
_KINDS = {
    "file": "a file", "directory": "a directory", "link": "a link", "char-device": "a character device",
    "block-device": "a block device", "fifo": "a FIFO", "socket": "a socket",
}  # fmt: skip
#: Axes whose value the record has for each side: axis -> (its key there, the word for it).
_PLAIN = {"mode": "mode", "owner": "owner", "group": "group", "flags": "flags", "project": "project"}
#: Axes that are about what a path is, and so about all that it has.
_WHOLE = ("presence", "type", "content")
#: The two sides that changed something: (number, word).
_TWO = ((1, "gold"), (2, "clone"))


@dataclass(frozen=True)
class SideSaid:
    """What one side did: a sentence's end (``deleted it``), and lines of a difference where a text changed."""

    words: str
    lines: tuple[str, ...] = ()


def say_sides(question: Question) -> dict[str, SideSaid]:
    """What gold and the server did, by ``gold`` and ``clone``; empty where the question's own words say all."""
    axis = question.asked.axis
    if axis.startswith("accounts:"):
        return {word: _of_account(question, side) for side, word in _TWO}
    if axis.startswith("xattr:"):
        return {word: SideSaid(_attribute(question, axis[6:], word)) for word in ("gold", "clone")}
    if axis in _PLAIN and question.has_sides:
        return {word: SideSaid(_value(question, axis, word)) for word in ("gold", "clone")}
    if axis in _WHOLE:
        return {word: _whole(question, side, word) for side, word in _TWO}
    if axis == "unit" and question.asked.kind == "unit-gone":
        return {"gold": SideSaid("deleted this state unit"), "clone": SideSaid("wrote to it")}
    return {}


def conflict_shown(question: Question, detail: str) -> dict[str, Any]:
    """A conflict as JSON data, with what may be shown of its versions: ``said`` in words, ``diffs`` of texts and tables.

    :param detail: what is asked, in words.
    """
    asked = question.asked
    data: dict[str, Any] = {
        "path": path_text(asked.path), "axis": asked.axis, "kind": asked.kind, "key": asked.key,
        "answers": answers_of(asked), "stands": asked.stands, "detail": detail, "secret": asked.secret,
        "takes_content": takes_content(asked.axis, asked.own),
        **{side: question.entry[side] for side in SIDES if side in question.entry},
    }  # fmt: skip
    said = say_sides(question)
    if said:
        data["said"] = {word: one.words for word, one in said.items()}
    if asked.axis.startswith("accounts:"):
        account = asked.axis.split(":")[1]
        data["diffs"] = {f"base->{word}": _of_record(question, side, account) for side, word in _TWO}
    elif asked.axis in _WHOLE:
        data["diffs"] = {f"base->{word}": list(one.lines) for word, one in said.items()}
    return data


def _of_record(question: Question, side: int, account: str) -> list[str]:
    """The lines that speak of one record."""
    lines = _lines(question, question.contents[0], question.contents[side])
    return [line for line in lines if line[1:].partition(":")[0] == account]


def _value(question: Question, axis: str, word: str) -> str:
    was, now = ((question.side(side) or {}).get(_PLAIN[axis]) for side in ("base", word))
    if was == now:
        return f"left the {axis} as it was"
    shown = "none" if now is None else now
    return f"{axis} {shown}" if was is None else f"{axis} {was} -> {shown}"


def _attribute(question: Question, name: str, word: str) -> str:
    had, has = (name in (question.side(side) or {}).get("xattrs", ()) for side in ("base", word))
    if had and not has:
        return "removed the attribute"
    return "gave it another value" if had else "set it"


def _whole(question: Question, side: int, word: str) -> SideSaid:
    was, now = question.side("base"), question.side(word)
    old, new = question.contents[0], question.contents[side]
    if not question.has_sides:
        was, now = _guess(old), _guess(new)
    if now is None:
        return SideSaid("has none" if was is None else f"deleted it ({_what(was, old, question)})")
    if was is None or was["kind"] != now["kind"]:
        did = "added" if was is None else "made it"
        first = SideSaid(f"{did} {_what(now, new, question)}" + (f" (it was {_KINDS[was['kind']]})" if was else ""))
        return SideSaid(first.words, _lines(question, None, new) if now["kind"] == "file" else ())
    return SideSaid(*_changed(question, (was, now), (old, new)))


def _changed(
    question: Question, sides: tuple[Mapping[str, Any], Mapping[str, Any]], contents: tuple[bytes | None, bytes | None]
) -> tuple[str, tuple[str, ...]]:
    """Both are of one kind; what is otherwise."""
    (was, now), (old, new) = sides, contents
    said = []
    lines: tuple[str, ...] = ()
    if now["kind"] == "link" and _target(was, old) != _target(now, new):
        said.append(f"made it lead to {_target(now, new)} instead of {_target(was, old)}")
    if was.get("device") != now.get("device"):
        said.append(f"device {was.get('device')} -> {now.get('device')}")
    if now["kind"] == "file" and old != new:
        lines = _lines(question, old, new)
        said.append("changed its content")
    said += [
        f"{axis} {was[key]} -> {now[key]}"
        for axis, key in _PLAIN.items()
        if axis in ("mode", "owner", "group") and key in was and key in now and was[key] != now[key]
    ]
    if sorted(was.get("xattrs", ())) != sorted(now.get("xattrs", ())):
        said.append("changed its attributes")
    return (", ".join(said) or _else_changed(question, now)), lines


def _else_changed(question: Question, now: Mapping[str, Any]) -> str:
    if now["kind"] == "directory":
        return "changed what is in it"
    return "left it as it was" if question.asked.axis == "content" else "changed it"


def _lines(question: Question, old: bytes | None, new: bytes | None) -> tuple[str, ...]:
    """A difference as it may be shown."""
    return tuple(redact_diff(question.asked.path, old, new, question.rule))


def _what(side: Mapping[str, Any], content: bytes | None, question: Question) -> str:
    """A thing in words: ``a file of 129 lines``."""
    kind = side["kind"]
    if kind == "link":
        return f"a link to {_target(side, content)}"
    if kind == "file" and content is not None and not (question.rule.secret or question.asked.secret):
        if not content:
            return "an empty file"
        if not is_text(content):
            return f"a binary file of {len(content):,} bytes"
        count = content.count(b"\n") + (not content.endswith(b"\n"))
        return f"a file of {counted(count, 'line')}"
    return _KINDS[kind]


def _target(side: Mapping[str, Any], content: bytes | None) -> str:
    if "target" in side:
        return str(side["target"])
    return (content or b"").removeprefix(LINK_MARK).decode("utf-8", "backslashreplace")


def _guess(content: bytes | None) -> Side:
    """What a side is, where the record does not say so."""
    if content is None:
        return None
    return {"kind": "link" if content.startswith(LINK_MARK) else "file"}


def _of_account(question: Question, side: int) -> SideSaid:
    """The record that is asked about, on one side against base: fields by name, and values that are not secret."""
    table = question.asked.path.rpartition(b"/")[2].decode()
    name, _, field = question.asked.axis.removeprefix("accounts:").rpartition(":")
    if name.startswith("#"):
        return SideSaid(_of_number(question.contents[side], table, name[1:]))
    was, now = (_record(question.contents[number], name) for number in (0, side))
    if now is None:
        other = _holder(question, side, table, name, field)
        return SideSaid(f"removed {name}" if was is not None else other or f"does not have {name}")
    said = _fields(table, was, now)
    return SideSaid(said if said else f"left {name} as it was")


def _fields(table: str, was: list[str] | None, now: list[str]) -> str:
    names = FIELDS.get(table.encode(), ())
    if len(now) != len(names) or (was is not None and len(was) != len(names)):
        return "changed the record"
    if was is None:
        pairs = [(name, value) for name, value in zip(names, now, strict=True) if name not in ("name", "password")]
        known = ", ".join(f"{name} {value}" for name, value in pairs if value)
        return f"added {now[0]}" + (f": {known}" if known else "")
    said = []
    for name, old, new in zip(names, was, now, strict=True):
        if old != new:
            said.append("changed the password" if name == "password" else f"{name} {old or 'none'} -> {new or 'none'}")
    return ", ".join(said)


def _holder(question: Question, side: int, table: str, name: str, field: str) -> str:
    """Who has, on this side, the number that the server's account has."""
    if field not in ("uid", "gid"):
        return ""
    mine = _record(question.contents[2], name)
    if mine is None or len(mine) < 3:
        return ""
    return _of_number(question.contents[side], table, mine[2])


def _of_number(content: bytes | None, table: str, number: str) -> str:
    kind = "uid" if table == "passwd" else "gid"
    held = [line[0] for line in _records(content) if len(line) > 2 and line[2] == number]
    return f"gives the {kind} {number} to {', '.join(held)}" if held else f"has no name for the {kind} {number}"


def _record(content: bytes | None, name: str) -> list[str] | None:
    text, _, count = name.partition("#")
    found = [line for line in _records(content) if line[0] == text]
    at = int(count) - 1 if count.isdigit() else 0
    return found[at] if 0 <= at < len(found) else None


def _records(content: bytes | None) -> list[list[str]]:
    return [
        line.decode("utf-8", "surrogateescape").split(":") for line in (content or b"").split(b"\n") if b":" in line
    ]
