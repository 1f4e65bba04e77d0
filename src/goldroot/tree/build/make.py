"""Making the things of a tree: files with what is in them, directories, links, devices.

:mod:`goldroot.tree.build.complete` gives them all that belongs to them.
"""

from __future__ import annotations

import errno
import os
import stat

from goldroot.errors import TreeChanged
from goldroot.files import Cursor, split
from goldroot.tree.build.complete import Completer, Places
from goldroot.tree.build.rows import INLINE, BuildRow
from goldroot.tree.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, LINK, SOCKET
from goldroot.tree.inode import beside
from goldroot.tree.problems import changed, read_problem, write_problem
from goldroot.tree.scan.reading import OPEN_FILE, Digester, Reader, Wanted

# -- What is in a file: shared blocks where the file system can, holes kept

#: A file up to this size is copied by one read and one write.
SMALL = 1 << 17
#: What the kernel is asked to copy at once.
MOST = 1 << 30
_NOT_HERE = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EPERM)


class Shrunk(Exception):
    """The source ended before its size."""


def copy_content(source: int, target: int, status: os.stat_result) -> None:
    """Copy an open file into an open new one.

    :param status: the source's.
    :raises Shrunk: the source is not as long as its status says.
    """
    size = status.st_size
    if status.st_blocks * 512 < size:  # a hole, or compressed, or so small that it lives in the inode
        _copy_sparse(source, target, size)
    elif size > SMALL:
        _copy_range(source, target, 0, size)
    elif size:
        data = os.read(source, size + 1)
        if len(data) != size:
            raise Shrunk
        write_all(target, data)


def write_all(target: int, data: bytes) -> None:
    """Write all of it; one call may write less."""
    done = os.write(target, data)
    while done < len(data):
        done += os.write(target, data[done:])


def _copy_sparse(source: int, target: int, size: int) -> None:
    """Copy what is data, and leave holes holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        try:
            end = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise Shrunk from error  # it was cut off between the two questions
        _copy_range(source, target, start, end)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    """Copy the bytes from ``start`` to ``end``, within the kernel where it can."""
    try:
        while start < end:
            count = os.copy_file_range(source, target, min(end - start, MOST), start, start)
            if not count:
                raise Shrunk
            start += count
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        _copy_by_hand(source, target, start, end)


def _copy_by_hand(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(end - start, 1 << 20), start)
        if not data:
            raise Shrunk
        done = 0
        while done < len(data):
            done += os.pwrite(target, data[done:], start + done)
        start += done


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
        if not row.ctime or not 0 <= row.size <= SMALL:
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
