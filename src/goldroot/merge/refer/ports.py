"""The port that two versions of one service would both take: said where gold deleted the state of the older one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from goldroot.merge.decide.units import UNIT_GONE, newer_beside
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.refer.refer import Referrer
from goldroot.tree import FILE

#: ``port = 5432`` in postgresql.conf, ``port=3306`` in my.cnf, ``port 6379`` in redis.conf.
_PORT = re.compile(rb"^[ \t]*port[ \t]*[=: \t][ \t]*'?([0-9]{1,5})\b", re.MULTILINE | re.IGNORECASE)
_ENDINGS = (b".conf", b".cnf")
#: So many files of one configuration are read.
_MOST = 32
#: Configuration is smaller (bytes).
_LARGEST = 1 << 20

_STATE, _CONFIGURATION = b"/var/lib/", b"/etc/"


def say_ports(parts: Sequence[PartPlan], referrer: Referrer) -> None:
    """Add to each question about a deleted unit the port that its configuration and a newer one's both name, in place."""
    for one in parts:
        for path, verdict in one.decided.units.items():
            if verdict.conflict is None or verdict.conflict.kind != UNIT_GONE:
                continue
            own = _ports(parts, referrer, one.part.place(path))
            for beside in newer_beside(one.decided.comparison, path) if own else ():
                if both := own & _ports(parts, referrer, one.part.place(beside)):
                    ports = ", ".join(sorted(port.decode() for port in both))
                    detail = f"{verdict.conflict.detail}; both are configured for port {ports}"
                    verdict.conflict = replace(verdict.conflict, detail=detail)


def _ports(parts: Sequence[PartPlan], referrer: Referrer, state: bytes) -> set[bytes]:
    """The ports in the configuration of a state directory: /etc/postgresql/15 for /var/lib/postgresql/15."""
    if not state.startswith(_STATE):
        return set()
    directory = _CONFIGURATION + state[len(_STATE) :]
    return {port for place in _files(parts, directory) for port in _PORT.findall(referrer.content(place, None))}


def _files(parts: Sequence[PartPlan], directory: bytes) -> Iterator[bytes]:
    found = {
        one.part.place(entry.path)
        for one in parts
        if (inside := one.part.inside(directory)) is not None
        for tree in one.part.trees
        for entry in tree.manifest.below(inside)
        if entry.kind == FILE and entry.path.endswith(_ENDINGS) and entry.size <= _LARGEST
    }
    yield from sorted(found)[:_MOST]
