"""Contents that both sides changed: which merger answers for which class."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part, read_unless_torn
from goldroot.merge.decide.alternatives import merge_records
from goldroot.merge.decide.line_sets import is_key_file, merge_keys, merge_lines
from goldroot.merge.decide.tables import kind_of, merge_table, trouble_of
from goldroot.merge.decide.text import TextMerger, is_moved_and_removed, is_text, merge_text, merge_with_ends, set_twice
from goldroot.merge.memory import Kept
from goldroot.merge.special import RECORDS
from goldroot.tree import FILE, path_text

#: Where a key or a certificate begins (RFC 7468): its lines are not a set.
_PEM = re.compile(rb"^-----BEGIN ", re.MULTILINE)

MOVED_AND_REMOVED = "one side moved a line that the other removed"

#: No person's configuration is larger; such a file is taken as binary (bytes).
MAX_MERGED = 64 << 20


Reader = Callable[[Delta, int], bytes]  #: reads a side's bytes of a path that it has as a file
KeptLines = Callable[[Delta], Kept | None]  #: what of a file's entries the server had removed before, and stays away


def reader_of(part: Part) -> Reader:
    """Reads contents of one part."""
    return partial(read_version, part)


def read_version(part: Part, delta: Delta, side: int) -> bytes:
    """A side's bytes of a path of one part.

    Where a running system took the file away since the scan, its side counts as unchanged, which is written down.
    """
    found = read_unless_torn(part.trees[part.source(side, delta.path)], delta.path)
    if found is not None:
        return found
    base = delta.rows[BASE_SIDE]
    return read_version(part, delta, BASE_SIDE if base is not None and base.kind == FILE else GOLD_SIDE)


def merge_contents(read: Reader, kept_lines: KeptLines, delta: Delta) -> bytes | None:
    """The merged bytes of a path that both sides changed; ``None`` for a conflict."""
    base = delta.rows[BASE_SIDE]
    if max(row.size for row in delta.rows if row is not None) > MAX_MERGED:
        return None
    merger = _merger_for(delta)
    if merger is None:
        return None
    old: bytes | None = read(delta, BASE_SIDE) if base is not None and base.kind == FILE else b""
    if (kept := kept_lines(delta)) is not None:
        old = kept.base
    if old is None:
        return None
    versions = old, read(delta, GOLD_SIDE), read(delta, CLONE_SIDE)
    if delta.rule.cls != "lines" and not all(map(is_text, versions)):
        return None
    if delta.rule.cls == "lines" and any(map(_PEM.search, versions)):
        return None  # half a key of each side is none
    return merge_with_ends(*versions, merger)


def trouble_with(read: Reader, kept_lines: KeptLines, delta: Delta) -> str:
    """What of a text that both sides changed a person has to decide, where that is not to be seen; "" of secrets."""
    if delta.rule.cls != "config" or delta.rule.secret:
        return ""
    if any(row is not None and (row.kind != FILE or row.size > MAX_MERGED) for row in delta.rows):
        return ""
    old = read(delta, BASE_SIDE) if delta.rows[BASE_SIDE] is not None else b""
    gold, clone = read(delta, GOLD_SIDE), read(delta, CLONE_SIDE)
    kind = kind_of(delta.place)
    if kind is None:
        return _trouble_of_lines(delta.place, old, gold, clone)
    kept = kept_lines(delta)
    base = kept.base if kept is not None and kept.base is not None else old
    return trouble_of(kind, base, gold, clone)


def _merger_for(delta: Delta) -> TextMerger | None:
    """What merges contents of this class and kind; ``None``: they are not merged inside."""
    base = delta.rows[BASE_SIDE]
    if delta.rule.cls == "lines":
        return merge_keys if is_key_file(delta.place) else merge_lines
    if delta.rule.cls not in ("config", "state"):
        return None
    by_lines = partial(_by_lines, delta.place) if base is not None and base.kind == FILE else _nothing
    if delta.rule.cls == "config" and delta.place.startswith(RECORDS):
        return merge_records
    kind = kind_of(delta.place) if delta.rule.cls == "config" else None
    return by_lines if kind is None else partial(merge_table, kind, by_lines)


def _trouble_of_lines(place: bytes, base: bytes, gold: bytes, clone: bytes) -> str:
    if is_moved_and_removed(base, gold, clone):
        return MOVED_AND_REMOVED
    merged = merge_text(base, gold, clone)
    keys = set_twice(place, base, gold, clone, merged.merged) if merged.clean else []
    return f"both set {', '.join(map(path_text, keys))}, at two places" if keys else ""


def _by_lines(place: bytes, base: bytes, gold: bytes, clone: bytes) -> bytes | None:
    result = merge_text(base, gold, clone)
    return result.merged if result.clean and not set_twice(place, base, gold, clone, result.merged) else None


def _nothing(base: bytes, gold: bytes, clone: bytes) -> None:
    """Two texts that were added have no common ground: only what is the same but for line ends is an answer."""
