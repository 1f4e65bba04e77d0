"""What of gold's arrives in a state unit that stays the clone's: changes of the unit's own directory, empty directories, and
the new name of an owner.  What does not arrive is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from goldroot.accounts import AccountTables, is_named
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.comparison import Delta, Unit
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.answers import settle_conflict
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.units import KEPT_WHOLE, unit_delta
from goldroot.merge.decide.verdict import CONFLICT, Decided, Setting, UnitVerdict, Verdict, equal, want_of
from goldroot.policy import NUMERIC
from goldroot.tree import DIRECTORY, FILE, Note, is_below, parent, path_text, some_paths

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
            if renamed.is_plain or _ask(decided, setting, renamed):
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


def _ask(decided: Decided, setting: Setting, renamed: _Renamed) -> bool:
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
    """Say what of gold's is not taken, and what of the server's stays that gold removed: ten of each by name."""
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
