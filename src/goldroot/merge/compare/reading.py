"""Reading single files of the trees that are compared."""

from __future__ import annotations

import os

from goldroot import files
from goldroot.errors import TreeChanged
from goldroot.merge.compare.parts import Tree


def read_file(root: bytes, path: bytes) -> bytes:
    """A regular file's bytes.

    :raises TreeChanged: it is not there any more, or is not a regular file any more.
    """
    try:
        with files.parent_of(root, path) as (directory, name):
            data = files.read_regular(name, directory)
    except OSError as error:
        if error.errno not in files.NOT_THERE:
            raise
        data = None
    if data is None:
        raise TreeChanged(
            f"{os.fsdecode(path)!r} changed while it was merged",
            meaning="The tree was written while goldroot read it; the result was given up.",
            todo="Run the command again when nothing writes to the tree.",
        )
    return data


def read_unless_torn(tree: Tree, path: bytes) -> bytes | None:
    """A regular file's bytes; ``None``, written down in the tree, where a running system took it away since the scan.

    :raises TreeChanged: the tree belongs to nothing that runs, and it is not there any more.
    """
    try:
        return read_file(tree.root, path)
    except TreeChanged:
        if tree.torn is None:
            raise
        tree.torn.add(path)
        return None
