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

_SYSTEMD = b"/etc/systemd"
_WANTED = re.compile(
    rb"/etc/systemd/(?P<scope>(?:system|user)/)[^/]+\.(?:wants|requires|upholds)/(?P<unit>[^/]+)", re.DOTALL
)
#: Where scripts are started: Debian's, Red Hat's and SUSE's directories (update-rc.d(8), chkconfig(8), insserv(8)).
_RUNLEVELS = [
    *(
        above + b"rc%s.d" % level
        for above in (b"/etc/", b"/etc/rc.d/", b"/etc/init.d/")
        for level in (b"2", b"3", b"4", b"5", b"S")
    ),
    b"/etc/init.d/boot.d",
]
_START = re.compile(rb"/etc/(?:rc\.d/|init\.d/)?(?:rc[2-5S]|boot)\.d/S[0-9]{2}(?P<name>[^/]+)", re.DOTALL)


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
        place = comparison.part.place(path)
        if place.startswith(_SYSTEMD) and entry is not None and entry.kind == LINK and (name := _service(place)):
            links[path] = name
    if not links:
        return
    names = frozenset(links.values())
    before = {name: place for place in _remembered(setting) if (name := _service(place)) in names}
    before.update(_enabled(comparison.part, BASE_SIDE, names))
    now = _enabled(comparison.part, CLONE_SIDE, names)
    for path, name in links.items():
        if name in before and name not in now and before[name] != comparison.part.place(path):
            yield (b"unit " + name, b""), before[name], path


def _remembered(setting: Setting) -> list[bytes]:
    return sorted(known.place for _, known in setting.memory.paths())


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
    """The unit that a link at this place enables, with its scope (``system/cron.service``); empty where it enables none."""
    if (match := _WANTED.fullmatch(place)) is not None:
        return match["scope"] + match["unit"]
    match = _START.fullmatch(place)
    return b"" if match is None else b"system/" + match["name"] + b".service"
