"""State units: each is one side's as a whole, never merged file by file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.comparison import Comparison, Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIDE_OF
from goldroot.merge.decide.answers import conflict_at, settle_conflict
from goldroot.merge.decide.presence import ADDED_BELOW_DELETED
from goldroot.merge.decide.verdict import CONFLICT, NO_SIDE, SAME, Setting, UnitVerdict, Verdict
from goldroot.merge.decide.versions import without_versions
from goldroot.policy import ASK
from goldroot.tree import DIRECTORY, Manifest, parent, path_text

#: The note about a unit that both sides changed.
KEPT_WHOLE = "gold changed this unit too; the server's is kept as a whole"
#: Kind of the conflict about a unit that gold deleted.
UNIT_GONE: Final = "unit-gone"


def newer_beside(comparison: Comparison, path: bytes) -> list[bytes]:
    """Units that gold added beside one, with another number in the same name."""
    same = without_versions(path)
    return [
        one.path
        for one in comparison.units.values()
        if one.path != path
        and parent(one.path) == parent(path)
        and one.present[GOLD_SIDE]
        and not one.present[BASE_SIDE]
        and without_versions(one.path) == same
    ]


@dataclass(frozen=True, slots=True)
class UnitDecider:
    """Decides units.

    :param ask: a unit that the clone changed is a conflict with gold's version standing (a carry, after a rollback).
    """

    comparison: Comparison
    setting: Setting
    ask: bool = False

    def decide(self, unit: Unit, *, deleted_above: bool) -> UnitVerdict:
        """Whose a unit is.

        :param deleted_above: whether it lies below a directory that the clone deleted.
        """
        if unit.pinned and not self.ask:  # what a fallback had is a matter of its own
            return _pinned(unit)
        if not any(unit.present[side] for side in (BASE_SIDE, CLONE_SIDE)) and deleted_above:
            return self._ask_added(unit)
        if not unit.clone_changed:
            return UnitVerdict(GOLD_SIDE, GOLD if unit.gold_changed else SAME)
        if self.ask:
            return self._ask_changed(unit)
        if unit.gold_changed and not unit.clone_meant:
            return UnitVerdict(
                GOLD_SIDE, GOLD, notes=["on the server only labels, signatures and the like had changed"]
            )
        if unit.present == [True, False, True]:
            return self._gone(unit)
        verdict = UnitVerdict(CLONE_SIDE, CLONE)
        if unit.gold_changed:
            verdict.notes.append(KEPT_WHOLE)
        return verdict

    def _gone(self, unit: Unit) -> UnitVerdict:
        """Gold deleted a unit that the clone changed: it stays, and that is asked or noted.

        The question holds nothing of what the unit contains: a running database would make a new one with each write.
        """
        beside = self._beside(unit)
        said = "gold deleted this state unit, and the server changed it" + (
            f"; gold has {beside} now" if beside else ""
        )
        if unit.rule.gone != ASK:
            return UnitVerdict(CLONE_SIDE, CLONE, notes=[f"{said}: the server's stays"])
        verdict = Verdict(None, CONFLICT)
        asked = self._conflict(unit, "unit", UNIT_GONE, (b"", b"gone", b""), said)
        answer, _ = settle_conflict(verdict, replace(asked, stands=CLONE), self.setting)
        return _answered(verdict, answer, SIDE_OF[answer])

    def _beside(self, unit: Unit) -> str:
        """What gold added beside a unit under the same name with another number: a newer version's state."""
        part = self.comparison.part
        return ", ".join(path_text(part.place(path)) for path in newer_beside(self.comparison, unit.path))

    def _ask_added(self, unit: Unit) -> UnitVerdict:
        verdict = Verdict(None, CONFLICT)
        asked = self._conflict(unit, "presence", "below-deleted", (b"", b"unit", b""), ADDED_BELOW_DELETED)
        answer, _ = settle_conflict(verdict, asked, self.setting, own=True)
        return _answered(verdict, answer, GOLD_SIDE if answer == GOLD else NO_SIDE)

    def _ask_changed(self, unit: Unit) -> UnitVerdict:
        verdict = Verdict(None, CONFLICT)
        stamp = _stamp(self.comparison.part.trees[CLONE_SIDE].manifest, unit.path)
        asked = self._conflict(unit, "unit", "state-changed-since", (b"", b"fallback", stamp), _written(unit))
        answer, _ = settle_conflict(verdict, replace(asked, stands=GOLD), self.setting)
        return _answered(verdict, answer, SIDE_OF[answer])

    def _conflict(
        self, unit: Unit, axis: str, kind: ConflictKind, values: tuple[bytes, bytes, bytes], detail: str
    ) -> Conflict:
        return conflict_at(unit_delta(self.comparison, unit), self.setting, axis, kind, values, detail)


def _written(unit: Unit) -> str:
    """What a carry asks about a unit; what it comes to where one of the two sides has none is said, as it is not seen."""
    done = "wrote to" if unit.present[CLONE_SIDE] else "removed"
    goes = "" if unit.present[GOLD_SIDE] else "; the fallback has none, so with the fallback's version it goes"
    return f"the server {done} this state unit since the switch{goes}"


def _stamp(manifest: Manifest, path: bytes) -> bytes:
    """What makes the question about a unit one of its own: this server's, and of what it has written until now.

    A unit has no hash.  No ctime: a scan does not tell that of what was just written, and the question must be the same
    a minute later.
    """
    unique = manifest.get(path) or manifest.get(parent(path))
    if unique is None:
        return b""
    stamp = hashlib.sha256(b"%d:%d" % (unique.inode, unique.mtime))
    for row in manifest.below(path):
        held = row.mtime if row.kind != DIRECTORY else 0
        stamp.update(repr((row.path, row.kind, row.mode, row.uid, row.gid, row.size, held, row.xattrs)).encode())
    return stamp.digest()


def unit_delta(comparison: Comparison, unit: Unit) -> Delta:
    """A unit as a path to ask about."""
    return Delta(unit.path, comparison.part.place(unit.path), (None, None, None), unit.rule)


def _answered(verdict: Verdict, answer: str, side: int) -> UnitVerdict:
    conflict = verdict.conflicts[0] if verdict.conflicts else None
    return UnitVerdict(side, CONFLICT if conflict else answer, conflict)


def _pinned(unit: Unit) -> UnitVerdict:
    """Pinned: the clone's as a whole, even where the clone never changed it."""
    if not (unit.gold_changed or unit.clone_changed):
        return UnitVerdict(CLONE_SIDE, SAME)
    notes = ["gold's change was not taken: this unit is pinned to the server's"] if unit.gold_changed else []
    return UnitVerdict(CLONE_SIDE, CLONE, notes=notes)
