"""The kernel and the initial file system that a root carries: found by name in its ``/boot``, never stored elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from goldroot.errors import Damaged

#: What distributions call them: Debian, Red Hat and Arch; SUSE calls those of s390x "image-".
_KERNELS = re.compile(r"(?:vmlinuz|vmlinux|image|bzImage|Image)-(.+)")
_INITIALS = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}", "initrd-{}.img")
_NOT_KERNELS = ("rescue", ".hmac", ".old", ".sig")


class Kernel(NamedTuple):
    """What a ``/boot`` has of one version, by name."""

    version: str
    kernel: str
    initial: str


def pick(names: Sequence[str]) -> Kernel | None:
    """The newest kernel of a ``/boot`` that has an initial file system, and that; ``None``: there is none."""
    there = set(names)
    best: Kernel | None = None
    for name in sorted(names):
        found = _KERNELS.fullmatch(name)
        if found is None or any(part in name for part in _NOT_KERNELS):
            continue
        initial = next((one for one in (form.format(found[1]) for form in _INITIALS) if one in there), None)
        if initial is not None and (best is None or _order(found[1]) > _order(best.version)):
            best = Kernel(found[1], name, initial)
    return best


def copy_out(root: int, directory: str, whose: str) -> Kernel:
    """Copy both out of an open root, so that the disk need not stay open; the names are their paths then.

    :param root: descriptor of the root.
    :param directory: where the copies go, in the place of older ones.
    :param whose: for messages.
    :raises Damaged: there are none, or they are not plain files.
    """
    with open_boot(root, whose) as (boot, found):
        return Kernel(
            found.version,
            _copied(boot, found.kernel, f"{directory}/kernel"),
            _copied(boot, found.initial, f"{directory}/initrd"),
        )


@contextmanager
def open_boot(root: int, whose: str) -> Iterator[tuple[int, Kernel]]:
    """A descriptor of a root's ``/boot`` for the block, and what in it is booted, by name.

    :raises Damaged: there is nothing to boot.
    """
    try:
        boot = os.open("boot", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    except OSError as error:
        raise _none(whose, f"there is no directory /boot ({error.strerror})") from error
    try:
        if (found := pick(os.listdir(boot))) is None:
            raise _none(whose, "no kernel in /boot has an initial file system")
        yield boot, found
    finally:
        os.close(boot)


def open_file(boot: int, name: str) -> int:
    """A descriptor of a plain file in a ``/boot``.

    :raises Damaged: it is not one.
    """
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=boot)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Damaged(f"/boot/{name} is not a plain file")
    return handle


def _copied(boot: int, name: str, path: str) -> str:
    with open(open_file(boot, name), "rb") as source, open(f"{path}.new", "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    os.rename(f"{path}.new", path)
    return path


def _none(whose: str, why: str) -> Damaged:
    return Damaged(
        f"{whose} has nothing to boot: {why}",
        meaning="A machine boots the newest kernel of its own root for which there is an initial file system.",
        todo="Install a kernel in the maintenance system (on Debian: apt-get install linux-image-...), and publish it.",
    )


def _order(version: str) -> list[tuple[int, str]]:
    """So that 6.10 comes after 6.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[^\d.-]+", version)]
