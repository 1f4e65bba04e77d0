"""What is compared: three trees that stand at one place of the system, their files and rows, and when two rows are equal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from goldroot import files
from goldroot.accounts import OwnerNames
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.errors import TreeChanged
from goldroot.policy import NUMERIC, Policy, family_of
from goldroot.tree import FILE, OTHER_FILE_SYSTEM, Entry, Manifest, Note, in_tree_order, tree_key, upwards


@dataclass(frozen=True)
class NumericPlaces:
    """Places whose owners are numbers of another system: what the accounts of the server call them means nothing there.

    :param marks: path in the trees -> whether owners are numbers there and below; the nearest mark on the way up counts.
    """

    marks: Mapping[bytes, bool] = field(default_factory=dict)

    @cached_property
    def _starts(self) -> tuple[bytes, ...]:
        return tuple(path for path, numeric in self.marks.items() if numeric)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def covers(self, path: bytes) -> bool:
        """Whether the owners of a path are numbers."""
        if not path.startswith(self._starts):
            return False
        return next((self.marks[above] for above in upwards(path) if above in self.marks), False)

    def rows(self, manifest: Manifest) -> bytearray:
        """For each row of a tree 1 where its owners are numbers, else 0."""
        flags = bytearray(len(manifest))
        for path in in_tree_order(self.marks):  # what lies deeper comes later, and counts
            span = manifest.span(path)
            flags[span.start : span.stop] = (b"\1" if self.marks[path] else b"\0") * len(span)
        return flags

    def marked(self, path: bytes, numeric: bool) -> NumericPlaces:
        """The same places, and one more mark."""
        return NumericPlaces({**self.marks, path: numeric})


#: Where every owner is an account of the system.
NOWHERE = NumericPlaces()


BASE_SIDE, GOLD_SIDE, CLONE_SIDE = 0, 1, 2
SIDE_OF = {GOLD: GOLD_SIDE, CLONE: CLONE_SIDE}

Row = tuple[Any, ...]  #: a plain tuple in Entry order: what streams carry
Rows = tuple[Entry | None, Entry | None, Entry | None]

Names = tuple[OwnerNames, OwnerNames, OwnerNames]  #: what base, gold and clone call the numbers of owners

Usr = Mapping[bytes, bytes]  #: directories of a root that are links into /usr -> what they lead to; no leading slash

#: Where a row has each of its values.
AT_KIND, AT_MODE, AT_UID, AT_GID, AT_SIZE, AT_MTIME, AT_CONTENT, AT_XATTRS, AT_FLAGS, AT_PROJECT, AT_GROUP = range(
    1, 12
)


@dataclass(frozen=True, slots=True)
class Tree:
    """One side of a part: where its files are, and their manifest.

    ``torn`` is for the tree of a running system: a file that has changed since the scan is not an error there, and is
    written down in it.  ``unseen`` are the paths on which something is mounted, and ``borrowed`` says for each of them of
    which side the rows are that stand in their place (:mod:`goldroot.merge.compare.mounts`).
    """

    root: bytes
    manifest: Manifest
    torn: set[bytes] | None = None
    unseen: frozenset[bytes] = frozenset()
    borrowed: Mapping[bytes, int] = field(default_factory=dict)
    usr: Usr = field(default_factory=dict)  #: of gold's: what its system's root is known to have
    family: str = ""  #: what its system's os-release says, where that does not stand in the tree

    @classmethod
    def scanned(cls, root: bytes, manifest: Manifest, notes: Iterable[Note], *, live: bool = False) -> Tree:
        """A tree as a scan has found it."""
        unseen = frozenset(note.path for note in notes if note.kind == OTHER_FILE_SYSTEM)
        return cls(root, manifest, set() if live else None, unseen)


@dataclass(frozen=True, slots=True)
class Part:
    """Three trees that stand at one place of the system: a disk, or the whole of a small merge.

    ``at`` is that place as an absolute path (``/`` or ``/etc``).
    """

    name: str
    at: bytes
    trees: tuple[Tree, Tree, Tree]  #: base, gold, clone
    numeric: NumericPlaces = NOWHERE  #: where owners are numbers of another system

    def place(self, path: bytes) -> bytes:
        """The absolute path in the system of a path in the trees."""
        if not path:
            return self.at
        return (self.at if self.at != b"/" else b"") + b"/" + path

    @property
    def borrows(self) -> bool:
        """Whether any tree has rows of another one's files."""
        return any(tree.borrowed for tree in self.trees)

    def source(self, side: int, path: bytes) -> int:
        """The side whose file a side's row is: its own, but for what lies below a mount."""
        borrowed = self.trees[side].borrowed
        return next((borrowed[above] for above in upwards(path) if above in borrowed), side) if borrowed else side

    def inside(self, place: bytes) -> bytes | None:
        """The path in the trees of an absolute path in the system; ``None`` where it lies outside of them."""
        prefix = self.at.rstrip(b"/") + b"/"
        if place == self.at:
            return b""
        return place[len(prefix) :] if place.startswith(prefix) else None

    def rows(self, path: bytes) -> Rows:
        """What base, gold and clone have at a path in the trees."""
        base, gold, clone = self.trees
        return base.manifest.get(path), gold.manifest.get(path), clone.manifest.get(path)


def read_file(root: bytes, path: bytes) -> bytes:
    """A regular file's bytes.

    :raises TreeChanged: it is not there any more, or is not a regular file any more.
    """
    try:
        with files.parent_of(root, path) as (directory, name):
            data = files.read_regular(name, directory)
    except OSError as error:
        if error.errno not in files.NOT_THERE:
            raise
        data = None
    if data is None:
        raise TreeChanged(
            f"{os.fsdecode(path)!r} changed while it was merged",
            meaning="The tree was written while goldroot read it; the result was given up.",
            todo="Run the command again when nothing writes to the tree.",
        )
    return data


def read_unless_torn(tree: Tree, path: bytes) -> bytes | None:
    """A regular file's bytes; ``None``, written down in the tree, where a running system took it away since the scan.

    :raises TreeChanged: the tree belongs to nothing that runs, and it is not there any more.
    """
    try:
        return read_file(tree.root, path)
    except TreeChanged:
        if tree.torn is None:
            raise
        tree.torn.add(path)
        return None


# -- What of a path's metadata means something: labels, signatures and one flag change without anybody changing the path.

#: They sign or measure the content, so they go where it goes and cannot survive a merge of it.
SIGNATURES = (b"security.ima", b"security.evm")

#: Security labels; a path without one says nothing of it (the system gives it one by its own rules).
LABELS = (
    b"security.selinux", b"security.SMACK64", b"security.SMACK64EXEC", b"security.SMACK64MMAP",
    b"security.SMACK64TRANSMUTE",
)  # fmt: skip

#: FS_NODUMP_FL: whether dump(8) takes the file, which nothing else reads.
NODUMP = 0x40


def canonical_flags(flags: int) -> int:
    """Inode flags without those that say nothing of how a file is used."""
    return flags & ~NODUMP


def labels_said(sides: Iterable[Iterable[bytes]]) -> frozenset[bytes]:
    """The labels that every side which has a path gives it; of others nothing can be said.

    :param sides: the names of the path's extended attributes on each side that has it.
    """
    held = [frozenset(names) for names in sides]
    return frozenset(name for name in LABELS if all(name in names for names in held))


def canonical_xattrs(xattrs: Mapping[bytes, bytes], said: frozenset[bytes]) -> dict[bytes, bytes]:
    """Extended attributes without signatures, which follow the content, and without labels that not all sides give."""
    return {
        name: value for name, value in xattrs.items() if name not in SIGNATURES and (name not in LABELS or name in said)
    }


def meant(row: Row, said: frozenset[bytes]) -> Row:
    """A row with only what means something."""
    flags = canonical_flags(row[AT_FLAGS])
    xattrs = tuple(canonical_xattrs(dict(row[AT_XATTRS]), said).items())
    if flags == row[AT_FLAGS] and xattrs == row[AT_XATTRS]:
        return row
    return (*row[:AT_XATTRS], xattrs, flags, *row[AT_FLAGS + 1 :])


def meant_of(rows: Iterable[Row | None]) -> list[Row | None]:
    """One path's rows on all sides with only what means something."""
    rows = list(rows)
    said = labels_said((name for name, _ in row[AT_XATTRS]) for row in rows if row is not None)
    return [None if row is None else meant(row, said) for row in rows]


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


class RowEquality:
    """Compares rows of two sides: the raw numbers where their account tables agree, tokens where not.

    :param numeric: where owners are numbers of another system.
    """

    def __init__(self, names: OwnerNames, others: OwnerNames, numeric: NumericPlaces = NOWHERE) -> None:
        self._names, self._others, self._numeric = names, others, numeric
        self._agree = names.users == others.users and names.groups == others.groups

    def without_content(self, row: Row, other: Row) -> bool:
        """Equal on every axis but the content (a file's length is its content's)."""
        if (
            row[AT_KIND] != other[AT_KIND]
            or row[AT_MODE] != other[AT_MODE]
            or row[AT_FLAGS:AT_GROUP] != other[AT_FLAGS:AT_GROUP]
        ):
            return False
        if self._agree or self._numeric.covers(row[0]):
            return bool(row[AT_UID:AT_SIZE] == other[AT_UID:AT_SIZE] and row[AT_XATTRS] == other[AT_XATTRS])
        return (
            self._names.users[row[AT_UID]] == self._others.users[other[AT_UID]]
            and self._names.groups[row[AT_GID]] == self._others.groups[other[AT_GID]]
            and (not (row[AT_XATTRS] or other[AT_XATTRS]) or self._spoken(row, other))
        )

    def _spoken(self, row: Row, other: Row) -> bool:
        return self._names.xattrs(Entry._make(row)) == self._others.xattrs(Entry._make(other))

    def __call__(self, row: Row | None, other: Row | None) -> bool | None:
        """Whether both are equal; ``None`` where only reading the files can tell."""
        if row is None or other is None:
            return row is other
        if not self.without_content(row, other) or row[AT_SIZE] != other[AT_SIZE]:
            return False
        if row[AT_KIND] != FILE or (row[AT_CONTENT] and other[AT_CONTENT]):
            return bool(row[AT_CONTENT] == other[AT_CONTENT])
        return None if row[AT_SIZE] else True


# -- Which systems the trees are of, and whether they may hold others

#: os-release(5): the first of these that is there.
RELEASES = (b"/etc/os-release", b"/usr/lib/os-release")


def families(parts: Sequence[Part], read: Callable[[bytes, bytes], bytes]) -> tuple[str, str]:
    """The families of base and of gold; "" where one is not known.

    :param read: the bytes of a file, by its tree's root and its path.
    """
    base, gold = (_family(parts, side, read) for side in (BASE_SIDE, GOLD_SIDE))
    return base, gold


def _family(parts: Sequence[Part], side: int, read: Callable[[bytes, bytes], bytes]) -> str:
    for part in parts:
        tree = part.trees[side]
        if tree.family:
            return tree.family
        prefix = part.place(b"").rstrip(b"/") + b"/"
        for file in RELEASES:
            path = file[len(prefix) :] if file.startswith(prefix) else b""
            entry = tree.manifest.get(path) if path else None
            if entry is not None and entry.kind == FILE and (found := family_of(read(tree.root, path))):
                return found
    return ""


def other_family(base: str, gold: str) -> Conflict | None:
    """The question whether a server may become one of another family; once for a server, whatever differs in it."""
    if not base or not gold or base == gold:
        return None
    return Conflict(
        RELEASES[0], "family", "family-changed", (base.encode(), gold.encode(), b""), (GOLD, CLONE), GOLD,
        f"gold was a system of the family {base} and is one of {gold} now: 'gold' merges by the rules for {gold},"
        f" 'clone' by those for {base}",
    )  # fmt: skip


#: A system's table of users, below its root.
TABLE = b"/etc/passwd"
#: Where software stands that no package manager brought, and its containers' volumes.
SOFTWARE = b"/opt"


def with_tables(manifest: Manifest) -> Iterator[bytes]:
    """The directories that have an ``etc/passwd``, found in the column as it lies."""
    column, at = manifest.columns.paths, 0
    while (at := column.find(TABLE + b"\0", at)) >= 0:
        yield column[column.rfind(b"\0", 0, at) + 1 : at]
        at += len(TABLE)


def owner_places(part: Part, policy: Policy) -> Iterator[bytes]:
    """The paths at which a rule about owners may begin to hold."""
    prefix = part.place(b"").rstrip(b"/") + b"/"
    for start, whole in policy.starts_of("owners"):
        place = os.fsencode(start)
        if whole:
            path = place[len(prefix) :]
            if place.startswith(prefix) and any(tree.manifest.get(path) is not None for tree in part.trees):
                yield path
        elif place.startswith(prefix) or prefix.startswith(place):
            for tree in part.trees:
                for row in tree.manifest.below(place[len(prefix) :] if place.startswith(prefix) else b""):
                    yield row.path


def may_hold_systems(part: Part, policy: Policy) -> bool:
    """Whether owners somewhere in a part may be numbers of another system's; see :mod:`goldroot.merge.compare.systems`."""
    _, gold, clone = part.trees
    if policy.match(part.place(b"")).owners == NUMERIC or any(True for _ in owner_places(part, policy)):
        return True
    if any(True for tree in (gold, clone) for _ in with_tables(tree.manifest)):
        return True
    software = part.inside(SOFTWARE)
    return software is not None and any(True for _ in clone.manifest.below(software))
