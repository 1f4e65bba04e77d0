"""A service that the server disabled stays so where gold enables it in another way.

What enables a service at boot goes by its name: a link in any ``*.wants`` or ``*.requires`` of systemd (systemd.unit(5)), or
a start link of its script in a runlevel.  Debian 13 has ``slapd.service`` where Debian 12 had a script, and units are
wanted by other targets in a new release: as paths, the link that the server removed and gold's have nothing to do with each
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set

from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.decide.versions import without_versions
from goldroot.tree import FILE, LINK, Entry, parent

SYSTEMD = b"/etc/systemd"
#: Where a link leads that masks a unit (systemctl(1)).
MASK = b"/dev/null"
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
        if place.startswith(SYSTEMD) and entry is not None and entry.kind == LINK and (name := service_at(place)):
            links[path] = name
    if not links:
        return
    names = frozenset(links.values())
    before = {name: place for place in _remembered(setting) if (name := service_at(place)) in names}
    before.update(_enabled(comparison.part, BASE_SIDE, names))
    now = _enabled(comparison.part, CLONE_SIDE, names)
    masks = _masks(comparison.part)
    for path, name in links.items():
        if name in before and name not in now and before[name] != comparison.part.place(path):
            yield (b"unit " + name, b""), before[name], path
        elif masks and (mask := _mask_of(comparison.part, name, masks)) is not None:
            yield (b"unit " + name, b""), mask, path


def masks_of(part: Part, side: int) -> dict[bytes, bytes]:
    """The units that a side masks (a link to /dev/null, or an empty file), with their places."""
    found: dict[bytes, bytes] = {}
    for scope in (b"system/", b"user/"):
        path = part.inside(SYSTEMD + b"/" + scope.rstrip(b"/"))
        for entry in part.trees[side].manifest.below(path) if path is not None else ():
            is_mask = entry.content == MASK if entry.kind == LINK else entry.kind == FILE and not entry.size
            if is_mask and parent(entry.path) == path:
                place = part.place(entry.path)
                found[scope + place.rpartition(b"/")[2]] = place
    return found


def _masks(part: Part) -> dict[bytes, bytes]:
    """The units that the server masked, where base had nothing."""
    base = part.trees[BASE_SIDE].manifest
    return {
        name: place
        for name, place in masks_of(part, CLONE_SIDE).items()
        if (path := part.inside(place)) is not None and base.get(path) is None
    }


def _mask_of(part: Part, name: bytes, masks: Mapping[bytes, bytes]) -> bytes | None:
    """The mask of a unit's former version; ``None`` where gold enables that version, too."""
    for masked, place in masks.items():
        is_former = masked != name and without_versions(masked) == without_versions(name)
        if is_former and name not in masks and not _enabled(part, GOLD_SIDE, {masked}):
            return place
    return None


def enabled_services(part: Part, side: int) -> dict[bytes, list[bytes]]:
    """Each service that a tree starts at boot (``system/cron.service``), and the paths of the links that do it."""
    found: dict[bytes, list[bytes]] = {}
    for entry in _links(part, side):
        if name := service_at(part.place(entry.path)):
            found.setdefault(name, []).append(entry.path)
    return found


def _remembered(setting: Setting) -> list[bytes]:
    return sorted(known.place for _, known in setting.memory.paths())


def _enabled(part: Part, side: int, names: Set[bytes]) -> dict[bytes, bytes]:
    """Those of these units that a tree enables, with the first place that does."""
    return {name: part.place(paths[0]) for name, paths in enabled_services(part, side).items() if name in names}


def _links(part: Part, side: int) -> Iterator[Entry]:
    for directory in (SYSTEMD, *_RUNLEVELS):
        path = part.inside(directory)
        for entry in part.trees[side].manifest.below(path) if path is not None else ():
            if entry.kind == LINK:
                yield entry


def service_at(place: bytes) -> bytes:
    """The unit that a link at this place enables, with its scope (``system/cron.service``); empty where it enables none."""
    if (match := _WANTED.fullmatch(place)) is not None:
        return match["scope"] + match["unit"]
    match = _START.fullmatch(place)
    return b"" if match is None else b"system/" + match["name"] + b".service"
