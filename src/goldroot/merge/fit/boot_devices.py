"""Devices for which a server would wait at boot: lines of gold's fstab that arrive where the server's own table was unchanged.

Where both changed the table its merger asks.  Where only gold did, its table is the result to the byte; that the server knows none of
a new line's devices is a finding about it, as a broken reference is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goldroot.accounts import OwnerNames
from goldroot.conflicts import GOLD, Conflict
from goldroot.merge.compare.parts import CLONE_SIDE, read_unless_torn
from goldroot.merge.decide.tables import FSTAB
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.fit.result_files import ResultFiles
from goldroot.tree import FILE

PLACE = b"/etc/fstab"
AXIS = "boot"
KIND: Final = "device-unknown"


def unknown_devices(parts: Sequence[PartPlan], names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> Iterator[Conflict]:
    """Ask once about the lines of gold's that the server would wait for; it can be accepted, or fixed in a table."""
    for one in parts:
        path = one.part.inside(PLACE)
        verdict = one.decided.verdicts.get(path) if path is not None else None
        if path is None or verdict is None or verdict.axes.get("content") != GOLD or verdict.decided:
            continue
        row = one.decided.comparison.deltas[path][CLONE_SIDE]
        own = read_unless_torn(one.part.trees[CLONE_SIDE], path) if row is not None and row.kind == FILE else None
        merged = ResultFiles(parts, names).text(PLACE)
        trouble = FSTAB.trouble(merged, merged, own) if merged is not None and own is not None else ""
        if trouble:
            yield Conflict(PLACE, AXIS, KIND, (b"", trouble.encode(), b""), (GOLD,), GOLD, trouble)
