"""The directory host; its layout is drawn in the package's docstring."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from goldroot import private
from goldroot.errors import BadInput, Busy, HostError, NotFound, ProgramFailed, Refused, StillRunning
from goldroot.hosts.former.directory.definitions import Definitions, sync_directory
from goldroot.hosts.former.directory.usage import user_of
from goldroot.hosts.former.port import (
    RUNS,
    Linked,
    Machine,
    Standing,
    check_address,
    check_machine_name,
    prepared,
    switched,
)
from goldroot.run import run
from goldroot.tree import remove_tree

_DISK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_GOING = re.compile(r"^\.(.+)\.going$")


class DirectoryHost:
    """Disks and machines as directories and files below ``store``.

    :param store: absolute path of the store; made by :meth:`create`.
    :param running_command: a command of the site that is called with a machine's name and ends with status 0 when that
        machine runs, 1 when it does not; anything else is an error.
    """

    kind = "directory"

    def __init__(self, store: str, *, running_command: Sequence[str] = ()) -> None:
        self.store = os.path.abspath(store)
        self.running_command = tuple(running_command)
        self._disks = os.path.join(self.store, "disks")
        self._definitions = Definitions(self.store)
        self._label = os.path.join(self.store, "label")

    @classmethod
    def create(cls, store: str, *, running_command: Sequence[str] = ()) -> DirectoryHost:
        """Make the store's directories; what is there already stays."""
        host = cls(store, running_command=running_command)
        for directory in (host.store, host._disks, host._definitions.directory):
            private.make_directory(directory)
        return host

    # -- whose it is

    @property
    def own_paths(self) -> list[str]:
        """What of the store is goldroot's, for :func:`goldroot.private.tighten`; the store's directory is the last."""
        return [self._definitions.directory, self._definitions.lock_file, self._label, self._disks, self.store]

    @property
    def trees(self) -> str:
        """The directory in which the disks are: what is in it has modes of its own."""
        return self._disks

    def is_made(self) -> bool:
        """Whether the store's directories are there."""
        return os.path.isdir(self._disks) and os.path.isdir(self._definitions.directory)

    def label(self) -> str:
        """What :meth:`set_label` wrote last; "" where nothing was."""
        try:
            with open(self._label, encoding="ascii", errors="replace") as file:
                return file.read(64).strip()
        except FileNotFoundError:
            return ""

    def set_label(self, label: str) -> None:
        """Write down whose the store is."""
        private.write(self._label, f"{label}\n".encode())

    # -- disks

    def disks(self) -> list[str]:
        self._definitions.check_store()
        # One whose removal was cut off is listed too, so that whoever removes disks by their names finishes it.
        return sorted({_GOING.sub(r"\1", name) for name in os.listdir(self._disks)})

    def create_disk(self, disk: str) -> str:
        path = self._disk(disk)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            raise Refused(f"a disk {disk} exists already") from None
        return path

    def delete_disk(self, disk: str) -> None:
        path, going = self._disk(disk), os.path.join(self._disks, f".{disk}.going")
        with self._definitions.locked():
            self._refuse_attached(disk)
            if os.path.isdir(path):
                self._refuse_used(disk)
                remove_tree(going)
                os.rename(path, going)
                sync_directory(self._disks)
        remove_tree(going)

    def disk_path(self, disk: str) -> str:
        path = self._disk(disk)
        if not os.path.isdir(path):
            raise NotFound(f"there is no disk {disk}", todo="Is this the store that was meant?")
        return path

    def disk_user(self, *disks: str) -> str | None:
        return user_of([self.disk_path(disk) for disk in disks], writing=False) if disks else None

    # -- definitions

    def machines(self) -> list[Machine]:
        return self._definitions.all()

    def get(self, name: str) -> Machine:
        return self._definitions.get(name)

    def find(self, name: str) -> Machine | None:
        try:
            return self._definitions.get(name)
        except NotFound:
            return None

    def define(self, machine: Machine) -> Machine:
        return self._definitions.define(self._checked(machine))

    def replace(self, machine: Machine) -> Machine:
        return self._definitions.replace(self._checked(machine))

    def delete(self, name: str) -> None:
        held = [link.machine for link in self.linked(name) if link.machine != name]
        if held:
            raise Refused(f"{name} is linked by {', '.join(sorted(set(held)))}", todo="Move or delete these first.")
        self._definitions.delete(name)

    def at(self, name: str, address: str) -> Standing:
        machine, owner, where = self.get(name), name, check_address(address)
        if link := machine.links.get(where):
            owner, where = link.owner, link.address
            machine = self.get(owner)
        found = machine.disks.get(where)
        if found is None:
            raise NotFound(f"{name} has no disk at {address}", todo=f"It has: {', '.join(self.get(name).addresses())}.")
        mode = found.mode if owner == name else "ro"
        return Standing(found.disk, mode, owner, self.disk_path(found.disk))

    def linked(self, owner: str) -> list[Linked]:
        return [
            Linked(machine.name, address, link.address)
            for machine in self.machines()
            for address, link in sorted(machine.links.items())
            if link.owner == owner
        ]

    # -- running, and the switch

    def is_running(self, name: str) -> str | None:
        machine = self.get(name)
        if machine.kind != RUNS:
            return None
        return self._entered(name) or self._seen(machine) or self._said(name)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        # Whoever asks "is it running?" holds the lock for a moment; only a switch holds it longer.
        tries = (self._lock_running(name, fcntl.LOCK_SH, wait) for wait in (0.0, 0.02, 0.1, 0.4, 1.0))
        handle = next((handle for handle in tries if handle is not None), None)
        if handle is None:
            raise Busy(f"{name} is being switched by another command", todo="Wait until it is done, then try again.")
        try:
            yield
        finally:
            os.close(handle)

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        handle = self._lock_running(name, fcntl.LOCK_EX)
        reason = "a goldroot command runs it" if handle is None else None
        try:
            machine = self.get(name)
            if reason := reason or self._seen(machine) or self._said(name):
                raise still_running(name, reason)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def refuse_running(self, name: str) -> None:
        if reason := self.is_running(name):
            raise still_running(name, reason)

    def switch(self, name: str, generation: int) -> Machine:
        with self.stopped(name):
            machine = self.get(name)
            if machine.generation != generation:
                raise Busy(f"{name} was changed by another command meanwhile", todo="Run the command again.")
            if not any(prepared(address) for address in machine.addresses()):
                raise Refused(f"{name} has nothing prepared at its 5Bx addresses", todo="Run an update first.")
            return self.replace(switched(machine))

    # -- inside

    def _disk(self, disk: str) -> str:
        if not _DISK.fullmatch(disk):
            raise BadInput(f"{disk!r} cannot be a disk's id")
        path = os.path.join(self._disks, disk)
        if os.path.islink(path):
            raise linked_away(path)
        return path

    def _checked(self, machine: Machine) -> Machine:
        """Only disks that exist, links that lead somewhere, and one thing at each address."""
        check_machine_name(machine.name)
        if both := set(machine.disks) & set(machine.links):
            raise BadInput(f"{machine.name} would have a disk and a link at {', '.join(sorted(both))}")
        for address in machine.addresses():
            check_address(address)
        for attached in machine.disks.values():
            self.disk_path(attached.disk)
        for link in machine.links.values():
            if link.address not in self.get(link.owner).disks:
                raise NotFound(f"{machine.name} would link {link.owner} {link.address}, which does not exist")
        return machine

    def _refuse_attached(self, disk: str) -> None:
        for machine in self.machines():
            for address, attached in machine.disks.items():
                if attached.disk == disk:
                    raise Refused(f"disk {disk} stands at {address} of {machine.name}", todo="Detach it there first.")

    def _refuse_used(self, disk: str) -> None:
        if reason := self.disk_user(disk):
            raise Refused(f"disk {disk} is in use: {reason}", todo="End that use, then run the command again.")

    def _lock_running(self, name: str, how: int, wait: float = 0.0) -> int | None:
        time.sleep(wait)
        self.get(name)
        handle = os.open(self._running_file(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def _running_file(self, name: str) -> str:
        return os.path.join(self._definitions.directory, f"{name}.running")

    def _entered(self, name: str) -> str | None:
        if not os.path.lexists(self._running_file(name)):
            return None  # who only asks makes no file: it may be a plan, or on a disk without room
        handle = self._lock_running(name, fcntl.LOCK_EX)
        if handle is None:
            return "a goldroot command runs it"
        os.close(handle)
        return None

    def _seen(self, machine: Machine) -> str | None:
        live = [attached.disk for address, attached in machine.disks.items() if not prepared(address)]
        return user_of([self.disk_path(disk) for disk in live]) if live else None

    def _said(self, name: str) -> str | None:
        if not self.running_command:
            return None
        command = " ".join(self.running_command)
        try:
            status = run([*self.running_command, name], ok=(0, 1), timeout=60).status
        except ProgramFailed as error:
            raise HostError(
                f"the site's running command {command!r} failed: {error.brief}",
                meaning="It is not known whether the machine runs, so nothing was switched.",
                todo="It must end with status 0 where the machine runs and 1 where it does not.",
            ) from error
        return f"{command} says that it runs" if status == 0 else None


def linked_away(path: str) -> HostError:
    """The error for a disk that somebody moved elsewhere and left a link of."""
    return HostError(
        f"the disk {path!r} is a symbolic link, and links are never followed",
        meaning="What it leads to may be anybody's: it is neither read, written nor removed.",
        todo="Put the directory back. One that shall be elsewhere is mounted there: mount --bind ELSEWHERE DISK.",
    )


def still_running(name: str, reason: str) -> StillRunning:
    """The error for a machine that may still be written."""
    return StillRunning(
        f"{name} may still be written: {reason}",
        meaning="A running system is neither copied nor switched: what it writes would be lost. Nothing was changed.",
        todo="Shut it down (or end what is named here), then run the same command again.",
    )
