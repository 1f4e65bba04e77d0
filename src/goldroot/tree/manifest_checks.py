"""The rules that the rows of a manifest keep, checked on columns: a file from outside may break any of them.

Checks go over whole columns with the interpreter's own loops, so that 100,000 rows take a few hundredths of a second.
"""

from __future__ import annotations

import re
from itertools import accumulate, compress, pairwise
from operator import lt

from goldroot.tree.columns import Columns
from goldroot.tree.entry import BLOCK, CHAR, DIGEST_SIZE, DIRECTORY, FILE, LINK, Xattrs
from goldroot.tree.inode import DIRSYNC

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
