"""The directory host: a disk is a directory.

::

    STORE/
    ├── disks/
    │   └── web1-1B5-u7k2m9q4xa/           a disk
    └── halfway/
        ├── web1-1B5-u7k2m9q4xa.making     not a disk yet
        └── web1-1B5-b2c4d6e8f0.going      not a disk any more
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from goldroot import crash
from goldroot.errors import Damaged, NoSpace
from goldroot.hosts.filehost import FileHost
from goldroot.hosts.inuse import user_of
from goldroot.hosts.port import Access, DiskInfo, Use
from goldroot.hosts.storefiles import OPEN_DIRECTORY, Exact, Label, OpenedDisk, store_errors, sync_directory
from goldroot.tree import copy_tree, remove_tree


@dataclass(frozen=True)
class DirectoryConfig:
    """``[hosts.NAME]`` with ``kind = "directory"``.

    :param store: where disks and entries stand; relative to the site.
    :param running: a command that is called with an entry's name; status 0: it runs, 1: it does not.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    store: str = "store"
    running: list[str] = field(default_factory=list)


class DirectoryHost(FileHost):
    """Disks as directories below ``store``; nothing has to be installed, and nothing is started."""

    kind = "directory"

    def __init__(self, name: str, store: str, *, running_command: Sequence[str] = ()) -> None:
        super().__init__(name, store, Directories(store), running_command=running_command)


def open_host(name: str, config: DirectoryConfig, root: str) -> DirectoryHost:
    """The host of that name in the site at ``root``."""
    return DirectoryHost(name, os.path.join(root, config.store), running_command=config.running)


FORM = "directory"
_MAKING, _GOING = ".making", ".going"


#: What the directory of definitions was called, by goldroot 0.1.
BEFORE = "machines"


def is_former(store: str) -> bool:
    """Whether a store has to be converted.  Hosts that run machines keep other things under that name, and entries."""
    directory = os.path.join(store, BEFORE)
    if not os.path.isdir(directory):
        return False
    return not os.path.isdir(os.path.join(store, "entries")) or any(map(is_definition, os.listdir(directory)))


def is_definition(name: str) -> bool:
    """Whether a file of that name is a machine's definition."""
    return name.endswith(".json") and not name.startswith(".")


class Directories:
    """The bytes of disks, see :class:`goldroot.hosts.parts.DiskBytes`."""

    forms = (FORM,)
    sealed_forms = (FORM,)

    def __init__(self, store: str) -> None:
        self._disks = os.path.join(os.path.abspath(store), "disks")
        self._halfway = os.path.join(os.path.abspath(store), "halfway")

    def stands(self, label: Label) -> bool:
        path = self._disk(label.id)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(mode):
            raise _elsewhere(path)
        return True

    def make(self, label: Label, source: Label | None) -> None:
        making, place = self._half(label.id, _MAKING), self._disk(label.id)
        remove_tree(making)
        with store_errors(making):
            os.mkdir(making, 0o755)
        if source is not None:
            try:
                copy_tree(self._disk(source.id), making)
            except NoSpace:
                remove_tree(making)
                raise
        crash.point("host.disk-halfway")
        with store_errors(place):
            sync_directory(making)
            os.rename(making, place)
            sync_directory(self._disks)

    def empty(self, label: Label) -> None:
        going, place = self._half(label.id, _GOING), self._disk(label.id)
        remove_tree(going)
        with store_errors(place):
            if self.stands(label):
                os.rename(place, going)
                crash.point("host.disk-aside")
            os.mkdir(place, 0o755)
            sync_directory(self._disks)
        remove_tree(going)

    def seal(self, label: Label, form: str) -> None:
        """Nothing: the label says it all."""

    def settle(self, label: Label) -> None:
        """Nothing: there is one form only."""

    def remove(self, id: str) -> None:
        going, place = self._half(id, _GOING), self._disk(id)
        remove_tree(going)
        if os.path.lexists(place):
            with store_errors(place):
                os.rename(place, going)
                sync_directory(self._disks)
            crash.point("host.disk-going")
        self.tidy(id)

    def copies(self, source: Label, form: str) -> Literal["blocks", "files"]:
        return "files"

    def info(self, label: Label) -> DiskInfo:
        return DiskInfo({"path": self._disk(label.id)}, label.size, -1, FORM, bool(label.sealed), "")

    def open(self, stack: ExitStack, label: Label, access: Access, use: Use, *, exact: Exact) -> OpenedDisk:
        path = self._disk(label.id)
        try:
            return OpenedDisk(os.open(path, OPEN_DIRECTORY), exact=exact)
        except OSError as error:
            raise Damaged(f"the disk {path!r} cannot be opened: {error.strerror}") from error

    def users(self, labels: Sequence[Label], *, writing: bool) -> str | None:
        return user_of([self._disk(label.id) for label in labels], writing=writing)

    def ids(self) -> list[str]:
        return sorted(os.listdir(self._disks)) if os.path.isdir(self._disks) else []

    def halves(self) -> list[str]:
        return sorted({name.removesuffix(_MAKING).removesuffix(_GOING) for name in os.listdir(self._halfway)})

    def tidy(self, id: str) -> None:
        remove_tree(self._half(id, _MAKING))
        remove_tree(self._half(id, _GOING))

    def _disk(self, id: str) -> str:
        return os.path.join(self._disks, id)

    def _half(self, id: str, how: str) -> str:
        return os.path.join(self._halfway, id + how)


def _elsewhere(path: str) -> Damaged:
    return Damaged(
        f"the disk {path!r} is not a directory, and links are never followed",
        meaning="What a link leads to may be anybody's: it is neither read, written nor removed.",
        todo="Put the directory back. One that shall be elsewhere is mounted there: mount --bind ELSEWHERE DISK.",
    )
