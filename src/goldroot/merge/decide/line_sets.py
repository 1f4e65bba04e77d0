"""Three-way merge of a file that is a set of lines (``authorized_keys``, ``/etc/shells``), order kept.

What gold added and removed is done to the clone's lines.  Lines are told apart by their text without white space at
the end.  Blank lines are layout, not elements: the clone's stay and gold's are not taken over.  There are no conflicts.
"""

from __future__ import annotations


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
    kept = [line for line in _split(clone) if _element(line) not in removed]
    missing = set(now) - set(before) - set(map(_element, kept))
    return _join(_insert(kept, _split(gold), missing), _final_newline(base, gold, clone))


def _insert(kept: list[bytes], gold: list[bytes], missing: set[bytes]) -> list[bytes]:
    """``kept`` with gold's ``missing`` lines, each after the nearest line before it in gold that is there.

    Lines with none before them stand before the first one that is there, or at the end.
    """
    anchors = {_element(line) for line in kept} & {_element(line) for line in gold} - {b""}
    first: list[bytes] = []
    after: dict[bytes, list[bytes]] = {}
    queue = first
    for line in gold:
        element = _element(line)
        if element in missing:
            queue.append(line)
            missing = missing - {element}
        elif element in anchors:
            queue = after.setdefault(element, [])
    result: list[bytes] = []
    for line in kept:
        element = _element(line)
        if element in anchors:
            result += first
            first = []
        result += [line, *after.pop(element, [])]
    return result + first


def _split(content: bytes) -> list[bytes]:
    """Lines without their newline."""
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def _element(line: bytes) -> bytes:
    return line.rstrip(b" \t\r")


def _elements(content: bytes) -> list[bytes]:
    return [element for element in map(_element, _split(content)) if element]


def _final_newline(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether the last line ends with a newline, merged three-way; an empty side has no say."""
    sides = [side.endswith(b"\n") if side else None for side in (base, gold, clone)]
    was, golds, clones = sides
    if clones is None or (golds is not None and clones == was):
        return True if golds is None else golds
    return clones


def _join(lines: list[bytes], final_newline: bool) -> bytes:
    return b"\n".join(lines) + (b"\n" if final_newline and lines else b"")
