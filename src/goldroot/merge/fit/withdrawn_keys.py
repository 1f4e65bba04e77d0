"""Keys of sshd that gold withdrew from one list, and that the result has in another of the server's own.

Access that gold took away goes from the list in which gold had it.  Where the server has the key elsewhere, too, for another
account or in the same one's second list, that is its administrator's choice: it stays, and is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goldroot.accounts import OwnerNames
from goldroot.merge.compare.parts import BASE_SIDE, GOLD_SIDE, read_unless_torn
from goldroot.merge.decide.line_sets import blobs_of, is_key_file
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.fit.result_files import ResultFiles
from goldroot.policy import LINES
from goldroot.tree import FILE, Note, path_text

KIND: Final = "withdrawn-key-elsewhere"

Names = tuple[OwnerNames, OwnerNames, OwnerNames]


def withdrawn_keys(parts: Sequence[PartPlan], names: Names) -> Iterator[Note]:
    """A note for each list of the result that has a key that gold withdrew from another one."""
    withdrawn: dict[bytes, bytes] = {}  #: blob -> from where
    lists = []
    for one in parts:
        for path, verdict in one.decided.verdicts.items():
            rule, place = one.decided.comparison.rules[path], one.part.place(path)
            if rule.cls != LINES or not is_key_file(place):
                continue
            base, gold = _keys(one, path, BASE_SIDE), _keys(one, path, GOLD_SIDE)
            withdrawn.update(dict.fromkeys(base - gold, place))
            if verdict.want is not None and verdict.want.kind == FILE:
                lists.append((place, base | gold))
    files = ResultFiles(parts, names)
    for place, had in lists if withdrawn else ():
        there = blobs_of(files.text(place) or b"") - had
        for blob in sorted(there & withdrawn.keys()):
            if withdrawn[blob] != place:
                text = f"it has a key that gold withdrew from {path_text(withdrawn[blob])}"
                yield Note(KIND, place, text, {"from": path_text(withdrawn[blob])})


def _keys(one: PartPlan, path: bytes, side: int) -> set[bytes]:
    row = one.decided.comparison.deltas[path][side]
    if row is None or row.kind != FILE:
        return set()
    return blobs_of(read_unless_torn(one.part.trees[one.part.source(side, path)], path) or b"")
