"""Paths as text: names are any bytes, and people and JSON want text.

The text of a path is itself where it is printable UTF-8 without a backslash; any other byte is written ``\\xNN`` and a
backslash is doubled, so that :func:`path_bytes` gives the same bytes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: So many of a list are named to a person.
SHOWN = 10

_ESCAPE = re.compile(rb"\\\\|\\x([0-9a-f]{2})")


def path_text(path: bytes) -> str:
    """A path for people and for JSON, reversible by :func:`path_bytes`."""
    if path.isascii() and b"\\" not in path:
        text = path.decode("ascii")
        if text.isprintable():
            return text
    return "".join(_escaped(char) for char in path.decode("utf-8", "surrogateescape"))


def some_names(names: Iterable[str], most: int = SHOWN) -> str:
    """The first of some names and how many more there are: ``a, b and 3 more``."""
    named = list(names)
    more = f" and {len(named) - most:,} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more


def some_paths(paths: Iterable[bytes], most: int = SHOWN) -> str:
    """The same for paths."""
    return some_names(map(path_text, paths), most)


def path_bytes(text: str) -> bytes:
    """The bytes of a path that :func:`path_text` wrote."""
    return _ESCAPE.sub(_unescaped, text.encode("utf-8", "surrogateescape"))


def _escaped(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else b"\\"


def tree_key(path: bytes) -> bytes:
    """The sort key of tree order: no byte of a name is below the separator's place (a name has no NUL)."""
    return path.replace(b"/", b"\0")


def parent(path: bytes) -> bytes:
    """The directory that holds ``path``; ``b""`` for a name at the top."""
    return path.rpartition(b"/")[0]


def is_below(path: bytes, directory: bytes) -> bool:
    """Whether ``path`` lies inside ``directory`` (and is not it)."""
    return path != directory if not directory else path.startswith(directory + b"/")


def in_tree_order(paths: Iterable[bytes]) -> list[bytes]:
    return sorted(set(paths), key=tree_key)


def upwards(path: bytes) -> Iterable[bytes]:
    """The path and every directory above it, nearest first."""
    while path:
        yield path
        path = parent(path)
    yield b""
