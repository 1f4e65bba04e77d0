"""Enabled links that a server removed and gold has under another name: of modules, sites, settings, units.

A link is told by where it is and where it leads, version numbers aside.  What is not a unit's (systemd goes by names:
:mod:`goldroot.merge.decide.disabled_units`) is also told by where it leads alone, and by its name and text: a site that gold
enables under another name, a module whose directory gold moved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from goldroot.merge.compare.parts import GOLD_SIDE
from goldroot.merge.decide.gone_paths import remembered_paths, removed_paths
from goldroot.merge.decide.sameness import USUAL, one_spelling
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.decide.versions import without_versions
from goldroot.tree import LINK, parent

#: Directories in which a link's presence is what enables something: systemd.unit(5), a2enmod(8), phpenmod(8), fonts-conf(5),
#: OpenRC's runlevels, and whatever else is read file by file.  Links of System V's runlevels have a rule of their own.
_ENABLED = re.compile(
    rb"/etc/(?:.*/)?(?:[^/]+\.(?:wants|requires|upholds)|[^/]+-enabled|(?!rc[0-6S]?\.d/|init\.d/|boot\.d/)[^/]+\.d"
    rb"|enabled|plugins|runlevels/[^/]+)/[^/]+",
    re.DOTALL,
)
#: Of a module that has several links, the question is at the first of these.
HEADS = (b".load", b".conf")
_UNITS = b"/etc/systemd/"

Links = Mapping[bytes, bytes]  #: place -> target
Told = tuple[bytes, bytes]  #: by what a link is told


def enabled_links(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of enabled links; the cause is the module.

    :param added: paths that gold added and nobody asks about.
    """
    gone = dict(_removed(decided, setting))
    new = dict(_added(decided, added)) if gone else {}
    found = dict(_pairs(_identity, gone, new)) if new else {}
    for tell in (_target, _name) if new else ():
        olds = {place: target for place, target in gone.items() if place not in {*found.values()}}
        news = {place: target for place, target in new.items() if place not in found}
        found |= dict(_pairs(tell, *(_of_programs(links) for links in (olds, news)), only_one=True))
    for place, old in found.items():
        path = decided.comparison.part.inside(place)
        if path is not None and old != place:
            yield (parent(place), _stem(place)), old, path


def _removed(decided: Decided, setting: Setting) -> Iterator[tuple[bytes, bytes]]:
    for _, known in remembered_paths(decided, setting):
        if known.target and _ENABLED.fullmatch(known.place):
            yield known.place, known.target
    for delta, base in removed_paths(decided):
        if base.kind == LINK and _ENABLED.fullmatch(delta.place):
            yield delta.place, base.content


def _added(decided: Decided, added: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    part = decided.comparison.part
    for path in added:
        entry, place = decided.comparison.deltas[path][GOLD_SIDE], part.place(path)
        if entry is not None and entry.kind == LINK and _ENABLED.fullmatch(place):
            yield place, entry.content


def _of_programs(links: Links) -> Links:
    return {place: target for place, target in links.items() if not place.startswith(_UNITS)}


def _pairs(
    tell: Callable[[bytes, bytes], Told], gone: Links, new: Links, *, only_one: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """(place now, place before) of the links that are told to be the same.

    :param only_one: only where no other link on either side is told to be the same, too.
    """
    olds, news = _by(tell, gone), _by(tell, new)
    for told, places in news.items():
        before = olds.get(told, [])
        if before and (not only_one or len(before) == len(places) == 1):
            yield from ((place, before[-1]) for place in places)


def _by(tell: Callable[[bytes, bytes], Told], links: Links) -> dict[Told, list[bytes]]:
    told: dict[Told, list[bytes]] = {}
    for place, target in links.items():
        told.setdefault(tell(place, target), []).append(place)
    return told


def _identity(place: bytes, target: bytes) -> Told:
    """Where the link is and where it leads, without versions, in the one spelling of a merged ``/usr``."""
    return without_versions(place), _target(place, target)[1]


def _target(place: bytes, target: bytes) -> Told:
    return b"", without_versions(one_spelling(parent(place), target, USUAL))


def _name(place: bytes, target: bytes) -> Told:
    return without_versions(place.rpartition(b"/")[2]), without_versions(target)


def _stem(place: bytes) -> bytes:
    name = place.rpartition(b"/")[2]
    return next((name.removesuffix(one) for one in HEADS if name.endswith(one)), name)
