"""State units: each is one side's as a whole, never merged file by file; and what of gold's arrives in one that stays the server's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from goldroot.accounts import AccountTables, is_named
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIDE_OF
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.likeness import without_versions
from goldroot.merge.decide.verdict import (
    CONFLICT,
    NO_SIDE,
    SAME,
    Decided,
    Setting,
    UnitVerdict,
    Verdict,
    conflict_at,
    equal,
    settle_conflict,
    want_of,
)
from goldroot.policy import ASK, NUMERIC
from goldroot.tree import DIRECTORY, FILE, Manifest, Note, is_below, parent, path_text, some_paths

#: The note about a unit that both sides changed.
KEPT_WHOLE = "gold changed this unit too; the server's is kept as a whole"
#: What is said of what gold brings to where the server removed something.
ADDED_BELOW_DELETED = "gold added it below a directory that the server deleted"
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
        answer, _ = settle_conflict(verdict, asked, self.setting)
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


# -- What arrives in a unit that stays the clone's: changes of the unit's own directory, empty directories, and the new name
# of an owner. What does not arrive is named.

#: Kind of the conflict, and of the note on the way back.
RENAMED: Final = "owner-renamed"


def settle_units(decided: Decided, setting: Setting, accounts: tuple[AccountTables, AccountTables]) -> None:
    """Let arrive what may, in place.

    :param accounts: base's and gold's.
    """
    for path, unit in decided.comparison.units.items():
        verdict = decided.units.get(path)
        if verdict is None or verdict.side != CLONE_SIDE or verdict.because or verdict.conflict or unit.pinned:
            continue
        if not unit.gold_changed or not all(unit.present):
            continue
        arrived: set[bytes] = set()
        if not setting.going_back:
            arrived = {*_merge_top(decided, setting, unit), *_make_directories(decided, setting, unit)}
        _rename_owners(decided, setting, unit, accounts)
        _name_the_rest(decided, verdict, unit, arrived)


def _merge_top(decided: Decided, setting: Setting, unit: Unit) -> Iterator[bytes]:
    """Mode, owner, group and attributes of the unit's own directory or file, each merged three ways."""
    part = decided.comparison.part
    base, gold, clone = part.rows(unit.path)
    if unit.rule.whole or base is None or gold is None or clone is None or clone.kind not in (DIRECTORY, FILE):
        return
    if not base.kind == gold.kind == clone.kind:
        return
    # The content is the clone's, and so is its time.
    was, now = (side._replace(content=clone.content, size=clone.size, mtime=clone.mtime) for side in (base, gold))
    rows = was, now, clone
    if equal(
        want_of(rows[0], setting.names[BASE_SIDE], BASE_SIDE), want_of(rows[1], setting.names[GOLD_SIDE], GOLD_SIDE)
    ):
        return
    verdict = merge_axes(Delta(unit.path, part.place(unit.path), rows, unit.rule), setting)
    yield unit.path
    if verdict.conflicts or not equal(verdict.want, want_of(clone, setting.names[CLONE_SIDE], CLONE_SIDE)):
        _add(decided, unit.path, verdict, unit)
    if axes := [axis for axis, word in verdict.axes.items() if word == GOLD]:
        decided.units[unit.path].notes.append(f"of the unit itself gold's {', '.join(axes)} was taken")


def _make_directories(decided: Decided, setting: Setting, unit: Unit) -> Iterator[bytes]:
    """Directories that gold added and that hold no file, beside what base and the clone have."""
    part = decided.comparison.part
    if unit.rule.whole or not unit.rule.mkdir or unit.rule.owners == NUMERIC:
        return
    manifest = part.trees[GOLD_SIDE].manifest
    for path in unit.gold_differs:
        base, gold, clone = part.rows(path)
        if base is not None or clone is not None or gold is None or gold.kind != DIRECTORY:
            continue
        was, _, now = part.rows(parent(path))
        held = was is not None and now is not None and was.kind == now.kind == DIRECTORY
        if held and not part.numeric.covers(path) and all(one.kind == DIRECTORY for one in manifest.below(path)):
            want = want_of(gold, setting.names[GOLD_SIDE], GOLD_SIDE)
            _add(decided, path, Verdict(want, GOLD, {"presence": GOLD}), unit)
            yield path


def _add(decided: Decided, path: bytes, verdict: Verdict, unit: Unit) -> None:
    decided.comparison.add(path, decided.comparison.part.rows(path), unit.rule)
    decided.verdicts[path] = verdict
    decided.within.add(path)


def _rename_owners(
    decided: Decided, setting: Setting, unit: Unit, accounts: tuple[AccountTables, AccountTables]
) -> None:
    """An account that gold has under another name takes its files in the clone's unit with it."""
    used = unit.used[1]
    base, gold = accounts
    for axis, owners, held, before, after in (
        ("owner", unit.gold_owners[0], used.users, base.users, gold.users),
        ("group", unit.gold_owners[1], used.groups, base.groups, gold.groups),
    ):
        for old, found in sorted(owners.items()):
            # Never root's, never what an account has that gold still has, never a number without a name.
            if old not in held or old not in before or before[old] == 0 or old in after:
                continue
            renamed = _Renamed(unit, axis, old, tuple(sorted(found)), {name for name in found if name not in before})
            if renamed.is_plain or _ask_renamed(decided, setting, renamed):
                _rename(decided.units[unit.path], renamed)


@dataclass(frozen=True, slots=True)
class _Renamed:
    """What gold made of an owner in one unit."""

    unit: Unit
    axis: str
    old: bytes
    names: tuple[bytes, ...]  #: who has what was his, of the paths that base and gold have
    new: set[bytes]  #: of these, the accounts that base does not have

    @property
    def is_plain(self) -> bool:
        """Whether all that was his is one new account's."""
        return len(self.names) == 1 and len(self.new) == 1 and is_named(self.names[0])

    @property
    def can_follow(self) -> bool:
        """Whether there is one account to which the clone's paths could go."""
        return len(self.names) == 1 and is_named(self.names[0])


def _rename(verdict: UnitVerdict, renamed: _Renamed) -> None:
    new = renamed.names[0]
    (verdict.users if renamed.axis == "owner" else verdict.groups)[renamed.old] = new
    old, now = path_text(renamed.old), path_text(new)
    verdict.notes.append(f"gold has {now} in the place of {old}: what was {old}'s here is {now}'s ({renamed.axis})")


def _ask_renamed(decided: Decided, setting: Setting, renamed: _Renamed) -> bool:
    """Whether the clone's paths are to follow; until somebody decides they do not."""
    delta = unit_delta(decided.comparison, renamed.unit)
    names = b", ".join(renamed.names)
    detail = (
        f"gold has no account {path_text(renamed.old)} any more, and gave what was its here to {path_text(names)};"
        f" on the server it stays {path_text(renamed.old)}'s"
    )
    if setting.going_back:
        decided.notes.append(Note(RENAMED, delta.place, detail))
        return False
    values = (renamed.old, names, renamed.old)
    answers = (CLONE, GOLD) if renamed.can_follow else (CLONE,)
    conflict = Conflict(delta.place, renamed.axis, RENAMED, values, answers, CLONE, detail, delta.rule.secret)
    asked = Verdict(None, CONFLICT)
    answer, _ = settle_conflict(asked, conflict, setting)
    decided.conflicts += asked.conflicts
    return answer == GOLD


def _name_the_rest(decided: Decided, verdict: UnitVerdict, unit: Unit, arrived: set[bytes]) -> None:
    """Say what of gold's is not taken, and what of the server's stays that gold removed: ten of each by name.

    Of a unit that a person answered for, as on a way back, nothing is said: that was in the question.
    """
    if KEPT_WHOLE not in verdict.notes:
        return
    part = decided.comparison.part
    changed: list[bytes] = []
    removed: list[bytes] = []
    for path in unit.gold_differs:
        _, gold, clone = part.rows(path)
        if gold is not None and path not in arrived:
            changed.append(path)
        elif gold is None and clone is not None and not (removed and is_below(path, removed[-1])):
            removed.append(path)
    said = [
        f"{words}: {_named(decided, paths)}"
        for words, paths in (
            ("of gold's were not taken", changed),
            ("gold removed, and the server's stay", removed),
        )
        if paths
    ]
    if unit.not_compared:
        said.append(f"{unit.not_compared:,} more files, of equal size and time, were not compared")
    if said:
        verdict.notes[verdict.notes.index(KEPT_WHOLE)] = "; ".join([KEPT_WHOLE, *said])
    elif arrived:
        verdict.notes.remove(KEPT_WHOLE)


def _named(decided: Decided, paths: list[bytes]) -> str:
    return some_paths(map(decided.comparison.part.place, paths))
