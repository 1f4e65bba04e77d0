"""Files of the server that name other files: its units, cron tables and mail settings."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.fstab import MOUNT_POINT
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.refer.commands import SPOOLS, finder_of
from goldroot.merge.refer.reference import MOUNT, NAMED, Reference
from goldroot.policy import ASK, NOTE
from goldroot.tree import FILE

#: Nobody's unit is larger (bytes).
_LARGEST = 1 << 20


def files_of(one: PartPlan) -> Iterator[bytes]:
    """Paths in the trees of files that end as the server's, or merged, and may name others."""
    for path, verdict in one.decided.verdicts.items():
        want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
        if want is None or want.kind != FILE or (gold is not None and gold.content == want.content):
            continue
        if finder_of(one.part.place(path)) is not None and not any(c.axis == "content" for c in verdict.conflicts):
            yield path
    spool = one.part.inside(SPOOLS[-1].rstrip(b"/"))
    for entry in one.part.trees[CLONE_SIDE].manifest.below(spool) if spool is not None else ():
        is_table = entry.kind == FILE and one.part.place(entry.path).rpartition(b"/")[0] + b"/" in SPOOLS
        is_own = entry.path not in one.decided.verdicts and one.side_over(entry.path) == CLONE_SIDE
        if is_table and is_own and entry.size <= _LARGEST:
            yield entry.path


def named_in(place: bytes, content: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths that a file names and gold's file of that name does not."""
    find = finder_of(place)
    if find is None:
        return
    golds = {named.path for named in find(gold)}
    level = NOTE if place.startswith(SPOOLS[-1]) else ASK
    for named in {named.path: named for named in find(content) if named.path not in golds}.values():
        kind, who = (MOUNT, MOUNT_POINT) if named.is_point else (NAMED, place)
        yield Reference(kind, place, named.path, named.path, place, level, who, named.line)
