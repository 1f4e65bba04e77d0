"""Making the things of a tree: files, directories, links, devices, with all that belongs to them.

The order matters.  Content first; then the owner, since a change of owner takes set-uid bits and capabilities away;
then the mode; then extended attributes, with capabilities among them; then the time, which all of these leave alone;
and inode flags last, since an immutable file takes nothing any more.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from goldroot.errors import NoPermission
from goldroot.tree.content import Shrunk, copy_content, write_all
from goldroot.tree.cursor import Cursor, split
from goldroot.tree.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, LINK, SOCKET
from goldroot.tree.inode import beside, write_flags, write_xattr
from goldroot.tree.notes import Note
from goldroot.tree.plan_build import INLINE, BuildRow
from goldroot.tree.problems import DENIED, FULL, WITHOUT, changed, read_problem, shown, write_problem
from goldroot.tree.reading import OPEN_FILE
from goldroot.tree.reuse import RACY, WITHOUT_SET_ID

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {CHAR: stat.S_IFCHR, BLOCK: stat.S_IFBLK, FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK}
_NOT_KEPT = (*DENIED, *WITHOUT, errno.E2BIG, errno.ERANGE)


@dataclass(slots=True)
class Outcome:
    """What a worker tells of the rows that it wrote."""

    signatures: dict[int, tuple[int, int, int]] = field(default_factory=dict)  #: by place: size, inode, ctime
    notes: list[Note] = field(default_factory=list)
    owners: list[tuple[bytes, int, int]] = field(default_factory=list)  #: path, uid, gid that could not be set
    changed: dict[bytes, BuildRow | None] = field(default_factory=dict)  #: rows written otherwise; ``None``: not made

    def saw(self, place: int, status: os.stat_result) -> None:
        """Remember the signature of what was written.

        A file whose time is as young as its ctime could be written once more without a trace: it has no signature.
        """
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        racy = status.st_mtime_ns > status.st_ctime_ns - RACY
        self.signatures[place] = (size, status.st_ino, 0 if racy else status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Places:
    """Descriptors and names of the trees that a build reads and writes."""

    out: int
    out_name: bytes
    sources: Sequence[int]
    source_names: Sequence[bytes]
    keep_owner: bool | None


class Placer:
    """Writes rows into the new tree.  One placer works in one process."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._out = Cursor(places.out)
        self._sources = [Cursor(fd) for fd in places.sources]
        self._own = (os.geteuid(), os.getegid())
        self._now = time.time_ns()
        self._extra = os.O_NOATIME
        self.outcome = Outcome()

    def close(self) -> None:
        for cursor in (self._out, *self._sources):
            cursor.close()

    # -- making ----------------------------------------------------------------------------------------------------

    def make(self, row: BuildRow) -> os.stat_result | None:
        """Make what a row says; of a directory only the name (:meth:`complete` does the rest).

        :returns: the status of what was made, ``None`` where nothing was or where it is not complete.
        """
        try:
            if row.kind == FILE:
                return self._file(row)
            if row.kind == DIRECTORY:
                self._directory(row)
                return None
            return self._other(row)
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def link(self, row: BuildRow, first: BuildRow) -> None:
        """Give the file of ``first`` one more name."""
        old_directory, old = split(first.path)
        new_directory, new = split(row.path)
        try:
            # A cursor stands at one place only: the first name's directory is opened apart.
            holder = os.dup(self._out.at(old_directory))
            try:
                at = self._out.at(new_directory)
                os.link(old, new, src_dir_fd=holder, dst_dir_fd=at, follow_symlinks=False)
            finally:
                os.close(holder)
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def _directory(self, row: BuildRow) -> None:
        if row.path:
            directory, name = split(row.path)
            os.mkdir(name, 0o700, dir_fd=self._out.at(directory))

    def _file(self, row: BuildRow) -> os.stat_result:
        directory, name = split(row.path)
        out = self._out.at(directory)
        if row.source == INLINE:
            target = os.open(name, _NEW, row.mode & 0o777, dir_fd=out)
            try:
                write_all(target, row.content)
                return self._finish(row, target)
            finally:
                os.close(target)
        source = self._open_source(row)
        try:
            target = os.open(name, _NEW, row.mode & 0o777, dir_fd=out)
            try:
                self._copy(row, source, target)
                return self._finish(row, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _open_source(self, row: BuildRow) -> int:
        directory, name = split(row.source_path)
        try:
            at = self._sources[row.source].at(directory)
            if self._extra:
                try:
                    return os.open(name, OPEN_FILE | self._extra, dir_fd=at)
                except PermissionError:
                    self._extra = 0
            return os.open(name, OPEN_FILE, dir_fd=at)
        except OSError as error:
            raise read_problem(error, self._places.source_names[row.source], row.source_path) from error

    def _copy(self, row: BuildRow, source: int, target: int) -> None:
        status = os.fstat(source)
        try:
            if not stat.S_ISREG(status.st_mode):
                raise Shrunk
            copy_content(source, target, status)
            after = os.fstat(source)
        except Shrunk:
            raise changed(self._places.source_names[row.source], row.source_path) from None
        if after.st_ctime_ns != status.st_ctime_ns or (
            row.ctime and (after.st_ctime_ns, after.st_ino) != (row.ctime, row.inode)
        ):
            raise changed(self._places.source_names[row.source], row.source_path)

    def _other(self, row: BuildRow) -> os.stat_result | None:
        directory, name = split(row.path)
        out = self._out.at(directory)
        if row.kind == LINK:
            os.symlink(row.content, name, dir_fd=out)
        elif not self._node(row, out, name):
            return None
        self._own_it(row, lambda uid, gid: os.chown(name, uid, gid, dir_fd=out, follow_symlinks=False))
        if row.kind != LINK:
            os.chmod(name, row.mode, dir_fd=out)  # made just now, in a directory that is ours alone: no link
        if row.xattrs:
            self._set_xattrs(row, beside(out, name))
        os.utime(name, ns=(self._now, row.mtime), dir_fd=out, follow_symlinks=False)
        return os.stat(name, dir_fd=out, follow_symlinks=False)

    def _node(self, row: BuildRow, out: int, name: bytes) -> bool:
        device = 0
        if row.kind in (CHAR, BLOCK):
            major, _, minor = row.content.partition(b":")
            device = os.makedev(int(major), int(minor))
        try:
            os.mknod(name, _NODES[row.kind] | 0o600, device, dir_fd=out)
        except PermissionError:
            if row.kind not in (CHAR, BLOCK):
                raise
            self._note("device-not-made", row, "making a device needs root; it was left out")
            self.outcome.changed[row.path] = None
            return False
        return True

    # -- completing ------------------------------------------------------------------------------------------------

    def complete(self, place: int, row: BuildRow) -> None:
        """Give a directory, in which all is made, what belongs to it."""
        try:
            self.outcome.saw(place, self._finish(row, self._out.at(row.path)))
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def flag(self, row: BuildRow) -> os.stat_result:
        """Set a file's flags after the rest; its status then."""
        directory, name = split(row.path)
        try:
            at = self._out.at(directory)
            if row.flags:
                fd = os.open(name, OPEN_FILE, dir_fd=at)
                try:
                    self._set_flags(row, fd)
                finally:
                    os.close(fd)
            return os.stat(name, dir_fd=at, follow_symlinks=False)
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def _finish(self, row: BuildRow, fd: int) -> os.stat_result:
        """Owner, mode, extended attributes, time, flags of an open file or directory."""
        self._own_it(row, lambda uid, gid: os.fchown(fd, uid, gid))
        if row.kind == DIRECTORY:
            os.fchmod(fd, row.mode)
        if row.xattrs:
            self._set_xattrs(row, fd)
        os.utime(fd, ns=(self._now, row.mtime))
        status = os.fstat(fd)
        if stat.S_IMODE(status.st_mode) != row.mode:
            os.fchmod(fd, self._allowed_mode(row))
            status = self._check_mode(row, os.fstat(fd))
        if row.flags or row.project:
            self._set_flags(row, fd)
            status = os.fstat(fd)
        return status

    def _own_it(self, row: BuildRow, chown: Callable[[int, int], None]) -> None:
        if (row.uid, row.gid) == self._own:
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
        self.outcome.owners.append((row.path, row.uid, row.gid))

    def _may_not_own(self, row: BuildRow) -> NoPermission:
        name = shown(self._places.out_name, row.path)
        return NoPermission(
            f"{name} cannot be given to uid {row.uid}, gid {row.gid}",
            meaning="The new tree is incomplete; the trees that it is made from are untouched.",
            todo="Run the command as root.",
        )

    def _allowed_mode(self, row: BuildRow) -> int:
        """The row's mode; without set-uid and set-gid where the file belongs to another than it should."""
        owners = self.outcome.owners
        return row.mode & WITHOUT_SET_ID if owners and owners[-1][0] == row.path and row.kind == FILE else row.mode

    def _check_mode(self, row: BuildRow, status: os.stat_result) -> os.stat_result:
        mode = stat.S_IMODE(status.st_mode)
        if mode != self._allowed_mode(row):
            self._differs(row, mode=mode)
            self._note("mode-not-kept", row, "the kernel did not keep all of its mode")
        return status

    def _set_xattrs(self, row: BuildRow, where: int | bytes) -> None:
        kept = tuple(pair for pair in row.xattrs if self._set_xattr(row, where, *pair))
        if len(kept) != len(row.xattrs):
            self._differs(row, xattrs=kept)

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
        try:
            write_flags(fd, row.flags, row.project, directory=row.kind == DIRECTORY)
        except OSError as error:
            if error.errno not in _NOT_KEPT:
                raise
            self._differs(row, flags=0, project=0)
            self._note("flags-not-kept", row, f"inode flags or project id cannot be set ({error.strerror})")

    def _differs(self, row: BuildRow, **written: object) -> None:
        known = self.outcome.changed.get(row.path) or row
        self.outcome.changed[row.path] = known._replace(**written)  # type: ignore[arg-type]

    def _note(self, kind: str, row: BuildRow, text: str) -> None:
        self.outcome.notes.append(Note(kind, row.path, text))
