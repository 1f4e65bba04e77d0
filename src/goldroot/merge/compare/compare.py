"""Walk the three trees of a part side by side, once, and keep only what is not the same everywhere.

What whole columns show to be equal never becomes a row (:mod:`goldroot.merge.compare.candidates`); the rest is looked
at row by row in tree order.  Paths of class ``state`` are folded into units on the way, and their files are read only
as far as is needed to find a first difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.accounts import OwnerNames
from goldroot.errors import TreeChanged
from goldroot.merge.compare.candidates import ABSENT, find_candidates
from goldroot.merge.compare.comparison import Comparison, DroppedFiles, OwnersInUse, Unit
from goldroot.merge.compare.meaning import meant_of
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
    Part,
    Row,
)
from goldroot.merge.compare.rows import RowEquality
from goldroot.policy import Policy, Rule
from goldroot.tree import FILE, SOCKET, Entry, Manifest, hash_files, in_tree_order

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

    def __init__(self, part: Part, names: tuple[OwnerNames, OwnerNames, OwnerNames], policy: Policy) -> None:
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
        for unit in self.comparison.units.values():
            self._read_on(unit)
        return self.comparison

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
        held = (tree.manifest.get(path) for tree in self.part.trees)
        present = [entry is not None and entry.kind != SOCKET for entry in held]
        return Unit(path, rule, present)

    def _read_on(self, unit: Unit) -> None:
        """Read the files of which only the bytes can tell, to the first difference."""
        if not unit.gold_changed:
            unit.gold_changed = self._differ(unit.unread[0], GOLD_SIDE)
        if not unit.clone_changed:
            unit.clone_changed = unit.clone_meant = self._differ(unit.unread[1], CLONE_SIDE)
        if unit.gold_changed and unit.clone_changed and not unit.clone_meant:
            unit.clone_meant = self._differ([*unit.doubtful, *unit.unread[1]], CLONE_SIDE)
        if unit.gold_changed and unit.clone_changed and not unit.pinned:
            self._name_differing(unit)
        unit.unread, unit.doubtful = ([], []), []

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
