"""What a store knows of each disk besides its bytes: one small JSON file, named like the disk.

The label says whose the disk is; it is there before the disk's bytes have their name, and goes after they are gone.
Where a disk stands, its owner's entry says.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

from goldroot import private
from goldroot.errors import Damaged
from goldroot.hosts.addresses import check_disk_id
from goldroot.hosts.atomic import store_errors, sync_directory, write_whole


@dataclass(frozen=True, slots=True)
class Label:
    """What was asked for when a disk was made, and the form that it was sealed in, or ""."""

    id: str
    owner: str
    size: int
    form: str
    sealed: str = ""


class Labels:
    """The ``labels/`` directory of a store."""

    def __init__(self, store: str) -> None:
        self._directory = os.path.join(store, "labels")

    def create(self) -> None:
        """Make the directory; what is there stays."""
        private.make_directory(self._directory)

    def find(self, id: str) -> Label | None:
        """:raises Damaged: it is not what goldroot wrote."""
        path = self._path(id)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return _decode(file.read(), path, id)

    def write(self, label: Label) -> None:
        """Put it in the place of the old one, whole."""
        write_whole(self._path(label.id), json.dumps(asdict(label)).encode() + b"\n")

    def remove(self, id: str) -> None:
        """Again: nothing."""
        path = self._path(id)
        with store_errors(path):
            with suppress(FileNotFoundError):
                os.unlink(path)
            sync_directory(self._directory)

    def _path(self, id: str) -> str:
        return os.path.join(self._directory, f"{check_disk_id(id)}.json")


@lru_cache(512)  # a label is asked for before and behind each lock
def _decode(content: bytes, path: str, id: str) -> Label:
    types = {field.name: int if field.name == "size" else str for field in fields(Label)}
    try:
        data = json.loads(content)
        if data.keys() != types.keys() or any(type(data[key]) is not kind for key, kind in types.items()):
            raise ValueError("keys")
        if data["id"] != id:
            raise ValueError(f"it names disk {data['id']!r}")
        return Label(**data)
    except (ValueError, AttributeError) as error:
        raise Damaged(
            f"{path} is not the label of a disk ({error})",
            meaning="Whose disk it is cannot be told, so it is neither read, written nor removed.",
            todo="Look at the file; put it right by hand, or put back the one of a backup.",
        ) from error
