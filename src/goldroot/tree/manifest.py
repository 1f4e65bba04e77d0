"""A file tree as data: the manifest.

A manifest holds one row for each path, in tree order, in columns (:mod:`goldroot.tree.columns`); on disk it is the file
that :mod:`goldroot.tree.manifest_file` draws.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from goldroot.tree import manifest_file
from goldroot.tree.columns import Columns, Row, fill
from goldroot.tree.entry import FILE, Entry
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
            known = manifest_file.digest(columns) if digest else ""
            return own or (bool(digest) and known == digest)

        columns, owner = manifest_file.load(file, is_trusted=is_trusted)
        manifest = cls(columns, Squashed(*owner) if owner else None)
        manifest._digest = known
        return manifest

    def save(self, file: str | bytes | os.PathLike[str]) -> None:
        """Write the manifest file, whole or not at all.

        :raises NoSpace: the file system is full.
        :raises NoPermission: the directory cannot be written.
        """
        owner = (self.squashed.uid, self.squashed.gid) if self.squashed else None
        manifest_file.save(file, self.columns, owner)

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
        self._digest = self._digest or manifest_file.digest(self.columns)
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
