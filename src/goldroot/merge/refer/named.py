"""Files of the server that name other files: its units, cron tables, mail settings, and other texts below /etc."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.fstab import MOUNT_POINT
from goldroot.merge.decide.verdict import Verdict
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.refer.commands import SPOOLS, Named, finder_of
from goldroot.merge.refer.reference import LIBRARY, MOUNT, NAMED, NAMED_UNIT, Reference
from goldroot.merge.refer.texts import LARGEST, is_text_of_interest, named_in_text
from goldroot.policy import ASK, CONFIG, NOTE, OPAQUE
from goldroot.tree import FILE

#: Nobody's unit is larger (bytes).
_LARGEST = 1 << 20


def files_of(one: PartPlan) -> Iterator[bytes]:
    """Paths in the trees of files that end as the server's, or merged, and may name others."""
    for path, verdict in one.decided.verdicts.items():
        want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
        if want is None or want.kind != FILE or (gold is not None and gold.content == want.content):
            continue
        if _is_looked_at(one, path, verdict) and not any(c.axis == "content" for c in verdict.conflicts):
            yield path
    spool = one.part.inside(SPOOLS[-1].rstrip(b"/"))
    for entry in one.part.trees[CLONE_SIDE].manifest.below(spool) if spool is not None else ():
        is_table = entry.kind == FILE and one.part.place(entry.path).rpartition(b"/")[0] + b"/" in SPOOLS
        is_own = entry.path not in one.decided.verdicts and one.side_over(entry.path) == CLONE_SIDE
        if is_table and is_own and entry.size <= _LARGEST:
            yield entry.path


def _is_looked_at(one: PartPlan, path: bytes, verdict: Verdict) -> bool:
    place = one.part.place(path)
    if finder_of(place) is not None:
        return True
    if verdict.conflicts or "presence" in verdict.decided:
        return False  # whether the text is there at all is asked, or was
    rows, rule = one.decided.comparison.deltas[path], one.decided.comparison.rules[path]
    small = all(row is None or row.size <= LARGEST for row in rows)
    return small and rule.cls in (CONFIG, OPAQUE) and not rule.secret and is_text_of_interest(place)


def _named(place: bytes, content: bytes, gold: bytes) -> Iterator[Named]:
    """What a file names and gold's does not; of Postfix's settings there are tables, and others as in any text."""
    find = finder_of(place)
    if find is not None:
        golds = {named.path for named in find(gold)} if gold else set()
        yield from (named for named in find(content) if named.path not in golds)
    if find is None or place.startswith(b"/etc/postfix/"):
        yield from named_in_text(place, content, gold)


def named_in(place: bytes, content: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths that a file names and gold's file of that name does not."""
    is_noted = place.startswith(SPOOLS[-1])
    found: dict[bytes, Named] = {}
    for named in _named(place, content, gold):
        if named.path not in found or named.level == ASK:
            found[named.path] = named
    for named in found.values():
        kind = MOUNT if named.is_point else NAMED_UNIT if named.is_unit else LIBRARY if named.is_library else NAMED
        who = MOUNT_POINT if named.is_point else place
        yield Reference(kind, place, named.path, named.path, place, NOTE if is_noted else named.level, who, named.line)
