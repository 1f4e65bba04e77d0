"""What a machine boots, laid ready as files: whoever starts its domain starts it from these.

::

    STORE/boot/
    └── gold-1B1-b2c4d6e8f0/       the disk that has the kernel; goes with that
        └── 5f0c1e.../             a table of disks, as all servers of one gold have it that are joined to nothing
            ├── kernel
            └── initrd             with what finds the server's disks behind it; there last

A domain names a directory that nothing else stands for: a kernel never meets another root than its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from goldroot.guest import kernel
from goldroot.guest.initramfs import GuestDisk, GuestLink, addition, follow, table
from goldroot.tree import remove_tree
from goldroot.version import __version__


@dataclass(frozen=True, slots=True)
class Booted:
    """Paths of a kernel and of an initial file system, which are there or not."""

    kernel: str
    initrd: str

    def are_there(self) -> bool:
        """Whether both are."""
        return os.path.exists(self.initrd) and os.path.exists(self.kernel)


@dataclass(frozen=True, slots=True)
class Told:
    """What a guest is told of its disks, of the paths on them and of its links, as :func:`goldroot.guest.initramfs.table` has it."""

    disks: Sequence[GuestDisk]
    paths: Sequence[tuple[str, str]]
    links: Sequence[GuestLink] = ()


def boot_files(place: str, root: str, told: Told) -> Booted:
    """Where they are laid.

    :param place: the directory of all of them.
    :param root: id of the disk that has them.
    """
    said = f"{__version__}\n{table(told.disks, told.paths, told.links)}".encode()
    directory = os.path.join(place, root, hashlib.sha256(said).hexdigest()[:16])
    return Booted(os.path.join(directory, "kernel"), os.path.join(directory, "initrd"))


def prepare(files: Booted, root: int, scratch: str, told: Told) -> None:
    """Make them, in the place of older ones.

    :param root: descriptor of the system's root.
    :param scratch: a directory in the same file system, for what is not ready.
    :raises Damaged: the root has nothing to boot.
    """
    found = kernel.copy_out(root, scratch, "the root")
    with open(found.initial, "ab") as file:
        file.write(follow(file.tell(), addition(root, found.version, told.disks, told.paths, told.links)))
    os.makedirs(os.path.dirname(files.kernel), mode=0o700, exist_ok=True)
    for made, ready in ((found.kernel, files.kernel), (found.initial, files.initrd)):
        os.chmod(made, 0o600)
        os.rename(made, ready)


def remove(place: str, root: str) -> None:
    """What was laid ready of a disk goes; again: nothing."""
    remove_tree(os.path.join(place, root))
