"""A host that keeps disks and entries as files and runs the machines: what is the same for containers and for QEMU.

A machine is run by a supervisor (:mod:`goldroot.hosts.machines.supervise`), a process of its own that holds the entry's
lock as long as the machine lives.  So "does it run" is asked of the kernel, and nobody holds a machine that runs.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any, Protocol

from goldroot.errors import HostError, Refused, Unreachable
from goldroot.hosts.addresses import standing
from goldroot.hosts.bytes import DiskBytes
from goldroot.hosts.inuse import Note, disk_lock, entry_lock, utc_now
from goldroot.hosts.machines import control
from goldroot.hosts.machines.powered import Given, PoweredHost
from goldroot.hosts.port import Around, Entry
from goldroot.tree import remove_tree

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


class MachineHost(PoweredHost):
    """Entries and disks below ``store``, and machines that run from them.

    :param config: the host's table, as a dataclass that has ``store`` and ``running``.
    """

    def __init__(self, name: str, store: str, disk_bytes: DiskBytes, config: Any) -> None:
        super().__init__(name, store, disk_bytes, running_command=config.running)
        self.config = replace(config, store=self.store)

    @abstractmethod
    def launch(self, stack: ExitStack, entry: Entry, disks: Sequence[Given], around: Around | None = None) -> Running:
        """In the supervisor: begin to run a machine; ``stack`` ends with it.

        :param around: of a trial.
        """

    def table(self) -> Mapping[str, Any]:
        """The host's table, for its supervisors."""
        return {"kind": self.kind, "name": self.name, "config": asdict(self.config)}

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

    # -- inside

    def _begin(self, name: str) -> None:
        from goldroot.hosts.machines.supervise import begin

        begin(self.table(), name, self.directory(name))

    def _is_ours(self, name: str) -> bool:
        return self._in_use.note(entry_lock(name)).what == "run" and self._is_supervised(name)

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


def trial_lock(name: str) -> str:
    """The lock of a trial's supervisor.

    :param name: of the trial, which is also that of its directory.
    """
    return f"trial-{name}"
