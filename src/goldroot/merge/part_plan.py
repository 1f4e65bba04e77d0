"""What happens to one part of a system: one disk, or the one tree of a standalone merge."""

from __future__ import annotations

from dataclasses import dataclass

from goldroot.merge.axes import CLONE_SIDE, SAME, Want, spoken
from goldroot.merge.decided import NO_SIDE, Decided, UnitVerdict
from goldroot.merge.links import Linked
from goldroot.merge.owners import Names
from goldroot.merge.survey import Part
from goldroot.tree.entry import parent


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

    def final(self, path: bytes, names: tuple[Names, Names, Names]) -> Want | None:
        """What a path is in the result, however it was decided."""
        verdict = self.decided.verdicts.get(path)
        if verdict is not None:
            return verdict.want
        side = self.side_over(path)
        side = CLONE_SIDE if side is None else side
        entry = None if side == NO_SIDE else self.part.trees[side].manifest.get(path)
        return None if entry is None else spoken(entry, names[side], side)
