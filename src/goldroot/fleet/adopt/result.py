"""What an adoption comes to: the rows of a plan as they are written, and what they have otherwise than gold.  Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from goldroot.fleet.inputs import Side
from goldroot.image import Change, changes_between
from goldroot.merge import PartPlan, Plan, build_rows
from goldroot.policy import CACHE, STATE, Policy
from goldroot.tree import FILE, INLINE, BuildRow, Entry, Manifest

FSTAB = b"etc/fstab"


@dataclass(frozen=True)
class OwnChange:
    """What the server will have otherwise than gold; a state unit is one, with the number of its paths."""

    path: bytes
    what: str  #: added, removed, changed, or state
    axes: tuple[str, ...] = ()
    count: int = 1


def rows_of_part(plan: Plan, one: PartPlan, fstab: bytes | None) -> Iterator[BuildRow]:
    """The rows of one disk of a plan, its fstab with this content where there is one."""
    for row in build_rows(plan, one):
        if row.path == FSTAB and fstab is not None:
            row = row._replace(source=INLINE, content=fstab, size=-1, inode=0, ctime=0, group=0)
        yield row


def entry_of(row: BuildRow) -> Entry:
    """A row that is to be written, as a scan would find it; a file's content is empty where nobody read it."""
    content, size = row.content, max(row.size, 0)
    if row.kind == FILE and row.source == INLINE:
        content, size = hashlib.sha256(row.content).digest(), len(row.content)
    return Entry(
        row.path, row.kind, row.mode, row.uid, row.gid, size if row.kind == FILE else 0, row.mtime, content, row.xattrs,
        row.flags, row.project, row.group, 0, 0,
    )  # fmt: skip


def changes_of(plan: Plan, golds: Side, rules: Policy, fstab: bytes | None) -> Iterator[OwnChange]:
    """What the result has otherwise than gold's own disks."""
    units: dict[bytes, int] = {}
    for one in plan.parts:
        result = Manifest.from_rows(entry_of(row) for row in rows_of_part(plan, one, fstab))
        for change in changes_between(golds.trees[one.part.name].manifest, result):
            place = b"/" + change.path
            rule = rules.match(place)
            if change.only_time or rule.cls == CACHE:
                continue
            if (unit := rules.unit(place, rule) if rule.cls == STATE else None) is not None:
                # What the merge found to be the same was not read here, or has only another time.
                verdict = one.decided.units.get(unit[1:])
                if verdict is not None and verdict.outcome != "same":
                    units[unit] = units.get(unit, 0) + 1
            else:
                yield _own(change)
    yield from (OwnChange(unit, "state", (), count) for unit, count in sorted(units.items()))


def _own(change: Change) -> OwnChange:
    return OwnChange(b"/" + change.path, change.what, tuple(axis for axis in change.axes if axis != "time"))
