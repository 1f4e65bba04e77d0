"""Small questions about files that are put back, and moving them."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Callable

from goldroot import private
from goldroot.errors import GoldrootError
from goldroot.hosts import Entry, entry_of_file


def move(path: str, to: str) -> None:
    """Rename a file; to another file system it is copied, and has its name when it is whole."""
    try:
        os.rename(path, to)
    except OSError:
        beside = f"{to}.new"
        shutil.copyfile(path, beside, follow_symlinks=False)
        os.chmod(beside, private.FILE)
        os.rename(beside, to)
        os.unlink(path)


def below(directory: str) -> list[str]:
    """The files below a directory, by their paths from there."""
    found = []
    for place, _, files in os.walk(directory):
        found += [os.path.relpath(os.path.join(place, name), directory) for name in files]
    return sorted(found)


def same(one: str, other: str) -> bool:
    """Whether two files have the same bytes; a link is never the same."""
    try:
        return not os.path.islink(other) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def holds(read: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether a file can be read by that reader."""

    def good(path: str) -> bool:
        try:
            read(path)
        except (GoldrootError, OSError, ValueError):
            return False
        return True

    return good


def is_json(path: str) -> bool:
    """Whether a file holds a JSON object."""
    try:
        with open(path, "rb") as file:
            return isinstance(json.load(file), dict)
    except (OSError, ValueError, RecursionError):
        return False


def reads(path: str, name: str) -> Entry | None:
    """The entry in a file; ``None`` where there is none, or it cannot be read."""
    try:
        return entry_of_file(path, name)
    except (OSError, GoldrootError):
        return None
