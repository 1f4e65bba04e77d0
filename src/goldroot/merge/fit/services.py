"""Services that gold does not start any more, and the server did: with an unchanged configuration nothing else would tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.likeness import without_versions
from goldroot.merge.decide.services import StaticUnits, enabled_services, service_at
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.tree import LINK, Note, path_text, some_paths

#: Kind of the note.
NOT_STARTED: Final = "services-not-started"


def not_started(parts: Sequence[PartPlan], static: StaticUnits) -> list[Note]:
    """One note about all services that the server starts at boot, and the result does not, since gold does not.

    One that gold has under another version number is not one of them, nor one that its packages start.
    """
    gone: list[bytes] = []
    for one in parts:
        before = enabled_services(one.part, CLONE_SIDE)
        if not before:
            continue
        after = {name for name, paths in before.items() if any(_stays(one, path) for path in paths)}
        for path, verdict in one.decided.verdicts.items():
            if verdict.want is not None and verdict.want.kind == LINK and (name := service_at(one.part.place(path))):
                after.add(name)
        now = {without_versions(name) for name in {*after, *enabled_services(one.part, GOLD_SIDE)}}
        gone += [name for name in before if name not in after and without_versions(name) not in now]
    started = {without_versions(name) for name in static.of(GOLD_SIDE)} if gone else set()
    gone = [name for name in gone if without_versions(name) not in started]
    if not gone:
        return []
    names = some_paths(name.rpartition(b"/")[2] for name in gone)
    text = f"the server starts these at boot, and gold does not have or start them any more: {names}"
    data = {"services": [path_text(name) for name in gone]}
    return [Note(NOT_STARTED, b"/etc/systemd/system", text, data)]


def _stays(one: PartPlan, path: bytes) -> bool:
    """Whether a link of the server's is in the result, as a link."""
    verdict = one.decided.verdicts.get(path)
    return verdict is None or (verdict.want is not None and verdict.want.kind == LINK)
