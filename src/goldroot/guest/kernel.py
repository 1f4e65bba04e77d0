"""The kernel and the initial file system that a root carries: found by name in its ``/boot``, never stored elsewhere.

A root for another architecture has a kernel that was unpacked and no initial file system: to make one there, its kernel would
have to be installed by emulation, which takes a quarter of an hour.  So one is packed here, of the root's own busybox.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import NamedTuple

from goldroot.errors import Damaged
from goldroot.files import NOT_THERE, Cursor, read_regular
from goldroot.guest.cpio import cpio
from goldroot.guest.initramfs import has_unlisted_modules

#: What distributions call them: Debian, Red Hat and Arch; SUSE calls those of s390x "image-".
_KERNELS = re.compile(r"(?:vmlinuz|vmlinux|image|bzImage|Image)-(.+)")
_INITIALS = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}", "initrd-{}.img")
_NOT_KERNELS = ("rescue", ".hmac", ".old", ".sig")
_NO_INITIAL = "no kernel in /boot has an initial file system"
#: Bytes of a kernel or an initial file system at most.
_LARGEST = 1 << 30


class Kernel(NamedTuple):
    """What a ``/boot`` has of one version, by name."""

    version: str
    kernel: str
    initial: str


def pick(names: Sequence[str], *, alone: bool = False) -> Kernel | None:
    """The newest kernel of a ``/boot`` that has an initial file system, and that; ``None``: there is none.

    :param alone: where none has one, the newest kernel will do; its ``initial`` is "".
    """
    there = set(names)
    best: Kernel | None = None
    bare: Kernel | None = None
    for name in sorted(names):
        found = _KERNELS.fullmatch(name)
        if found is None or any(part in name for part in _NOT_KERNELS):
            continue
        initial = next((one for one in (form.format(found[1]) for form in _INITIALS) if one in there), None)
        if initial is not None and (best is None or _order(found[1]) > _order(best.version)):
            best = Kernel(found[1], name, initial)
        if bare is None or _order(found[1]) > _order(bare.version):
            bare = Kernel(found[1], name, "")
    return bare if best is None and alone else best


def copy_out(root: int, directory: str, whose: str) -> Kernel:
    """Copy both out of an open root, so that the disk need not stay open; the names are their paths then.

    Where no kernel has an initial file system, and the root has a static busybox, one is packed of that.

    :param root: descriptor of the root.
    :param directory: where the copies go, in the place of older ones.
    :param whose: for messages.
    :raises Damaged: there are none, or they are not plain files, or what is packed would find no modules of the kernel.
    """
    with open_boot(root, whose, alone=True) as (boot, found):
        busybox = b"" if found.initial else static_busybox(root)
        if not (found.initial or busybox):
            raise _none(whose, _NO_INITIAL)
        if not found.initial and has_unlisted_modules(root, found.version):
            raise _unlisted(whose, found.version)
        kernel, initial = _copied(boot, found.kernel, f"{directory}/kernel"), f"{directory}/initrd"
        if found.initial:
            _copied(boot, found.initial, initial)
        else:
            with open(f"{initial}.new", "wb") as out:
                out.write(packed(busybox))
            os.rename(f"{initial}.new", initial)
        return Kernel(found.version, kernel, initial)


def packed(busybox: bytes) -> bytes:
    """An initial file system of one program, which puts the root together and starts it; the rest follows (:mod:`initramfs`)."""
    init = resources.files("goldroot.guest").joinpath("boot", "alone.sh").read_bytes()
    return cpio({"init": init, "bin/busybox": busybox}, console=True)


def static_busybox(root: int) -> bytes:
    """The busybox of a root, which needs no library; b"" where there is none."""
    cursor = Cursor(root)
    try:
        for above in (b"usr/bin", b"bin"):
            try:
                content = read_regular(b"busybox", cursor.at(above)) or b""
            except OSError as error:
                if error.errno not in NOT_THERE:
                    raise
                continue
            if _is_static(content):
                return content
    finally:
        cursor.close()
    return b""


@contextmanager
def open_boot(root: int, whose: str, *, alone: bool = False) -> Iterator[tuple[int, Kernel]]:
    """A descriptor of a root's ``/boot`` for the block, and what in it is booted, by name.

    :param alone: as of :func:`pick`.
    :raises Damaged: there is nothing to boot.
    """
    try:
        boot = os.open("boot", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    except OSError as error:
        raise _none(whose, f"there is no directory /boot ({error.strerror})") from error
    try:
        if (found := pick(os.listdir(boot), alone=alone)) is None:
            raise _none(whose, _NO_INITIAL)
        yield boot, found
    finally:
        os.close(boot)


def open_file(boot: int, name: str) -> int:
    """A descriptor of a plain file in a ``/boot``, which may be a server's own.

    :raises Damaged: it is not one, or is larger than what a machine boots: a file of one large hole takes no room on its disk.
    """
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=boot)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Damaged(f"/boot/{name} is not a plain file")
    if os.fstat(handle).st_size > _LARGEST:
        os.close(handle)
        raise Damaged(f"/boot/{name} is larger than {_LARGEST >> 20} MiB, and was not copied")
    return handle


def _copied(boot: int, name: str, path: str) -> str:
    with open(open_file(boot, name), "rb") as source, open(f"{path}.new", "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    os.rename(f"{path}.new", path)
    return path


def _is_static(program: bytes) -> bool:
    """Whether it is an ELF program of 64 bits that no other one starts (PT_INTERP of elf(5)): that would need libraries."""
    if program[:5] != b"\x7fELF\x02":
        return False
    order = ">" if program[5:6] == b"\x02" else "<"
    try:
        (at,) = struct.unpack_from(f"{order}Q", program, 32)
        size, count = struct.unpack_from(f"{order}HH", program, 54)
        return all(struct.unpack_from(f"{order}I", program, at + number * size)[0] != 3 for number in range(count))
    except struct.error:
        return False


def _none(whose: str, why: str) -> Damaged:
    return Damaged(
        f"{whose} has nothing to boot: {why}",
        meaning="A machine boots the newest kernel of its own root for which there is an initial file system.",
        todo="Install a kernel in the maintenance system (on Debian: apt-get install linux-image-...), and publish it. "
        "Where it cannot be installed (for another architecture), unpack one, and install busybox-static.",
    )


def _unlisted(whose: str, version: str) -> Damaged:
    return Damaged(
        f"{whose} has nothing to boot: its /lib/modules/{version} has no modules.dep",
        meaning="Its kernel was unpacked and not installed: nothing says what its modules need, so none of them would be found.",
        todo=f"List them in the maintenance system (its own depmod {version}, or depmod -b ROOT {version} before ROOT is "
        "imported; on Debian it is in kmod), and publish it.",
    )


def _order(version: str) -> list[tuple[int, str]]:
    """So that 6.10 comes after 6.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[^\d.-]+", version)]
