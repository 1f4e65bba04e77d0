"""Making the things of a tree: files with what is in them, directories, links, devices, and giving them all that belongs to them.

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

from goldroot.errors import NoPermission, TreeChanged
from goldroot.files import SMALL_FILE, Cursor, Shrunk, copy_content, split, write_all
from goldroot.kinds import NoteKind
from goldroot.tree.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, INLINE, LINK, SOCKET, BuildRow, Note
from goldroot.tree.kernel import (
    COMMON,
    DENIED,
    FULL,
    WITHOUT,
    beside,
    changed,
    read_problem,
    shown,
    write_flags,
    write_problem,
    write_xattr,
)
from goldroot.tree.scan.reading import OPEN_FILE, Digester, Reader, Wanted
from goldroot.tree.scan.scan import WITHOUT_SET_ID

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


# -- Making

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {CHAR: stat.S_IFCHR, BLOCK: stat.S_IFBLK, FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK}


class Maker(Completer):
    """Writes rows into the new tree, one after the other.  One placer works in one process.

    ``row`` is the last row, as it was written: with what was read from its source, without what could not be kept.
    """

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self._out = Cursor(places.out)
        self._readers = [
            Reader(fd, name, contents=lambda path: False)
            for fd, name in zip(places.sources, places.source_names, strict=True)
        ]
        self._earlier = [Cursor(fd) for fd in places.sources]
        self._unread = False

    def close(self) -> None:
        self._out.close()
        for reader in self._readers:
            reader.close()
        for cursor in self._earlier:
            cursor.close()

    def make(self, row: BuildRow, *, unread: bool = False) -> os.stat_result | None:
        """Make what a row says; of a directory only the name (:meth:`complete` does the rest).

        :param unread: what no status tells stands not in the row; it is read from the source now.
        :returns: the status of what was made, ``None`` where nothing was or where it is not complete.
        """
        if unread and row.kind != FILE:
            wanted = Wanted(row.source_path, row.kind, 0, row.inode, row.ctime)
            content, xattrs, flags, project = self._readers[row.source].read(wanted)[:4]
            row = row._replace(content=content, xattrs=xattrs, flags=flags, project=project)
        self.row = row
        self._unread = unread
        directory, name = split(row.path)
        try:
            if row.kind == FILE:
                return self._file(row, self._out.at(directory), name)
            if row.kind == DIRECTORY:
                if row.path:
                    os.mkdir(name, 0o700, dir_fd=self._out.at(directory))
                return None
            return self._other(row, self._out.at(directory), name)
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def link(self, path: bytes, first: bytes) -> None:
        """Give the file ``first`` one more name."""
        old_directory, old = split(first)
        new_directory, new = split(path)
        try:
            # A cursor stands at one place only: the first name's directory is held apart.
            holder = os.dup(self._out.at(old_directory))
            try:
                at = self._out.at(new_directory)
                os.link(old, new, src_dir_fd=holder, dst_dir_fd=at, follow_symlinks=False)
            finally:
                os.close(holder)
        except OSError as error:
            raise write_problem(error, self._places.out_name, path) from error

    def complete(self, row: BuildRow) -> os.stat_result:
        """Give a directory, in which all is made, what belongs to it."""
        self.row = row
        try:
            return self._finish(row, self._out.at(row.path))
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def flag(self, row: BuildRow) -> os.stat_result:
        """Set a file's flags, which waited for its other names; its status then."""
        self.row = row
        directory, name = split(row.path)
        try:
            at = self._out.at(directory)
            if row.kind == FILE and (row.flags or row.project):
                fd = os.open(name, OPEN_FILE, dir_fd=at)
                try:
                    self._set_flags(row, fd)
                finally:
                    os.close(fd)
            return os.stat(name, dir_fd=at, follow_symlinks=False)
        except OSError as error:
            raise write_problem(error, self._places.out_name, row.path) from error

    def _file(self, row: BuildRow, out: int, name: bytes) -> os.stat_result | None:
        if row.source == INLINE:
            target = os.open(name, _NEW, row.mode & 0o777, dir_fd=out)
            try:
                write_all(target, row.content)
                return self._finish(row, target)
            finally:
                os.close(target)
        if row.source in self._places.moved:
            return self._take_over(row, out, name)
        reader = self._readers[row.source]
        try:
            source = reader.open(row.source_path)
        except TreeChanged:
            if not self._may_change(row):
                raise
            self._note("vanished", row, "it was deleted while the tree was copied")
            return None
        try:
            if self._may_change(row) and not stat.S_ISREG(os.fstat(source).st_mode):
                self._note("vanished", row, "something else took its place while the tree was copied")
                return None
            if self._unread:
                xattrs, flags, project = reader.details(source)
                if xattrs or flags or project:
                    self.row = row = row._replace(xattrs=xattrs, flags=flags, project=project)
            data = self._read_small(row, source)
            target = os.open(name, _NEW, row.mode & 0o777, dir_fd=out)
            try:
                if data is None:
                    self._copy(row, source, target)
                elif data:
                    write_all(target, data)
                return self._finish(row, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _take_over(self, row: BuildRow, out: int, name: bytes) -> os.stat_result:
        """Move a file here from an earlier tree: it has all that its row says, as long as its signature is the row's."""
        directory, old = split(row.source_path)
        try:
            holder = self._earlier[row.source].at(directory)
            status = os.stat(old, dir_fd=holder, follow_symlinks=False)
        except OSError as error:
            raise self._source_changed(row) from error
        if (status.st_ino, status.st_ctime_ns) != (row.inode, row.ctime):
            raise self._source_changed(row)
        os.rename(old, name, src_dir_fd=holder, dst_dir_fd=out)
        return os.stat(name, dir_fd=out, follow_symlinks=False)

    def _read_small(self, row: BuildRow, source: int) -> bytes | None:
        """A small file's bytes, where its signature is known and says that they are what the row means."""
        if not row.ctime or not 0 <= row.size <= SMALL_FILE:
            return None
        try:
            data = os.read(source, row.size + 1)
            status = os.fstat(source)
        except OSError as error:
            raise self._unreadable(error, row) from error
        if status.st_ctime_ns != row.ctime or status.st_ino != row.inode or len(data) != row.size:
            if not self._may_change(row):
                raise self._source_changed(row)
            os.lseek(source, 0, os.SEEK_SET)
            return None  # as it is by now, which the other way finds out again and notes
        return data if status.st_blocks * 512 >= row.size else None  # with holes, it goes the other way

    def _copy(self, row: BuildRow, source: int, target: int) -> None:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise self._source_changed(row)
        try:
            copy_content(source, target, status)
        except Shrunk:
            if not self._may_change(row):
                raise self._source_changed(row) from None
        after = os.fstat(source)
        expected = (row.inode, row.ctime) if row.ctime else (status.st_ino, status.st_ctime_ns)
        if (after.st_ino, after.st_ctime_ns) == expected and self._has_its_bytes(row, source, after.st_size):
            return
        if not self._may_change(row):
            raise self._source_changed(row)
        self.row = self.row._replace(content=b"")  # the hash that the row has is of other bytes
        self._note("changed-while-read", row, "it was written while it was copied")

    def _has_its_bytes(self, row: BuildRow, source: int, size: int) -> bool:
        """Whether a file whose ctime was too young to be trusted still has the content that its row names."""
        if row.ctime or not row.inode or not row.content:
            return True
        os.lseek(source, 0, os.SEEK_SET)
        return Digester().digest(source, size) == row.content

    def _may_change(self, row: BuildRow) -> bool:
        return row.source in self._places.live

    def _source_changed(self, row: BuildRow) -> Exception:
        return changed(self._places.source_names[row.source], row.source_path)

    def _unreadable(self, error: OSError, row: BuildRow) -> Exception:
        return read_problem(error, self._places.source_names[row.source], row.source_path)

    def _other(self, row: BuildRow, out: int, name: bytes) -> os.stat_result | None:
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
            return False
        return True
