"""An entry as a file, and the index of who links whom.

The file is JSON, the same bytes for the same entry.

::

    {"format": 1, "name": "WEB1", "role": "machine", "startable": true, "boot": "", "serial": "3.17",
     "disks": {"1B5": {"id": "web1-1B5-u7k2m9q4xa", "mode": "rw"}, "5B5": {"id": "web1-1B5-b2c4d6e8f0", "mode": "ro"}},
     "links": {"1B1": {"owner": "DEBIANGOLD2", "address": "1B1"}, "5B1": {"owner": "DEBIANGOLD", "address": "1B1"}},
     "others": [],
     "marks": {"1": {"state": "live", "by": "k3v9s1m2qx", "image": "debian", "server": "web1", "version": 4,
                     "since": "2026-11-26T09:30:00Z"}, ...}}

A machine that is joined to others has besides::

    "network": {"bridge": "br0", "interface": "eth0", "address": "192.0.2.10/24", "gateway": "", "ports": ["8080:80"]}

A person may write addresses into ``others``: what stands there is not goldroot's, and it keeps away from them.

The index spares reading every entry.  For each owner a directory holds an empty file for each machine that may link it.  "May": a file
is there *before* the entry links that owner and goes *after* it has ceased to, so after a kill there is one too many, never one too
few; what is true the entry says.  A change of ``entries/`` that did not come this way (a backup put back, a file brought by hand) is
seen by the directory's own times, and then the index is made again from all entries.  Whom a damaged entry links is
unknown: it may link every owner.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, get_args

from goldroot.errors import Damaged, UsageError
from goldroot.hosts.changes import check_entry
from goldroot.hosts.network import Network
from goldroot.hosts.port import Disk, Entry, Link, Mark, Role, State
from goldroot.hosts.storefiles import sync_directory

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
        data = json.loads(content)
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


#: The entries directory's times as they were when the index was right.
STATE = ".entries"
#: In the place of an owner: machines that may link any.
UNKNOWN = ".unknown"


class LinkIndex:
    """The ``links/`` directory of a store.  Every method that changes it is called under the store's lock."""

    def __init__(self, directory: str, entries: str) -> None:
        self._directory = directory
        self._entries = entries

    def candidates(self, owner: str, *, slot: bool) -> list[str]:
        """The machines that may link this owner, sorted.

        :param slot: whether it may be a gold slot.  Only these are linked by servers: one whose entry cannot be read stops who
            would write a slot, not who works on another server.
        """
        return sorted({*self._names(owner), *(self._names(UNKNOWN) if slot else ())})

    def is_right(self) -> bool:
        """Whether nobody else has changed which entries there are since the index was last right."""
        try:
            with open(os.path.join(self._directory, STATE), encoding="ascii", errors="replace") as file:
                return file.read() == self._state()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def add(self, machine: str, owners: Iterable[str]) -> None:
        """Before an entry links these owners."""
        for owner in owners:
            directory = os.path.join(self._directory, owner)
            place = os.path.join(directory, machine)
            if os.path.lexists(place):
                continue
            if not os.path.isdir(directory):
                os.mkdir(directory, 0o700)
                sync_directory(self._directory)
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            sync_directory(directory)

    def drop(self, machine: str, owners: Iterable[str]) -> None:
        """After an entry has ceased to link these owners."""
        for owner in owners:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, owner, machine))
            with suppress(OSError):  # others link it still
                os.rmdir(os.path.join(self._directory, owner))

    def settle(self) -> None:
        """After a change of ``entries/``: the index is right.  A kill before this costs a making of the whole."""
        place = os.path.join(self._directory, STATE)
        handle = os.open(f"{place}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(self._state())
        os.rename(f"{place}.new", place)

    def make(self, machines: Collection[str], owners_of: Callable[[str], Collection[str] | None]) -> None:
        """Make the index again from all entries.

        :param owners_of: the owners that a machine links; ``None``: nobody can tell.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        right: dict[str, Collection[str]] = {}
        for machine in machines:
            owners = owners_of(machine)
            right[machine] = (UNKNOWN,) if owners is None else owners
            self.add(machine, sorted(right[machine]))
        for owner in [name for name in os.listdir(self._directory) if not name.startswith(STATE)]:
            for machine in self._names(owner):
                if owner not in right.get(machine, ()):
                    self.drop(machine, [owner])
        self.settle()

    def _names(self, owner: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self._directory, owner))
        except FileNotFoundError:
            return []

    def _state(self) -> str:
        found = os.stat(self._entries)
        return f"{found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}\n"
