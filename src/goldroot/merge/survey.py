"""Walk the three trees of a part side by side, once, and keep only what is not the same everywhere.

What whole columns show to be equal never becomes a row (:mod:`goldroot.merge.suspects`); the rest is looked at row by row
in tree order.  Paths of class ``state`` are folded into units on the way, and their files are read only as far as is
needed to find a first difference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from goldroot.merge.axes import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Three
from goldroot.merge.owners import ACL_NAMES, Names, named_in_acl
from goldroot.merge.policy import Policy, Rule
from goldroot.merge.suspects import NONE, find_suspects
from goldroot.tree import Manifest, hash_files
from goldroot.tree.entry import FILE, SOCKET, Entry, tree_key

Row = tuple[Any, ...]  # a plain tuple in Entry order: what streams carry
Rows = tuple[Entry | None, Entry | None, Entry | None]

KIND, MODE, UID, GID, SIZE, MTIME, CONTENT, XATTRS, FLAGS, PROJECT, GROUP = range(1, 12)

#: How many files of a unit are read at once while looking for a first difference.
BATCH = 512


@dataclass(frozen=True, slots=True)
class Tree:
    """One side of a part: where its files are, and their manifest."""

    root: bytes
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Part:
    """Three trees that stand at one place of the system: a disk, or the whole of a small merge.

    ``at`` is that place as an absolute path (``/`` or ``/etc``).
    """

    name: str
    at: bytes
    trees: tuple[Tree, Tree, Tree]  #: base, gold, clone

    def place(self, path: bytes) -> bytes:
        """The absolute path in the system of a path in the trees."""
        if not path:
            return self.at
        return (self.at if self.at != b"/" else b"") + b"/" + path

    def rows(self, path: bytes) -> Rows:
        """What base, gold and clone have at a path in the trees."""
        base, gold, clone = (tree.manifest.get(path) for tree in self.trees)
        return base, gold, clone


@dataclass(slots=True)
class Used:
    """Account numbers that rows of one side carry, as tokens."""

    users: set[bytes] = field(default_factory=set)
    groups: set[bytes] = field(default_factory=set)

    def add(self, row: Row, names: Names) -> None:
        """Count one row's owner, group and ACL entries."""
        self.users.add(names.users[row[UID]])
        self.groups.add(names.groups[row[GID]])
        if row[XATTRS] and any(name in ACL_NAMES for name, _ in row[XATTRS]):
            users, groups = named_in_acl(names.xattrs(Entry._make(row)))
            self.users |= users
            self.groups |= groups


@dataclass(slots=True)
class Unit:
    """A unit of class state: an entry directly below its rule's path, with all that is in it."""

    path: bytes
    rule: Rule
    present: list[bool]  #: in base, gold, clone
    gold_changed: bool = False
    clone_changed: bool = False
    pinned: bool = False  #: something that differs in it is pinned, so all of it is the clone's
    used: tuple[Used, Used] = field(default_factory=lambda: (Used(), Used()))  #: gold's and the clone's
    unread: tuple[list[tuple[Row | None, ...]], list[tuple[Row | None, ...]]] = field(default_factory=lambda: ([], []))


@dataclass(slots=True)
class Dropped:
    """What a cache rule dropped of the clone's."""

    files: int = 0
    size: int = 0  #: bytes


@dataclass
class Survey:
    """All of a part that is not the same in the three trees."""

    part: Part
    deltas: dict[bytes, Rows] = field(default_factory=dict)  #: in tree order
    rules: dict[bytes, Rule] = field(default_factory=dict)  #: of the deltas
    units: dict[bytes, Unit] = field(default_factory=dict)
    dropped: dict[Rule, Dropped] = field(default_factory=dict)
    groups: tuple[dict[bytes, int], dict[bytes, int], dict[bytes, int]] = field(default_factory=lambda: ({}, {}, {}))
    used: Used = field(default_factory=Used)  #: of the paths that are the same everywhere
    sockets: dict[bytes, tuple[bool, bool, bool]] = field(default_factory=dict)  #: path -> whether base, gold, clone's
    unchanged: int = 0

    @cached_property
    def keys(self) -> list[bytes]:
        """The tree keys of the deltas, sorted."""
        return [tree_key(path) for path in self.deltas]

    @cached_property
    def ordered(self) -> list[bytes]:
        """The paths of the deltas in tree order."""
        return list(self.deltas)

    def item(self, path: bytes) -> Three:
        """One of the deltas."""
        return Three(path, self.part.place(path), self.deltas[path], self.rules[path])

    def below(self, path: bytes) -> Iterator[bytes]:
        """The deltas below a directory."""
        start = tree_key(path) + b"\0" if path else b"\x01"
        stop = tree_key(path) + b"\x01" if path else b"\xff" * 8
        for index in range(bisect_left(self.keys, start), len(self.keys)):
            if path and self.keys[index] >= stop:
                return
            yield self.ordered[index]


def joined(streams: Sequence[Iterable[Row]]) -> Iterator[tuple[Row | None, Row | None, Row | None]]:
    """Three sorted streams as one stream of triples with the same path; ``None`` where a tree has no such path."""
    one, two, three = (iter(stream) for stream in streams)
    b, g, c = next(one, None), next(two, None), next(three, None)
    while True:
        if b is not None and g is not None and c is not None and b[0] == g[0] == c[0]:
            yield b, g, c
            b, g, c = next(one, None), next(two, None), next(three, None)
            continue
        keys = [tree_key(row[0]) for row in (b, g, c) if row is not None]
        if not keys:
            return
        first = min(keys)
        has_b = b is not None and tree_key(b[0]) == first
        has_g = g is not None and tree_key(g[0]) == first
        has_c = c is not None and tree_key(c[0]) == first
        yield b if has_b else None, g if has_g else None, c if has_c else None
        b = next(one, None) if has_b else b
        g = next(two, None) if has_g else g
        c = next(three, None) if has_c else c


class Alike:
    """Compares rows of two sides: the raw numbers where their account tables agree, tokens where not."""

    def __init__(self, names: Names, others: Names) -> None:
        self._names, self._others = names, others
        self._agree = names.users == others.users and names.groups == others.groups

    def without_content(self, row: Row, other: Row) -> bool:
        """Equal on every axis but the content (a file's length is its content's)."""
        if row[KIND] != other[KIND] or row[MODE] != other[MODE] or row[FLAGS:GROUP] != other[FLAGS:GROUP]:
            return False
        if self._agree:
            return bool(row[UID:SIZE] == other[UID:SIZE] and row[XATTRS] == other[XATTRS])
        return (
            self._names.users[row[UID]] == self._others.users[other[UID]]
            and self._names.groups[row[GID]] == self._others.groups[other[GID]]
            and (not (row[XATTRS] or other[XATTRS]) or self._spoken(row, other))
        )

    def _spoken(self, row: Row, other: Row) -> bool:
        return self._names.xattrs(Entry._make(row)) == self._others.xattrs(Entry._make(other))

    def __call__(self, row: Row | None, other: Row | None) -> bool | None:
        """Whether both are equal; ``None`` where only reading the files can tell."""
        if row is None or other is None:
            return row is other
        if not self.without_content(row, other) or row[SIZE] != other[SIZE]:
            return False
        if row[KIND] != FILE or (row[CONTENT] and other[CONTENT]):
            return bool(row[CONTENT] == other[CONTENT])
        return None if row[SIZE] else True


def _entry(manifest: Manifest, place: int) -> Entry | None:
    return None if place == NONE else manifest.entry(place)


def _note_groups(manifest: Manifest, groups: dict[bytes, int]) -> None:
    """The hard-link groups of one tree: path -> number."""
    if any(manifest.columns.groups):
        pairs = zip(manifest.paths(), manifest.columns.groups, strict=True)
        groups.update((path, number) for path, number in pairs if number)


class Surveyor:
    """Makes the survey of one part."""

    def __init__(self, part: Part, names: tuple[Names, Names, Names], policy: Policy) -> None:
        self.part, self.names, self.policy = part, names, policy
        self.survey = Survey(part)
        self._base_gold = Alike(names[BASE_SIDE], names[GOLD_SIDE])
        self._base_clone = Alike(names[BASE_SIDE], names[CLONE_SIDE])

    def run(self) -> Survey:
        """Walk, then read what units leave open."""
        base, gold, clone = (tree.manifest for tree in self.part.trees)
        suspects = find_suspects((base, gold, clone), self.names)
        survey = self.survey
        survey.unchanged, survey.used = suspects.unchanged, Used(suspects.users, suspects.groups)
        for side, tree in enumerate(self.part.trees):
            _note_groups(tree.manifest, survey.groups[side])
        for one, two, three in suspects.places:
            self._one((_entry(base, one), _entry(gold, two), _entry(clone, three)))
        for unit in self.survey.units.values():
            self._read_on(unit)
        return self.survey

    def _one(self, rows: tuple[Row | None, Row | None, Row | None]) -> None:
        b, g, c = rows
        path = next(row for row in rows if row is not None)[0]
        sockets = tuple(row is not None and row[KIND] == SOCKET for row in rows)
        if any(sockets):
            self._drop_socket(path, sockets)
            b, g, c = (None if is_socket else row for row, is_socket in zip(rows, sockets, strict=True))
        same_gold, same_clone = self._base_gold(b, g), self._base_clone(b, c)
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
            self.survey.dropped.setdefault(rule, Dropped()).files += sockets[CLONE_SIDE]
        else:
            self.survey.sockets[path] = (sockets[BASE_SIDE], sockets[GOLD_SIDE], sockets[CLONE_SIDE])

    def _unchanged(self, row: Row | None) -> None:
        self.survey.unchanged += 1
        if row is not None:
            self.survey.used.add(row, self.names[CLONE_SIDE])

    def _delta(self, path: bytes, rule: Rule, rows: tuple[Row | None, Row | None, Row | None]) -> None:
        base, gold, clone = (None if row is None else Entry._make(row) for row in rows)
        if rule.cls == "cache":
            self._count_dropped(rule, (base, gold, clone))
        else:
            base, gold, clone = (self._known(side, entry) for side, entry in enumerate((base, gold, clone)))
            if self._same_after_all((base, gold, clone)):
                self._unchanged(clone)
                return
        self.survey.deltas[path] = base, gold, clone
        self.survey.rules[path] = rule

    def _same_after_all(self, entries: Sequence[Entry | None]) -> bool:
        base, gold, clone = entries
        return bool(base is not None and self._base_gold(base, gold) and self._base_clone(base, clone))

    def _known(self, side: int, entry: Entry | None) -> Entry | None:
        """The entry with its content's digest, read now if no scan has read it."""
        if entry is None or entry.kind != FILE or entry.content:
            return entry
        root = self.part.trees[side].root
        return entry._replace(content=hash_files(root, [entry.path])[entry.path])

    def _count_dropped(self, rule: Rule, entries: Sequence[Entry | None]) -> None:
        base, gold, clone = entries
        dropped = self.survey.dropped.setdefault(rule, Dropped())
        if clone is None or clone.kind == "d" or self._base_clone(base, clone):
            return
        if gold is None or clone[KIND:XATTRS] != gold[KIND:XATTRS]:
            dropped.files += 1
            dropped.size += clone.size

    def _in_unit(
        self, path: bytes, rule: Rule, rows: tuple[Row | None, ...], same_gold: bool | None,
        same_clone: bool | None,
    ) -> bool:  # fmt: skip
        """Count a row to its unit; False for the rule's own directory, which is no unit."""
        place = self.policy.unit(self.part.place(path), rule)
        if place is None:
            return False
        unit_path = place[len(self.part.place(b"").rstrip(b"/")) + 1 :]
        unit = self.survey.units.get(unit_path)
        if unit is None:
            unit = self.survey.units[unit_path] = self._new_unit(unit_path, rule)
        unit.gold_changed |= same_gold is False
        unit.clone_changed |= same_clone is False
        unit.pinned |= rule.pin
        for index, row, unknown in ((0, rows[GOLD_SIDE], same_gold), (1, rows[CLONE_SIDE], same_clone)):
            if row is not None:
                unit.used[index].add(row, self.names[index + 1])
            if unknown is None:
                unit.unread[index].append(rows)
        return True

    def _new_unit(self, path: bytes, rule: Rule) -> Unit:
        held = (tree.manifest.get(path) for tree in self.part.trees)
        present = [entry is not None and entry.kind != SOCKET for entry in held]
        return Unit(path, rule, present)

    def _read_on(self, unit: Unit) -> None:
        """Read the files of which only the bytes can tell, to the first difference."""
        if not unit.gold_changed:
            unit.gold_changed = self._differ(unit.unread[0], GOLD_SIDE)
        if not unit.clone_changed:
            unit.clone_changed = self._differ(unit.unread[1], CLONE_SIDE)
        unit.unread = ([], [])

    def _differ(self, unread: list[tuple[Row | None, ...]], side: int) -> bool:
        for start in range(0, len(unread), BATCH):
            batch = unread[start : start + BATCH]
            if self._digests(batch, BASE_SIDE) != self._digests(batch, side):
                return True
        return False

    def _digests(self, batch: list[tuple[Row | None, ...]], side: int) -> list[bytes]:
        rows = [rows[side] for rows in batch]
        unknown = [row[0] for row in rows if row is not None and not row[CONTENT]]
        read = hash_files(self.part.trees[side].root, unknown) if unknown else {}
        return [row[CONTENT] or read[row[0]] for row in rows if row is not None]
