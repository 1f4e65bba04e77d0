"""The table of API layouts, read from ``layouts.txt`` beside this file (its head explains the notation)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

Kind = Literal["read", "change", "event"]

#: Types of parameters that are never shown.
SECRET_TYPES = frozenset({"secret", "secretkey"})
KEY_TYPES = frozenset({"key", "secretkey"})
LIST_TYPES = frozenset({"lines", "zlines", "joined", "pairs"})
NUMBER_BYTES = {"int1": 1, "int4": 4, "int8": 8}
_PLAIN_TYPES = frozenset({"str", "secret", "bytes", "z", "rest", "key", "secretkey", "lkey"})
PARAMETER_TYPES = _PLAIN_TYPES | LIST_TYPES | frozenset(NUMBER_BYTES)
VALUE_TYPES = frozenset({"str", "name", "bytes", "z", "area", "tail", "char", *NUMBER_BYTES})

_HEAD = re.compile(r"(?P<api>\w+) (?P<kind>read|change|event)(?P<flags>( \w+)*) \| (?P<does>.+)")
_PARAM = re.compile(r"    > (?P<names>[\w|]+) (?P<type>\w+)( (?P<low>\d+)-(?P<high>\d+))?( = (?P<default>\S+))?")
_VALUE = re.compile(r"(?P<indent>(    )+)< (?P<name>\w+) ((?P<many>array|rest|count) )?(?P<type>\w+)( (?P<more>\w+))?")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a request.

    :param name: IBM's name of it, in lower case; ``aliases`` are names that other clients use.
    :param low: least length in characters; a value is then required.  ``high``: greatest length, 0 for no limit.
    """

    name: str
    type: str
    low: int = 0
    high: int = 0
    default: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def secret(self) -> bool:
        return self.type in SECRET_TYPES

    @property
    def required(self) -> bool:
        return self.low > 0 and not self.default


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an answer.

    :param type: a plain type, or ``struct`` or ``group``, whose ``members`` then follow.
    :param many: "" for one; ``array`` (a byte length before), ``rest`` (to the end) or ``count`` (a number before).
    :param size: of ``char``, in characters.
    """

    name: str
    type: str
    many: str = ""
    size: int = 0
    struct: str = ""
    members: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class CallLayout:
    """One API."""

    api: str
    kind: Kind
    does: str
    flags: frozenset[str] = frozenset()
    params: tuple[Param, ...] = ()
    values: tuple[Value, ...] = ()

    @property
    def has_target(self) -> bool:
        return "notarget" not in self.flags

    def param(self, name: str) -> Param | None:
        """The parameter of that name or alias."""
        return next((param for param in self.params if name == param.name or name in param.aliases), None)


class TableError(Exception):
    """``layouts.txt`` itself is wrong: a bug of goldroot, found by its tests."""


@cache
def layouts() -> dict[str, CallLayout]:
    """Every API of the table, by name, in the order of the table."""
    text = resources.files(__package__).joinpath("layouts.txt").read_text("utf-8")
    return {layout.api: layout for layout in parse_table(text)}


def parse_table(text: str) -> Iterator[CallLayout]:
    """The APIs of a table.

    :raises TableError: with the line that does not follow the notation.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _layout(lines[start], lines[start + 1 : end])


def _layout(head: str, body: list[str]) -> CallLayout:
    found = _HEAD.fullmatch(head)
    if not found:
        raise TableError(head)
    params = tuple(_param(line) for line in body if line.lstrip().startswith(">"))
    values = _values([line for line in body if not line.lstrip().startswith(">")], depth=1)
    kind: Kind = "read" if found["kind"] == "read" else "change" if found["kind"] == "change" else "event"
    return CallLayout(found["api"], kind, found["does"], frozenset(found["flags"].split()), params, values)


def _param(line: str) -> Param:
    found = _PARAM.fullmatch(line)
    if not found or found["type"] not in PARAMETER_TYPES:
        raise TableError(line)
    name, *aliases = found["names"].split("|")
    low, high = int(found["low"] or 0), int(found["high"] or 0)
    return Param(name, found["type"], low, high, found["default"] or "", tuple(aliases))


@dataclass(slots=True)
class _Open:
    """A value whose members are still being read."""

    line: str
    members: list[str] = field(default_factory=list)


def _values(lines: list[str], depth: int) -> tuple[Value, ...]:
    """Values at one depth of indentation (4 blanks each); deeper lines belong to the value before them."""
    found: list[_Open] = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if indent == 4 * depth:
            found.append(_Open(line))
        elif indent > 4 * depth and found:
            found[-1].members.append(line)
        else:
            raise TableError(line)
    return tuple(_value(one, depth) for one in found)


def _value(one: _Open, depth: int) -> Value:
    found = _VALUE.fullmatch(one.line)
    if not found:
        raise TableError(one.line)
    structured = found["type"] in ("struct", "group")
    if structured != bool(one.members) or not (structured or found["type"] in VALUE_TYPES):
        raise TableError(one.line)
    return Value(
        name=found["name"],
        type=found["type"],
        many=found["many"] or "",
        size=int(found["more"]) if found["type"] == "char" else 0,
        struct=found["more"] or "" if structured else "",
        members=_values(one.members, depth + 1),
    )
