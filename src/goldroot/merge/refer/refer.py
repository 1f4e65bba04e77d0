"""What the server keeps and what it points at, before the update and after it: what was there and is gone is found.

A finding is about the result as a whole.  It changes no byte of it until a person has answered, and is not an axis of any path:
so the laws of the merge hold with it as without.  A link that gold has too, at the same path, is gold's matter, and so is what gold's
file of that name says: where it leads to nothing, gold is to be checked, and no server is to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from goldroot.conflicts import Conflict
from goldroot.errors import TreeChanged
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE, read_file
from goldroot.merge.compare.systems import foreign_roots, is_inside
from goldroot.merge.decide.fstab import MOUNT_POINT, parse_fstab, path_of_unit, unit_names
from goldroot.merge.decide.verdict import CONFLICT, Setting, Verdict
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.refer.texts import files_of, named_in
from goldroot.merge.refer.view import (
    ALTERNATIVE,
    GONE,
    LIBRARY,
    LINK_TO,
    NAMED,
    NAMED_UNIT,
    RESOLVER,
    THERE,
    UNIT,
    UNKNOWN,
    Reference,
    Trees,
    View,
    look_up,
    resolver_of,
)
from goldroot.merge.surroundings import Node, SharedFiles
from goldroot.policy import CLONE, CONFIG, IDENTITY, LINES, NOTE, OPAQUE, Rule
from goldroot.tree import FILE, LINK, Entry, Note, upwards

FSTAB = b"/etc/fstab"
_UNITS = b"/etc/systemd/system/"


def read_side(one: PartPlan, side: int, path: bytes) -> bytes:
    """A file of one side; empty where a running server has just taken it away, which is written down."""
    tree = one.part.trees[one.part.source(side, path)]
    try:
        return read_file(tree.root, path)
    except TreeChanged:
        if tree.torn is None:
            raise
        tree.torn.add(path)
        return b""


@dataclass(frozen=True)
class Broken:
    """A reference whose subject was there, and is gone.

    :param place: where it was.
    :param cause: the topmost of the directories above it that is gone; itself, where its directory is there.
    :param link: (number of the part, path in its trees) of a link; ``None`` for what stands in a file.
    """

    reference: Reference
    place: bytes
    cause: bytes
    link: tuple[int, bytes] | None = None


@dataclass
class Findings:
    """What was found.

    :param not_checked: how many could not be looked up, as nobody told what is outside of the trees.
    :param kept: what the server points at, with the place where it is, or was.
    """

    not_checked: int = 0
    kept: list[tuple[Reference, bytes]] = field(default_factory=list)


@dataclass
class Asked:
    """What came of the findings."""

    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


class Referrer:
    """Looks at the references of one merge.

    :param shared: what the system has beside the trees, before and after; ``None`` where nobody said.
    """

    def __init__(
        self, parts: Sequence[PartPlan], settings: Sequence[Setting], shared: tuple[SharedFiles, SharedFiles] | None
    ) -> None:
        self.parts, self._shared = parts, shared
        self._names = settings[0].names
        self.findings = Findings()
        self._units: set[bytes] = set()  #: that enabled links miss: what else misses them has the same cause

    @cached_property
    def _foreign(self) -> frozenset[bytes]:
        return foreign_roots(one.part for one in self.parts)

    @cached_property
    def _trees(self) -> Trees:
        return Trees(self.parts)

    @cached_property
    def before(self) -> View:
        """The server's system as it is."""
        shared = self._shared[0] if self._shared else None
        return self._view(self._trees.before(shared), self.content(FSTAB, CLONE_SIDE))

    @cached_property
    def after(self) -> View:
        """The server's system as it will be."""
        shared = self._shared[1] if self._shared else None
        return self._view(self._trees.after(shared), self.content(FSTAB, None))

    def _view(self, look: Callable[[bytes], Node | None], fstab: bytes) -> View:
        lines = parse_fstab(fstab)
        known = self._shared[0].mounted if self._shared else frozenset()
        mounts = {line.point for line in lines if line.mounts} | self._mount_units
        # What a scan did not enter: another file system was mounted there.
        mounts |= {one.part.place(path) for one in self.parts for tree in one.part.trees for path in tree.unseen}
        return View(
            look,
            frozenset(mounts - known - {b"/"}),
            self._foreign.__contains__,
            frozenset(unit_names(lines)),
        )

    @cached_property
    def _mount_units(self) -> set[bytes]:
        """Where the mount units of the server mount."""
        found = set()
        for one in self.parts:
            directory = one.part.inside(_UNITS.rstrip(b"/"))
            for entry in one.part.trees[CLONE_SIDE].manifest.below(directory) if directory is not None else ():
                path = path_of_unit(entry.path.rpartition(b"/")[2]) if entry.kind == FILE else None
                if path is not None:
                    found.add(path)
        return found

    def content(self, place: bytes, side: int | None) -> bytes:
        """The bytes of a file of one side, of the result without; empty where there is none."""
        for one in self.parts:
            path = one.part.inside(place)
            if path is None:
                continue
            if side is None:
                want = one.final(path, self._names)
                if want is not None and want.inline is not None:
                    return want.inline
                side_of = None if want is None or want.kind != FILE else want.side
            else:
                entry = one.part.trees[side].manifest.get(path)
                side_of = side if entry is not None and entry.kind == FILE else None
            if side_of is not None:
                return read_side(one, side_of, path)
        return b""

    def look_at_links(self) -> list[Broken]:
        """Find the links of the server that lead to nothing any more."""
        found = [
            (number, path, self._resolved(reference))
            for number, one in enumerate(self.parts)
            for path, reference in links_of(one, partial(self._golds, number), self._foreign)
        ]
        if self._may_lead_away(RESOLV_CONF) and not any(reference.kind == RESOLVER for _, _, reference in found):
            # A resolv.conf that is as gold's now stays the server's when gold's becomes another.
            maker = resolver_of(self.after.find(RESOLV_CONF).place)
            kept = Reference(RESOLVER, RESOLV_CONF, RESOLV_CONF, maker) if maker is not None else None
            if kept is not None and (there := look_up(self.after, kept)).state == THERE:
                self.findings.kept.append((kept, there.place))
        broken = list(self.broken((reference, (number, path)) for number, path, reference in found))
        self._units = {one.reference.subject for one in broken if one.reference.kind == UNIT}
        return broken

    def _golds(self, number: int, path: bytes) -> Node | None:
        """What gold has at a path."""
        return self._trees.indexes[number][GOLD_SIDE].look(path)

    def _may_lead_away(self, place: bytes) -> bool:
        """Whether a file of /etc, or that directory, will be a link."""
        look = self._trees.after(self._shared[1] if self._shared else None)
        nodes = (look(one) for one in (b"/etc", place))
        return any(node is not None and node.kind == LINK for node in nodes)

    def _resolved(self, reference: Reference) -> Reference:
        """A resolv.conf that leads into /run needs who makes it there."""
        if reference.kind != RESOLVER:
            return reference
        maker = resolver_of(self.before.find(reference.subject).place)
        return replace(reference, kind=LINK_TO) if maker is None else replace(reference, subject=maker)

    def look_at_files(self) -> list[Broken]:
        """Find the paths that the server's units, cron tables and mail settings name, and that are gone."""
        places = [one.part.place(path) for one in self.parts for path in files_of(one)]
        references = [
            reference
            for place in places
            for reference in named_in(place, self.content(place, None), self.content(place, GOLD_SIDE))
        ]
        broken = self.broken((reference, None) for reference in map(self.at_boot, references))
        return [one for one in broken if one.reference.kind != NAMED_UNIT or one.reference.subject not in self._units]

    def at_boot(self, reference: Reference) -> Reference:
        """A missing mount point on a writable disk is made at boot: systemd.mount(5)."""
        if reference.who == MOUNT_POINT and self._shared and self._is_own(reference.subject):
            return replace(reference, level=NOTE)
        return reference

    def _is_own(self, place: bytes) -> bool:
        shared = self._shared[1] if self._shared else None
        return shared is not None and shared.is_own(place)

    def broken(self, references: Iterable[tuple[Reference, tuple[int, bytes] | None]]) -> Iterator[Broken]:
        """Those of some references that are broken; where the others lead is kept as found."""
        for reference, link in references:
            after = look_up(self.after, reference)
            if after.state == THERE:
                self.findings.kept.append((reference, after.place))
            elif after.state == UNKNOWN:
                self.findings.not_checked += after.outside and (
                    reference.kind not in (NAMED, LIBRARY) or reference.level != NOTE
                )
            else:
                before = look_up(self.before, reference)
                if before.state == THERE:
                    self.findings.kept.append((reference, before.place))
                    yield Broken(reference, before.place, self._topmost(before.place), link)

    def _topmost(self, place: bytes) -> bytes:
        names = place.split(b"/")
        above = (b"/".join(names[:depth]) for depth in range(2, len(names)))
        return next((one for one in above if self.after.find(one).state == GONE), place)


# -- Links that the server has and gold has not as they are

_CLASSES = (CONFIG, OPAQUE, LINES, CLONE, IDENTITY)

_WANTED = re.compile(rb"/etc/systemd/(?P<scope>system|user)/[^/]+\.(?:wants|requires|upholds)/(?P<name>[^/]+)")
_ALTERNATIVES = b"/etc/alternatives/"
RESOLV_CONF = b"/etc/resolv.conf"

#: Links that a program makes of other files: they are looked at when it has made them again.
_MADE = (b"/etc/ssl/certs/", b"/var/lib/ca-certificates/", b"/etc/pki/ca-trust/extracted/")

#: A place that many links lead to on purpose: a mask.
_NOTHING = b"/dev/null"


def links_of(
    one: PartPlan, gold: Callable[[bytes], Node | None], foreign: frozenset[bytes]
) -> Iterator[tuple[bytes, Reference]]:
    """(path in the trees, reference) of each link of the clone's that stays and that gold does not have the same.

    :param gold: what gold's tree has at a path.
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


def _of_state(
    one: PartPlan, entry: Entry, gold: Callable[[bytes], Node | None], foreign: frozenset[bytes]
) -> Iterator[tuple[bytes, Reference]]:
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
    golds = gold(entry.path)
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
