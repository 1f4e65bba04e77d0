"""Writing the members of an archive into a tree; see :mod:`goldroot.image.tarball`."""

from __future__ import annotations

import base64
import errno
import gzip
import os
import stat
import tarfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import IO, Any, cast

from goldroot.errors import BadInput
from goldroot.kinds import NoteKind
from goldroot.tree import FULL, Note, path_text, write_problem

_COPY = 1 << 20
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC

#: Devices that may stand anywhere, for jails like /var/spool/postfix/dev: null, zero, full, random, urandom, tty.
HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)}

_XATTR, _XATTR_BSD = "SCHILY.xattr.", "LIBARCHIVE.xattr."
#: ACLs as text, which tar(1) writes by ``--acls``, and the header that has them as the kernel does.
_ACLS = {f"SCHILY.acl.{word}": f"SCHILY.xattr.system.posix_acl_{word}" for word in ("access", "default")}
#: -1 is not an owner: chown(2) takes it for "as it is".
NO_OWNER = 2**32 - 1
#: The largest time, in seconds before or after 1970, whose nanoseconds every counter here can hold.
FURTHEST = Decimal(2**62 // 1_000_000_000)


#: The mode of a directory that an archive does not have, and that is there: on the way to a member, or the top.
_PLAIN = 0o755


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was unpacked.  ``owners``: path -> uid and gid that could not be set, where goldroot is not root."""

    entries: int
    notes: list[Note]
    owners: dict[bytes, tuple[int, int]] = field(default_factory=dict)


class Unpacker:
    """Adds one member after the other; :meth:`finish` sets what directories must get last."""

    def __init__(self, out: str) -> None:
        self._out = os.fsencode(out)
        self._root = -1
        #: The directory that was worked in last, kept open: members of one directory mostly stand together.
        self._last: tuple[bytes, int] = (b"/", -1)
        self._is_root = os.geteuid() == 0
        self._seen: set[bytes] = set()
        self._directories: dict[bytes, tarfile.TarInfo] = {}
        self._notes: list[Note] = []
        self._owners: dict[bytes, tuple[int, int]] = {}

    def __enter__(self) -> Unpacker:
        self._root = os.open(self._out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_last()
        os.close(self._root)

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Write one member; the later of two with one name wins, noted."""
        path = checked(member.name)
        _check(member, path)
        try:
            with self._parent(path) as (parent, name):
                self._place(parent, name, path, member)
                self._make(tar, member, path, parent, name)
        except gzip.BadGzipFile:
            raise  # it is the archive that is damaged
        except OSError as error:
            raise write_problem(error, self._out, path) from error
        if not -FURTHEST <= _seconds(member) <= FURTHEST:
            self._note("time-not-kept", path, "has a time further from now than can be kept; it has the nearest one")
        for acl, attribute in _ACLS.items():
            if acl in member.pax_headers and attribute not in member.pax_headers:
                self._note(
                    "acl-not-kept", path, "lost its ACL, which the archive has as text alone: pack it with tar --xattrs"
                )

    def finish(self, *, whole: bool) -> Unpacked:
        """Give directories their owner, mode and times, deepest first, now that nothing is written into them.

        :param whole: it is a root file system: one whose archive does not have its top can be entered by all, too.
        """
        if whole and b"" not in self._directories:
            os.fchmod(self._root, _PLAIN)
        for path in sorted(self._directories, reverse=True):
            with self._parent(path) as (parent, name):
                handle = os.open(name or b".", os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=parent)
                try:
                    self._dress(handle, path, self._directories[path])
                finally:
                    os.close(handle)
        return Unpacked(len(self._seen), self._notes, self._owners)

    # -- places

    @contextmanager
    def _parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """The directory that holds ``path``, opened step by step, missing ones made; and the last name."""
        above, _, name = path.rpartition(b"/")
        if above != self._last[0]:
            self._forget_last()
            self._last = (above, self._walk(above, path))
        # A copy: another member's parent may take the place of this one while it is in use.
        handle = os.dup(self._last[1])
        try:
            yield handle, name
        finally:
            os.close(handle)

    def _walk(self, above: bytes, path: bytes) -> int:
        handle = os.dup(self._root)
        try:
            for step in above.split(b"/") if above else ():
                below = self._step(handle, step, path)
                os.close(handle)
                handle = below
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _forget_last(self) -> None:
        if self._last[1] >= 0:
            os.close(self._last[1])
        self._last = (b"/", -1)

    def _step(self, handle: int, step: bytes, path: bytes) -> int:
        try:
            return os.open(step, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=handle)
        except FileNotFoundError:
            os.mkdir(step, 0o700, dir_fd=handle)
            below = os.open(step, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=handle)
            os.fchmod(below, _PLAIN)  # whatever the umask is
            return below
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise refused(path, f"leads through {path_text(step)!r}, which is not a directory") from None
            raise

    def _place(self, parent: int, name: bytes, path: bytes, member: tarfile.TarInfo) -> None:
        """See that the place is free: a second member of one name replaces the first."""
        if path in self._seen:
            self._note("duplicate-name", path, "stands in the archive more than once; the last one counts")
        self._seen.add(path)
        if not path:
            if not member.isdir():
                raise refused(path, "the archive's top is not a directory")
            return
        try:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=parent)
        elif not member.isdir():
            self._directories.pop(path, None)
            self._forget_last()
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError:
                raise refused(path, "is a directory with something in it, and later something else") from None

    # -- kinds

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: bytes, parent: int, name: bytes) -> None:
        if member.isdir():
            if path and not _exists(parent, name):
                os.mkdir(name, 0o700, dir_fd=parent)
            self._directories[path] = member
        elif member.islnk():
            self._hard_link(member, path, parent, name)
        elif member.issym():
            os.symlink(os.fsencode(member.linkname), name, dir_fd=parent)
            self._dress_node(parent, name, path, member)
        elif member.isfile():
            self._file(tar, member, path, parent, name)
        elif member.ischr() or member.isblk() or member.isfifo():
            self._node(member, path, parent, name)
        else:
            self._note("kind-unknown", path, f"is of a kind that no file has (tar type {member.type!r}); left out")

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: bytes, parent: int, name: bytes) -> None:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=parent)
        try:
            source = tar.extractfile(member)
            if source is None:
                raise refused(path, "has no content")
            _copy(source, handle, member)
            self._dress(handle, path, member)
        finally:
            os.close(handle)

    def _hard_link(self, member: tarfile.TarInfo, path: bytes, parent: int, name: bytes) -> None:
        target = checked(member.linkname, of=path)
        if target not in self._seen or target == path:
            raise refused(path, f"is a hard link to {path_text(target)!r}, which does not stand before it")
        with self._parent(target) as (other, last):
            mode = os.stat(last, dir_fd=other, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                raise refused(path, "is a hard link to a directory")
            os.link(last, name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
        if target in self._owners:
            self._owners[path] = self._owners[target]

    def _node(self, member: tarfile.TarInfo, path: bytes, parent: int, name: bytes) -> None:
        kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        numbers = (member.devmajor, member.devminor)
        if not member.isfifo() and not (path.startswith(b"dev/") or (member.ischr() and numbers in HARMLESS)):
            self._note("device-not-made", path, f"is the device {numbers[0]}:{numbers[1]}, outside /dev; left out")
            return
        try:
            os.mknod(name, kind | 0o600, os.makedev(*numbers), dir_fd=parent)
        except PermissionError:
            self._note("device-not-made", path, "is a device, which only root can make; left out")
            return
        self._dress_node(parent, name, path, member)

    # -- owner, mode, attributes, time

    def _dress(self, handle: int, path: bytes, member: tarfile.TarInfo) -> None:
        """Owner before mode and attributes: a change of owner takes set-uid bits and capabilities away."""
        if self._is_root:
            os.fchown(handle, member.uid, member.gid)
        else:
            self._owners[path] = (member.uid, member.gid)
        os.fchmod(handle, member.mode & 0o7777)
        for name, value in attributes(member):
            self._attribute(f"/proc/self/fd/{handle}", name, value, path)
        os.utime(handle, ns=_times(member))

    def _dress_node(self, parent: int, name: bytes, path: bytes, member: tarfile.TarInfo) -> None:
        """As :meth:`_dress`, for links, devices and FIFOs, which are not opened."""
        if self._is_root:
            os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        else:
            self._owners[path] = (member.uid, member.gid)
        if not member.issym():
            # Just made by us in a directory of ours: not a link, so following is none.
            os.chmod(name, member.mode & 0o7777, dir_fd=parent)
        os.utime(name, ns=_times(member), dir_fd=parent, follow_symlinks=False)

    def _attribute(self, where: str, name: bytes, value: bytes, path: bytes) -> None:
        try:
            os.setxattr(where, name, value)
        except OSError as error:
            if error.errno in FULL:
                raise
            self._note("xattr-not-kept", path, f"lost its attribute {path_text(name)}: {error.strerror}")

    def _note(self, kind: NoteKind, path: bytes, text: str) -> None:
        self._notes.append(Note(kind, path, text))


def checked(name: str, of: bytes | None = None) -> bytes:
    """A member's name as a path of the tree (``b""`` is its top). :raises BadInput: it would lead out of it."""
    path = os.fsencode(name)
    shown = path if of is None else of
    if path.startswith(b"/"):
        raise refused(shown, f"has the absolute name {path_text(path)!r}")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise refused(shown, f"would lead out of the tree ({path_text(path)!r})")
    if b"\0" in path or any(len(part) > 255 for part in parts):
        raise refused(shown, "is not a name that a file can have")
    return b"/".join(parts)


def _check(member: tarfile.TarInfo, path: bytes) -> None:
    """:raises BadInput: what the kernel would not take, or would take for "leave it as it is"."""
    if not (0 <= member.uid < NO_OWNER and 0 <= member.gid < NO_OWNER):
        raise refused(path, f"has the owner {member.uid}:{member.gid}, which no file can have")
    if member.issym() and not member.linkname:
        raise refused(path, "is a link that leads nowhere")
    for key, is_one in _NUMBERS.items():
        if key in member.pax_headers and not is_one(member.pax_headers[key]):
            raise refused(path, f"has a {key} that is not a number")


def _whole(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _finite(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


#: PAX headers that ``tarfile`` takes for 0 where they are not numbers.
_NUMBERS = {"uid": _whole, "gid": _whole, "size": _whole, "mtime": _finite}


def refused(path: bytes, why: str) -> BadInput:
    """The error for a member that no honest archive has."""
    return BadInput(
        f"the archive's member {path_text(path) or '.'!r} {why}",
        meaning="It is damaged or hostile. Nothing was imported, and nothing outside the site was touched.",
        todo="Make it again, with names relative to the root: tar -C ROOT --xattrs --numeric-owner -cf FILE .",
    )


def attributes(member: tarfile.TarInfo) -> Iterator[tuple[bytes, bytes]]:
    """Extended attributes, as GNU tar and bsdtar write them into PAX headers."""
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith(_XATTR):
            yield os.fsencode(key.removeprefix(_XATTR)), value.encode("utf-8", "surrogateescape")
        elif key.startswith(_XATTR_BSD) and _XATTR + key.removeprefix(_XATTR_BSD) not in member.pax_headers:
            name = urllib.parse.unquote_to_bytes(key.removeprefix(_XATTR_BSD))
            yield name, base64.b64decode(value + "=" * (-len(value) % 4))


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    """Access and modification time in nanoseconds, no further from 1970 than can be kept."""
    seconds = max(-FURTHEST, min(FURTHEST, _seconds(member)))
    exact = int(seconds * 1_000_000_000)
    return exact, exact


def _seconds(member: tarfile.TarInfo) -> Decimal:
    """The time as the archive has it; PAX headers have it exactly, where floats would not."""
    return Decimal(member.pax_headers.get("mtime") or int(member.mtime))


def _copy(source: IO[bytes], handle: int, member: tarfile.TarInfo) -> None:
    """The content; of a sparse file only the parts that hold data, so that a huge hole costs nothing."""
    sparse: list[tuple[int, int]] | None = getattr(member, "sparse", None)
    if sparse is not None:
        # The buffer above it wants a stream that can seek both ways; the member itself can go forward.
        source = cast(Any, source).raw
    for start, length in sparse if sparse is not None else [(0, member.size)]:
        if sparse is not None:
            source.seek(start)
            os.lseek(handle, start, os.SEEK_SET)
        while length:
            block = source.read(min(_COPY, length))
            if not block:
                raise tarfile.ReadError("unexpected end of data")
            length -= len(block)
            _write(handle, block)
    os.ftruncate(handle, member.size)


def _write(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view) :]


def _exists(parent: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
