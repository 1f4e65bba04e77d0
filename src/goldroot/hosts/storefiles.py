"""What a store of files is made of: small files that are written whole or not at all, and the bytes of the disks.

A label is one small file for each disk, named like it.  It says whose the disk is; it is there before the disk's bytes have their name,
and goes after they are gone.  Where a disk stands, its owner's entry says.  A disk whose making or removal was begun and that its entry
does not name has an empty file besides, by which who tidies finds it.

An entry is JSON, the same bytes for the same entry::

    {"format": 1, "name": "WEB1", "role": "machine", "startable": true, "boot": "", "serial": "3.17",
     "disks": {"1B5": {"id": "web1-1B5-u7k2m9q4xa", "mode": "rw"}, "5B5": {"id": "web1-1B5-b2c4d6e8f0", "mode": "ro"}},
     "links": {"1B1": {"owner": "DEBIANGOLD2", "address": "1B1"}, "5B1": {"owner": "DEBIANGOLD", "address": "1B1"}},
     "others": [],
     "marks": {"1": {"state": "live", "by": "k3v9s1m2qx", "image": "debian", "server": "web1", "version": 4,
                     "since": "2026-11-26T09:30:00Z"}, ...}}

A machine that is joined to others has besides::

    "network": {"bridge": "br0", "interface": "eth0", "address": "192.0.2.10/24", "gateway": "", "ports": ["8080:80"]}

A person may write addresses into ``others``: what stands there is not goldroot's, and it keeps away from them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any, get_args

from goldroot import crash, files
from goldroot.errors import Damaged, HostError, NoPermission, NoSpace, UsageError
from goldroot.hosts.network import Network
from goldroot.hosts.port import Disk, Entry, Link, Mark, Role, State
from goldroot.hosts.sets import check_disk_id, check_entry


def write_whole(path: str, content: bytes) -> None:
    """The file is the old one or the new one, whatever happens: written beside, synced, renamed, directory synced.

    The caller holds a lock: two writers of one file share the name beside it.

    :raises NoSpace: there is no room; the file is the old one.
    :raises NoPermission: it may not be written.
    :raises HostError: something else went wrong.
    """
    with store_errors(path):
        beside = write_beside(path, content)
        try:
            put_in_place(beside, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside)
            raise


def write_beside(path: str, content: bytes) -> str:
    """The new content of a file, beside it and synced; gives its path, for :func:`put_in_place`."""
    beside = beside_of(path)
    try:
        _write(beside, content)
        crash.point("host.file-beside")
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    return beside


def put_in_place(beside: str, path: str) -> None:
    """What was written beside a file takes its place."""
    os.rename(beside, path)
    sync_directory(os.path.dirname(path))


def beside_of(path: str) -> str:
    """Where the new content of a file is written first."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.new")


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: str) -> None:
    """Names in a directory reach the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def store_errors(path: str) -> Iterator[None]:
    """In the block an error of the system, about a file of the store, becomes one for people."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"there is no room for {path!r}", todo="Make room, then run the command again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise NoPermission(
                f"{path!r} may not be written: {why}",
                todo="Run it as the owner of the site, on a store that can be written.",
            ) from error
        raise HostError(f"{path!r} could not be written: {why}") from error


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
        files.make_directory(self._directory)

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
        data = files.json_of(content)
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


class Begun:
    """The files below ``begun/`` of a store."""

    def __init__(self, store: str) -> None:
        self._place = os.path.join(store, "begun")

    def note(self, id: str) -> None:
        """Before anything is made of a disk, or its entry names it no more.

        :raises NoSpace: the store is full.
        """
        file = os.path.join(self._place, id)
        with store_errors(file):
            files.make_directory(self._place)
            files.prepare(file)

    def forget(self, id: str) -> None:
        """The work is done; where that cannot be noted, it is seen by the next that tidies."""
        with suppress(OSError):
            os.unlink(os.path.join(self._place, id))

    def ids(self) -> list[str]:
        """All of them, sorted; none in a store that is older than this."""
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._place))
        return []


OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Whether a disk is seen exactly as it is, or how to find that out when somebody asks.
Exact = bool | Callable[[], bool]


class OpenedDisk:
    """An open directory of a disk, see :class:`goldroot.hosts.Opened`.  It owns its descriptors.

    :param mount: of a file system that is mounted nowhere, what keeps it a mount that can be placed elsewhere.
    """

    def __init__(self, handle: int, mount: int = -1, *, exact: Exact = True) -> None:
        self._handle = handle
        self._mount = mount
        self._exact = exact

    @property
    def handle(self) -> int:
        if self._handle < 0:
            raise ValueError("a disk is used outside of the block in which it was open")
        return self._handle

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.handle}"

    @property
    def exact(self) -> bool:
        return self.handle >= 0 and (self._exact if isinstance(self._exact, bool) else self._exact())

    def close(self) -> None:
        """Give it back; again: nothing."""
        handles, self._handle, self._mount = (self._handle, self._mount), -1, -1
        for handle in handles:
            if handle >= 0:
                os.close(handle)


def free_bytes(directory: str) -> int:
    """How much room a store has for a user without privileges."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


FORMAT = 1
_KEYS = {"format", "name", "role", "startable", "boot", "serial", "disks", "links", "others", "marks"}
#: What an entry has only where there is something to say.
_MAY = {"network"}
_SERIAL = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
_TYPES = {"role": str, "startable": bool, "boot": str, "serial": str, "disks": dict, "links": dict, "others": list}
_MARK = {"state": str, "by": str, "image": str, "server": str, "version": int, "since": str}


def token_of(content: bytes) -> str:
    """What stands for a file's content."""
    return hashlib.sha256(content).hexdigest()[:32]


def encode(entry: Entry) -> bytes:
    """The entry's file."""
    data = {
        "format": FORMAT,
        "name": entry.name,
        "role": entry.role,
        "startable": entry.startable,
        "boot": entry.boot,
        "serial": entry.serial,
        "disks": {address: asdict(disk) for address, disk in sorted(entry.disks.items())},
        "links": {address: asdict(link) for address, link in sorted(entry.links.items())},
        "others": sorted(entry.others),
        "marks": {digit: asdict(mark) for digit, mark in sorted(entry.marks.items())},
        **({} if entry.network is None else {"network": entry.network.as_dict()}),
    }
    return json.dumps(data, indent=1).encode() + b"\n"


@lru_cache(512)  # an update reads its entry seventy times, and it has changed five times
def decode(content: bytes, path: str, name: str) -> Entry:
    """The entry of that name.

    :raises Damaged: the file is cut off, was edited into something that is not an entry, or is of a newer goldroot.
    """
    try:
        data = files.json_of(content)
        entry = _entry(data)
        if entry.name != name:
            raise ValueError(f"it names itself {entry.name!r}")
        check_entry(entry)
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise Damaged(
            f"{path} is not an entry of a machine ({error})",
            meaning="Its disks and links are not known until it is right again; nothing was changed.",
            todo="Look at the file; put it right by hand, or put back the one of a backup.",
        ) from error
    return replace(entry, token=token_of(content))


def entry_of_file(path: str, name: str) -> Entry:
    """The entry of that name in a file, wherever it stands.

    :raises OSError: it cannot be read. :raises Damaged: as :func:`decode`.
    """
    with open(path, "rb") as file:
        return decode(file.read(), path, name)


def _entry(data: dict[str, Any]) -> Entry:
    if data.get("format") != FORMAT:
        raise ValueError(f"its format is {data.get('format')!r}, and this goldroot knows {FORMAT}")
    if data.keys() - _MAY != _KEYS:
        raise ValueError(f"keys: {', '.join(sorted((data.keys() - _MAY) ^ _KEYS))}")
    for key, kind in _TYPES.items():
        if type(data[key]) is not kind:
            raise ValueError(f"{key} is not a {kind.__name__}")
    if data["role"] not in get_args(Role) or not _SERIAL.fullmatch(data["serial"]):
        raise ValueError("role or serial")
    return Entry(
        name=data["name"],
        role=data["role"],
        disks={address: _disk(one) for address, one in data["disks"].items()},
        links={address: Link(**_only(one, {"owner": str, "address": str})) for address, one in data["links"].items()},
        others=frozenset(map(str, data["others"])),
        startable=data["startable"],
        boot=data["boot"],
        marks={digit: _mark(one) for digit, one in data["marks"].items()},
        serial=data["serial"],
        network=Network.from_dict(data["network"]) if "network" in data else None,
    )


def _disk(data: Any) -> Disk:
    disk = Disk(**_only(data, {"id": str, "mode": str}))
    if disk.mode not in ("ro", "rw"):
        raise ValueError(f"mode {disk.mode!r}")
    return disk


def _mark(data: Any) -> Mark:
    mark = Mark(**_only(data, _MARK))
    if mark.state not in get_args(State):
        raise ValueError(f"state {mark.state!r}")
    return mark


def _only(data: Any, types: dict[str, type]) -> dict[str, Any]:
    if data.keys() != types.keys() or any(type(data[key]) is not kind for key, kind in types.items()):
        raise ValueError(f"{data!r}")
    return dict(data)
