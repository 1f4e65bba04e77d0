"""The manifest file, format 1.

::

    offset  size
    0       8     magic  89 67 6f 6c 64 6d 66 0a  (0x89, "goldmf", line feed)
    8       4     format version
    12      4     bit 0: the owners in the rows are recorded only; the files have the owner that follows
    16      8     number of rows
    24      8     uid and gid that the files really have (see above), else 0
    32      16 x 16   for each column, in the order of COLUMNS: length in memory, length in this file
    288     ...   the columns, one after the other, each one zstd frame that knows its length and has a checksum

All numbers are unsigned and little-endian, mtime and ctime signed.  The file ends with the last column.

What a manifest holds decides which paths goldroot will write, so :func:`load` takes it for hostile: each length is
checked before anything is unpacked or kept, and each rule that the rows must keep is checked
(:func:`check`).
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
from collections.abc import Callable, Iterator
from itertools import accumulate, compress, pairwise
from operator import lt

import zstandard

from goldroot.errors import BadInput, NewerVersion
from goldroot.files import write_whole
from goldroot.tree.columns import ARRAYS, Columns
from goldroot.tree.entry import BLOCK, CHAR, DIGEST_SIZE, DIRECTORY, FILE, LINK, Xattrs
from goldroot.tree.inode import DIRSYNC
from goldroot.tree.paths import path_text
from goldroot.tree.problems import write_problem

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


def save(file: str | bytes | os.PathLike[str], columns: Columns, owner: tuple[int, int] | None) -> None:
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


def load(
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


def digest(columns: Columns) -> str:
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
