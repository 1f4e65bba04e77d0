"""What a server's system has beside the trees that are merged: the disks that it shares with gold."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from goldroot import files
from goldroot.errors import NoPermission
from goldroot.merge.decide.static_units import SCOPES, STARTING, VENDORS
from goldroot.tree import DIRECTORY, FILE, LINK, Manifest, parent


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


def started_by_packages(shared: SharedFiles) -> set[bytes]:
    """The units that links of packages start (``system/cron.service``): systemd.unit(5), "static" in systemctl(1)."""
    found: set[bytes] = set()
    for top in VENDORS:
        for scope in SCOPES:
            for name in shared.names(top + b"/" + scope):
                if name.endswith(STARTING):
                    found |= {scope + b"/" + unit for unit in shared.names(b"/".join((top, scope, name)))}
    return found


#: So many looks into a manifest cost less than a table of all its paths.
FEW = 200


class Index:
    """A manifest by its paths: a few are searched for; for more, one look costs one look into a table."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._looks = 0
        self._places: dict[bytes, int] | None = None

    def __contains__(self, path: bytes) -> bool:
        return self.look(path) is not None if self._places is None else path in self._places

    def names(self, path: bytes) -> list[bytes]:
        """The names in a directory of the tree."""
        start = len(path) + 1 if path else 0
        return [one.path[start:] for one in self._manifest.below(path) if parent(one.path) == path]

    def look(self, path: bytes) -> Node | None:
        """What stands at a path of the tree."""
        if self._places is None:
            self._looks += 1
            if self._looks <= FEW:
                entry = self._manifest.get(path)
                return (
                    None
                    if entry is None
                    else Node(entry.kind, entry.content if entry.kind == LINK else b"", entry.mode)
                )
            self._places = {path: place for place, path in enumerate(self._manifest.paths())}
        place = self._places.get(path)
        if place is None:
            return None
        columns = self._manifest.columns
        kind = columns.kinds[place]
        target = self._manifest.entry(place).content if kind == LINK else b""
        return Node(kind, target, columns.modes[place])


@dataclass
class ManifestFiles:
    """Disks of which manifests are stored.

    :param load: the manifest of the disk that a path (no leading slash) stands on, by a name of that disk; ``None`` where
        that disk is the server's own.
    """

    disk_of: Callable[[bytes], str | None]
    load: Callable[[str], Manifest]
    mounted: frozenset[bytes] = frozenset()
    _known: dict[str, Index] = field(default_factory=dict)

    def is_own(self, place: bytes) -> bool:
        """Whether a place is on a disk of the server's own."""
        return self.disk_of(place.strip(b"/")) is None

    def look(self, place: bytes) -> Node | None:
        """What stands at a place."""
        path = place.strip(b"/")
        disk = self.disk_of(path)
        if disk is None:
            return None
        if disk not in self._known:
            self._known[disk] = Index(self.load(disk))
        return self._known[disk].look(path)

    def names(self, place: bytes) -> list[bytes]:
        """The names in a directory."""
        path = place.strip(b"/")
        disk = self.disk_of(path)
        if disk is None:
            return []
        if disk not in self._known:
            self._known[disk] = Index(self.load(disk))
        return self._known[disk].names(path)


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
