"""Putting files back where they are missing or not good; what is replaced is kept beside."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from goldroot import crash, files
from goldroot.errors import GoldrootError
from goldroot.hosts import Entry, entry_of_file
from goldroot.ids import new_id


@dataclass
class PutBack:
    """The files of a site, and those of a backup that is unpacked.  A plan only says what would be done."""

    root: str
    unpacked: str  #: where the members of the backup are
    plan: bool
    missing: list[str] = field(default_factory=list)  #: were put
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    aside: str = ""  #: where is what was replaced

    def all(self, directory: str, good: Callable[[str], bool], *, told: bool = True) -> None:
        """Every file that the backup has below a directory of the site, as :meth:`choose`."""
        for name in below(os.path.join(self.unpacked, "site", directory)):
            self.choose(f"{directory}/{name}", good, told=told)

    def choose(self, name: str, good: Callable[[str], bool], *, told: bool = True) -> None:
        """One file of the site: put where it is missing, replaced where it is not good.

        :param told: whether one that is otherwise than in the backup, and stays, is told.
        """
        theirs, mine = os.path.join(self.unpacked, "site", name), os.path.join(self.root, name)
        if not os.path.isfile(theirs):
            return
        if not os.path.lexists(mine):
            self.put(theirs, mine)
        elif same(theirs, mine):
            return
        elif good(mine):
            self.kept += [name] if told else []
        else:
            self.put(theirs, mine)

    def put(self, theirs: str, mine: str) -> None:
        """A file of the backup into its place."""
        shown = self.shown(mine)
        if os.path.lexists(mine):
            self.replaced.append(shown)
            self.set_aside(mine)
        else:
            self.missing.append(shown)
        if not self.plan:
            files.make_directory(os.path.dirname(mine))
            move(theirs, mine)
            crash.point("restore.put")

    def set_aside(self, path: str) -> None:
        """What is there goes to where it is kept; again: nothing."""
        if not os.path.lexists(path):
            return
        if not self.aside:
            self.aside = os.path.join(self.root, f"before-restore-{new_id()}")
        if self.plan:
            return
        inside = os.path.relpath(path, self.root)
        name = inside if not inside.startswith("..") else os.path.join("outside", path.lstrip("/"))
        place = os.path.join(self.aside, name)
        files.make_directory(os.path.dirname(place))
        move(path, place)

    def shown(self, path: str) -> str:
        """A path for people: relative to the site, where it is in it."""
        inside = os.path.relpath(path, self.root)
        return path if inside.startswith("..") else inside

    def names(self, directory: str) -> list[str]:
        """What the backup has in a directory."""
        place = os.path.join(self.unpacked, directory)
        return sorted(os.listdir(place)) if os.path.isdir(place) else []


def move(path: str, to: str) -> None:
    """Rename a file; to another file system it is copied, and has its name when it is whole."""
    try:
        os.rename(path, to)
    except OSError:
        beside = f"{to}.new"
        shutil.copyfile(path, beside, follow_symlinks=False)
        os.chmod(beside, files.FILE_MODE)
        os.rename(beside, to)
        os.unlink(path)


def below(directory: str) -> list[str]:
    """The files below a directory, by their paths from there."""
    found = []
    for place, _, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(place, name), directory) for name in names]
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
            return isinstance(files.json_of(file.read()), dict)
    except (OSError, ValueError):
        return False


def reads(path: str, name: str) -> Entry | None:
    """The entry in a file; ``None`` where there is none, or it cannot be read."""
    try:
        return entry_of_file(path, name)
    except (OSError, GoldrootError):
        return None
