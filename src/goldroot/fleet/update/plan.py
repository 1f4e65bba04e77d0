"""``update plan``: what an update would do, from stored manifests and one scan.  It changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from goldroot.catalog import Clone, updates
from goldroot.errors import NoPermission, NoSpace
from goldroot.fleet.inputs import Stage, check_layouts, disk_side, gold_side, open_clone, plan_sides, policy_of, silent
from goldroot.fleet.prefetch import Prefetch
from goldroot.fleet.update import open_update
from goldroot.fleet.update.memory import memory_of, save_references
from goldroot.fleet.update.open_update import active_clone, target_of, why_it_stays
from goldroot.image import open_version
from goldroot.merge import make_record, note_data
from goldroot.site import Site


@dataclass(frozen=True)
class UpdatePlan:
    """What moving a clone means; ``record`` is the record that the merge would have."""

    clone: Clone
    to: int
    record: dict[str, Any]
    answers: Sequence[dict[str, Any]] = ()  #: remembered answers that it uses, as ``told`` names them
    stays: str = ""  #: why it stays on a version that was retired; "" where that is not so
    after_rollback: bool = False  #: the server went back from its last update: these answers may be why

    @property
    def conflicts(self) -> list[dict[str, Any]]:
        """The conflicts that nobody has decided yet."""
        found: list[dict[str, Any]] = self.record["conflicts"]
        return found

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "clone": self.clone.name, "image": self.clone.image, "from": self.clone.version, "to": self.to,
            "record": self.record, "answers": list(self.answers), "stays": self.stays,
        }  # fmt: skip


def plan_update(
    site: Site, name: str, to: int | None = None, *, stage: Stage = silent, ahead: Prefetch | None = None
) -> UpdatePlan:
    """Plan the update of one clone, running or not.

    :param ahead: scans its disks in another process meanwhile.
    :raises NotFound: no such clone or version. :raises Refused: layouts differ, or it is not active.
    """
    clone = active_clone(site, name)
    with site.catalog.read() as tx:
        going, last = updates.in_flight(tx, name), updates.latest(tx, name)
    if to is None and going is not None and going.kind == "update":
        to = going.to_version  # what `update run` goes on with
    number = target_of(site, clone, to)
    base, target = (open_version(site, clone.image, one, clone.host) for one in (clone.version, number))
    check_layouts(base, target)
    policy = policy_of(site, clone.image)
    decided = open_update.remembered(site, clone.image)
    with open_clone(site, clone) as server, base.open() as old, target.open() as new:
        sides = gold_side(base, old, server.ids), gold_side(target, new, server.ids)
        side = disk_side(site, server, policy, writers="live", stage=stage, ahead=ahead)
        plan = plan_sides((*sides, replace(side, memory=memory_of(site, name))), policy, decided)
        record = make_record(plan)
    # Who may only look at a site, or looks at one without room, keeps nothing for a forecast.
    with suppress(NoPermission, NoSpace, OSError):
        save_references(site, name, plan.references.kept)
    record["notes"] += [note_data(note) for note in side.notes]
    from goldroot.fleet.answers import used_answers  # here: an update that has none does not need it

    answers = used_answers(site, clone.image, decided.used(plan.conflicts))
    went_back = last is not None and last.kind == "rollback" and last.state == "done"
    return UpdatePlan(clone, number, record, answers, why_it_stays(site, clone, number), went_back)
