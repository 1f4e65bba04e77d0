"""The directory host: the parts put together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from goldroot.hosts.directory.disks import Directories
from goldroot.hosts.filehost import FileHost


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
