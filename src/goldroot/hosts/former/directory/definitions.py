"""Machine definitions as files: read, written atomically, compared and swapped on their generation."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from goldroot import crash, private
from goldroot.errors import BadInput, Busy, HostError, NotFound, Refused
from goldroot.hosts.former.port import (
    OWNER,
    READ_ONLY,
    READ_WRITE,
    RUNS,
    Attached,
    LinkTo,
    Machine,
    check_address,
    check_machine_name,
)

_KEYS = {"name", "kind", "generation", "disks", "links"}


class Definitions:
    """The ``machines/`` directory of a store."""

    def __init__(self, store: str) -> None:
        self.directory = os.path.join(store, "machines")
        self.lock_file = os.path.join(store, "lock")

    def check_store(self) -> None:
        """:raises HostError: the store is not there."""
        try:
            os.stat(self.directory)
        except (FileNotFoundError, NotADirectoryError):
            raise HostError(
                f"there is no store at {os.path.dirname(self.directory)!r}",
                meaning="Disks and machines stand there. Nothing was changed.",
                todo="Mount it or put it back, or mend `store` in the table [host] of goldroot.toml.",
            ) from None

    def names(self) -> list[str]:
        self.check_store()
        found = (name for name in os.listdir(self.directory) if name.endswith(".json") and not name.startswith("."))
        return sorted(name.removesuffix(".json") for name in found)

    def get(self, name: str) -> Machine:
        """:raises NotFound: no such machine. :raises HostError: its file is not what goldroot wrote."""
        path = self._path(name)
        try:
            with open(path, "rb") as file:
                return decode(file.read(), path)
        except FileNotFoundError:
            self.check_store()
            raise NotFound(f"there is no machine {name}", todo="Look at the names with: goldroot linked") from None

    def all(self) -> list[Machine]:
        return [self.get(name) for name in self.names()]

    def define(self, machine: Machine) -> Machine:
        with self.locked():
            if os.path.lexists(self._path(machine.name)):
                raise Refused(f"a machine {machine.name} exists already", todo="Choose another name.")
            return self._write(replace(machine, generation=1))

    def replace(self, machine: Machine) -> Machine:
        with self.locked():
            now = self.get(machine.name).generation
            if now != machine.generation:
                raise Busy(
                    f"{machine.name} was changed by another command meanwhile",
                    meaning=f"This change was made from its definition {machine.generation}, and {now} is in force.",
                    todo="Nothing was changed. Run the command again.",
                )
            return self._write(replace(machine, generation=now + 1))

    def delete(self, name: str) -> None:
        with self.locked():
            try:
                os.unlink(self._path(name))
            except FileNotFoundError:
                raise NotFound(f"there is no machine {name}") from None
            sync_directory(self.directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One change of definitions at a time; held for milliseconds, so waiting is right."""
        handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{check_machine_name(name)}.json")

    def _write(self, machine: Machine) -> Machine:
        self._sweep()
        path = self._path(machine.name)
        write_atomically(path, encode(machine))
        return machine

    def _sweep(self) -> None:
        """Removes what killed writers left; under the lock, no living one is there."""
        for name in os.listdir(self.directory):
            if name.startswith(".") and ".json." in name:
                os.unlink(os.path.join(self.directory, name))


def write_atomically(path: str, content: bytes, mode: int = private.FILE) -> None:
    """The file is the old one or the new one, whatever happens: written beside, synced, renamed, directory synced."""
    directory, name = os.path.split(path)
    beside = os.path.join(directory, f".{name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        crash.point("definition-written")
        os.rename(beside, path)
        crash.point("definition-in-force")
    except BaseException:
        os.unlink(beside)
        raise
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Names in a directory reach the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def encode(machine: Machine) -> bytes:
    """The definition's file, the same bytes for the same definition."""
    data = {
        "name": machine.name,
        "kind": machine.kind,
        "generation": machine.generation,
        "disks": {a: {"disk": d.disk, "mode": d.mode} for a, d in sorted(machine.disks.items())},
        "links": {a: {"owner": k.owner, "address": k.address} for a, k in sorted(machine.links.items())},
    }
    return json.dumps(data, indent=1).encode() + b"\n"


def decode(content: bytes, path: str) -> Machine:
    """:raises HostError: the file was damaged, or edited into something that is no definition."""
    try:
        data: dict[str, Any] = json.loads(content)
        if set(data) != _KEYS or data["kind"] not in (RUNS, OWNER) or type(data["generation"]) is not int:
            raise ValueError("keys")
        disks = {check_address(a): _attached(d) for a, d in data["disks"].items()}
        links = {
            check_address(a): LinkTo(check_machine_name(k["owner"]), check_address(k["address"]))
            for a, k in data["links"].items()
        }
        machine = Machine(check_machine_name(data["name"]), data["generation"], disks, links, data["kind"])
        if set(disks) & set(links) or f"{machine.name}.json" != os.path.basename(path):
            raise ValueError("addresses or name")
        return machine
    except (ValueError, KeyError, TypeError, AttributeError, BadInput) as error:
        raise _damaged(path, error) from None


def _attached(data: dict[str, str]) -> Attached:
    if data["mode"] not in (READ_WRITE, READ_ONLY):
        raise ValueError("mode")
    return Attached(str(data["disk"]), data["mode"])


def _damaged(path: str, error: Exception) -> HostError:
    return HostError(
        f"{path} is not a machine definition ({error})",
        meaning="It was damaged, or edited by hand; what the machine stands on is not known.",
        todo="Mend it by the drawing in the documentation of the directory host, or restore it from a backup.",
    )
