"""A service that the server disabled stays so where gold starts it in another way.

What enables a service at boot goes by its name: a link in any ``*.wants`` or ``*.requires`` of systemd (systemd.unit(5)), or
a start link of its script in a runlevel.  Debian 13 has ``slapd.service`` where Debian 12 had a script, and units are
wanted by other targets in a new release: as paths, the link that the server removed and gold's have nothing to do with each
other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.likeness import without_versions
from goldroot.merge.decide.verdict import CONFLICT, Decided, Setting, Verdict, Want, is_directory, settle_conflict
from goldroot.merge.memory import Memory
from goldroot.merge.surroundings import SharedFiles
from goldroot.policy import Policy, Rule
from goldroot.tree import DIRECTORY, FILE, INLINE, LINK, Entry, Note, parent, path_text

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


# -- Services that gold starts by links of its packages below ``/usr/lib``. Such a link (``/usr/lib/systemd/system/multi-
# user.target.wants/x.service``) is not the server's to remove: it stands on disks that the server shares with gold, or is
# put back by the next upgrade of its package. What keeps the service from starting is a mask (systemctl(1)), so that
# stands until somebody answers, and is what the answer ``clone`` makes.

#: Kind of the conflict about what the server removed and gold has under another name, and of the note on the way back.
RENAMED: Final = "clone-deleted-gold-renamed"

#: Where the units of packages are (systemd.unit(5)), and which directories in them start others.
VENDORS = (b"/usr/lib/systemd", b"/lib/systemd")
SCOPES = (b"system", b"user")
STARTING = (b".wants", b".requires", b".upholds")
_STATIC = re.compile(
    rb"/(?:usr/)?lib/systemd/(?P<scope>(?:system|user)/)[^/]+\.(?:wants|requires|upholds)/(?P<unit>[^/]+)", re.DOTALL
)


@dataclass
class StaticUnits:
    """The units that packages start, side by side (``system/cron.service``): as the trees have it, or else the disks beside them.

    :param shared: looks for those that the disks beside the trees start, before and after; ``None`` where nobody said.  It may
        be much to read, so it is asked only if something depends on it.
    """

    parts: Sequence[Part]
    shared: tuple[Callable[[], Set[bytes]], Callable[[], Set[bytes]]] | None = None
    _known: dict[int, Set[bytes]] = field(default_factory=dict)
    _looked: dict[int, Set[bytes]] = field(
        default_factory=dict
    )  #: what was found beside the trees, by base's and gold's side

    def of(self, side: int) -> Set[bytes]:
        """What base's, gold's or the clone's packages start."""
        if side not in self._known:
            found = set(_in_trees(self.parts, side))
            if self.shared is not None and all(part.inside(VENDORS[0]) is None for part in self.parts):
                found |= self._shared(GOLD_SIDE if side == GOLD_SIDE else BASE_SIDE)
            self._known[side] = found
        return self._known[side]

    def _shared(self, side: int) -> Set[bytes]:
        assert self.shared is not None
        if side not in self._looked:
            self._looked[side] = self.shared[side]()
        return self._looked[side]


def _in_trees(parts: Sequence[Part], side: int) -> Iterable[bytes]:
    for part in parts:
        for top in VENDORS:
            path = part.inside(top)
            for entry in part.trees[side].manifest.below(path) if path is not None else ():
                if entry.kind == LINK and (match := _STATIC.fullmatch(part.place(entry.path))) is not None:
                    yield match["scope"] + match["unit"]


def settle_static_units(
    decided: Sequence[Decided], settings: Sequence[Setting], policy: Policy, static: StaticUnits
) -> None:
    """Mask, in place, what gold starts so and the server had disabled under another version or in another way, and ask."""
    system = _System([one.comparison.part for one in decided], static)
    for name, old in system.back_again(settings[0].memory) if settings else ():
        place = SYSTEMD + b"/" + name
        for one, setting in zip(decided, settings, strict=True):
            path = one.comparison.part.inside(place)
            if path is not None and _may_mask(one, path):
                _mask(one, setting, path, (name, old), policy.match(place))


@dataclass
class _System:
    """What starts services in the three systems of a merge."""

    parts: Sequence[Part]
    static: StaticUnits

    @cached_property
    def enabled(self) -> tuple[dict[bytes, bytes], ...]:
        """The units that an administrator's links start, each with a place of one: base's, gold's and the clone's."""
        return tuple(
            {name: part.place(paths[0]) for part in self.parts for name, paths in enabled_services(part, side).items()}
            for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)
        )

    @cached_property
    def masks(self) -> tuple[dict[bytes, bytes], ...]:
        """The masked units, each with its place."""
        return tuple(
            {name: place for part in self.parts for name, place in masks_of(part, side).items()}
            for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)
        )

    def starts(self, side: int, name: bytes) -> bool:
        """Whether a side starts a unit at boot."""
        enabled = name in self.enabled[side] or name in self.static.of(side)
        return enabled and name not in self.masks[side]

    def back_again(self, memory: Memory) -> Iterator[tuple[bytes, bytes]]:
        """(unit that gold's packages start and base's did not, place at which the server disabled it or its former version)."""
        away = self._away(memory)
        versions = {without_versions(unit) for unit in away}
        new = {name for name in self.static.of(GOLD_SIDE) if without_versions(name) in versions} if away else set()
        for name in sorted(new - self.static.of(BASE_SIDE)) if new else ():
            if self.starts(CLONE_SIDE, name):
                continue
            for unit, place in away.items():
                is_former = unit == name or not self.starts(GOLD_SIDE, unit)
                if is_former and without_versions(unit) == without_versions(name) and not self.starts(CLONE_SIDE, unit):
                    yield name, place
                    break

    def _away(self, memory: Memory) -> dict[bytes, bytes]:
        """The units that the server does not enable by links of its own any more, or masks, each with the place at which it did so."""
        base, _, clone = self.enabled
        before = {unit: known.place for _, known in memory.paths() if (unit := service_at(known.place))}
        gone = {unit: place for unit, place in {**before, **base}.items() if unit not in clone}
        masked = {unit: place for unit, place in self.masks[CLONE_SIDE].items() if unit not in self.masks[BASE_SIDE]}
        return dict(sorted({**gone, **masked}.items()))


def _may_mask(one: Decided, path: bytes) -> bool:
    """Whether nothing has the place of the mask, in a directory of the server's that stays."""
    part, above = one.comparison.part, parent(path)
    verdict = one.verdicts.get(above)
    stays = verdict is None or (verdict.want is not None and verdict.want.kind == DIRECTORY)
    free = path not in one.verdicts and not any(part.rows(path))
    return free and stays and is_directory(part.rows(above)[CLONE_SIDE])


def _mask(one: Decided, setting: Setting, path: bytes, units: tuple[bytes, bytes], rule: Rule) -> None:
    name, old = units
    place = one.comparison.part.place(path)
    one.comparison.add(path, (None, None, None), rule)
    verdict = one.verdicts[path] = Verdict(None, CLONE)
    other = _asked_at(one, name)
    word = "masked" if old in masks_of(one.comparison.part, CLONE_SIDE).values() else "disabled"
    unit = path_text(name.rpartition(b"/")[2])
    detail = (
        f"the server {word} {path_text(old)}; gold starts {unit} by a link below /usr/lib, from which a mask keeps it"
    )
    if other is not None:
        is_away = one.verdicts[other].want is None
        verdict.because = other
        verdict.outcome = one.verdicts[other].outcome
    elif setting.going_back:
        is_away = True
        one.notes.append(Note(RENAMED, place, f"{detail}; the mask stays"))
    else:
        asked = Conflict(place, "presence", RENAMED, (old, name, b""), stands=setting.prefer, detail=detail)
        answer, _ = settle_conflict(verdict, asked, setting)
        is_away = answer != GOLD
        verdict.outcome = CONFLICT if verdict.conflicts else answer
    verdict.axes["presence"] = verdict.outcome
    verdict.want = _mask_in(one, setting, path) if is_away else None


def _asked_at(one: Decided, name: bytes) -> bytes | None:
    """The link of gold's configuration that starts the same unit, at which it is asked, or was answered."""
    for path, (base, gold, clone) in one.comparison.deltas.items():
        if base is None and clone is None and gold is not None and service_at(one.comparison.part.place(path)) == name:
            verdict = one.verdicts[path]
            if verdict.conflicts or verdict.decided or verdict.because:
                return path
    return None


def _mask_in(one: Decided, setting: Setting, path: bytes) -> Want:
    above = one.comparison.part.rows(parent(path))[CLONE_SIDE]
    root = setting.names[CLONE_SIDE]
    when = 0 if above is None else above.mtime
    return Want(LINK, INLINE, MASK, None, 0o777, root.users[0], root.groups[0], {}, 0, 0, when)


def started_by_packages(shared: SharedFiles) -> set[bytes]:
    """The units that links of packages start (``system/cron.service``): systemd.unit(5), "static" in systemctl(1)."""
    found: set[bytes] = set()
    for top in VENDORS:
        for scope in SCOPES:
            for name in shared.names(top + b"/" + scope):
                if name.endswith(STARTING):
                    found |= {scope + b"/" + unit for unit in shared.names(b"/".join((top, scope, name)))}
    return found
