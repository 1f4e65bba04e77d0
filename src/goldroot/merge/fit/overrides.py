"""dpkg's overrides of owners and modes in the result: whom they name, and which of them can have no effect.

dpkg stops at an override whose user or group it does not know, so these accounts count as used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.errors import TreeChanged
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.contents import read_file
from goldroot.merge.decide.tables import STATOVERRIDE, Override, overrides
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.tree import FILE, Note, path_text

NO_EFFECT = "override-without-effect"


def named_in_overrides(parts: Sequence[PartPlan]) -> tuple[set[bytes], set[bytes]]:
    """The users and groups that overrides of the result name; numbers (``#33``) are no names."""
    found = [override for one in parts for override in _of_result(one)]
    users = {each.user for each in found if not each.user.startswith(b"#")}
    return users, {each.group for each in found if not each.group.startswith(b"#")}


def without_effect(parts: Sequence[PartPlan]) -> Iterator[Note]:
    """The server's own overrides of paths that it shares with gold: they say nothing there."""
    if any(one.part.at != b"/" for one in parts):
        return  # of a part of a system nobody can tell what else is its own
    for one in parts:
        gold = set(_of_side(one, GOLD_SIDE))
        for override in _of_result(one):
            if override not in gold and not any(_holds(other, override.path) for other in parts):
                text = f"{path_text(override.path)} is not on a disk of the server's own: its override has no effect"
                yield Note(NO_EFFECT, STATOVERRIDE, text)


def _holds(one: PartPlan, place: bytes) -> bool:
    """Whether a part would hold a place: its trees have the directory in which it stands."""
    prefix = one.part.place(b"").rstrip(b"/") + b"/"
    if not place.startswith(prefix):
        return False
    above = place[len(prefix) :].rpartition(b"/")[0]
    return one.part.trees[CLONE_SIDE].manifest.get(above) is not None


def _path(one: PartPlan) -> bytes | None:
    prefix = one.part.place(b"").rstrip(b"/") + b"/"
    return STATOVERRIDE[len(prefix) :] if STATOVERRIDE.startswith(prefix) else None


def _of_side(one: PartPlan, side: int) -> list[Override]:
    path = _path(one)
    row = None if path is None else one.part.trees[side].manifest.get(path)
    if path is None or row is None or row.kind != FILE:
        return []
    tree = one.part.trees[side]
    try:
        return overrides(read_file(tree.root, path))
    except TreeChanged:
        if tree.torn is None:
            raise
        tree.torn.add(path)
        return []


def _of_result(one: PartPlan) -> list[Override]:
    path = _path(one)
    verdict = None if path is None else one.decided.verdicts.get(path)
    if verdict is None:
        return _of_side(one, CLONE_SIDE)
    if verdict.want is None or verdict.want.kind != FILE:
        return []
    return overrides(verdict.want.inline) if verdict.want.inline is not None else _of_side(one, verdict.want.side)
