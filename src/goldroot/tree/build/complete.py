"""Giving what was made all that belongs to it: owner, mode, extended attributes, time, inode flags.

The order matters.  The owner comes after the content, since a change of owner takes set-uid bits and capabilities away;
then the mode; then extended attributes, with capabilities among them; then the time, which all of these leave alone;
and inode flags last, since an immutable file takes nothing any more.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from goldroot.errors import NoPermission
from goldroot.kinds import NoteKind
from goldroot.tree.build.rows import BuildRow
from goldroot.tree.entry import DIRECTORY, FILE, Note
from goldroot.tree.inode import COMMON, write_flags, write_xattr
from goldroot.tree.problems import DENIED, FULL, WITHOUT, shown
from goldroot.tree.scan.reuse import WITHOUT_SET_ID

_NOT_KEPT = (*DENIED, *WITHOUT, errno.E2BIG, errno.ERANGE)


@dataclass(frozen=True, slots=True)
class Places:
    """Descriptors and names of the trees that a build reads and writes."""

    out: int
    out_name: bytes
    sources: Sequence[int]
    source_names: Sequence[bytes]
    keep_owner: bool | None
    live: Container[int] = ()  #: sources of running systems: what changes in them is taken as it comes
    moved: Container[int] = ()  #: sources in the new tree's file system whose files are taken over, not copied


class Completer:
    """Completes what was made.  What cannot be kept is noted; ``row`` is the last row, as it was written."""

    row: BuildRow

    def __init__(self, places: Places) -> None:
        self.notes: list[Note] = []
        self.owners: list[tuple[bytes, int, int]] = []  # path, uid, gid that could not be set
        self._places = places
        self._own = (os.geteuid(), os.getegid())
        self._now = time.time_ns()

    def _finish(self, row: BuildRow, fd: int) -> os.stat_result:
        """Owner, mode, extended attributes, time, flags of an open file or directory."""
        if (row.uid, row.gid) != self._own:
            self._own_it(row, lambda uid, gid: os.fchown(fd, uid, gid))
        if row.kind == DIRECTORY:
            os.fchmod(fd, row.mode)
        if row.xattrs:
            self._set_xattrs(row, fd)
        os.utime(fd, ns=(self._now, row.mtime))
        status = os.fstat(fd)
        if status.st_mode & 0o7777 != row.mode or (status.st_uid, status.st_gid) != (row.uid, row.gid):
            status = self._correct(row, fd, status)
        if row.flags or row.project:
            self._set_flags(row, fd)
            status = os.fstat(fd)
        return status

    def _correct(self, row: BuildRow, fd: int, status: os.stat_result) -> os.stat_result:
        """Set again what came out otherwise: the process's mask, or a file system that gives files to the group of
        their directory.
        """
        if (status.st_uid, status.st_gid) != (row.uid, row.gid) and not self._is_recorded(row):
            self._own_it(row, lambda uid, gid: os.fchown(fd, uid, gid), insist=True)
            self._set_xattrs(row, fd)  # a change of owner takes capabilities away
        mode = row.mode & WITHOUT_SET_ID if self._is_recorded(row) and row.kind == FILE else row.mode
        os.fchmod(fd, mode)
        status = os.fstat(fd)
        if stat.S_IMODE(status.st_mode) != mode:
            self.row = self.row._replace(mode=stat.S_IMODE(status.st_mode))
            self._note("mode-not-kept", row, "the kernel did not keep all of its mode")
        return status

    def _is_recorded(self, row: BuildRow) -> bool:
        """Whether the row's owner could not be set, and is recorded instead."""
        return bool(self.owners) and self.owners[-1][0] == row.path

    def _own_it(self, row: BuildRow, chown: Callable[[int, int], None], *, insist: bool = False) -> None:
        if (row.uid, row.gid) == self._own and not insist:
            return
        if self._places.keep_owner is not False:
            try:
                chown(row.uid, row.gid)
                return
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EINVAL):  # EINVAL: a number that a user namespace has not
                    raise
                if self._places.keep_owner:
                    raise self._may_not_own(row) from error
        self.owners.append((row.path, row.uid, row.gid))

    def _may_not_own(self, row: BuildRow) -> NoPermission:
        name = shown(self._places.out_name, row.path)
        return NoPermission(
            f"{name} cannot be given to uid {row.uid}, gid {row.gid}",
            meaning="The new tree is incomplete; the trees that it is made from are untouched.",
            todo="Run the command as root.",
        )

    def _set_xattrs(self, row: BuildRow, where: int | bytes) -> None:
        kept = tuple(pair for pair in row.xattrs if self._set_xattr(row, where, *pair))
        if len(kept) != len(row.xattrs):
            self.row = self.row._replace(xattrs=kept)

    def _set_xattr(self, row: BuildRow, where: int | bytes, name: bytes, value: bytes) -> bool:
        try:
            write_xattr(where, name, value)
        except OSError as error:
            if error.errno not in _NOT_KEPT and not (error.errno in FULL and self._has_space()):
                raise
            self._note("xattr-not-kept", row, f"the attribute {os.fsdecode(name)} cannot be set ({error.strerror})")
            return False
        return True

    def _has_space(self) -> bool:
        """Whether the file system is not full: a set of attributes too large for it says the same as a full one."""
        status = os.fstatvfs(self._places.out)
        return status.f_bavail > 16 and status.f_favail > 16

    def _set_flags(self, row: BuildRow, fd: int) -> None:
        """Set flags and project; where that is refused, as many of them as can be."""
        for flags, project in _less_and_less(row):
            try:
                if flags or project:
                    write_flags(fd, flags, project, directory=row.kind == DIRECTORY)
            except OSError as error:
                if error.errno not in _NOT_KEPT:
                    raise
                why = error.strerror
                continue
            break
        if (flags, project) != (row.flags, row.project):
            self.row = self.row._replace(flags=flags, project=project)
            lost = "inode flags" if flags != row.flags else "project id"
            self._note("flags-not-kept", row, f"its {lost} cannot be set ({why})")

    def _note(self, kind: NoteKind, row: BuildRow, text: str) -> None:
        self.notes.append(Note(kind, row.path, text))


def _less_and_less(row: BuildRow) -> Iterable[tuple[int, int]]:
    """Flags and project, without what not every file system has, and at last nothing."""
    flags = (row.flags, row.flags & COMMON)
    return dict.fromkeys([*((some, row.project) for some in flags), *((some, 0) for some in flags), (0, 0)])
