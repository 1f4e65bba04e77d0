"""Images as mounts that stand nowhere: reached by a descriptor alone.

The loop device frees itself after its last use, and a mount without a place goes with its last descriptors: so nothing is
left when a block ends or its process is killed, and a path that is used after the block leads nowhere.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from goldroot.errors import Damaged
from goldroot.hosts.images.filesystems import refuse_outer_journal
from goldroot.hosts.storefiles import OPEN_DIRECTORY

# Numbers that are the same on every architecture (asm-generic/unistd.h); commands and flags of linux/mount.h.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC, _SET_FLAG, _SET_STRING, _CREATE = 1, 0, 1, 6
READ_ONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8

# linux/loop.h: struct loop_config is a descriptor, a block size, struct loop_info64 (its flags at 52) and 8 reserved words.
_CONFIGURE, _GET_FREE, _LOOP_READ_ONLY, _AUTOCLEAR = 0x4C0A, 0x4C82, 1, 4
_CONFIG_SIZE, _FLAGS_AT = 8 + 232 + 64, 8 + 52

_libc = ctypes.CDLL(None, use_errno=True)


def mounted(
    image: str, kind: str, options: Mapping[str, str], attributes: int, *, replay: bool = False
) -> tuple[int, int]:
    """Descriptors of the root directory of an image, or of a block device, and of the mount itself.

    Files are reached by the first alone; while the second is open, too, the mount can be copied to where commands run.

    :param kind: as the kernel calls the file system.
    :param options: of the file system; a value "" is a flag.
    :param attributes: of the mount; with :data:`READ_ONLY` neither the file system nor the image is written.
    :param replay: the file system is written nevertheless, to replay its journal.
    :raises Damaged: the kernel does not take it, or it would lead to another device.
    """
    write = replay or not attributes & READ_ONLY
    if kind == "ext4":
        refuse_outer_journal(image)
    with ExitStack() as stack:
        source = stack.enter_context(_loop(image, write))
        try:
            context = _call(_FSOPEN, kind.encode(), _CLOEXEC)
            stack.callback(os.close, context)
            _call(_FSCONFIG, context, _SET_STRING, b"source", source.encode(), 0)
            for name, value in {**options, **({} if write else {"ro": ""})}.items():
                _call(_FSCONFIG, context, _SET_STRING if value else _SET_FLAG, name.encode(), value.encode() or None, 0)
            _call(_FSCONFIG, context, _CREATE, None, None, 0)
            mount = _call(_FSMOUNT, context, _CLOEXEC, attributes)
        except OSError as error:
            raise Damaged(
                f"the disk {image!r} cannot be mounted as {kind}: {error.strerror}",
                meaning="It was not touched.",
                todo="Look at the kernel's log (dmesg), and at the disk; nothing repairs it by itself.",
            ) from error
        try:
            return os.open(".", OPEN_DIRECTORY, dir_fd=mount), mount
        except BaseException:
            os.close(mount)
            raise


def loop_of(images: Sequence[str], *, writing: bool) -> str | None:
    """A loop device that is made of one of these files, in words; with ``writing``, one that can be written."""
    for device in Path("/sys/block").glob("loop*/loop"):
        with suppress(OSError):
            backing = (device / "backing_file").read_text().rstrip("\n")
            if backing in images and not (writing and (device.parent / "ro").read_text().strip() == "1"):
                return f"/dev/{device.parent.name} is made of {backing}"
    return None


@contextmanager
def _loop(image: str, write: bool) -> Iterator[str]:
    """The path of a loop device of an image, in a block in which it is mounted; a block device needs none."""
    if stat.S_ISBLK(os.lstat(image).st_mode):
        yield image
        return
    mode = (os.O_RDWR if write else os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
    backing = os.open(image, mode)
    try:
        device, path = _configured(backing, mode, _AUTOCLEAR | (0 if write else _LOOP_READ_ONLY))
    finally:
        os.close(backing)
    try:
        yield path
    finally:
        os.close(device)


def _configured(backing: int, mode: int, flags: int) -> tuple[int, str]:
    config = bytearray(_CONFIG_SIZE)
    struct.pack_into("=I", config, 0, backing)
    struct.pack_into("=I", config, _FLAGS_AT, flags)
    while True:
        path = f"/dev/loop{_free_loop()}"
        device = os.open(path, mode)
        try:
            fcntl.ioctl(device, _CONFIGURE, bytes(config))
            return device, path
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:  # somebody else took it just now
                raise


def _free_loop() -> int:
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(control, _GET_FREE)
    finally:
        os.close(control)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
