"""Three-way merge of a file that is a set of lines (``/etc/shells``), order kept.

What gold added and removed is done to the clone's lines.  Lines are told apart by their text without white space at
the end.  Blank lines are layout, not elements: the clone's stay and gold's are not taken over.  There are no conflicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Line = TypeVar("Line")


def merge_lines(base: bytes, gold: bytes, clone: bytes) -> bytes:
    """The clone's lines, less those that gold removed, plus those that gold added, each after the line before it there.

    ``merge(b, b, c) == c``, ``merge(b, g, b) == g``, ``merge(b, x, x) == x``; merging the result again changes nothing.
    """
    if gold in (base, clone):
        return clone
    if clone == base:
        return gold
    before, now = _elements(base), _elements(gold)
    removed = set(before) - set(now)
    kept = [line for line in split_lines(clone) if stripped(line) not in removed]
    missing = set(now) - set(before) - set(map(stripped, kept))
    return join_lines(insert_lines(kept, split_lines(gold), missing, stripped), final_newline(base, gold, clone))


def insert_lines(
    kept: list[Line], gold: list[Line], missing: set[bytes], element_of: Callable[[Line], bytes]
) -> list[Line]:
    """``kept`` with gold's ``missing`` lines, each after the nearest line before it in gold that is there.

    Lines with none before them stand before the first one that is there, or at the end.

    :param missing: elements.
    :param element_of: by what a line is told apart; ``b""`` for one that is layout.
    """
    anchors = {element_of(line) for line in kept} & {element_of(line) for line in gold} - {b""}
    first: list[Line] = []
    after: dict[bytes, list[Line]] = {}
    queue = first
    for line in gold:
        element = element_of(line)
        if element in missing:
            queue.append(line)
            missing = missing - {element}
        elif element in anchors:
            queue = after.setdefault(element, [])
    result: list[Line] = []
    for line in kept:
        element = element_of(line)
        if element in anchors:
            result += first
            first = []
        result += [line, *after.pop(element, [])]
    return result + first


def split_lines(content: bytes) -> list[bytes]:
    """Lines without their newline."""
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def stripped(line: bytes) -> bytes:
    """A line without white space at its end: by this it is told apart from others."""
    return line.rstrip(b" \t\r")


def _elements(content: bytes) -> list[bytes]:
    return [element for element in map(stripped, split_lines(content)) if element]


def final_newline(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether the last line ends with a newline, merged three-way; an empty side has no say."""
    sides = [side.endswith(b"\n") if side else None for side in (base, gold, clone)]
    was, golds, clones = sides
    if clones is None or (golds is not None and clones == was):
        return True if golds is None else golds
    return clones


def join_lines(lines: list[bytes], final_newline: bool) -> bytes:
    return b"\n".join(lines) + (b"\n" if final_newline and lines else b"")
