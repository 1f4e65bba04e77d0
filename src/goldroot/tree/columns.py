"""A tree's rows as columns, and the rules that they keep: about 150 bytes for each entry, where tuples would take 600.

Paths stand one after the other, each ended by a NUL (a name has none); contents stand one after the other, with their
lengths in an array; an entry's extended attributes are a number in a table of the distinct sets.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import accumulate, chain, compress, islice, pairwise, starmap
from operator import lt

from goldroot.tree.entry import BLOCK, CHAR, DIGEST_SIZE, DIRECTORY, FILE, LINK, Xattrs
from goldroot.tree.kernel import DIRSYNC

#: How many rows are turned at once.
CHUNK = 4096
#: How many bytes of paths are split at once.
PATHS_CHUNK = 1 << 18

Row = tuple[bytes, str, int, int, int, int, int, bytes, Xattrs, int, int, int, int, int]


@dataclass(slots=True)
class Columns:
    """The columns, in Entry order.  Filled by :func:`fill` or by a scan; not changed afterwards."""

    paths: bytes = b""
    kinds: str = ""
    modes: array[int] = field(default_factory=partial(array, "H"))
    uids: array[int] = field(default_factory=partial(array, "I"))
    gids: array[int] = field(default_factory=partial(array, "I"))
    sizes: array[int] = field(default_factory=partial(array, "Q"))
    mtimes: array[int] = field(default_factory=partial(array, "q"))
    content_sizes: array[int] = field(default_factory=partial(array, "H"))
    contents: bytes = b""
    xattr_sets: list[Xattrs] = field(default_factory=lambda: [()])
    xattrs: array[int] = field(default_factory=partial(array, "I"))
    flags: array[int] = field(default_factory=partial(array, "B"))
    projects: array[int] = field(default_factory=partial(array, "I"))
    groups: array[int] = field(default_factory=partial(array, "I"))
    inodes: array[int] = field(default_factory=partial(array, "Q"))
    ctimes: array[int] = field(default_factory=partial(array, "q"))

    def __len__(self) -> int:
        return len(self.kinds)

    def each_path(self) -> Iterator[bytes]:
        """All paths, made as they are asked for."""
        return chain.from_iterable(_split(self.paths))

    def each_content(self) -> Iterator[bytes]:
        """All contents, made as they are asked for."""
        ends = accumulate(self.content_sizes, initial=0)
        return map(self.contents.__getitem__, starmap(slice, pairwise(ends)))

    def each_xattrs(self) -> Iterator[Xattrs]:
        return map(self.xattr_sets.__getitem__, self.xattrs)

    def rows(self) -> Iterator[Row]:
        """All rows as plain tuples, made as they are asked for."""
        return zip(
            self.each_path(), self.kinds, self.modes, self.uids, self.gids, self.sizes, self.mtimes,
            self.each_content(), self.each_xattrs(), self.flags, self.projects, self.groups, self.inodes, self.ctimes,
            strict=True,
        )  # fmt: skip


#: The arrays of :class:`Columns` by name, in Entry order.
ARRAYS = tuple(
    column.name for column in fields(Columns) if column.name not in ("paths", "kinds", "contents", "xattr_sets")
)


def _split(paths: bytes) -> Iterator[list[bytes]]:
    start, size = 0, len(paths)
    while start < size:
        end = paths.rfind(b"\0", start, start + PATHS_CHUNK)
        if end < 0:
            end = paths.index(b"\0", start)
        yield paths[start:end].split(b"\0")
        start = end + 1


def append(column: array[int], values: Sequence[int]) -> None:
    """Add values to a column: by way of an array of its own, which is twice as fast as one after the other."""
    column.extend(array(column.typecode, values))


class XattrSets:
    """Numbers for sets of extended attributes, given in the order of first use; 0 is the empty set."""

    def __init__(self) -> None:
        self.sets: list[Xattrs] = [()]
        self._numbers: dict[Xattrs, int] = {(): 0}

    def number(self, xattrs: Xattrs) -> int:
        found = self._numbers.get(xattrs)
        if found is None:
            found = self._numbers[xattrs] = len(self.sets)
            self.sets.append(xattrs)
        return found


def in_first_use(numbers: array[int], sets: list[Xattrs]) -> tuple[array[int], list[Xattrs]]:
    """The same sets, numbered in the order of first use, unused ones left out: as a digest needs them."""
    used = [0, *(number for number in dict.fromkeys(numbers) if number)]
    if used == list(range(len(sets))):
        return numbers, sets
    new = {number: place for place, number in enumerate(used)}
    return array("I", [new[number] for number in numbers]), [sets[number] for number in used]


def fill(rows: Iterable[Row]) -> Columns:
    """The columns of a stream of rows (in tree order)."""
    columns = Columns()
    sets = XattrSets()
    paths: list[bytes] = []
    kinds: list[str] = []
    contents: list[bytes] = []
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        turned = list(zip(*chunk, strict=True))
        paths.append(b"\0".join(turned[0]) + b"\0")
        kinds.append("".join(turned[1]))
        contents.append(b"".join(turned[7]))
        columns.content_sizes.extend(map(len, turned[7]))
        columns.xattrs.extend(map(sets.number, turned[8]))
        for name, values in zip(_NUMBERS, (*turned[2:7], *turned[9:]), strict=True):
            append(getattr(columns, name), values)
    columns.paths = b"".join(paths)
    columns.kinds = "".join(kinds)
    columns.contents = b"".join(contents)
    columns.xattr_sets = sets.sets
    return columns


_NUMBERS = tuple(name for name in ARRAYS if name not in ("content_sizes", "xattrs"))


# -- The rules that the rows keep, checked on columns: a file from outside may break any of them.  Checks go over whole columns with
# the interpreter's own loops, so that 100,000 rows take a few hundredths of a second.

KINDS = "fdlcbps"
#: The kernel's bound for a link's target.
LINK_SIZE = 4095
#: The kernel's bounds for an extended attribute.
XATTR_NAME, XATTR_VALUE = 255, 65536
NAME_SIZE = 255

_DEVICE = re.compile(rb"(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,9})")
_TEXTUAL = frozenset((LINK, CHAR, BLOCK))


class Bad(Exception):
    """A rule is broken; the text says which, for the user's error."""


def check(columns: Columns) -> None:
    """Raise :class:`Bad` where the columns could not have come from a tree."""
    _check_paths(columns)
    _check_numbers(columns)
    _check_contents(columns)
    _check_xattrs(columns)


def _check_paths(columns: Columns) -> None:
    raw, kinds = columns.paths, columns.kinds
    if raw.count(b"\0") != len(kinds) or raw[-1:] not in (b"", b"\0"):
        raise Bad("the column paths has not one value for each row")
    if not raw:
        return
    paths = raw[:-1].split(b"\0")
    in_order = [path.replace(b"/", b"\0") for path in paths]
    if not all(map(lt, in_order, in_order[1:])):
        raise Bad("its paths are not in tree order, or one stands twice")
    if raw.startswith(b"/") or b"\0/" in raw:
        raise Bad("a path is absolute")
    _check_names(paths, kinds)


def _check_names(paths: list[bytes], kinds: str) -> None:
    """Each path is a name in a directory that stands in the manifest too: so checking last names checks them all."""
    if paths[0] == b"":
        if kinds[0] != DIRECTORY:
            raise Bad("the tree itself is not a directory")
        paths, kinds = paths[1:], kinds[1:]
    cut = [path.rpartition(b"/") for path in paths]
    directories = {path for path, kind in zip(paths, kinds, strict=True) if kind == DIRECTORY}
    directories.add(b"")
    if not directories.issuperset([above for above, _, _ in cut]):
        raise Bad("a path stands below something that is not a directory")
    names = {name for _, _, name in cut}
    if not names.isdisjoint((b"", b".", b"..")):
        raise Bad("a path leads out of the tree or is not in its plain form")
    if max(map(len, names), default=0) > NAME_SIZE:
        raise Bad(f"a name is longer than {NAME_SIZE} bytes")


def _check_numbers(columns: Columns) -> None:
    kinds = columns.kinds
    if set(kinds) - set(KINDS):
        raise Bad("an entry is of no known kind")
    if kinds and max(columns.modes) > 0o7777:
        raise Bad("a mode has more than the permission bits")
    if any(columns.flags) and any(
        flags & DIRSYNC and kind != DIRECTORY for kind, flags in set(zip(kinds, columns.flags, strict=True))
    ):
        raise Bad("something that is not a directory has a flag of directories")
    if not set(compress(kinds, columns.sizes)) <= {FILE}:
        raise Bad("something that is not a file has a size")
    if DIRECTORY in set(compress(kinds, columns.groups)) or (kinds and max(columns.groups) > len(kinds)):
        raise Bad("a hard-link group is not one")


def _check_contents(columns: Columns) -> None:
    if sum(columns.content_sizes) != len(columns.contents):
        raise Bad("the column contents is not as long as its values")
    for kind, size in set(zip(columns.kinds, columns.content_sizes, strict=True)):
        if not _fits(kind, size):
            raise Bad("an entry's content is not of its kind")
    ends = list(accumulate(columns.content_sizes))
    for row, kind in enumerate(columns.kinds):
        if kind in _TEXTUAL:
            content = columns.contents[ends[row] - columns.content_sizes[row] : ends[row]]
            if b"\0" in content or (kind != LINK and not _DEVICE.fullmatch(content)):
                raise Bad("an entry's content is not of its kind")


def _fits(kind: str, size: int) -> bool:
    if kind == FILE:
        return size in (0, DIGEST_SIZE)
    if kind == LINK:
        return 0 < size <= LINK_SIZE
    return (size > 0) == (kind in (CHAR, BLOCK))


def _check_xattrs(columns: Columns) -> None:
    sets = columns.xattr_sets
    if not sets or sets[0] or (columns.xattrs and max(columns.xattrs) >= len(sets)):
        raise Bad("an entry names extended attributes that are not there")
    if len(set(sets)) != len(sets):
        raise Bad("a set of extended attributes stands twice")
    if not all(map(_is_xattr_set, sets)):
        raise Bad("extended attributes are not in order, or no system could have them")


def _is_xattr_set(xattrs: Xattrs) -> bool:
    if any(not 0 < len(name) <= XATTR_NAME or b"\0" in name or len(value) > XATTR_VALUE for name, value in xattrs):
        return False
    return all(one[0] < other[0] for one, other in pairwise(xattrs))
