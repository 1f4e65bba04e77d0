"""What happens to one part of a system: one disk, or the one tree of a standalone merge."""

from __future__ import annotations

from dataclasses import dataclass, field

from goldroot.accounts import NUMERIC_OWNERS, OwnerNames
from goldroot.merge.compare.parts import CLONE_SIDE, Part
from goldroot.merge.decide.verdict import NO_SIDE, SAME, Decided, UnitVerdict, Want, want_of
from goldroot.tree import parent


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

    def final(self, path: bytes, names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> Want | None:
        """What a path is in the result, however it was decided."""
        verdict = self.decided.verdicts.get(path)
        if verdict is not None:
            return verdict.want
        side = self.side_over(path)
        side = CLONE_SIDE if side is None else side
        entry = None if side == NO_SIDE else self.part.trees[side].manifest.get(path)
        return None if entry is None else want_of(entry, self.names_at(path, names)[side], side)

    def names_at(
        self, path: bytes, names: tuple[OwnerNames, OwnerNames, OwnerNames]
    ) -> tuple[OwnerNames, OwnerNames, OwnerNames]:
        """What the numbers of owners are called at a path: by the accounts of each side, or nothing."""
        return (NUMERIC_OWNERS,) * 3 if self.part.numeric.covers(path) else names
