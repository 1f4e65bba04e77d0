"""Reading TOML that people write: every mistake is told with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from goldroot.errors import BadPolicy

T = TypeVar("T")

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")

Key = tuple[str | int, ...]


class Table:
    """A table of the file.  Take every key that is known, then call :meth:`done`, which names one that is not."""

    def __init__(self, data: dict[str, Any], file: str, lines: dict[Key, int], key: Key = ()) -> None:
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

    def done(self) -> None:
        """:raises BadPolicy: a key that nothing asked for, with its line and the name that was perhaps meant."""
        for name in self._data:
            if name not in self._taken:
                near = get_close_matches(name, self._taken, 1)
                todo = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(sorted(self._taken))}."
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
                near = get_close_matches(name, self._data.keys() - self._taken, 1)
                raise self.error(f"{name!r} is missing", todo=f"Is it {near[0]!r} that was meant?" if near else "")
            return default
        value = self._data[name]
        if not isinstance(value, kind):
            raise self.error(f"{name!r} must be {words}", name)
        return value


def parse(text: str, file: str) -> Table:
    """The file's top table; ``BadPolicy`` with the line where it is no TOML."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n", 0, len(text) - 1) + 1
        raise BadPolicy(f"not valid TOML: {_AT_LINE.sub('', str(error))}", file=file, line=line) from None
    except RecursionError:
        raise BadPolicy("nested too deeply", file=file, todo="Write it flat: tables with texts and numbers.") from None
    return Table(data, file, _key_lines(text))


def read(path: str) -> Table:
    """:func:`parse` of a file."""
    return parse(text_of(path), path)


def text_of(path: str) -> str:
    """A file's text; ``BadPolicy`` where it has none."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin a file with a mark
            return file.read()
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise BadPolicy(f"not a text file ({error})", file=path) from None
    except FileNotFoundError:
        raise BadPolicy("there is no such file", file=path) from None


def _key_lines(text: str) -> dict[Key, int]:
    """The line of every key and table.

    A line within a multi-line string may look like a key; it can only add an entry, never hide one that came before.
    """
    lines: dict[Key, int] = {}
    table: Key = ()
    counts: dict[Key, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _with_indexes(_parts(header[2]), counts, new=header[1] == "[[")
            found = table
        elif key := _KEY.match(line):
            found = (*table, *_parts(key[1]))
        else:
            continue
        for length in range(1, len(found) + 1):  # [images.debian] makes the table images, too
            lines.setdefault(found[:length], number)
    return lines


def _with_indexes(names: tuple[str, ...], counts: dict[Key, int], *, new: bool) -> Key:
    """``[[disk]]`` is the key (disk, 0), the next one (disk, 1); ``[disk.x]`` below it is (disk, 1, x)."""
    key: Key = ()
    for place, name in enumerate(names):
        key = (*key, name)
        if new and place == len(names) - 1:
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            key = (*key, counts[key])
    return key


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))
