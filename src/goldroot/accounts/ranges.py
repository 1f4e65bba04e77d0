"""Ranges of subordinate numbers (subuid(5), subgid(5)): gold's and the clone's must not come to overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goldroot.accounts.tables import LAST_NUMBER, Key, number_of
from goldroot.accounts.three_way import PROPOSAL, Questions, etc, record_name, shown
from goldroot.conflicts import CLONE, CONTENT, GOLD, Conflict

Span = tuple[int, int]  #: first number, and the one behind the last


@dataclass(frozen=True, slots=True)
class Range:
    """A record's range in the three tables and the result, each as ``start:count``; None where it is in none."""

    key: Key
    base: bytes | None
    gold: bytes | None
    clone: bytes | None
    value: bytes

    @property
    def from_clone(self) -> bool:
        return self.value == self.clone

    @property
    def from_gold(self) -> bool:
        return self.value == self.gold


def span(value: bytes) -> Span:
    """What ``start:count`` spans."""
    start, _, length = value.partition(b":")
    return int(start), int(start) + int(length)


def _meet(one: Span, other: Span) -> bool:
    """Whether two ranges have a number in common."""
    return max(one[0], other[0]) < min(one[1], other[1])


def separate_ranges(
    file: str, ranges: Sequence[Range], known: Iterable[bytes], first: int, ask: Questions
) -> dict[Key, bytes | None]:
    """The ranges that change because gold's and the clone's overlap: the new value, None for a line that goes.

    :param known: every range of the three tables, which a proposed one keeps clear of.
    :param first: where free ranges are looked for (``SUB_UID_MIN``).
    """
    settled: dict[Key, bytes | None] = {}
    used = Taken((span(value) for value in (*known, *(item.value for item in ranges))), first)
    every, own = _Spread(ranges), _Spread([item for item in ranges if item.from_clone])
    for item in ranges:
        rivals = [] if item.from_clone else (own if item.from_gold else every).rivals(item)
        if not rivals:
            continue
        free = used.free(item.value)
        match _ask(file, item, rivals, used, free, ask):
            case "clone":
                settled[item.key] = item.clone
            case "gold":
                for rival in rivals:
                    settled[rival.key] = moved = used.free(rival.value) or rival.value
                    used.add(span(moved))
            case "proposal":
                settled[item.key] = free
            case value:
                settled[item.key] = value.encode()
        used.add(span(settled.get(item.key) or b"0:0"))
    return settled


def moved_with_ranges(ranges: Iterable[tuple[bytes, bytes]], numbers: Iterable[int]) -> dict[int, int]:
    """Where numbers of ranges go that were moved: to the same place in the new range, if there is one.

    :param ranges: old and new, as ``start:count``; where a number lies in several, they must agree.
    """
    spans = [(span(old), span(new)) for old, new in ranges]
    if all(old == new for old, new in spans):
        return {}
    moved = {}
    for number in numbers:
        places = {
            new[0] + number - old[0] if number - old[0] < new[1] - new[0] else number
            for old, new in spans
            if old[0] <= number < old[1]
        }
        if len(places) == 1 and number not in places:
            moved[number] = places.pop()
    return moved


class Taken:
    """Numbers that ranges have, as spans in order that neither meet nor touch.

    :param first: where free ranges are looked for.
    """

    def __init__(self, spans: Iterable[Span], first: int) -> None:
        self.first = first
        self._begins: list[int] = []
        self._ends: list[int] = []
        #: length of a range -> where one was found free last: numbers only ever become taken
        self._tried: dict[int, int] = {}
        for one in sorted(spans):
            self.add(one)

    def add(self, one: Span) -> None:
        """Take the numbers of a span."""
        begin, end = one
        if begin >= end:
            return
        low, high = bisect_left(self._ends, begin), bisect_right(self._begins, end)
        if low < high:
            begin, end = min(begin, self._begins[low]), max(end, self._ends[high - 1])
        self._begins[low:high], self._ends[low:high] = [begin], [end]

    def meets(self, one: Span) -> bool:
        """Whether a number of the span is taken."""
        at = bisect_right(self._ends, one[0])
        return at < len(self._begins) and _meet(one, (self._begins[at], self._ends[at]))

    def free(self, like: bytes) -> bytes | None:
        """The lowest free range as long as ``like``; None if there is none."""
        low, high = span(like)
        length = high - low
        start = self._tried.get(length, self.first)
        for at in range(bisect_right(self._ends, start), len(self._ends)):
            if self._begins[at] >= start + length:
                break
            start = self._ends[at]
        self._tried[length] = start
        return b"%d:%d" % (start, length) if start + length - 1 <= LAST_NUMBER else None


class _Spread:
    """Ranges by where they begin, to find those that overlap one."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self.ranges = sorted(ranges, key=lambda item: (span(item.value), item.key))
        self.spans = [span(item.value) for item in self.ranges]
        self.longest = max((end - start for start, end in self.spans), default=0)

    def rivals(self, item: Range) -> list[Range]:
        """Those of other records that overlap ``item`` and do not do so in gold already."""
        start, end = span(item.value)
        near = self.ranges[bisect_left(self.spans, (start - self.longest, 0)) : bisect_left(self.spans, (end, 0))]
        return [other for other in near if _collide(item, other)]


def _collide(item: Range, other: Range) -> bool:
    together = item.from_gold and other.from_gold
    return item.key != other.key and not together and _meet(span(item.value), span(other.value))


def _ask(file: str, item: Range, rivals: Sequence[Range], used: Taken, free: bytes | None, ask: Questions) -> str:
    names = b",".join(b"%s:%s" % (rival.key.text, rival.value) for rival in rivals)
    conflict = Conflict(
        etc(file),
        f"accounts:{record_name(item.key)}:range",
        "range-overlap",
        (item.base or b"", item.value, names),
        (PROPOSAL, CLONE, GOLD),
        PROPOSAL,
        f"gold's range {shown(item.value)} of {shown(item.key.text)} overlaps {shown(names)};"
        f" proposed: {shown(free) if free else 'no range, none is free'}",
    )
    decision = ask.ask(conflict, lambda value: _trouble(value, used))
    if decision.take == CONTENT and decision.content is not None:
        return decision.content.decode("ascii")
    return decision.take


def _trouble(value: bytes, used: Taken) -> str:
    start, _, length = value.partition(b":")
    if number_of(start) is None or number_of(length) is None:
        return "a range is start:count"
    return "it overlaps another range" if used.meets(span(value)) else ""
