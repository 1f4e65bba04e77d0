"""A host that keeps disks and entries as files and runs the machines: what is the same for containers and for QEMU.

A machine is run by a supervisor (:mod:`goldroot.hosts.machines.supervise`), a process of its own that holds the entry's
lock as long as the machine lives.  So "does it run" is asked of the kernel, and nobody holds a machine that runs.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Protocol

from goldroot.errors import Busy, HostError, Refused, Unreachable
from goldroot.hosts.addresses import is_live
from goldroot.hosts.bytes import DiskBytes
from goldroot.hosts.filehost import FileHost, live_of
from goldroot.hosts.inuse import Note, disk_lock, entry_lock, utc_now
from goldroot.hosts.labels import Label
from goldroot.hosts.machines import control
from goldroot.hosts.machines.console import last_lines
from goldroot.hosts.port import Access, Around, Entry
from goldroot.hosts.standing import standing, still_running
from goldroot.tree import remove_tree

#: Seconds that a machine gets to be gone after it was killed, and until it is asked again: it may not have listened yet.
_AFTER_KILL, _ASK_AGAIN = 20.0, 2.0
_LOOK_AGAIN = 0.05
#: So many looks before a machine without a supervisor counts as somebody else's.
_ENDING = 30

#: What is behind a machine's name in that of its trial; no entry has such a name.
TRIAL = ".trial"


class Running(Protocol):
    """A machine, for its supervisor."""

    @property
    def pid(self) -> int:
        """Of the process that is the machine; a child of the supervisor."""

    @property
    def console(self) -> int:
        """A descriptor from which the console is read."""

    def is_up(self) -> bool:
        """Whether it has begun to run its system."""

    def halt(self, how: str) -> None:
        """Ask it to shut down ("asked"), as the power button does ("pressed"), or end it at once ("killed").

        :raises HostError: it has no such way.
        """

    def inside(self) -> int:
        """The process whose end is the end of all that the machine is; as this machine numbers it.

        :raises HostError: there is none.
        """


@dataclass(frozen=True)
class Given:
    """A live disk that a machine is given.

    :param owner: "" where it is its own, else whose it is.
    :param aside: what is written goes to a copy that ends with the machine; the disk itself is only read.
    """

    address: str
    label: Label
    access: Access
    owner: str = ""
    aside: bool = False


class MachineHost(FileHost, ABC):
    """Entries and disks below ``store``, and machines that run from them.

    :param config: the host's table, as a dataclass that has ``store`` and ``running``.
    """

    abilities = replace(FileHost.abilities, boots=True)
    #: How a machine of this kind is stopped: the first one that helps.
    ways: ClassVar[Sequence[str]] = ("asked", "killed")

    def __init__(self, name: str, store: str, disk_bytes: DiskBytes, config: Any) -> None:
        super().__init__(name, store, disk_bytes, running_command=config.running)
        self.config = replace(config, store=self.store)

    @abstractmethod
    def launch(self, stack: ExitStack, entry: Entry, disks: Sequence[Given], around: Around | None = None) -> Running:
        """In the supervisor: begin to run a machine; ``stack`` ends with it.

        :param around: of a trial.
        """

    @property
    def own_paths(self) -> list[str]:
        return [os.path.join(self.store, "running"), *super().own_paths]

    def create(self) -> None:
        super().create()
        os.makedirs(os.path.join(self.store, "running"), mode=0o700, exist_ok=True)

    def undefine(self, name: str) -> None:
        super().undefine(name)
        remove_tree(self.directory(name))

    def directory(self, name: str) -> str:
        """What is kept of a machine besides its disks."""
        return os.path.join(self.store, "running", name)

    def table(self) -> Mapping[str, Any]:
        """The host's table, for its supervisors."""
        return {"kind": self.kind, "name": self.name, "config": asdict(self.config)}

    # -- power

    def start(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry.role == "owner":
            raise Refused(f"{name} is an owner of disks, which never runs")
        if not entry.startable:
            raise Refused(
                f"{name} is being made or removed", meaning="It was not started.", todo="End that work first."
            )
        power = self.power(name)
        if power.state == "on":
            if power.runs == "current" and self._is_supervised(name):
                return
            raise still_running(name, power.why)
        from goldroot.hosts.machines.supervise import begin

        directory = self.directory(name)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        begin(self.table(), name, directory)

    def stop(self, name: str, patience: float) -> str:
        power = self.power(name)
        if power.state == "off":
            return "off"
        if self._in_use.note(entry_lock(name)).what != "run" or not self._is_supervised(name):
            # Its supervisor may be ending just now: what it had mounted is seen until its process has gone.
            for _ in range(_ENDING):
                if self.power(name).state == "off":
                    return "off"
                time.sleep(_LOOK_AGAIN)
            raise still_running(name, power.why)
        for how in self.ways:
            seconds = _AFTER_KILL if how == "killed" else patience / (len(self.ways) - 1)
            if self._ended(name, how, seconds):
                return how
        if self.power(name).state == "off":
            return "killed"
        raise still_running(name, "nothing ended it")

    def console(self, name: str, lines: int) -> list[str]:
        self._entries.get(name)
        return last_lines(self.directory(name), lines)

    def tidy(self) -> list[str]:
        told = super().tidy()
        for name in sorted(os.listdir(place)) if os.path.isdir(place := os.path.join(self.store, "running")) else []:
            if name.endswith(TRIAL) and (taken := self._in_use.take(trial_lock(name), patient=False)) is not None:
                remove_tree(os.path.join(place, name))
                taken.gone()
                taken.close()
                told.append(f"removed what a killed command left of the trial of {name.removesuffix(TRIAL)}")
        return told

    # -- for the supervisor

    @contextmanager
    def run_by(self, who: str, name: str) -> Iterator[tuple[Entry, Sequence[Given]]]:
        """The entry that a machine runs from in the block, and its disks; nobody else runs or holds it.

        :param who: for others' messages.
        :raises StillRunning: somebody runs it.
        :raises Refused: it is held, or not startable any more, or a disk that it links is being written.
        """
        with ExitStack() as stack:
            entry = self._taken(stack, who, name)
            if not entry.startable:
                raise Refused(f"{name} is not startable any more", meaning="It was not started.")
            if reason := self._seen(entry):
                raise still_running(name, reason)
            yield entry, [*self._own(entry), *self._linked(stack, entry)]

    @contextmanager
    def tried_by(
        self, who: str, name: str, set: str, read_only: Collection[str]
    ) -> Iterator[tuple[Entry, Sequence[Given]]]:
        """What a trial of a set is given in the block; the machine itself may run, and its entry may change.

        :param who: for others' messages.
        :param read_only: live addresses of its own disks that are not written aside.
        :raises Refused: there is a trial of this machine already, or a disk of the set is being written.
        """
        entry = self._entries.get(name)
        with ExitStack() as stack:
            note = Note("run", who, utc_now())
            if (taken := self._in_use.take(trial_lock(name + TRIAL), note=note)) is None:
                raise Refused(f"{name} is tried already", todo="Try again when that has ended.")
            stack.callback(taken.close)
            stack.callback(taken.gone)
            given = []
            for address, disk in standing(self, entry, set).items():
                label = self._label(disk.id)
                if (lock := self._in_use.take(disk_lock(disk.id), shared=True)) is None:
                    raise Refused(f"disk {disk.id} is in use by {self._in_use.note(disk_lock(disk.id))}")
                stack.callback(lock.close)
                if not self._bytes.stands(label):
                    self._refuse_lost(self._entries.get(disk.owner), disk.id)
                own = disk.owner == name
                given.append(Given(address, label, "ro", "" if own else disk.owner, own and address not in read_only))
            yield replace(entry, name=name + TRIAL), given

    def _taken(self, stack: ExitStack, who: str, name: str) -> Entry:
        """The entry, as it is while its lock is held."""
        while True:
            entry = self._entries.get(name)
            note = Note("run", who, utc_now(), live_of(entry))
            if (taken := self._in_use.take(entry_lock(name), note=note)) is None:
                other = self._in_use.note(entry_lock(name))
                raise Refused(
                    f"{name} is in use by {other}", meaning="It was not started.", todo="Try again when that has ended."
                )
            if self._entries.get(name).token == entry.token:
                stack.callback(taken.close)
                return entry
            taken.close()  # it was changed between

    def _own(self, entry: Entry) -> Iterator[Given]:
        for address, disk in sorted(entry.disks.items()):
            if is_live(address):
                label = self._label(disk.id)
                if not self._bytes.stands(label):
                    self._refuse_lost(entry, disk.id)
                yield Given(address, label, "ro" if label.sealed else disk.mode)

    def _linked(self, stack: ExitStack, entry: Entry) -> Iterator[Given]:
        """Disks of others are locked while it runs, also after the entry has ceased to link them."""
        for address, link in sorted(entry.links.items()):
            if not is_live(address):
                continue
            disk = self._entries.get(link.owner).disks.get(link.address)
            if disk is None:
                raise Refused(f"{entry.name} links {link.owner} {link.address}, where there is no disk")
            try:
                label, _, _ = self._enter(stack, disk.id, "ro", "still", {})
            except Busy as error:
                raise Refused(
                    f"{entry.name} links {link.owner} {link.address}: {error.brief}",
                    meaning="It was not started.",
                    todo=error.todo,
                ) from error
            yield Given(address, label, "ro", link.owner)

    # -- inside

    def _is_supervised(self, name: str) -> bool:
        """Whether a supervisor runs it, and not a command of goldroot that is at work in its system."""
        try:
            control.ask(self.directory(name), do="inside")
        except Unreachable:
            return False
        except HostError:
            return True
        return True

    def _told(self, name: str, how: str) -> bool:
        """Whether the supervisor could do that; where it is gone, the machine is, too."""
        try:
            control.ask(self.directory(name), do=how)
        except Unreachable:
            return True
        except HostError:
            return False
        return True

    def _ended(self, name: str, how: str, seconds: float) -> bool:
        end, asked = time.monotonic() + seconds, 0.0
        while True:
            now = time.monotonic()
            if now >= asked + _ASK_AGAIN:
                # who listened once has heard it: in a system that ends, the agent is among the first to go
                if not self._told(name, how) and not asked:
                    return False
                asked = now
            if self.power(name).state == "off":
                return True
            if now >= end:
                return False
            time.sleep(_LOOK_AGAIN)


def trial_lock(name: str) -> str:
    """The lock of a trial's supervisor.

    :param name: of the trial, which is also that of its directory.
    """
    return f"trial-{name}"
