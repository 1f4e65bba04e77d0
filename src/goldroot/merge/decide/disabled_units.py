"""A service that the server disabled stays so where gold enables it in another way.

What enables a service at boot goes by its name: a link in any ``*.wants`` or ``*.requires`` of systemd (systemd.unit(5)), or
a start link of its script in a runlevel.  Debian 13 has ``slapd.service`` where Debian 12 had a script, and units are
wanted by other targets in a new release: as paths, the link that the server removed and gold's have nothing to do with each
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set

from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.tree import LINK

_SYSTEMD = b"/etc/systemd/system"
_WANTED = re.compile(_SYSTEMD + rb"/[^/]+\.(?:wants|requires)/(?P<name>[^/]+)", re.DOTALL)
#: Runlevels in which a server works: Debian's and SUSE's init.d, Red Hat's rc.d (chkconfig(8), update-rc.d(8)).
_RUNLEVELS = [
    above + b"rc%d.d" % level for above in (b"/etc/", b"/etc/rc.d/", b"/etc/init.d/") for level in (2, 3, 4, 5)
]
_START = re.compile(rb"/etc/(?:rc\.d/|init\.d/)?rc[2-5]\.d/S[0-9]{2}(?P<name>[^/]+)", re.DOTALL)


def disabled_units(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of links by which gold enables what base enabled elsewhere and the server nowhere.

    :param added: paths that gold added and nobody asks about.
    """
    comparison = decided.comparison
    links: dict[bytes, bytes] = {}
    for path in added:
        entry = comparison.deltas[path][GOLD_SIDE]
        match = _WANTED.fullmatch(comparison.part.place(path))
        if match is not None and entry is not None and entry.kind == LINK:
            links[path] = match["name"]
    if not links:
        return
    names = frozenset(links.values())
    before = {name: place for place in sorted(setting.memory.entries) if (name := _service(place)) in names}
    before.update(_enabled(comparison.part, BASE_SIDE, names))
    now = _enabled(comparison.part, CLONE_SIDE, names)
    for path, name in links.items():
        if name in before and name not in now and before[name] != comparison.part.place(path):
            yield (b"unit " + name, b""), before[name], path


def _enabled(part: Part, side: int, names: Set[bytes]) -> dict[bytes, bytes]:
    """Those of these units that a tree enables, with the first place that does."""
    found: dict[bytes, bytes] = {}
    manifest = part.trees[side].manifest
    for directory in (_SYSTEMD, *_RUNLEVELS):
        path = part.inside(directory)
        if path is None:
            continue
        for entry in manifest.below(path):
            place = part.place(entry.path)
            name = _service(place)
            if entry.kind == LINK and name in names:
                found.setdefault(name, place)
    return found


def _service(place: bytes) -> bytes:
    """The unit that a link at this place enables; empty where it enables none."""
    if (match := _WANTED.fullmatch(place)) is not None:
        return match["name"]
    match = _START.fullmatch(place)
    return b"" if match is None else match["name"] + b".service"
