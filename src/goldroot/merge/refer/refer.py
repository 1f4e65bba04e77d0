"""What the server keeps and what it points at, before the update and after it: what was there and is gone is found.

A finding is about the result as a whole.  It changes no byte of it until a person has answered, and is not an axis of any path:
so the laws of the merge hold with it as without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from goldroot.accounts import AccountTables
from goldroot.errors import TreeChanged
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE, read_file
from goldroot.merge.compare.systems import foreign_roots
from goldroot.merge.decide.fstab import MOUNT_POINT, parse_fstab, path_of_unit, unit_names
from goldroot.merge.decide.verdict import Setting
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.refer.reference import (
    FSTAB,
    LIBRARY,
    LINK_TO,
    NAMED,
    NAMED_UNIT,
    PASSWD,
    RESOLV_CONF,
    RESOLVER,
    UNIT,
    Reference,
    files_of,
    links_of,
    look_up,
    mounts_of,
    named_in,
    resolver_of,
    shells_of,
    unlisted,
)
from goldroot.merge.refer.view import GONE, THERE, UNKNOWN, Node, SharedFiles, Trees, View
from goldroot.policy import NOTE
from goldroot.tree import FILE

_UNITS = b"/etc/systemd/system/"
_SHELLS = b"/etc/shells"


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
            for path, reference in links_of(one, self._trees.indexes[number][GOLD_SIDE], self._foreign)
        ]
        if not any(reference.kind == RESOLVER for _, _, reference in found):
            # A resolv.conf that is as gold's now stays the server's when gold's becomes another.
            maker = resolver_of(self.after.find(RESOLV_CONF).place)
            kept = Reference(RESOLVER, RESOLV_CONF, RESOLV_CONF, maker) if maker is not None else None
            if kept is not None and (there := look_up(self.after, kept)).state == THERE:
                self.findings.kept.append((kept, there.place))
        broken = list(self._broken((reference, (number, path)) for number, path, reference in found))
        self._units = {one.reference.subject for one in broken if one.reference.kind == UNIT}
        return broken

    def _resolved(self, reference: Reference) -> Reference:
        """A resolv.conf that leads into /run needs who makes it there."""
        if reference.kind != RESOLVER:
            return reference
        maker = resolver_of(self.before.find(reference.subject).place)
        return replace(reference, kind=LINK_TO) if maker is None else replace(reference, subject=maker)

    def look_at_tables(self, merged: AccountTables, gold: AccountTables) -> list[Broken]:
        """Find the login shells, and the paths in fstab, that are gone."""
        mounts = mounts_of(self.content(FSTAB, None), self.content(FSTAB, GOLD_SIDE))
        shells = shells_of(merged, gold, self.after) if self._has(PASSWD) else ()
        references = [*shells, *map(self._at_boot, mounts)]
        return list(self._broken((reference, None) for reference in references))

    def look_at_files(self) -> list[Broken]:
        """Find the paths that the server's units, cron tables and mail settings name, and that are gone."""
        places = [one.part.place(path) for one in self.parts for path in files_of(one)]
        references = [
            reference
            for place in places
            for reference in named_in(place, self.content(place, None), self.content(place, GOLD_SIDE))
        ]
        broken = self._broken((reference, None) for reference in map(self._at_boot, references))
        return [one for one in broken if one.reference.kind != NAMED_UNIT or one.reference.subject not in self._units]

    def _has(self, place: bytes) -> bool:
        """Whether a place is merged here at all."""
        paths = [(one, one.part.inside(place)) for one in self.parts]
        return any(path is not None and any(one.part.rows(path)) for one, path in paths)

    def _at_boot(self, reference: Reference) -> Reference:
        """A missing mount point on a writable disk is made at boot: systemd.mount(5)."""
        if reference.who == MOUNT_POINT and self._shared and self._is_own(reference.subject):
            return replace(reference, level=NOTE)
        return reference

    def _is_own(self, place: bytes) -> bool:
        shared = self._shared[1] if self._shared else None
        return shared is not None and shared.is_own(place)

    def _broken(self, references: Iterable[tuple[Reference, tuple[int, bytes] | None]]) -> Iterator[Broken]:
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

    def unlisted_shells(self, merged: AccountTables, gold: AccountTables) -> Mapping[bytes, list[bytes]]:
        """Shells that are gone from /etc/shells -> the server's accounts that have them."""
        before, after = (
            {line.strip() for line in self.content(_SHELLS, side).split(b"\n") if line.strip().startswith(b"/")}
            for side in (CLONE_SIDE, None)
        )
        return unlisted(merged, gold, before - after)
