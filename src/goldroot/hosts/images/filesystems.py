"""What file systems a disk's image can have: how each is made, copied, grown, sealed and looked at.

All of them are programs' work but for one question, whether a file system was unmounted: who asks the kernel to mount
one that was not lets it be repaired in silence.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from goldroot.errors import Damaged, ProgramFailed
from goldroot.run import find, run

MIB = 1 << 20


@dataclass(frozen=True)
class FileSystem:
    """A form of disks that are written."""

    name: str
    least: int  #: bytes of the smallest one
    make: Callable[[str], object]  #: an empty file system in a file that has its size
    rename: Callable[[str], object]  #: give an unmounted copy a UUID of its own
    grow: Callable[[str], object]  #: let an unmounted one have all of its file
    refuse_dirty: Callable[[str], object]  #: :raises Damaged: it was not unmounted, or has errors
    options: Mapping[str, str] = field(default_factory=dict)  #: of each mount; "" is a flag


# -- ext4

_EXT4_AT, _EXT4_MAGIC = 1024, 0xEF53
_CLEAN, _ERRORS, _NEEDS_RECOVERY, _HAS_JOURNAL = 1, 2, 4, 4


def _make_ext4(path: str) -> None:
    # The seed of checksums apart from the UUID: else each inode is written when a copy gets its own.
    run(["mkfs.ext4", "-q", "-F", "-O", "metadata_csum,metadata_csum_seed", "-E", "root_owner=0:0,nodiscard", path])


def _rename_ext4(path: str) -> None:
    run(["tune2fs", "-f", "-U", "random", path])


def _grow_ext4(path: str) -> None:
    try:
        run(["e2fsck", "-f", "-n", path])
    except ProgramFailed as error:
        raise Damaged(f"the file system of {path!r} has errors, and was not made larger: {error.brief}") from error
    run(["resize2fs", "-f", path])


def refuse_dirty_ext4(path: str) -> None:
    """By its superblock (Documentation/filesystems/ext4/super.rst of the kernel: s_magic, s_state, s_feature_incompat).

    :raises Damaged: it was not unmounted, has errors, is not there, or has its journal elsewhere.
    """
    block = _superblock(path)
    if len(block) < 1024 or struct.unpack_from("<H", block, 0x38)[0] != _EXT4_MAGIC:
        raise Damaged(f"the disk {path!r} has no file system", todo="Put back one of a backup, or empty the disk.")
    _refuse_outer_journal(path, block)
    (state,) = struct.unpack_from("<H", block, 0x3A)
    (incompatible,) = struct.unpack_from("<I", block, 0x60)
    if not state & _CLEAN or incompatible & _NEEDS_RECOVERY:
        raise not_unmounted(path, "e2fsck")
    if state & _ERRORS:
        raise Damaged(f"the file system of the disk {path!r} has errors", todo=f"Look at it: e2fsck -f {path}")


def refuse_outer_journal(path: str) -> None:
    """An ext4 may have its journal on another device, which the kernel opens by a number that the image says (s_journal_dev).

    :raises Damaged: it has.
    """
    block = _superblock(path)
    if len(block) == 1024 and struct.unpack_from("<H", block, 0x38)[0] == _EXT4_MAGIC:
        _refuse_outer_journal(path, block)


def _refuse_outer_journal(path: str, block: bytes) -> None:
    (features,), (device,) = struct.unpack_from("<I", block, 0x5C), struct.unpack_from("<I", block, 0xE4)
    if features & _HAS_JOURNAL and device:
        raise Damaged(
            f"the file system of the disk {path!r} has its journal on another device of this machine",
            meaning="It is opened by nobody here: which device that is, the disk's server has chosen.",
            todo="Look at it: dumpe2fs -h. Its server makes the journal a part of the disk by tune2fs.",
        )


def _superblock(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(_EXT4_AT)
        return file.read(1024)


# -- xfs


def _make_xfs(path: str) -> None:
    run(["mkfs.xfs", "-q", "-f", "-K", path])


def _rename_xfs(path: str) -> None:
    run(["xfs_admin", "-U", "generate", path])


def _grow_xfs(path: str) -> None:
    """It grows only while it is mounted."""
    script = 'mount -t xfs -o loop,nouuid,nosuid,nodev,noexec "$1" "$2"; xfs_growfs "$2"; umount "$2"'
    run(["unshare", "--mount", "sh", "-ec", script, "sh", path, os.path.dirname(path)])


def refuse_dirty_xfs(path: str) -> None:
    """:raises Damaged: its log has to be replayed, or it is not there."""
    try:
        done = run(["xfs_logprint", "-t", path], ok=None)
    except ProgramFailed as error:
        raise Damaged(f"the disk {path!r} cannot be looked at: {error.brief}") from error
    if done.status or b"bad magic" in done.err.lower():
        raise Damaged(f"the disk {path!r} has no file system", todo="Put back one of a backup, or empty the disk.")
    if b"<DIRTY>" in done.out:
        raise not_unmounted(path, "xfs_repair")


def not_unmounted(path: str, program: str) -> Damaged:
    """The error for a file system whose journal has to be replayed."""
    return Damaged(
        f"the file system of the disk {path!r} was not unmounted",
        meaning="Its machine was cut off. To replay its journal is to write to it: that is done by no reader.",
        todo=f"Start the machine and shut it down, or look at it with {program}, then run the command again.",
    )


WRITTEN: Mapping[str, FileSystem] = {
    one.name: one
    for one in (
        # What the kernel does where it finds an error is else what the image says, and that may be to panic (tune2fs -e).
        FileSystem("ext4", 8 * MIB, _make_ext4, _rename_ext4, _grow_ext4, refuse_dirty_ext4, {"errors": "remount-ro"}),
        # mkfs.xfs makes none that is smaller; two copies of one have one UUID until the second is given its own
        FileSystem("xfs", 300 * MIB, _make_xfs, _rename_xfs, _grow_xfs, refuse_dirty_xfs, {"nouuid": ""}),
    )
}

#: Forms that disks are sealed in -> how one is made ($1: the tree, $2: the file, which is not there).
PACKED: Mapping[str, str] = {
    # extended inodes: the others have no times of their own
    "erofs": 'mkfs.erofs --quiet -zlz4 -Eforce-inode-extended --exclude-path=lost+found "$2" "$1"',
    "squashfs": 'mksquashfs "$1" "$2" -quiet -no-progress -noappend -e lost+found',
}


def packed_size(path: str, form: str) -> int:
    """The bytes that a packed image says it has; 0 where it does not say.

    By the superblocks (fs/erofs/erofs_fs.h of the kernel: blkszbits, blocks; Documentation/filesystems/squashfs.rst:
    bytes_used): a file that is shorter is read until somebody asks for what is not there.
    """
    with open(path, "rb") as file:
        head = file.read(2048)
    if form == "erofs" and head[1024:1028] == b"\xe2\xe1\xf5\xe0" and len(head) >= 1064:
        bits, blocks = head[1036], struct.unpack_from("<I", head, 1060)[0]
        return int(blocks) << bits
    if form == "squashfs" and head[:4] == b"hsqs":
        return int(struct.unpack_from("<Q", head, 40)[0])
    return 0


#: mount(8): mount failure.
_NOT_MOUNTED = 32


def pack(image: str, written: FileSystem, form: str, out: str) -> None:
    """Make a sealed form of an unmounted image, as a file that is not there yet.

    The programs want a path, and take that of a mount without a place for the host's root.  So the image has a place in a
    mount namespace of its own: the directory of ``out``, which is reached by a descriptor of before.

    :raises Damaged: the kernel does not take the image.
    """
    find(PACKED[form].split()[0])
    own = [f"{name}={value}" if value else name for name, value in written.options.items()]
    options = ",".join(["ro", "loop", "nosuid", "nodev", "noexec", *own])
    script = f'exec 3<"$1"; mount -t {written.name} -o {options} "$3" "$1"; cd /proc/self/fd/3; exec {PACKED[form]}'
    words = ["unshare", "--mount", "sh", "-ec", script, "sh", os.path.dirname(out), os.path.basename(out), image]
    if (done := run(words, ok=(0, _NOT_MOUNTED))).status == _NOT_MOUNTED:
        raise Damaged(f"the disk {image!r} cannot be mounted: {done.err.decode('utf-8', 'replace').strip()}")
