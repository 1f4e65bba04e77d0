"""A file tree as data: the manifest, with one row for each path, in tree order, in columns (:mod:`goldroot.tree.columns`).

Its file, format 1::

    offset  size
    0       8     magic  89 67 6f 6c 64 6d 66 0a  (0x89, "goldmf", line feed)
    8       4     format version
    12      4     bit 0: the owners in the rows are recorded only; the files have the owner that follows
    16      8     number of rows
    24      8     uid and gid that the files really have (see above), else 0
    32      16 x 16   for each column, in the order of COLUMNS: length in memory, length in this file
    288     ...   the columns, one after the other, each one zstd frame that knows its length and has a checksum

All numbers are unsigned and little-endian, mtime and ctime signed.  The file ends with the last column.

What a manifest file holds decides which paths goldroot will write, so loading takes it for hostile: each length is
checked before anything is unpacked or kept, and each rule that the rows must keep is checked
(:func:`goldroot.tree.columns.check`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import zstandard

from goldroot.errors import BadInput, NewerVersion
from goldroot.files import write_whole
from goldroot.tree.columns import ARRAYS, Bad, Columns, Row, check, fill
from goldroot.tree.entry import FILE, Entry, Xattrs
from goldroot.tree.kernel import write_problem
from goldroot.tree.paths import is_below, path_text, tree_key


@dataclass(frozen=True, slots=True)
class Squashed:
    """The owner that the files really have, where goldroot had no right to give them the recorded one."""

    uid: int
    gid: int


class Manifest:
    """One tree's rows, never changed once made.

    ``squashed`` is set where the tree was written without the right to give files away: the rows then hold the owners
    that the files should have.
    """

    __slots__ = ("_content_ends", "_digest", "_path_ends", "columns", "squashed")

    def __init__(self, columns: Columns, squashed: Squashed | None = None) -> None:
        self.columns = columns
        self.squashed = squashed
        self._digest = ""
        self._path_ends: array[int] | None = None
        self._content_ends: array[int] | None = None

    @classmethod
    def from_rows(cls, rows: Iterable[Row | Entry], squashed: Squashed | None = None) -> Manifest:
        """The manifest of rows that stand in tree order, each path once."""
        return cls(fill(rows), squashed)

    @classmethod
    def load(cls, file: str | bytes | os.PathLike[str], *, digest: str = "", own: bool = False) -> Manifest:
        """Read a manifest file.  Nothing in it is believed before it was checked.

        :param digest: what :meth:`digest` must say of it, from a source that is trusted: what has it was checked when it
            was made, and is not checked again.
        :param own: it is a cache of goldroot's own, which nobody else can write.
        :raises BadInput: it is missing, damaged, or not a manifest.
        :raises NewerVersion: a newer goldroot wrote it.
        """
        known = ""

        def is_trusted(columns: Columns) -> bool:
            nonlocal known
            known = _digest_of(columns) if digest else ""
            return own or (bool(digest) and known == digest)

        columns, owner = _load(file, is_trusted=is_trusted)
        manifest = cls(columns, Squashed(*owner) if owner else None)
        manifest._digest = known
        return manifest

    def save(self, file: str | bytes | os.PathLike[str]) -> None:
        """Write the manifest file, whole or not at all.

        :raises NoSpace: the file system is full.
        :raises NoPermission: the directory cannot be written.
        """
        owner = (self.squashed.uid, self.squashed.gid) if self.squashed else None
        _save(file, self.columns, owner)

    def __len__(self) -> int:
        return len(self.columns)

    def __eq__(self, other: object) -> bool:
        """Equal rows, signatures included."""
        if not isinstance(other, Manifest):
            return NotImplemented
        return len(self) == len(other) and all(map(tuple.__eq__, self.rows(), other.rows()))

    __hash__ = None  # type: ignore[assignment]

    def rows(self) -> Iterator[Row]:
        """All rows as plain tuples in Entry order, in tree order, made as they are asked for."""
        return self.columns.rows()

    def paths(self) -> Iterator[bytes]:
        """All paths, in tree order."""
        return self.columns.each_path()

    def entry(self, index: int) -> Entry:
        """The row at a place from 0."""
        c = self.columns
        ends = self.content_ends()
        return Entry(
            self._path(index), c.kinds[index], c.modes[index], c.uids[index], c.gids[index], c.sizes[index],
            c.mtimes[index], c.contents[ends[index] : ends[index + 1]], c.xattr_sets[c.xattrs[index]], c.flags[index],
            c.projects[index], c.groups[index], c.inodes[index], c.ctimes[index],
        )  # fmt: skip

    def get(self, path: bytes) -> Entry | None:
        """The row of a path, ``None`` where there is none."""
        index = self._place(tree_key(path))
        return self.entry(index) if index < len(self) and self._path(index) == path else None

    def below(self, path: bytes) -> Iterator[Entry]:
        """The rows of what lies below a directory, in tree order."""
        for index in range(self._place(tree_key(path) + b"\0"), len(self)):
            if not is_below(self._path(index), path):
                return
            yield self.entry(index)

    def of_kind(self, kind: str) -> Iterator[Entry]:
        """The rows of one kind, in tree order; others are not made."""
        place = self.columns.kinds.find(kind)
        while place >= 0:
            yield self.entry(place)
            place = self.columns.kinds.find(kind, place + 1)

    def span(self, path: bytes) -> range:
        """The places of the rows of a path and of what lies below it."""
        key = tree_key(path)
        # The next name in tree order: below the path everything begins with its key and a NUL.
        return range(self._place(key), self._place(key + b"\x01") if path else len(self))

    def children(self, path: bytes) -> Iterator[bytes]:
        """The paths directly in a directory, in tree order; what lies deeper is passed over."""
        span = self.span(path)
        place = span.start + 1
        while place < span.stop:
            child = self._path(place)
            yield child
            place = self.span(child).stop

    def share(self, other: Manifest) -> None:
        """Use with another manifest what is made to find rows in them, as far as the same columns make it."""
        if self.columns.paths == other.columns.paths:
            self._path_ends = other._offsets_of_paths()
        if self.columns.content_sizes == other.columns.content_sizes:
            self._content_ends = other.content_ends()

    def digest(self) -> str:
        """Hex SHA-256 of all but the signatures (inode, ctime): equal for equal trees, wherever they stand."""
        self._digest = self._digest or _digest_of(self.columns)
        return self._digest

    def as_json_rows(self) -> Iterator[dict[str, object]]:
        """Rows for ``--json``: paths and links as :func:`path_text` writes them, digests and attributes in hex."""
        return map(_as_json, self.rows())

    def _place(self, key: bytes) -> int:
        """The place of the first row whose tree key is this one, or comes after it; no call for each step of the search."""
        ends, paths = self._offsets_of_paths(), self.columns.paths
        low, high = 0, len(ends) - 1
        while low < high:
            middle = (low + high) // 2
            if tree_key(paths[ends[middle] + middle : ends[middle + 1] + middle]) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def _path(self, index: int) -> bytes:
        ends = self._path_ends or self._offsets_of_paths()
        # Before it stand the bytes of the paths and their NULs.
        return self.columns.paths[ends[index] + index : ends[index + 1] + index]

    def _offsets_of_paths(self) -> array[int]:
        if self._path_ends is None:
            self._path_ends = array("Q", accumulate(map(len, self.paths()), initial=0))
        return self._path_ends

    def content_ends(self) -> array[int]:
        """Where each row's content ends in the column of contents, a 0 before the first."""
        if self._content_ends is None:
            self._content_ends = array("Q", accumulate(self.columns.content_sizes, initial=0))
        return self._content_ends


def _as_json(row: Row) -> dict[str, object]:
    entry = Entry._make(row)
    shown: dict[str, object] = entry._asdict()
    shown["path"] = path_text(entry.path)
    shown["mode"] = f"{entry.mode:04o}"
    shown["content"] = entry.content.hex() if entry.kind == FILE else path_text(entry.content)
    shown["xattrs"] = {path_text(name): value.hex() for name, value in entry.xattrs}
    return shown


# -- The file

MAGIC = b"\x89goldmf\n"
VERSION = 1
COLUMNS = ("paths", "kinds", *ARRAYS, "contents", "xattr_sets")
HEADER = struct.Struct("<8sIIQII")
LENGTHS = struct.Struct("<QQ")
DATA_AT = HEADER.size + LENGTHS.size * len(COLUMNS)
#: A file may unpack to this many bytes, and to so many times its own length beyond.
UNPACKED_FLOOR, UNPACKED_TIMES = 1 << 28, 64
LEVEL = 3

_PAIR = struct.Struct("<HI")
_COUNT = struct.Struct("<I")
_PASSING = re.compile(rb"\.new-[0-9]+$")

#: No writer of a manifest takes longer, in seconds.
LONGEST = 3600.0


def _save(file: str | bytes | os.PathLike[str], columns: Columns, owner: tuple[int, int] | None) -> None:
    """Write the file under a passing name, then rename it into place."""
    name = os.fsencode(file)
    _sweep(os.path.dirname(name) or b".")
    try:
        write_whole(name, _packed(columns, owner), beside=b".new-%d" % os.getpid())
    except OSError as error:
        raise write_problem(error, os.path.dirname(name), os.path.basename(name)) from error


def _sweep(directory: bytes) -> None:
    """Remove what writers left that were killed: no living one takes as long."""
    with contextlib.suppress(OSError), os.scandir(directory) as found:
        for entry in found:
            if _PASSING.search(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > LONGEST:
                os.unlink(entry.path)


def _load(
    file: str | bytes | os.PathLike[str], *, is_trusted: Callable[[Columns], bool] = lambda columns: False
) -> tuple[Columns, tuple[int, int] | None]:
    """Read and check a file: the columns, and the owner that the files really have where it is another.

    :param is_trusted: tells of the columns, whose lengths fit, whether the checks of the rows are needless.
    """
    name = path_text(os.fsencode(file))
    try:
        with open(file, "rb") as source:
            data = source.read()
    except OSError as error:
        raise BadInput(f"the manifest {name} cannot be read: {error.strerror}") from error
    try:
        columns, owner = _unpacked(data, name)
        if not is_trusted(columns):
            check(columns)
        return columns, owner
    except Bad as error:
        raise BadInput(
            f"the manifest {name} is damaged or was not written by goldroot: {error}",
            meaning="Nothing in it was used.",
            todo="Make it again from the tree, or take it from a backup.",
        ) from error


def _digest_of(columns: Columns) -> str:
    """Hex SHA-256 over all columns but the signatures, each with its name and length before it."""
    total = hashlib.sha256()
    for name in COLUMNS:
        if name not in ("inodes", "ctimes"):
            raw = _raw(columns, name)
            total.update(b"%s %d\n" % (name.encode(), len(raw)) + raw)
    return total.hexdigest()


def _packed(columns: Columns, owner: tuple[int, int] | None) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    lengths, frames = [], []
    for name in COLUMNS:
        raw = _raw(columns, name)
        frames.append(packer.compress(raw))
        lengths.append(LENGTHS.pack(len(raw), len(frames[-1])))
    yield HEADER.pack(MAGIC, VERSION, int(owner is not None), len(columns), *(owner or (0, 0)))
    yield from lengths
    yield from frames


def _raw(columns: Columns, name: str) -> bytes:
    value = getattr(columns, name)
    if name == "kinds":
        return columns.kinds.encode("ascii")
    if name == "xattr_sets":
        return b"".join(map(_packed_set, columns.xattr_sets))
    return _little(value).tobytes() if isinstance(value, array) else bytes(value)


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "little":
        return numbers
    swapped = numbers[:]
    swapped.byteswap()
    return swapped


def _packed_set(xattrs: Xattrs) -> bytes:
    pairs = (_PAIR.pack(len(name), len(value)) + name + value for name, value in xattrs)
    return _COUNT.pack(len(xattrs)) + b"".join(pairs)


def _unpacked(data: bytes, name: str) -> tuple[Columns, tuple[int, int] | None]:
    if len(data) < HEADER.size or data[:8] != MAGIC:
        raise Bad("it does not begin as a manifest does")
    _, version, marks, rows, uid, gid = HEADER.unpack_from(data)
    if version > VERSION:
        raise NewerVersion(
            f"the manifest {name} has format {version}, and this goldroot knows format {VERSION}",
            meaning="A newer goldroot wrote it.",
            todo="Use that goldroot, or a later one.",
        )
    if version != VERSION or marks > 1 or len(data) < DATA_AT:
        raise Bad("its header is not one of format 1")
    columns = Columns()
    for column, raw in zip(COLUMNS, _frames(data), strict=True):
        _take(columns, column, raw, rows)
    return columns, (uid, gid) if marks else None


def _frames(data: bytes) -> Iterator[bytes]:
    """Each column's bytes.  All lengths are checked before the first is unpacked."""
    lengths = list(LENGTHS.iter_unpack(data[HEADER.size : DATA_AT]))
    if DATA_AT + sum(packed for _, packed in lengths) != len(data):
        raise Bad("its length is not what its header says")
    if sum(raw for raw, _ in lengths) > UNPACKED_FLOOR + UNPACKED_TIMES * len(data):
        raise Bad("it would unpack to more than such a file can hold")
    unpacker = zstandard.ZstdDecompressor()
    start = DATA_AT
    for raw, packed in lengths:
        yield _frame(unpacker, data[start : start + packed], raw)
        start += packed


def _frame(unpacker: zstandard.ZstdDecompressor, packed: bytes, raw: int) -> bytes:
    try:
        if zstandard.frame_content_size(packed) != raw:
            raise Bad("a column's length is not what the header says")
        unpacked = unpacker.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Bad(f"a column cannot be unpacked ({error})") from error
    if len(unpacked) != raw:
        raise Bad("a column's length is not what the header says")
    return unpacked


def _take(columns: Columns, name: str, raw: bytes, rows: int) -> None:
    """Put a column's bytes where they belong."""
    if name == "xattr_sets":
        columns.xattr_sets = list(_unpacked_sets(raw))
    elif name in ARRAYS:
        numbers = getattr(columns, name)
        if len(raw) != rows * numbers.itemsize:
            raise Bad(f"the column {name} has not one value for each row")
        numbers.frombytes(raw)
        if sys.byteorder != "little":
            numbers.byteswap()
    elif name == "kinds":
        if len(raw) != rows or not raw.isascii():
            raise Bad("the column kinds has not one value for each row")
        columns.kinds = raw.decode("ascii")
    else:
        setattr(columns, name, raw)


def _unpacked_sets(raw: bytes) -> Iterator[Xattrs]:
    at = 0
    while at < len(raw):
        count, at = _number(raw, at)
        if count > len(raw):
            raise Bad("a set of extended attributes is longer than its column")
        pairs = []
        for _ in range(count):
            name, value, at = _pair(raw, at)
            pairs.append((name, value))
        yield tuple(pairs)


def _number(raw: bytes, at: int) -> tuple[int, int]:
    if at + _COUNT.size > len(raw):
        raise Bad("the column of extended attributes ends early")
    return int(_COUNT.unpack_from(raw, at)[0]), at + _COUNT.size


def _pair(raw: bytes, at: int) -> tuple[bytes, bytes, int]:
    if at + _PAIR.size > len(raw):
        raise Bad("the column of extended attributes ends early")
    name_size, value_size = _PAIR.unpack_from(raw, at)
    name_at = at + _PAIR.size
    end = name_at + name_size + value_size
    if end > len(raw):
        raise Bad("the column of extended attributes ends early")
    return raw[name_at : name_at + name_size], raw[name_at + name_size : end], end
