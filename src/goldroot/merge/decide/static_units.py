"""Services that gold starts by links of its packages below ``/usr/lib``, and whose former version the server had disabled.

Such a link (``/usr/lib/systemd/system/multi-user.target.wants/x.service``) is not the server's to remove: it stands on disks
that the server shares with gold, or is put back by the next upgrade of its package.  What keeps the service from starting
is a mask (systemctl(1)), so that stands until somebody answers, and is what the answer ``clone`` makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.answers import settle_conflict
from goldroot.merge.decide.disabled_units import MASK, SYSTEMD, enabled_services, masks_of, service_at
from goldroot.merge.decide.removed import KIND
from goldroot.merge.decide.verdict import CONFLICT, Decided, Setting, Verdict, Want, is_directory
from goldroot.merge.decide.versions import without_versions
from goldroot.merge.memory import Memory
from goldroot.policy import Policy, Rule
from goldroot.tree import DIRECTORY, INLINE, LINK, Note, parent, path_text

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
        one.notes.append(Note(KIND, place, f"{detail}; the mask stays"))
    else:
        asked = Conflict(place, "presence", KIND, (old, name, b""), stands=setting.prefer, detail=detail)
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
