"""On which line of a TOML file each key and each item stands: what :mod:`tomllib` does not tell.

Meant for text that :mod:`tomllib` has accepted; so only as much of the syntax is looked at as finding places needs.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]  #: such as ``("rule", 3, "path")``

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""(?:[ \t]*(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*\.?)+""")
_STRING = re.compile(
    r'''"""(?:\\.|(?!""").)*"{3,5}|\'\'\'(?:(?!\'\'\').)*\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines(text: str) -> dict[Place, int]:
    """Place -> line, from 1.  Tables stand at their header, keys at their name, items of arrays where they begin."""
    return dict(_Finder(text).places())


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.counts: dict[Place, int] = {}

    def places(self) -> Iterator[tuple[Place, int]]:
        table: Place = ()
        self._skip()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                line, table = self._line(), self._header()
                yield table, line
            else:
                yield from self._pair(table)
            self._skip()

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _skip(self) -> None:
        self._take(_SPACE)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None or (found.end() == self.at and pattern is not _SPACE):
            raise ValueError(f"line {self._line()}: no place found")
        self.at = found.end()
        return found.group()

    def _header(self) -> Place:
        double = self.text.startswith("[[", self.at)
        self.at += 1 + double
        place = self._resolve(self._key())
        self.at += 1 + double
        if double:
            number = self.counts[place] = self.counts.get(place, -1) + 1
            return (*place, number)
        return place

    def _resolve(self, names: list[str]) -> Place:
        """The place that a header names: an array of tables on the way stands for its last table."""
        place: Place = ()
        for name in names[:-1]:
            place = (*place, name)
            if place in self.counts:
                place = (*place, self.counts[place])
        return (*place, names[-1])

    def _key(self) -> list[str]:
        table: Any = tomllib.loads(self._take(_KEY).strip() + " = 0")
        names = []
        while isinstance(table, dict):
            ((name, table),) = table.items()
            names.append(name)
        return names

    def _pair(self, table: Place) -> Iterator[tuple[Place, int]]:
        line = self._line()
        place = table
        for name in self._key():
            place = (*place, name)
            yield place, line
        self.at += 1  # the "="
        self._skip()
        yield from self._value(place)

    def _value(self, place: Place) -> Iterator[tuple[Place, int]]:
        first = self.text[self.at : self.at + 1]
        if first == "[":
            yield from self._array(place)
        elif first == "{":
            yield from self._inline(place)
        else:
            self._take(_STRING if first in ("'", '"') else _SCALAR)

    def _array(self, place: Place) -> Iterator[tuple[Place, int]]:
        for number, _ in enumerate(self._items("]")):
            yield (*place, number), self._line()
            yield from self._value((*place, number))

    def _inline(self, place: Place) -> Iterator[tuple[Place, int]]:
        for _ in self._items("}"):
            yield from self._pair(place)

    def _items(self, end: str) -> Iterator[None]:
        """Stops at each item of an array or inline table, and goes past the end."""
        self.at += 1
        self._skip()
        while self.text[self.at] != end:
            yield
            self._skip()
            if self.text[self.at] == ",":
                self.at += 1
                self._skip()
        self.at += 1
