"""What comparing the three trees of a part finds: everything that is not the same in all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from goldroot.accounts import ACL_NAMES, OwnerNames, named_in_acl
from goldroot.merge.compare.parts import AT_GID, AT_UID, AT_XATTRS, BASE_SIDE, Part, Row, Rows
from goldroot.policy import Rule
from goldroot.tree import FILE, Entry, tree_key


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
