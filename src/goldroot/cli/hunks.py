"""Which parts of two differences from one base are worth reading first: those where the two sides meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

#: The lines of a unified difference that begin a hunk: where it stands in the base, from 1, and how many lines it spans.
_HEAD = re.compile(r"@@ -(\d+)(?:,(\d+))? ")

#: Differences of so many lines together are shown whole: a page or two.
LONG = 60


class Hunk(NamedTuple):
    """A part of a difference: the lines of the base that it spans (``last`` is one past them), and its own lines."""

    first: int
    last: int
    lines: list[str]

    def meets(self, other: Hunk) -> bool:
        """Whether the two span a line together, or the same place between two."""
        return (self.first < other.last and other.first < self.last) or self.first == other.first


class HunkPart(NamedTuple):
    """What to show of one difference, and how many of its hunks that leaves out."""

    lines: list[str]
    hidden: int


def where_they_meet(diffs: Mapping[str, list[str]]) -> dict[str, HunkPart]:
    """Of two long differences from one base, the hunks that meet one of the other's, with their context.

    Short differences are whole, and so are those that are not lines of text (secrets, account tables) or do not meet.
    """
    cut = [hunks_of(lines) for lines in diffs.values()]
    if len(cut) != 2 or sum(map(len, diffs.values())) <= LONG:
        return in_full(diffs)
    met = [[one for one in mine if any(map(one.meets, other))] for mine, other in (cut, reversed(cut))]
    if not all(met):
        return in_full(diffs)
    return {
        word: HunkPart([line for hunk in shown for line in hunk.lines], len(every) - len(shown))
        for word, every, shown in zip(diffs, cut, met, strict=True)
    }


def in_full(diffs: Mapping[str, list[str]]) -> dict[str, HunkPart]:
    """Everything of every difference."""
    return {word: HunkPart(lines, 0) for word, lines in diffs.items()}


def hunks_of(lines: list[str]) -> list[Hunk]:
    """The hunks of a unified difference; empty for lines that are none."""
    found: list[Hunk] = []
    for line in lines:
        if head := _HEAD.match(line):
            first = int(head[1])
            found.append(Hunk(first, first + int(head[2] or 1), [line]))
        elif found:
            found[-1].lines.append(line)
    return found
