"""What a merge knows besides its three trees: all of it may be unknown."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from goldroot import files
from goldroot.errors import NoPermission
from goldroot.merge.memory import NO_MEMORY, Memory
from goldroot.tree import DIRECTORY, FILE, LINK


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at a place, itself, no link followed."""

    kind: str
    target: bytes = b""  #: of a link
    mode: int = 0


class SharedFiles(Protocol):
    """The files of a system that are not in the trees."""

    @property
    def mounted(self) -> frozenset[bytes]:
        """Places at which disks are mounted of which the trees or this know what is in them."""

    def is_own(self, place: bytes) -> bool:
        """Whether a place is on a disk of the server's own, which it can write."""

    def look(self, place: bytes) -> Node | None:
        """What stands at an absolute place; ``None`` where there is nothing."""

    def names(self, place: bytes) -> list[bytes]:
        """The names in the directory at an absolute place; none where there is no directory."""


@dataclass(frozen=True)
class DirectoryFiles:
    """A root directory, looked at path by path; no link is followed."""

    root: bytes
    at: bytes  #: where the trees stand, which are the server's own
    mounted: frozenset[bytes] = frozenset()

    def is_own(self, place: bytes) -> bool:
        """Whether a place is in the trees."""
        return place == self.at or place.startswith(self.at.rstrip(b"/") + b"/")

    def look(self, place: bytes) -> Node | None:
        """What stands at a place.

        :raises NoPermission: it may not be looked at.
        """
        try:
            with files.parent_of(self.root, place.strip(b"/")) as (directory, name):
                if not name:
                    return Node(DIRECTORY, mode=0o755)
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                mode = stat.S_IMODE(status.st_mode)
                if stat.S_ISLNK(status.st_mode):
                    return Node(LINK, os.readlink(name, dir_fd=directory), mode)
                return Node(_KINDS.get(stat.S_IFMT(status.st_mode), "c"), mode=mode)
        except PermissionError:
            raise self._forbidden(place) from None
        except OSError as error:
            if error.errno in files.NOT_THERE:
                return None
            raise

    def names(self, place: bytes) -> list[bytes]:
        """The names in a directory.

        :raises NoPermission: it may not be read.
        """
        try:
            with files.parent_of(self.root, place.strip(b"/") + b"/.") as (directory, _):
                return sorted(map(os.fsencode, os.listdir(directory)))
        except PermissionError:
            raise self._forbidden(place) from None
        except OSError as error:
            if error.errno in files.NOT_THERE:
                return []
            raise

    def _forbidden(self, place: bytes) -> NoPermission:
        return NoPermission(
            f"{os.fsdecode(self.root + place)} may not be looked at",
            meaning="What the server points at cannot be looked up there.",
            todo="Run the command as root, or leave --system out.",
        )


_KINDS: Mapping[int, str] = {stat.S_IFDIR: DIRECTORY, stat.S_IFREG: FILE}


@dataclass(frozen=True)
class Surroundings:
    """What a merge knows besides its three trees.

    :param memory: what the server had removed before base.
    :param shared: what the server's system has beside the trees, before and after; ``None`` where nobody said.
    :param going_back: the server goes back: new questions are notes, with the server's version standing, and a state unit
        that it wrote is asked about (see :class:`goldroot.merge.decide.units.UnitDecider`).
    """

    memory: Memory = NO_MEMORY
    shared: tuple[SharedFiles, SharedFiles] | None = None
    going_back: bool = False
