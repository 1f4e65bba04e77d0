"""Reading TOML that people write: every mistake is told with file and line.

:mod:`tomllib` does not tell on which line a key stands; :func:`lines` does.
"""

from __future__ import annotations

import errno
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from goldroot.errors import BadPolicy, did_you_mean, nearest
from goldroot.files import read_given

T = TypeVar("T")

Place = tuple[str | int, ...]  #: such as ``("rule", 3, "path")``

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""(?:[ \t]*(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*\.?)+""")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'''"""(?:\\.|(?!""").)*"{3,5}|\'\'\'(?:(?!\'\'\').)*\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


#: What :mod:`tomllib` says of the place of a mistake.
_TOLD_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


def load(
    text: str, file: str, *, brief: str = "not valid TOML", todo: str = ""
) -> tuple[dict[str, Any], dict[Place, int]]:
    """The document that a text is, and the line of everything in it, from 1.

    :param file: the text's name for messages.
    :param brief: what to say of a text that is not TOML; ``todo``: what to do about it.
    :raises BadPolicy: with the line of the mistake; a text with a NUL in it is one.
    :raises RecursionError: the text is nested too deeply.
    """
    try:
        document, found = tomllib.loads(text), lines(text)
    except tomllib.TOMLDecodeError as error:
        told = _TOLD_PLACE.search(str(error))
        line = int(told[1]) if told and told[1] else text.rstrip().count("\n") + 1
        words = _TOLD_PLACE.sub("", str(error))
        if "overwrite a value" in words:
            words = "a key stands twice, or again with another meaning"
        raise BadPolicy(f"{brief}: {words[:1].lower()}{words[1:]}", file=file, line=line, todo=todo) from None
    # Paths, commands and the names of users and groups end at one, for the kernel as for the C library.
    for place in _with_nul(document, ()):
        at = next((found[place[:end]] for end in range(len(place), 0, -1) if place[:end] in found), None)
        raise BadPolicy(
            f"a text with \\u0000 in it: {'.'.join(map(str, place))!r}", file=file, line=at, todo="Write it without."
        )
    return document, found


def _with_nul(value: Any, place: Place) -> Iterator[Place]:
    """The places of keys and texts that have a NUL in them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if "\0" in name:
                yield (*place, name)
            yield from _with_nul(inner, (*place, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _with_nul(inner, (*place, number))
    elif isinstance(value, str) and "\0" in value:
        yield place


def parse(text: str, file: str) -> Table:
    """The file's top table.

    :raises BadPolicy: it is not TOML, or nested too deeply; with the line.
    """
    try:
        data, found = load(text, file)
    except RecursionError:
        raise BadPolicy("nested too deeply", file=file, todo="Write it flat: tables with texts and numbers.") from None
    with_parents: dict[Place, int] = {}
    for place, line in found.items():
        for length in range(1, len(place) + 1):  # [images.debian] makes the table images, too
            with_parents.setdefault(place[:length], line)
    return Table(data, file, with_parents)


def read(path: str) -> Table:
    """:func:`parse` of a file."""
    return parse(text_of(path), path)


def text_of(path: str) -> str:
    """A file's text; ``BadPolicy`` where it has none."""
    try:
        text = read_given(path).decode("utf-8-sig")  # some editors begin a file with a mark
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise BadPolicy(f"not a text file ({error})", file=path) from None
    except FileNotFoundError:
        raise BadPolicy("there is no such file", file=path) from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise BadPolicy(str(error.strerror), file=path) from None


class Table:
    """A table of the file.  Take every key that is known, then call :meth:`done`, which names one that is not."""

    def __init__(self, data: dict[str, Any], file: str, lines: dict[Place, int], key: Place = ()) -> None:
        self._data, self._file, self._lines, self._key = data, file, lines, key
        self._taken: set[str] = set()

    @property
    def file(self) -> str:
        return self._file

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def names(self) -> list[str]:
        """The keys as written; of a table whose keys are names that the user chose."""
        return list(self._data)

    def text(self, name: str, default: str | None = None) -> str:
        return self._take(name, str, "a text", default)

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int) -> int:
        value = self._take(name, int, "a whole number", default)
        if isinstance(value, bool) or not least <= value <= most:
            raise self.error(f"{name!r} must be a whole number from {least} to {most}", name)
        return value

    def truth(self, name: str, default: bool | None = None) -> bool:
        return self._take(name, bool, "true or false", default)

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        values = self._take(name, list, "a list of texts", None if default is None else list(default))
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{name!r} must be a list of texts", name)
        return tuple(values)

    def table(self, name: str) -> Table:
        """The table ``name``; an empty one where there is none."""
        return Table(self._take(name, dict, "a table", {}), self._file, self._lines, (*self._key, name))

    def tables(self, name: str) -> list[Table]:
        """An array of tables, ``[[name]]``."""
        found = self._take(name, list, "an array of tables", [])
        if not all(isinstance(value, dict) for value in found):
            raise self.error(f"{name!r} must be written as [[{name}]]", name)
        return [Table(value, self._file, self._lines, (*self._key, name, i)) for i, value in enumerate(found)]

    def values(self) -> dict[str, Any]:
        """All that stands in it, for who checks that by itself; each key counts as known."""
        self._taken.update(self._data)
        return dict(self._data)

    def done(self) -> None:
        """:raises BadPolicy: a key that nothing asked for, with its line and the name that was perhaps meant."""
        for name in self._data:
            if name not in self._taken:
                todo = did_you_mean(name, self._taken) or f"Known here: {', '.join(sorted(self._taken))}."
                raise self.error(f"unknown key {name!r}", name, todo=todo)

    def error(self, brief: str, name: str = "", *, todo: str = "") -> BadPolicy:
        """An error at the line of the key ``name``, or of this table."""
        key = (*self._key, name) if name else self._key
        while key and key not in self._lines:
            key = key[:-1]
        return BadPolicy(brief, file=self._file, line=self._lines.get(key), todo=todo)

    def _take(self, name: str, kind: type[T], words: str, default: T | None) -> T:
        self._taken.add(name)
        if name not in self._data:
            if default is None:
                near = nearest(name, self._data.keys() - self._taken)
                raise self.error(f"{name!r} is missing", todo=f"Is it {near!r} that was meant?" if near else "")
            return default
        value = self._data[name]
        if not isinstance(value, kind):
            raise self.error(f"{name!r} must be {words}", name)
        return value


def lines(text: str) -> dict[Place, int]:
    """Place -> line, from 1.  Tables stand at their header, keys at their name, items of arrays where they begin."""
    return dict(_Finder(text).places())


class _Finder:
    """Looks only at as much of the syntax as finding places needs, in text that :mod:`tomllib` has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line, self.counted = 1, 0  # the line at the place up to which lines were counted
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
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

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
        written = self._take(_KEY).strip()
        if _BARE.fullmatch(written):
            return [written]
        table: Any = tomllib.loads(written + " = 0")
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
