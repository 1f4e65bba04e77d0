"""Walk the three trees of a part side by side, once, and keep only what is not the same everywhere: a :class:`Comparison`.

What whole columns show to be equal never becomes a row (:mod:`goldroot.merge.compare.candidates`); the rest is looked
at row by row in tree order.  Paths of class ``state`` are folded into units on the way, and their files are read only
as far as is needed to find a first difference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice

from goldroot.accounts import ACL_NAMES, OwnerNames, named_in_acl
from goldroot.errors import TreeChanged
from goldroot.merge.compare.candidates import ABSENT, find_candidates
from goldroot.merge.compare.parts import (
    AT_CONTENT,
    AT_GID,
    AT_KIND,
    AT_SIZE,
    AT_UID,
    AT_XATTRS,
    BASE_SIDE,
    CLONE_SIDE,
    GOLD_SIDE,
    Names,
    Part,
    Row,
    RowEquality,
    Rows,
    meant_of,
)
from goldroot.merge.special import Special
from goldroot.policy import Policy, Rule
from goldroot.tree import FILE, SOCKET, Entry, Manifest, hash_files, in_tree_order, tree_key


@dataclass(frozen=True, slots=True)
class Delta:
    """One path in the three trees, its place in the system and the rule it goes by."""

    path: bytes  #: relative to the trees
    place: bytes  #: absolute in the system
    rows: tuple[Entry | None, Entry | None, Entry | None]
    rule: Rule
    numeric: bool = False  #: its owners are numbers of another system


@dataclass(slots=True)
class OwnersInUse:
    """Account numbers that rows of one side carry, as tokens."""

    users: set[bytes] = field(default_factory=set)
    groups: set[bytes] = field(default_factory=set)

    def add(self, row: Row, names: OwnerNames) -> None:
        """Count one row's owner, group and ACL entries."""
        self.users.add(names.users[row[AT_UID]])
        self.groups.add(names.groups[row[AT_GID]])
        if row[AT_XATTRS] and any(name in ACL_NAMES for name, _ in row[AT_XATTRS]):
            users, groups = named_in_acl(names.xattrs(Entry._make(row)))
            self.users |= users
            self.groups |= groups


#: Owner in base -> the owners that gold gave what was his, of the paths of a unit that both have.
Owners = dict[bytes, set[bytes]]


@dataclass(slots=True)
class Unit:
    """A unit of class state: an entry directly below its rule's path, with all that is in it."""

    path: bytes
    rule: Rule
    present: list[bool]  #: in base, gold, clone
    gold_changed: bool = False
    clone_changed: bool = False
    clone_meant: bool = False  #: the clone changed more than labels, signatures and the like
    pinned: bool = False  #: something that differs in it is pinned, so all of it is the clone's
    used: tuple[OwnersInUse, OwnersInUse] = field(
        default_factory=lambda: (OwnersInUse(), OwnersInUse())
    )  #: gold's and the clone's
    doubtful: list[tuple[Row | None, ...]] = field(
        default_factory=list
    )  #: only reading tells whether the clone meant it
    gold_differs: list[bytes] = field(default_factory=list)  #: paths that gold certainly changed, in tree order
    not_compared: int = 0  #: files of equal size and time that were too many to read
    gold_owners: tuple[Owners, Owners] = field(default_factory=lambda: ({}, {}))  #: of users and of groups
    unread: tuple[list[tuple[Row | None, ...]], list[tuple[Row | None, ...]]] = field(default_factory=lambda: ([], []))


@dataclass(slots=True)
class DroppedFiles:
    """What a cache rule dropped of the clone's."""

    files: int = 0
    size: int = 0  #: bytes


@dataclass
class Comparison:
    """All of a part that is not the same in the three trees."""

    part: Part
    unit_of: Callable[[bytes], bytes | None]  #: a path in the trees -> the state unit that it belongs to
    deltas: dict[bytes, Rows] = field(default_factory=dict)  #: in tree order, and what was added later
    rules: dict[bytes, Rule] = field(default_factory=dict)  #: of the deltas
    units: dict[bytes, Unit] = field(default_factory=dict)
    dropped: dict[Rule, DroppedFiles] = field(default_factory=dict)
    groups: tuple[dict[bytes, int], dict[bytes, int], dict[bytes, int]] = field(default_factory=lambda: ({}, {}, {}))
    used: OwnersInUse = field(default_factory=OwnersInUse)  #: of the paths that are the same everywhere
    sockets: dict[bytes, tuple[bool, bool, bool]] = field(default_factory=dict)  #: path -> whether base, gold, clone's
    unchanged: int = 0

    def add(self, path: bytes, rows: Rows, rule: Rule) -> None:
        """Have one more delta, wherever it stands in the tree."""
        self.deltas[path], self.rules[path] = rows, rule
        vars(self).pop("_sorted", None)

    def touches(self, special: Special) -> bool:
        """Whether anything that is not the same in all three trees is one of these things, or a state unit that holds some."""
        for path in chain(self.deltas, self.units):
            if special.has(self.part.place(path)):
                return True
        units = tuple(self.part.place(path).rstrip(b"/") + b"/" for path in self.units)
        return any(top.startswith(units) for top in special.tops)

    @property
    def has_removed(self) -> bool:
        """Whether base has a path, or a state unit, that neither gold nor the clone has any more."""
        return any(
            base is not None and gold is None and clone is None for base, gold, clone in self.deltas.values()
        ) or (any(unit.present == [True, False, False] for unit in self.units.values()))

    @property
    def has_changed_twice(self) -> bool:
        """Whether the clone changed the content of a file that gold does not have as it was in base."""
        return any(
            base is not None
            and base.kind == FILE
            and clone is not None
            and clone.kind == FILE
            and clone.content != base.content
            and (gold is None or gold.kind != FILE or gold.content != base.content)
            for base, gold, clone in self.deltas.values()
        )

    @cached_property
    def _sorted(self) -> list[tuple[bytes, bytes]]:
        """(tree key, path) of the deltas, in tree order."""
        return sorted((tree_key(path), path) for path in self.deltas)

    @cached_property
    def contents_of_base(self) -> Counter[bytes]:
        """How many files of base hold each content, by its digest."""
        columns = self.part.trees[BASE_SIDE].manifest.columns
        held = zip(columns.kinds, columns.each_content(), strict=True)
        return Counter(content for kind, content in held if kind == FILE and content)

    def delta(self, path: bytes) -> Delta:
        """One of the deltas."""
        numeric = self.part.numeric.covers(path)
        return Delta(path, self.part.place(path), self.deltas[path], self.rules[path], numeric)

    def below(self, path: bytes) -> Iterator[bytes]:
        """The deltas below a directory, in tree order."""
        start = tree_key(path) + b"\0" if path else b"\x01"
        stop = tree_key(path) + b"\x01" if path else b"\xff" * 8
        found = self._sorted
        for key, below in islice(found, bisect_left(found, (start, b"")), None):
            if path and key >= stop:
                return
            yield below


#: In the place of the digest of a file that a running system changed before it was read: no file has it.
UNKNOWN = bytes(32)
#: How many files of a unit are read at once while looking for a first difference.
BATCH = 512
#: To name what gold changed in a unit that is kept whole, so many files are read, and so many bytes.
MOST_READ, MOST_BYTES = 2048, 64 << 20


def _entry(manifest: Manifest, place: int) -> Entry | None:
    return None if place == ABSENT else manifest.entry(place)


def _within(rows: Sequence[tuple[Row | None, ...]], files: int, size: int) -> Iterator[tuple[Row | None, ...]]:
    """The first of some files: so many, and so many bytes."""
    for each in rows[:files]:
        size -= max(row[AT_SIZE] for row in each if row is not None)
        if size < 0:
            return
        yield each


def _note_groups(manifest: Manifest, groups: dict[bytes, int]) -> None:
    """The hard-link groups of one tree: path -> number."""
    if any(manifest.columns.groups):
        pairs = zip(manifest.paths(), manifest.columns.groups, strict=True)
        groups.update((path, number) for path, number in pairs if number)


class Comparer:
    """Makes the comparison of one part.

    :param names: what the accounts of base, gold and clone call the numbers of owners.
    """

    def __init__(self, part: Part, names: Names, policy: Policy) -> None:
        self.part, self.names, self.policy = part, names, policy
        self.comparison = Comparison(part, self._unit_of)
        self._base_gold = RowEquality(names[BASE_SIDE], names[GOLD_SIDE], part.numeric)
        self._base_clone = RowEquality(names[BASE_SIDE], names[CLONE_SIDE], part.numeric)

    def run(self) -> Comparison:
        """Walk, then read what units leave open.

        :raises TreeChanged: a file changed since its tree was scanned.
        """
        base, gold, clone = (tree.manifest for tree in self.part.trees)
        found = find_candidates((base, gold, clone), self.names, self.part.numeric)
        comparison = self.comparison
        comparison.unchanged, comparison.used = found.unchanged, OwnersInUse(found.users, found.groups)
        for side, tree in enumerate(self.part.trees):
            _note_groups(tree.manifest, comparison.groups[side])
        for one, two, three in found.places:
            self._one((_entry(base, one), _entry(gold, two), _entry(clone, three)))
        for (
            unit
        ) in comparison.units.values():  # read the files of which only the bytes can tell, to the first difference
            if not unit.gold_changed:
                unit.gold_changed = self._differ(unit.unread[0], GOLD_SIDE)
            if not unit.clone_changed:
                unit.clone_changed = unit.clone_meant = self._differ(unit.unread[1], CLONE_SIDE)
            if unit.gold_changed and unit.clone_changed and not unit.clone_meant:
                unit.clone_meant = self._differ([*unit.doubtful, *unit.unread[1]], CLONE_SIDE)
            if unit.gold_changed and unit.clone_changed and not unit.pinned:
                self._name_differing(unit)
            unit.unread, unit.doubtful = ([], []), []
        return comparison

    def _one(self, rows: tuple[Row | None, Row | None, Row | None]) -> None:
        b, g, c = rows
        path = next(row for row in rows if row is not None)[0]
        sockets = tuple(row is not None and row[AT_KIND] == SOCKET for row in rows)
        if any(sockets):
            self._drop_socket(path, sockets)
            b, g, c = (None if is_socket else row for row, is_socket in zip(rows, sockets, strict=True))
        same_gold, same_clone = self._base_gold(b, g), self._base_clone(b, c)
        if self.part.borrows and b is not None:  # one file of one tree may count for two sides
            source = self.part.source(BASE_SIDE, path)
            same_gold = True if same_gold is None and self.part.source(GOLD_SIDE, path) == source else same_gold
            same_clone = True if same_clone is None and self.part.source(CLONE_SIDE, path) == source else same_clone
        if same_gold and same_clone and b is not None:
            self._unchanged(c)
            return
        rule = self.policy.match(self.part.place(path))
        if rule.cls == "state" and self._in_unit(path, rule, (b, g, c), same_gold, same_clone):
            return
        if same_gold and same_clone:
            if b is not None:
                self._unchanged(c)
        elif (b, g, c) != (None, None, None):
            self._delta(path, rule, (b, g, c))

    def _drop_socket(self, path: bytes, sockets: Sequence[bool]) -> None:
        rule = self.policy.match(self.part.place(path))
        if rule.cls == "cache":
            self.comparison.dropped.setdefault(rule, DroppedFiles()).files += sockets[CLONE_SIDE]
        else:
            self.comparison.sockets[path] = (sockets[BASE_SIDE], sockets[GOLD_SIDE], sockets[CLONE_SIDE])

    def _unchanged(self, row: Row | None) -> None:
        self.comparison.unchanged += 1
        if row is not None and not self.part.numeric.covers(row[0]):
            self.comparison.used.add(row, self.names[CLONE_SIDE])

    def _delta(self, path: bytes, rule: Rule, rows: tuple[Row | None, Row | None, Row | None]) -> None:
        base, gold, clone = (None if row is None else Entry._make(row) for row in rows)
        if rule.cls == "cache":
            self._count_dropped(rule, (base, gold, clone))
        else:
            base, gold, clone = (self._known(side, entry) for side, entry in enumerate((base, gold, clone)))
            if self._same_after_all((base, gold, clone)):
                self._unchanged(clone)
                return
        self.comparison.add(path, (base, gold, clone), rule)

    def _same_after_all(self, entries: Sequence[Entry | None]) -> bool:
        base, gold, clone = entries
        return bool(base is not None and self._base_gold(base, gold) and self._base_clone(base, clone))

    def _known(self, side: int, entry: Entry | None) -> Entry | None:
        """The entry with its content's digest, read now if no scan has read it."""
        if entry is None or entry.kind != FILE or entry.content:
            return entry
        tree = self.part.trees[self.part.source(side, entry.path)]
        try:
            return entry._replace(content=hash_files(tree.root, [entry.path])[entry.path])
        except TreeChanged:
            if tree.torn is None:
                raise
            tree.torn.add(entry.path)
            return entry._replace(content=UNKNOWN)

    def _count_dropped(self, rule: Rule, entries: Sequence[Entry | None]) -> None:
        base, gold, clone = entries
        dropped = self.comparison.dropped.setdefault(rule, DroppedFiles())
        if clone is None or clone.kind == "d" or self._base_clone(base, clone):
            return
        if gold is None or clone[AT_KIND:AT_XATTRS] != gold[AT_KIND:AT_XATTRS]:
            dropped.files += 1
            dropped.size += clone.size

    def _in_unit(
        self, path: bytes, rule: Rule, rows: tuple[Row | None, ...], same_gold: bool | None,
        same_clone: bool | None,
    ) -> bool:  # fmt: skip
        """Count a row to its unit; False for the rule's own directory, which is not a unit."""
        unit_path = self._unit_of(path)
        if unit_path is None:
            return False
        unit = self.comparison.units.get(unit_path)
        if unit is None:
            unit = self.comparison.units[unit_path] = self._new_unit(unit_path, rule)
        unit.gold_changed |= same_gold is False
        unit.clone_changed |= same_clone is False
        if same_clone is False and not unit.clone_meant:
            base, _, clone = meant_of(rows)
            meant = self._base_clone(base, clone)
            unit.clone_meant = meant is False
            if meant is None:
                unit.doubtful.append(rows)
        unit.pinned |= rule.pin
        if same_gold is False:
            unit.gold_differs.append(path)
            self._note_owners(unit, rows)
        for index, row, unknown in ((0, rows[GOLD_SIDE], same_gold), (1, rows[CLONE_SIDE], same_clone)):
            if row is not None and not self.part.numeric.covers(path):
                unit.used[index].add(row, self.names[index + 1])
            if unknown is None:
                unit.unread[index].append(rows)
        return True

    def _note_owners(self, unit: Unit, rows: tuple[Row | None, ...]) -> None:
        base, gold = rows[BASE_SIDE], rows[GOLD_SIDE]
        if base is None or gold is None or self.part.numeric.covers(base[0]):
            return
        was, now = self.names[BASE_SIDE], self.names[GOLD_SIDE]
        for owners, one, other in (
            (unit.gold_owners[0], was.users[base[AT_UID]], now.users[gold[AT_UID]]),
            (unit.gold_owners[1], was.groups[base[AT_GID]], now.groups[gold[AT_GID]]),
        ):
            if one != other:
                owners.setdefault(one, set()).add(other)

    def _unit_of(self, path: bytes) -> bytes | None:
        place = self.policy.unit(self.part.place(path))
        return None if place is None else place[len(self.part.place(b"").rstrip(b"/")) + 1 :]

    def _new_unit(self, path: bytes, rule: Rule) -> Unit:
        present = [entry is not None and entry.kind != SOCKET for entry in self.part.rows(path)]
        return Unit(path, rule, present)

    def _name_differing(self, unit: Unit) -> None:
        """Of a unit that both changed, which files of equal size and time gold changed: they do not arrive, and are named."""
        batch = list(_within(unit.unread[0], MOST_READ, MOST_BYTES))
        unit.not_compared = len(unit.unread[0]) - len(batch)
        before, after = self._digests(batch, BASE_SIDE), self._digests(batch, GOLD_SIDE)
        paths = [row[0] for rows in batch if (row := rows[GOLD_SIDE]) is not None]
        differing = {path for path, one, two in zip(paths, before, after, strict=True) if one != two}
        unit.gold_differs = in_tree_order([*unit.gold_differs, *differing])

    def _differ(self, unread: list[tuple[Row | None, ...]], side: int) -> bool:
        for start in range(0, len(unread), BATCH):
            batch = unread[start : start + BATCH]
            try:
                found = self._digests(batch, side)
            except TreeChanged:
                if self.part.trees[side].torn is None:
                    raise
                return True  # it is being written
            if self._digests(batch, BASE_SIDE) != found:
                return True
        return False

    def _digests(self, batch: list[tuple[Row | None, ...]], side: int) -> list[bytes]:
        rows = [rows[side] for rows in batch]
        unknown = [row[0] for row in rows if row is not None and not row[AT_CONTENT]]
        read: dict[bytes, bytes] = {}
        for source in {self.part.source(side, path) for path in unknown}:
            held = [path for path in unknown if self.part.source(side, path) == source]
            read |= hash_files(self.part.trees[source].root, held)
        return [row[AT_CONTENT] or read[row[0]] for row in rows if row is not None]
