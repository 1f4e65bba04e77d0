"""The own disks of a server, or of a gold, as one tree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from goldroot.system import disk_files
from goldroot.system.placement import Placement


@dataclass(frozen=True)
class OwnDisks:
    """A clone's own disks as one tree; what stands on a shared disk is not in it."""

    layout: Placement
    roots: Mapping[str, str] = field(default_factory=dict)  #: directory of each own disk, by live address

    def root(self, path: bytes) -> str | None:
        """The directory of the disk that holds a path."""
        return self.roots.get(self.layout.disk_of(path).address)

    def read(self, path: bytes) -> bytes | None:
        """See :func:`goldroot.system.disk_files.read_path`."""
        root = self.root(path)
        return None if root is None else disk_files.read_path(root, path)

    def kind(self, path: bytes) -> str:
        """See :func:`goldroot.system.disk_files.kind_of`."""
        root = self.root(path)
        return "" if root is None else disk_files.kind_of(root, path)

    def names(self, path: bytes) -> list[bytes]:
        """What a directory holds."""
        root = self.root(path)
        return [] if root is None else disk_files.names_in(root, path)

    def status(self, path: bytes) -> os.stat_result | None:
        """See :func:`goldroot.system.disk_files.status_of`."""
        root = self.root(path)
        return None if root is None else disk_files.status_of(root, path)

    def put(self, path: bytes, data: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
        """Write a file; nothing where it would stand on a shared disk."""
        root = self.root(path)
        if root is not None:
            disk_files.put(root, path, data, mode, owner)

    def put_like(self, path: bytes, data: bytes, like: OwnDisks) -> None:
        """Write a file with the mode and the owner that it has in another tree (0600 and root's, where it is not there)."""
        held = like.status(path)
        if held is None:
            self.put(path, data, 0o600)
        else:
            self.put(path, data, held.st_mode & 0o777, (held.st_uid, held.st_gid))

    def remove(self, path: bytes) -> None:
        """Remove a file; nothing happens where there is none."""
        root = self.root(path)
        if root is not None:
            disk_files.remove_path(root, path)
