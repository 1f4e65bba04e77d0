"""Contents that both sides changed: which merger answers for which class."""

from __future__ import annotations

import os
from collections.abc import Callable

from goldroot.errors import TreeChanged
from goldroot.merge.compare.comparison import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.compare.reading import read_file
from goldroot.merge.decide.authorized_keys import KEY_FILES, merge_keys
from goldroot.merge.decide.line_sets import merge_lines
from goldroot.merge.decide.text import is_text, merge_text
from goldroot.tree import FILE

#: No person's configuration is larger; such a file is taken as binary (bytes).
MAX_MERGED = 64 << 20


def merger_of(part: Part) -> Callable[[Delta], bytes | None]:
    """The content merger of one part: (path that both sides changed) -> merged bytes, or ``None`` for a conflict.

    Where a running system took the file away since the scan, its side counts as unchanged, which is written down.
    """

    def read(delta: Delta, side: int) -> bytes:
        tree = part.trees[part.source(side, delta.path)]
        try:
            return read_file(tree.root, delta.path)
        except TreeChanged:
            if tree.torn is None:
                raise
            tree.torn.add(delta.path)
            base = delta.rows[BASE_SIDE]
            return read(delta, BASE_SIDE) if base is not None and base.kind == FILE else read(delta, GOLD_SIDE)

    def merge(delta: Delta) -> bytes | None:
        base = delta.rows[BASE_SIDE]
        if max(row.size for row in delta.rows if row is not None) > MAX_MERGED:
            return None
        if delta.rule.cls == "lines":
            old = read(delta, BASE_SIDE) if base is not None and base.kind == FILE else b""
            merger = merge_keys if os.path.basename(delta.place) in KEY_FILES else merge_lines
            return merger(old, read(delta, GOLD_SIDE), read(delta, CLONE_SIDE))
        if delta.rule.cls not in ("config", "state") or base is None or base.kind != FILE:
            return None
        versions = [read(delta, side) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)]
        if not all(is_text(version) for version in versions):
            return None
        result = merge_text(*versions)
        return result.merged if result.clean else None

    return merge
