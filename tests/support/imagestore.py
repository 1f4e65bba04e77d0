"""A second kind of host, for the tests of the port: disks are file systems in files, opened by mount.

Own disks are ext4, sealed ones erofs.  A mount is attached to no place: it is reached by a descriptor alone, and nothing
of it is left when that is closed, or its process killed.  So a path that is used outside its block leads nowhere.

::

    STORE/
    ├── disks/
    │   ├── web1-1B5-u7k2m9q4xa.ext4       a disk
    │   └── gold-1B1-b2c4d6e8f0.erofs      a sealed one; what it was goes after its label says so
    └── halfway/
        └── web1-1B5-c3d5e7f9g1.making     not a disk yet
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from goldroot import crash
from goldroot.errors import Damaged, NoSpace
from goldroot.hosts.atomic import store_errors, sync_directory
from goldroot.hosts.bytes import OPEN_DIRECTORY, OpenedDisk
from goldroot.hosts.filehost import FileHost
from goldroot.hosts.labels import Label
from goldroot.hosts.port import Access, DiskInfo, Use
from goldroot.hosts.users import user_of
from goldroot.run import run
from goldroot.tree import copy_tree

EXT4, EROFS = "ext4", "erofs"
MIB = 1 << 20
#: A disk without a limit has this size here, and no disk is smaller.
LEAST = 8 * MIB

# Numbers that are the same on every architecture (asm-generic/unistd.h); flags of linux/mount.h and linux/loop.h.
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
CLOEXEC, SET_FLAG, SET_STRING, CREATE = 1, 0, 1, 6
ATTR_READ_ONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
LOOP_CONFIGURE, LOOP_GET_FREE, LOOP_READ_ONLY, LOOP_AUTOCLEAR = 0x4C0A, 0x4C82, 1, 4

SEAL = (
    'exec 3<"$2" && mount -t ext4 -o ro,loop "$1" "$2" && cd /proc/self/fd/3 && '
    'exec mkfs.erofs --quiet -Eforce-inode-extended --exclude-path=lost+found "${3##*/}" "$2"'
)

_libc = ctypes.CDLL(None, use_errno=True)


class ImageHost(FileHost):
    """Entries as JSON files, disks as images below ``store``."""

    kind = "images"
    abilities = replace(FileHost.abilities, live_view="none", sizes=True)

    def __init__(self, name: str, store: str, *, running_command: Sequence[str] = ()) -> None:
        super().__init__(name, store, Images(store), running_command=running_command)


class Images:
    """The bytes of disks, see :class:`goldroot.hosts.bytes.DiskBytes`."""

    forms = (EXT4,)
    sealed_forms = (EROFS, EXT4)

    def __init__(self, store: str) -> None:
        self._disks = os.path.join(os.path.abspath(store), "disks")
        self._halfway = os.path.join(os.path.abspath(store), "halfway")

    def stands(self, label: Label) -> bool:
        path = self._file(label)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise Damaged(f"the disk {path!r} is not a file, and links are never followed")
        return True

    def make(self, label: Label, source: Label | None) -> None:
        making, place = self._making(label.id), self._file(label)
        with store_errors(making):
            try:
                if source is not None and self.copies(source, label.form) == "blocks":
                    self._copy_blocks(self._file(source), making, _size(label.size))
                else:
                    _make_ext4(making, _size(label.size))
                if source is not None and self.copies(source, label.form) == "files":
                    self._copy_files(source, label, making)
            except NoSpace:
                os.unlink(making)
                raise
            crash.point("host.disk-halfway")
            _sync(making)
            os.rename(making, place)
            sync_directory(self._disks)

    def empty(self, label: Label) -> None:
        self.make(label, None)

    def seal(self, label: Label, form: str) -> None:
        if form == label.form:
            return
        making = self._making(label.id)
        with suppress(FileNotFoundError):
            os.unlink(making)
        # The program wants a path, and takes /proc/self/fd/N of a mount without a place for the host's root: so a place
        # in a mount namespace of its own.
        run(["unshare", "--mount", "sh", "-c", SEAL, "sh", self._file(label), os.path.dirname(making), making])
        _sync(making)
        os.rename(making, self._file(replace(label, sealed=form)))
        sync_directory(self._disks)

    def settle(self, label: Label) -> None:
        for other in (replace(label, sealed=""), replace(label, sealed=EROFS)):
            if self._file(other) != self._file(label):
                with suppress(FileNotFoundError):
                    os.unlink(self._file(other))

    def remove(self, id: str) -> None:
        for name in (f"{id}.{EXT4}", f"{id}.{EROFS}"):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._disks, name))
                crash.point("images.removed")
        self.tidy(id)

    def copies(self, source: Label, form: str) -> Literal["blocks", "files"]:
        return "blocks" if (source.sealed or source.form) == form else "files"

    def info(self, label: Label) -> DiskInfo:
        path = self._file(label)
        found = os.stat(path)
        proof = f"{found.st_ino} {found.st_ctime_ns} {found.st_size}" if label.sealed else ""
        form = label.sealed or label.form
        return DiskInfo({"path": path}, _size(label.size), found.st_blocks * 512, form, bool(label.sealed), proof)

    def open(self, stack: ExitStack, label: Label, access: Access, use: Use, *, exact: bool) -> OpenedDisk:
        path, form = self._file(label), label.sealed or label.form
        if form == EXT4:
            _refuse_dirty(path)
        return OpenedDisk(_mounted(path, form, access == "rw", use), exact=exact)

    def users(self, labels: Sequence[Label], *, writing: bool) -> str | None:
        paths = [self._file(label) for label in labels]
        for wait in (0.0, 0.05, 0.2, 0.8):  # a loop device is given back a moment after its last user has gone
            time.sleep(wait)
            found = user_of(paths, writing=writing) or _loop_of(paths, writing)
            if found is None:
                return None
        return found

    def halves(self) -> list[str]:
        return sorted(name.removesuffix(".making") for name in os.listdir(self._halfway))

    def tidy(self, id: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._making(id))

    def _file(self, label: Label) -> str:
        return os.path.join(self._disks, f"{label.id}.{label.sealed or label.form}")

    def _making(self, id: str) -> str:
        return os.path.join(self._halfway, f"{id}.making")

    def _copy_blocks(self, source: str, out: str, size: int) -> None:
        _refuse_dirty(source)
        run(["cp", "--reflink=auto", "--sparse=always", "--", source, out])
        if size > os.path.getsize(out):
            os.truncate(out, size)
            run(["e2fsck", "-fp", out], ok=(0, 1))
            run(["resize2fs", out])
        run(["tune2fs", "-f", "-U", "random", out])

    def _copy_files(self, source: Label, label: Label, making: str) -> None:
        with ExitStack() as stack:
            old = self.open(stack, source, "ro", "files", exact=True)
            stack.callback(old.close)
            new = OpenedDisk(_mounted(making, EXT4, True, "files"))
            stack.callback(new.close)
            copy_tree(old.path, new.path)


def _size(wanted: int) -> int:
    return max(LEAST, -(-wanted // MIB) * MIB)


def _make_ext4(path: str, size: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    with Path(path).open("xb") as file:
        file.truncate(size)
    run(["mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", path])


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_dirty(path: str) -> None:
    """An ext4 whose journal has to be replayed, or that was not unmounted (ext4's superblock, at 1024)."""
    with Path(path).open("rb") as file:
        file.seek(1024)
        block = file.read(1024)
    (magic,) = struct.unpack_from("<H", block, 0x38) if len(block) == 1024 else (0,)
    if magic != 0xEF53:
        raise Damaged(f"the disk {path!r} has no file system")
    (state,), (incompatible,) = struct.unpack_from("<H", block, 0x3A), struct.unpack_from("<I", block, 0x60)
    if not state & 1 or incompatible & 4:
        raise Damaged(f"the file system of the disk {path!r} was not unmounted", todo="Look at it with e2fsck.")


def _mounted(image: str, form: str, write: bool, use: Use) -> int:
    """The root directory of a mount that is attached nowhere."""
    with ExitStack() as stack:
        loop, source = _loop(image, write)  # erofs needs none, but on a tmpfs
        stack.callback(os.close, loop)
        try:
            context = _call(FSOPEN, form.encode(), CLOEXEC)
            stack.callback(os.close, context)
            _call(FSCONFIG, context, SET_STRING, b"source", source.encode(), 0)
            if not write:
                _call(FSCONFIG, context, SET_FLAG, b"ro", None, 0)
            _call(FSCONFIG, context, CREATE, None, None, 0)
            flags = ATTR_NOSUID | ATTR_NODEV | (ATTR_NOEXEC if use == "files" else 0) | (0 if write else ATTR_READ_ONLY)
            mount = _call(FSMOUNT, context, CLOEXEC, flags)
        except OSError as error:
            raise Damaged(f"the disk {image!r} cannot be mounted: {error.strerror}") from error
        stack.callback(os.close, mount)
        return os.open(".", OPEN_DIRECTORY, dir_fd=mount)


def _loop(image: str, write: bool) -> tuple[int, str]:
    """A loop device of an image, as descriptor and path; the kernel frees it after its last use."""
    backing = os.open(image, (os.O_RDWR if write else os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while True:
            control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
            try:
                number = fcntl.ioctl(control, LOOP_GET_FREE)
            finally:
                os.close(control)
            device = os.open(f"/dev/loop{number}", (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
            # struct loop_config: fd, block size, struct loop_info64 (flags at 52 in it), 8 reserved numbers
            config = bytearray(struct.pack("<II", backing, 0) + bytes(232) + bytes(64))
            struct.pack_into("<I", config, 8 + 52, LOOP_AUTOCLEAR | (0 if write else LOOP_READ_ONLY))
            try:
                fcntl.ioctl(device, LOOP_CONFIGURE, bytes(config))
                return device, f"/dev/loop{number}"
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # somebody else took it just now
                    raise
    finally:
        os.close(backing)


def _loop_of(paths: Sequence[str], writing: bool) -> str | None:
    for device in Path("/sys/block").glob("loop*/loop"):
        with suppress(OSError):
            backing = (device / "backing_file").read_text().rstrip("\n")
            if backing in paths and not (writing and (device.parent / "ro").read_text().strip() == "1"):
                return f"/dev/{device.parent.name} is made of {backing}"
    return None


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
