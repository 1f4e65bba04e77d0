"""The own disks of a server, or of a gold, as one tree, and their files: by directory descriptor, never through a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from goldroot.errors import BadInput
from goldroot.files import NOT_THERE, OPEN_DIRECTORY, open_regular, parent_of, read_regular
from goldroot.system.placement import Placement
from goldroot.tree import path_text


def read_path(root: str, path: bytes) -> bytes | None:
    """A regular file's bytes, a symbolic link's target after ``-> ``; ``None`` where there is neither."""
    try:
        with parent_of(root, path) as (directory, name):
            mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                return b"-> " + os.fsencode(os.readlink(name, dir_fd=directory))
            return read_regular(name, directory)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def kind_of(root: str, path: bytes) -> str:
    """``file``, ``directory``, ``link``, ``other``, or "" where there is nothing."""
    try:
        with parent_of(root, path) as (directory, name):
            mode = os.stat(name or b".", dir_fd=directory, follow_symlinks=False).st_mode
    except OSError as error:
        if error.errno in NOT_THERE:
            return ""
        raise
    for word, test in (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("link", stat.S_ISLNK)):
        if test(mode):
            return word
    return "other"


def names_in(root: str, path: bytes) -> list[bytes]:
    """What a directory holds, sorted; nothing where it is none."""
    try:
        with parent_of(root, path + b"/.") as (directory, _):
            return sorted(os.fsencode(name) for name in os.listdir(directory))
    except OSError as error:
        if error.errno in NOT_THERE:
            return []
        raise


def status_of(root: str, path: bytes) -> os.stat_result | None:
    """The status of a path, itself where it is a link; ``None`` where there is nothing."""
    try:
        with parent_of(root, path) as (directory, name):
            return os.stat(name or b".", dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def put(root: str, path: bytes, data: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Write a file again, in place of what had its name; owner root where we are root.

    :param owner: uid and gid instead, where that is allowed.

    :raises BadInput: a directory on the way is a link, or the name is a directory's.
    """
    try:
        with parent_of(root, path, make=True) as (directory, name):
            beside = b"." + name[:200] + b".goldroot"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=directory)
            handle = os.open(
                beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
            )
            with open(handle, "wb") as file:
                file.write(data)
                if owner is not None:
                    with contextlib.suppress(PermissionError):
                        os.fchown(file.fileno(), *owner)
                os.fchmod(file.fileno(), mode)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        if error.errno in (*NOT_THERE, errno.EISDIR):
            raise BadInput(
                f"/{path_text(path)} cannot be written: {error.strerror}",
                meaning="A directory on the way is a link or a file, or the name is a directory's.",
                todo="Look at the image: this path should be a plain file.",
            ) from error
        raise


def remove_path(root: str, path: bytes) -> None:
    """Remove a file; nothing happens where there is none."""
    try:
        with parent_of(root, path) as (directory, name):
            os.unlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise


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


@dataclass(frozen=True)
class OwnDisks:
    """A clone's own disks as one tree; what stands on a shared disk is not in it."""

    layout: Placement
    roots: Mapping[str, str] = field(default_factory=dict)  #: directory of each own disk, by live address

    def root(self, path: bytes) -> str | None:
        """The directory of the disk that holds a path."""
        return self.roots.get(self.layout.disk_of(path).address)

    def read(self, path: bytes) -> bytes | None:
        """See :func:`read_path`."""
        root = self.root(path)
        return None if root is None else read_path(root, path)

    def kind(self, path: bytes) -> str:
        """See :func:`kind_of`."""
        root = self.root(path)
        return "" if root is None else kind_of(root, path)

    def names(self, path: bytes) -> list[bytes]:
        """What a directory holds."""
        root = self.root(path)
        return [] if root is None else names_in(root, path)

    def status(self, path: bytes) -> os.stat_result | None:
        """See :func:`status_of`."""
        root = self.root(path)
        return None if root is None else status_of(root, path)

    def put(self, path: bytes, data: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
        """Write a file; nothing where it would stand on a shared disk."""
        root = self.root(path)
        if root is not None:
            put(root, path, data, mode, owner)

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
            remove_path(root, path)


class Tree(Protocol):
    """A system's tree, as far as it is only looked at."""

    def read(self, path: bytes) -> bytes | None: ...
    def kind(self, path: bytes) -> str: ...
    def names(self, path: bytes) -> list[bytes]: ...
