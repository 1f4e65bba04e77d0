"""A path with all that lies below it, as bytes: what a server removed, and whether gold brings back the same."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.files import digest_of
from goldroot.merge.compare.compare import Comparison
from goldroot.merge.decide.verdict import Setting, value_of, want_of
from goldroot.tree import DIRECTORY, FILE, SOCKET, Entry, hash_files

#: Files whose content no scan has read are read so many at a time.
_BATCH = 512


def whole_value(comparison: Comparison, setting: Setting, path: bytes, side: int) -> bytes:
    """A digest over everything that a side has at and below a path; times are not a part of it.

    Files of state units are read, as no scan has read them.

    :raises TreeChanged: a file is not there any more.
    """
    tree = comparison.part.trees[side]
    top = tree.manifest.get(path)
    if top is None:
        return b""
    held = [top, *(tree.manifest.below(path) if top.kind == DIRECTORY else ())]
    entries = [one for one in (_known(comparison, entry, side) for entry in held) if one.kind != SOCKET]
    contents = dict(_contents(tree.root, entries))
    parts: list[bytes] = []
    for entry in entries:
        known = entry._replace(content=contents.get(entry.path, entry.content))
        parts += (entry.path, value_of(want_of(known, setting.names[side], side)))
    return digest_of(parts)


def _known(comparison: Comparison, entry: Entry, side: int) -> Entry:
    """An entry as the comparison knows it, which may have read it since the scan."""
    rows = comparison.deltas.get(entry.path)
    return (rows[side] if rows is not None else None) or entry


def _contents(root: bytes, entries: list[Entry]) -> Iterator[tuple[bytes, bytes]]:
    unread = [entry.path for entry in entries if entry.kind == FILE and not entry.content]
    for start in range(0, len(unread), _BATCH):
        yield from hash_files(root, unread[start : start + _BATCH]).items()
