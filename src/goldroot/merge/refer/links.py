"""The links of the server that gold does not have as they are.

A link that gold has too, at the same path, is gold's matter: where it leads to nothing, gold is to be checked, and no
server is to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.compare.systems import is_inside
from goldroot.merge.decide.verdict import CONFLICT, Verdict
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.refer.reference import ALTERNATIVE, LINK_TO, RESOLVER, UNIT, Reference
from goldroot.merge.refer.shared import Index
from goldroot.policy import CLONE, CONFIG, IDENTITY, LINES, OPAQUE, Rule
from goldroot.tree import LINK, Entry, upwards

_CLASSES = (CONFIG, OPAQUE, LINES, CLONE, IDENTITY)

_WANTED = re.compile(rb"/etc/systemd/(?P<scope>system|user)/[^/]+\.(?:wants|requires|upholds)/(?P<name>[^/]+)")
_ALTERNATIVES = b"/etc/alternatives/"
RESOLV_CONF = b"/etc/resolv.conf"

#: Links that a program makes of other files: they are looked at when it has made them again.
_MADE = (b"/etc/ssl/certs/", b"/var/lib/ca-certificates/", b"/etc/pki/ca-trust/extracted/")

#: A place that many links lead to on purpose: a mask.
_NOTHING = b"/dev/null"


def links_of(one: PartPlan, gold: Index, foreign: frozenset[bytes]) -> Iterator[tuple[bytes, Reference]]:
    """(path in the trees, reference) of each link of the clone's that stays and that gold does not have the same.

    :param gold: of gold's tree.
    """
    for path, verdict in one.decided.verdicts.items():
        if _stays(one, path, verdict):
            want, place = verdict.want, one.part.place(path)
            assert want is not None
            rule = one.decided.comparison.rules[path]
            if rule.cls in _CLASSES and not place.startswith(_MADE) and not is_inside(place, foreign):
                yield path, _of_configuration(place, want.content)
    for entry in one.part.trees[CLONE_SIDE].manifest.of_kind(LINK):
        if entry.path not in one.decided.verdicts:
            yield from _of_state(one, entry, gold, foreign)


def _stays(one: PartPlan, path: bytes, verdict: Verdict) -> bool:
    """Whether a path ends as a link of the clone's, unasked."""
    want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
    if want is None or want.kind != LINK or verdict.conflicts or (verdict.because and verdict.outcome == CONFLICT):
        return False
    return want.content != _NOTHING and (gold is None or gold.kind != LINK or gold.content != want.content)


def _of_configuration(place: bytes, text: bytes) -> Reference:
    if wanted := _WANTED.fullmatch(place):
        name = wanted["name"]
        return Reference(UNIT, place, name, wanted["scope"] + b"/" + name)
    target = absolute(place, text)
    if place.startswith(_ALTERNATIVES):
        return Reference(ALTERNATIVE, place, text, target)
    return Reference(RESOLVER if place == RESOLV_CONF else LINK_TO, place, text, target)


def _of_state(one: PartPlan, entry: Entry, gold: Index, foreign: frozenset[bytes]) -> Iterator[tuple[bytes, Reference]]:
    """A link in a state unit of the clone's whose target is outside of the unit."""
    top = next((path for path in upwards(entry.path) if path in one.decided.units), None)
    if top is None or one.decided.units[top].side != CLONE_SIDE or entry.content == _NOTHING:
        return
    if entry.path != top and stays_inside(entry.path[len(top) :], entry.content):
        return
    unit, place = one.part.place(top), one.part.place(entry.path)
    target = absolute(place, entry.content)
    inside = target.startswith(unit + b"/") and b"/../" not in target
    if inside or target == unit or is_inside(place, foreign):
        return
    golds = gold.look(entry.path)
    if golds is not None and golds.kind == LINK and golds.target == entry.content:
        return
    rule: Rule = one.decided.comparison.units[top].rule
    yield entry.path, Reference(LINK_TO, place, entry.content, target, unit, rule.references)


def absolute(place: bytes, text: bytes) -> bytes:
    """The absolute path that a link's text means; ``..`` is left to who goes the way."""
    return text if text.startswith(b"/") else place.rpartition(b"/")[0] + b"/" + text


def stays_inside(inside: bytes, text: bytes) -> bool:
    """Whether a relative text cannot leave its unit; told by counting names alone.

    :param inside: the link's path below the unit, with the slash before it.
    """
    if text.startswith(b"/"):
        return False
    depth = inside.count(b"/") - 1
    for name in text.split(b"/"):
        depth += -1 if name == b".." else 0 if name in (b"", b".") else 1
        if depth < 0:
            return False
    return True
