"""Generated trees on the disk, and merges of them: what the tests of the laws share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.merging import Outcome, merge_directories
from support.trees import Dir, Node, make_tree

Tree = dict[str, Node]


def tidy(table: Tree) -> Tree:
    """Without paths below what is not a directory, parents first."""
    result: Tree = {}
    for path in sorted(table, key=lambda path: path.split("/")):
        above = path.rpartition("/")[0]
        if not path or (above in result and isinstance(result[above], Dir)) or not above:
            result[path] = table[path]
    return result


@contextmanager
def room(**tables: Tree) -> Iterator[tuple[Path, dict[str, Path]]]:
    place = Path(tempfile.mkdtemp(prefix="goldroot-law-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        yield place, {word: make_tree(place / word, table) for word, table in tables.items()}
    finally:
        shutil.rmtree(place)


def merged(
    place: Path, roots: dict[str, Path], base: str, gold: str, clone: str, out: str = "out", at: str = "/opt/site"
) -> Outcome:
    given = {"base": roots[base], "gold": roots[gold], "clone": roots[clone]}
    if len({base, gold, clone}) < 3:  # the same directory twice is refused: give copies
        for word, path in list(given.items()):
            copy = place / f"{out}-{word}"
            if not copy.exists():
                os.system(f"cp -a '{path}' '{copy}'")
            given[word] = copy
    return merge_directories(place, given, at=at, out=out)
