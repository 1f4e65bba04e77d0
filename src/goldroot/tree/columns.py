"""A tree's rows as columns: about 150 bytes for each entry, where tuples would take 600.

Paths stand one after the other, each ended by a NUL (a name has none); contents stand one after the other, with their
lengths in an array; an entry's extended attributes are a number in a table of the distinct sets.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import accumulate, chain, islice, pairwise, starmap

from goldroot.tree.entry import Xattrs

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
