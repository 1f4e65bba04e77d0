"""dpkg's overrides of owners and modes in the result: whom they name, and which of them can have no effect.

dpkg stops at an override whose user or group it does not know, so these accounts count as used; for users
:mod:`goldroot.merge.fit.account_uses` asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goldroot.accounts import AccountsMerge, AccountTables, OwnerNames, is_named
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE, read_file
from goldroot.merge.decide.tables import STATOVERRIDE, Override, overrides
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.fit.result_files import ResultFiles
from goldroot.tree import FILE, Note, path_text

NO_EFFECT: Final = "override-without-effect"
UNKNOWN: Final = "override-unknown"

Names = tuple[OwnerNames, OwnerNames, OwnerNames]


def groups_in_overrides(parts: Sequence[PartPlan], names: Names) -> set[bytes]:
    """The groups that overrides of the result name."""
    return {override.group for override in _of_result(parts, names) if is_named(override.group)}


def without_effect(parts: Sequence[PartPlan], names: Names) -> Iterator[Note]:
    """The server's own overrides of paths that it shares with gold: they say nothing there."""
    if any(one.part.at != b"/" for one in parts):
        return  # of a part of a system nobody can tell what else is its own
    gold = {override for one in parts for override in _of_gold(one)}
    for override in _of_result(parts, names):
        if override not in gold and not any(_holds(one, override.path) for one in parts):
            text = f"{path_text(override.path)} is not on a disk of the server's own: its override has no effect"
            yield Note(NO_EFFECT, STATOVERRIDE, text)


def unknown_in_overrides(parts: Sequence[PartPlan], names: Names, merged: AccountsMerge) -> Iterator[Note]:
    """Whom an override of the result names, and the merged tables do not know: dpkg stops at it."""
    tables = AccountTables.of({name: data for name, data in merged.files.items() if data is not None})
    for override in _of_result(parts, names):
        for kind, name, known in (("user", override.user, tables.users), ("group", override.group, tables.groups)):
            if is_named(name) and name not in known:
                text = f"dpkg stops at the override of {path_text(override.path)}: there is no {kind} {path_text(name)}"
                yield Note(UNKNOWN, STATOVERRIDE, text)


def _of_result(parts: Sequence[PartPlan], names: Names) -> list[Override]:
    return overrides(ResultFiles(parts, names).text(STATOVERRIDE) or b"")


def _of_gold(one: PartPlan) -> list[Override]:
    path, tree = STATOVERRIDE[1:], one.part.trees[GOLD_SIDE]
    row = tree.manifest.get(path)
    return overrides(read_file(tree.root, path)) if row is not None and row.kind == FILE else []


def _holds(one: PartPlan, place: bytes) -> bool:
    """Whether a part would hold a place: the server has the directory in which it stands."""
    return one.part.trees[CLONE_SIDE].manifest.get(place[1:].rpartition(b"/")[0]) is not None
