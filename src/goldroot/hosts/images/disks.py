"""Disks as images.

::

    STORE/
    ├── disks/
    │   ├── web1-1B5-u7k2m9q4xa.ext4            a disk; of mode 0440 once it is sealed as it is
    │   ├── gold-1B1-b2c4d6e8f0.erofs           a sealed one; what it was goes after its label says so
    │   ├── gold-1B1-b2c4d6e8f0.erofs.verity    its tree of hashes (dm-verity), where it has one
    │   └── gold-1B1-b2c4d6e8f0.erofs.roothash  the hash that stands for all of them
    └── halfway/
        └── web1-1B5-c3d5e7f9g1.making          not a disk yet
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Literal

from goldroot import crash
from goldroot.errors import Damaged, NoSpace, ProgramFailed
from goldroot.hosts.images import mounting, verity
from goldroot.hosts.images.filesystems import MIB, PACKED, WRITTEN, FileSystem, pack, packed_size
from goldroot.hosts.inuse import user_of
from goldroot.hosts.port import Access, DiskInfo, Use
from goldroot.hosts.storefiles import Exact, Label, OpenedDisk, free_bytes, store_errors, sync_directory
from goldroot.run import run
from goldroot.tree import copy_tree

#: Seconds between looks: the kernel gives a loop device back a moment after its last user has gone.
LOOKS = (0.0, 0.05, 0.2, 0.8)

_MAKING = ".making"
_SEALED_MODE = 0o440


class Images:
    """The bytes of disks, see :class:`goldroot.hosts.parts.DiskBytes`.

    :param with_hashes: sealed disks get a tree of hashes that a guest can check them by.
    :param group: a group's number, which may do with a disk's file what its owner may; ``None``: nobody else.
    """

    forms = tuple(WRITTEN)
    sealed_forms = (*PACKED, *WRITTEN)

    def __init__(self, store: str, *, with_hashes: bool = False, group: int | None = None) -> None:
        self._disks = os.path.join(os.path.abspath(store), "disks")
        self._halfway = os.path.join(os.path.abspath(store), "halfway")
        self._with_hashes = with_hashes
        self._group = group

    def stands(self, label: Label) -> bool:
        path = self.file(label)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            raise Damaged(
                f"the disk {path!r} is not a file, and links are never followed",
                meaning="What a link leads to may be anybody's: it is neither read, written nor removed.",
                todo="Put the file back.",
            )
        return True

    def make(self, label: Label, source: Label | None) -> None:
        """A copy of blocks is never smaller than its source: what is asked for is the least that it has."""
        form, place = WRITTEN[label.form], self.file(label)
        size = _size(label)
        with self._making(label.id, size) as making:
            if source is not None and self.copies(source, label.form) == "blocks":
                self._refuse_broken(source)
                _copy_blocks(form, self.file(source), making, size)
            else:
                with open(making, "xb") as file:
                    file.truncate(size)
                form.make(making)
                if source is not None:
                    self._copy_files(source, label.form, making)
            self._give(making, 0o600)
            crash.point("host.disk-halfway")
            self._put(making, place)

    def empty(self, label: Label) -> None:
        self.make(label, None)

    def seal(self, label: Label, form: str) -> None:
        written, image = WRITTEN[label.form], self.file(label)
        self._refuse_broken(label)
        sealed = self.file(replace(label, sealed=form))
        if form == label.form:
            self._hash(sealed)
            return
        with self._making(label.id, 0) as making:
            pack(image, written, form, making)
            self._give(making, _SEALED_MODE)
            self._put(making, sealed)
            self._hash(sealed)

    def settle(self, label: Label) -> None:
        place = self.file(label)
        if label.sealed and stat.S_IMODE(os.lstat(place).st_mode) != _SEALED_MODE:
            os.chmod(place, _SEALED_MODE)
        for form in self.sealed_forms:
            other = self.file(replace(label, sealed=form))
            if other != place:
                _unlink(other)
            if other != place or not label.sealed:
                verity.remove(other)

    def remove(self, id: str) -> None:
        for form in self.sealed_forms:
            path = os.path.join(self._disks, f"{id}.{form}")
            if os.path.lexists(path):
                _unlink(path)
                crash.point("host.images.removed")
            verity.remove(path)
        with store_errors(self._disks):
            sync_directory(self._disks)
        self.tidy(id)

    def copies(self, source: Label, form: str) -> Literal["blocks", "files"]:
        return "blocks" if _form_of(source) == form else "files"

    def info(self, label: Label) -> DiskInfo:
        path = self.file(label)
        try:
            found = os.lstat(path)
        except FileNotFoundError as error:
            raise Damaged(f"the disk {path!r} is not there", todo="Put it back, or empty or delete it.") from error
        proof = f"{found.st_ino} {found.st_ctime_ns} {found.st_size}" if label.sealed else ""
        used = found.st_blocks * 512
        return DiskInfo({"path": path}, found.st_size, used, _form_of(label), bool(label.sealed), proof)

    def open(self, stack: ExitStack, label: Label, access: Access, use: Use, *, exact: Exact) -> OpenedDisk:
        path, form = self.file(label), _form_of(label)
        options = {}
        self._refuse_broken(label)
        if (written := WRITTEN.get(form)) is not None:
            options = dict(written.options)
        return OpenedDisk(*mounting.mounted(path, form, options, _attributes(access, use)), exact=exact)

    def open_copy(self, label: Label, path: str, use: Use) -> OpenedDisk:
        """Open a copy that was taken while the disk was written: its journal is replayed, in the copy."""
        form = WRITTEN[_form_of(label)]
        return OpenedDisk(*mounting.mounted(path, form.name, form.options, _attributes("ro", use), replay=True))

    def refuse_cut_off(self, label: Label) -> None:
        """:raises Damaged: the file is shorter than the disk."""
        path = self.file(label)
        whole = packed_size(path, label.sealed) if label.sealed in PACKED else 0 if label.sealed else _size(label)
        if (size := os.lstat(path).st_size) < whole:
            raise Damaged(
                f"the disk {path!r} was cut off: it has {size} bytes of {whole}",
                meaning="What stood behind is lost. It was neither read nor written.",
                todo="Put the file back from a backup, or empty or delete the disk.",
            )

    def users(self, labels: Sequence[Label], *, writing: bool) -> str | None:
        paths = [self.file(label) for label in labels]
        found = None
        for wait in LOOKS:
            time.sleep(wait)
            found = user_of(paths, writing=writing) or mounting.loop_of(paths, writing=writing)
            if found is None:
                return None
        return found

    def ids(self) -> list[str]:
        names = os.listdir(self._disks) if os.path.isdir(self._disks) else []
        return sorted(
            {name[: -len(form) - 1] for name in names for form in self.sealed_forms if name.endswith(f".{form}")}
        )

    def halves(self) -> list[str]:
        return sorted(name.removesuffix(_MAKING) for name in os.listdir(self._halfway))

    def tidy(self, id: str) -> None:
        _unlink(os.path.join(self._halfway, id + _MAKING))

    def file(self, label: Label) -> str:
        """The path of a disk's image, as it counts now."""
        return os.path.join(self._disks, f"{label.id}.{_form_of(label)}")

    @contextmanager
    def _making(self, id: str, size: int) -> Iterator[str]:
        """A path for a file of so many bytes, in a block that makes it; not there at its beginning, nor after an error.

        A file takes no room before it is written, so the room is looked at here: what would not fit is not begun.
        """
        making = os.path.join(self._halfway, id + _MAKING)
        with store_errors(making):
            _unlink(making)
            if (free := free_bytes(self._halfway)) < size:
                raise NoSpace(
                    f"disk {id} needs {size} bytes, and {self._halfway!r} has {free} left",
                    todo="Make room, then run the command again.",
                )
            try:
                yield making
            except ProgramFailed as error:
                _unlink(making)
                if "No space left" in error.stderr or free_bytes(self._halfway) < MIB:
                    raise NoSpace(
                        f"there is no room for disk {id}: {error.brief}", todo="Make room, then run the command again."
                    ) from error
                raise
            except BaseException:
                _unlink(making)
                raise

    def _refuse_broken(self, label: Label) -> None:
        self.refuse_cut_off(label)
        if (written := WRITTEN.get(_form_of(label))) is not None:
            written.refuse_dirty(self.file(label))

    def _put(self, making: str, place: str) -> None:
        handle = os.open(making, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(making, place)
        sync_directory(self._disks)

    def _give(self, making: str, mode: int) -> None:
        """Before it stands in its place: an owner that changes later is not an evidence that nobody wrote to it."""
        if self._group is not None:
            os.chown(making, -1, self._group)
            mode |= (mode & 0o600) >> 3
        os.chmod(making, mode)

    def _hash(self, sealed: str) -> None:
        if self._with_hashes:
            self._give(verity.make(sealed).tree, _SEALED_MODE)

    def _copy_files(self, source: Label, form: str, making: str) -> None:
        with ExitStack() as stack:
            old = self.open(stack, source, "ro", "files", exact=True)
            stack.callback(old.close)
            options = WRITTEN[form].options
            new = OpenedDisk(*mounting.mounted(making, form, options, _attributes("rw", "files")))
            stack.callback(new.close)
            copy_tree(old.path, new.path)


def _size(label: Label) -> int:
    """The least that a disk has."""
    return max(WRITTEN[label.form].least, -(-label.size // MIB) * MIB)


def _form_of(label: Label) -> str:
    return label.sealed or label.form


def _attributes(access: Access, use: Use) -> int:
    read_only = mounting.READ_ONLY if access == "ro" else 0
    return mounting.NOSUID | mounting.NODEV | read_only | (mounting.NOEXEC if use == "files" else 0)


def _copy_blocks(form: FileSystem, source: str, out: str, size: int) -> None:
    run(["cp", "--reflink=auto", "--sparse=always", "--", source, out])
    os.chmod(out, 0o600)
    form.rename(out)
    if size > os.path.getsize(out):
        os.truncate(out, size)
        form.grow(out)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
