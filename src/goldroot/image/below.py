"""Reading a few files of a system without following a link on the way: what is in an image does not lead out of it."""

from __future__ import annotations

import os

from goldroot.files import NOT_THERE, OPEN_DIRECTORY, open_regular, parent_of


def open_below(root: str, path: str, *, directory: bool = False) -> int | None:
    """A descriptor of a regular file (or directory) below ``root``; ``None`` where none is, or a link on the way."""
    try:
        with parent_of(root, os.fsencode(path)) as (above, name):
            return os.open(name, OPEN_DIRECTORY, dir_fd=above) if directory else open_regular(name, above)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def read_below(root: str, path: str) -> bytes | None:
    """A regular file's bytes; ``None`` as for :func:`open_below`."""
    handle = open_below(root, path)
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read()
