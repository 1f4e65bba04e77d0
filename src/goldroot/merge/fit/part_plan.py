"""What happens to one part of a system, one disk or the one tree of a standalone merge; and single files of the planned result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from goldroot.accounts import NUMERIC_OWNERS
from goldroot.merge.compare.parts import CLONE_SIDE, Names, Part, read_unless_torn
from goldroot.merge.decide.verdict import NO_SIDE, SAME, Decided, UnitVerdict, Want, want_of
from goldroot.merge.special import Special
from goldroot.tree import FILE, parent


@dataclass
class Linked:
    """``groups``: path -> group number in the result, from 1; ``separated``: names that no longer share a file."""

    groups: dict[bytes, int] = field(default_factory=dict)
    separated: list[bytes] = field(default_factory=list)


@dataclass
class PartPlan:
    """What happens to one part."""

    part: Part
    decided: Decided
    linked: Linked

    def unit_over(self, path: bytes) -> UnitVerdict | None:
        """The state unit that a path lies in; ``None`` outside of any."""
        while path:
            if path in self.decided.units:
                return self.decided.units[path]
            path = parent(path)
        return None

    def side_over(self, path: bytes) -> int | None:
        """The side of the state unit that a path lies in; ``None`` outside of any."""
        unit = self.unit_over(path)
        return None if unit is None else unit.side

    def unit_is_unchanged(self, path: bytes) -> bool:
        """Whether a path lies in a unit that nobody changed."""
        unit = self.unit_over(path)
        return unit is not None and unit.outcome == SAME

    def final(self, path: bytes, names: Names) -> Want | None:
        """What a path is in the result, however it was decided."""
        verdict = self.decided.verdicts.get(path)
        if verdict is not None:
            return verdict.want
        side = self.side_over(path)
        side = CLONE_SIDE if side is None else side
        entry = None if side == NO_SIDE else self.part.trees[side].manifest.get(path)
        return None if entry is None else want_of(entry, self.names_at(path, names)[side], side)

    def names_at(self, path: bytes, names: Names) -> Names:
        """What the numbers of owners are called at a path: by the accounts of each side, or nothing."""
        return (NUMERIC_OWNERS,) * 3 if self.part.numeric.covers(path) else names


def touches(parts: Iterable[PartPlan], things: Special) -> bool:
    """Whether anything that is not the same in all three trees is one of these things."""
    return any(one.decided.comparison.touches(things) for one in parts)


def holds(parts: Iterable[PartPlan], places: Iterable[bytes]) -> bool:
    """Whether any tree has something at one of these places."""
    inside = ((one.part, one.part.inside(place)) for one in parts for place in places)
    return any(path is not None and any(part.rows(path)) for part, path in inside)


#: A table that people write is not larger (bytes); what is, is not read.
LARGEST = 1 << 20


class ResultFiles:
    """The files of a planned result, by their places in the system.

    :param parts: all parts of the plan, decided and made one tree.
    """

    def __init__(self, parts: Sequence[PartPlan], names: Names) -> None:
        self.parts, self.names = parts, names
        self._texts: dict[bytes, bytes | None] = {}

    def final(self, place: bytes) -> tuple[PartPlan, bytes, Want] | None:
        """What stands at a place in the result, with its part and its path there."""
        for one in self.parts:
            path = one.part.inside(place)
            want = None if path is None else one.final(path, self.names)
            if path is not None and want is not None:
                return one, path, want
        return None

    def below(self, place: bytes) -> Iterator[bytes]:
        """The places below a directory, each once, sorted; links and directories among them."""
        found: set[bytes] = set()
        for one in self.parts:
            inside = one.part.inside(place)
            if inside is not None:
                held = {row.path for tree in one.part.trees for row in tree.manifest.below(inside)}
                found |= {one.part.place(path) for path in held if one.final(path, self.names) is not None}
        return iter(sorted(found))

    def children(self, place: bytes) -> Iterator[bytes]:
        """The places directly in a directory, each once, sorted."""
        found: set[bytes] = set()
        for one in self.parts:
            inside = one.part.inside(place)
            for tree in one.part.trees if inside is not None else ():
                for path in tree.manifest.children(inside or b""):
                    if one.final(path, self.names) is not None:
                        found.add(one.part.place(path))
        return iter(sorted(found))

    def text(self, place: bytes) -> bytes | None:
        """A regular file's bytes; ``None`` where there is none, or it is too large, or it is being written."""
        if place not in self._texts:
            self._texts[place] = self._read(place)
        return self._texts[place]

    def _read(self, place: bytes) -> bytes | None:
        found = self.final(place)
        if found is None or found[2].kind != FILE:
            return None
        one, path, want = found
        if want.inline is not None or want.side == NO_SIDE:
            return want.inline
        tree = one.part.trees[one.part.source(want.side, path)]
        held = tree.manifest.get(path)
        if held is None or held.size > LARGEST:
            return None
        return read_unless_torn(tree, path)
