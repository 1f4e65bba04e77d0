"""From the bytes of a request to a call with named parameters.

The parameters of a call are written in one line, in the order of the wire:

``name/1-8``   a counted string of 1 to 8 characters; ``h`` behind it: hexadecimal digits only
``name#``      int4
``name!``      int1
``name@``      int8
``name[]``     ``int4`` bytes, and counted strings in them
``name{}``     ``int4`` bytes, and in them structures of an ``int4`` length and two counted strings
``name*``      strings that end with a zero byte, to the end of the request
``name+``      the same, with their ``int4`` length in front
``name?``      whatever is left
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from goldroot.zvm.simulator.answer import SmapiError
from goldroot.zvm.simulator.wire import CHARSET, WRONG_TOTAL_LENGTH, Cursor, Malformed

#: Rules of a syntax error (24, reason code parameter * 100 + rule).  Parameters are counted as they are sent, with the
#: function name as the first; the calls' own documentation does not say it, so clients should only show the number.
TOO_LONG = 13
TOO_SHORT = 14
NOT_HEXADECIMAL = 16
UNKNOWN_VALUE = 19
BAD_CHARACTER = 42

#: Parameters before a call's own: function name, user, password, target.
COMMON = 4
TARGET = 4

_FIELD = re.compile(r"(?P<name>\w+)(?P<kind>/|#|!|@|\[\]|\{\}|\*|\+|\?)((?P<least>\d+)-(?P<most>\d+)(?P<hex>h?))?\Z")


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter; ``least`` and ``most`` are characters, of strings only."""

    name: str
    kind: str
    least: int = 0
    most: int = 0
    hexadecimal: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the parameters."""

    api: str
    user: str
    password: str = field(repr=False)


def syntax_error(parameter: int, rule: int) -> SmapiError:
    return SmapiError(24, parameter * 100 + rule)


@cache
def layout(line: str) -> tuple[Field, ...]:
    """The fields of a line; :class:`ValueError` for one that is not a layout."""
    fields = []
    for word in line.split():
        found = _FIELD.match(word)
        if not found:
            raise ValueError(f"no field: {word!r}")
        least, most = int(found["least"] or 0), int(found["most"] or 0)
        fields.append(Field(found["name"], found["kind"], least, most, found["hex"] == "h"))
    return tuple(fields)


def head_of(cursor: Cursor) -> Head:
    """Function name, user ID and password; :class:`Malformed` where the lengths are wrong."""
    return Head(cursor.string(), cursor.string(), cursor.string())


def target_of(cursor: Cursor) -> str:
    """The target in upper case.

    :raises SmapiError: 24: longer than a name list may be, or with characters that no name has.
    """
    target = cursor.string()
    if len(target) > 64:
        raise syntax_error(TARGET, TOO_LONG)
    if any(not "!" <= letter <= "~" for letter in target):
        raise syntax_error(TARGET, BAD_CHARACTER)
    return target.upper()


def parameters_of(cursor: Cursor, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The parameters by name.

    :raises Malformed: 900/20: the request is shorter or longer than its parameters.
    :raises SmapiError: 24: a parameter is too long, too short, or not hexadecimal.
    """
    values = {}
    for number, one in enumerate(fields, COMMON + 1):
        values[one.name] = READERS[one.kind](cursor)
        if one.kind == "/":
            check_string(values[one.name], one, number)
    if cursor.left:
        raise Malformed(WRONG_TOTAL_LENGTH)
    return values


def check_string(value: str, field: Field, number: int) -> None:
    if len(value) > field.most:
        raise syntax_error(number, TOO_LONG)
    if len(value) < field.least:
        raise syntax_error(number, TOO_SHORT)
    if field.hexadecimal and any(letter not in "0123456789abcdefABCDEF" for letter in value):
        raise syntax_error(number, NOT_HEXADECIMAL)


def strings(cursor: Cursor) -> list[str]:
    """``name[]``: counted strings in a counted piece."""
    part = cursor.part()
    found = []
    while part.left:
        found.append(part.string())
    return found


def pairs(cursor: Cursor) -> list[tuple[str, str]]:
    """``name{}``: structures of two counted strings in a counted piece."""
    part = cursor.part()
    found = []
    while part.left:
        one = part.part()
        found.append((one.string(), one.string()))
        if one.left:
            raise Malformed(WRONG_TOTAL_LENGTH)
    return found


def zero_ended(cursor: Cursor) -> list[str]:
    """``name*``: texts that end with a zero byte; the last may do without."""
    texts = cursor.rest().decode(CHARSET).split("\0")
    return texts[:-1] if texts[-1] == "" else texts


READERS: dict[str, Callable[[Cursor], Any]] = {
    "/": Cursor.string,
    "#": Cursor.int4,
    "!": Cursor.int1,
    "@": Cursor.int8,
    "[]": strings,
    "{}": pairs,
    "*": zero_ended,
    "+": lambda cursor: zero_ended(cursor.part()),
    "?": Cursor.rest,
}
