"""Security labels that the result lacks: which of its paths have to be labelled before a labelled server runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goldroot.merge.compare.parts import AT_KIND, AT_XATTRS, CLONE_SIDE, GOLD_SIDE, LABELS, Row
from goldroot.merge.decide.verdict import NO_SIDE, SAME
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.tree import SOCKET, Manifest, Note, path_text

LABELS_DUE: Final = "labels-due"
#: The label of a path itself; the others of SMACK only add to it.
MAIN = LABELS[:2]
#: How many paths are named.
SHOWN = 10


def labels_due(parts: Sequence[PartPlan]) -> list[Note]:
    """One remark for each kind of label that the trees have and paths of the result lack."""
    return [note for name in MAIN if (note := _due(parts, name)) is not None]


def _due(parts: Sequence[PartPlan], name: bytes) -> Note | None:
    if not any(_has(one.part.trees[side].manifest, name) for one in parts for side in (GOLD_SIDE, CLONE_SIDE)):
        return None
    due = [one.part.place(path) for one in parts for path in _without(one, name)]
    if not due:
        return None
    shown = [path_text(path) for path in due[:SHOWN]]
    paths = "path has" if len(due) == 1 else "paths have"
    text = f"{len(due):,} {paths} no label {name.decode()}: label them before the server runs (restorecon, fixfiles)"
    return Note(LABELS_DUE, b"", text, {"label": name.decode(), "count": len(due), "paths": shown})


def _has(manifest: Manifest, name: bytes) -> bool:
    return any(name == held for xattrs in manifest.columns.xattr_sets for held, _ in xattrs)


def _without(one: PartPlan, name: bytes) -> Iterator[bytes]:
    """The paths that were decided and come out without the label, but for those that the server has so, too."""
    manifest = one.part.trees[CLONE_SIDE].manifest
    labelled = _has(manifest, name)

    def so_before(path: bytes) -> bool:
        entry = manifest.get(path)
        return labelled and entry is not None and name not in dict(entry.xattrs)

    for path, verdict in one.decided.verdicts.items():
        if verdict.want is not None and name not in verdict.want.xattrs and not so_before(path):
            yield path
    for path, unit in one.decided.units.items():
        if unit.side == NO_SIDE or unit.outcome == SAME:
            continue
        for row in _rows_of(one.part.trees[unit.side].manifest, path):
            if name not in dict(row[AT_XATTRS]) and row[0] not in one.decided.verdicts and not so_before(row[0]):
                yield row[0]


def _rows_of(manifest: Manifest, path: bytes) -> Iterator[Row]:
    top = manifest.get(path)
    for row in (*([] if top is None else [top]), *manifest.below(path)):
        if row[AT_KIND] != SOCKET:
            yield row
