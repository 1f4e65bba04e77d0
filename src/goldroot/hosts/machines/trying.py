"""A host that can start a set in isolation, beside the server itself: a trial, which has a supervisor as a machine has.

A trial takes no lock of its server's entry: that runs on, and may be changed.  Its own lock has the trial's name.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any, Protocol

from goldroot.errors import GoldrootError, HostError, Refused
from goldroot.hosts.inuse import Note, disk_lock, utc_now
from goldroot.hosts.machines import control
from goldroot.hosts.machines.console import last_lines
from goldroot.hosts.machines.powered import Given, PoweredHost
from goldroot.hosts.port import NOTHING_AROUND, Around, Entry
from goldroot.hosts.sets import standing
from goldroot.run import Done
from goldroot.tree import remove_tree

#: What is behind a machine's name in that of its trial; no entry has such a name.
TRIAL = ".trial"
#: Bytes that a command inside may say: they are kept in this machine's memory, and a server's system chooses what it says.
MOST_SAID = 64 << 20
#: Links of a machine that are asked about, and addresses of one: they are kept, and made again in each trial.
MOST_LINKS = 256
#: Seconds that a trial gets to be gone once it was ended.
_AFTER_TRIAL = 30.0


Watch = Callable[[int], None]


class Running(Protocol):
    """A machine, for its supervisor."""

    @property
    def pid(self) -> int:
        """Of the process that is the machine; a child of the supervisor."""

    @property
    def console(self) -> int:
        """A descriptor from which the console is read."""

    @property
    def restarts(self) -> int | None:
        """The exit status by which it asks to be started again; ``None``: it does so itself."""

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


class TryingHost(PoweredHost):
    """Entries and disks below ``store``, and systems that run from them under a supervisor."""

    config: Any  #: the host's table, as a dataclass

    # -- what each kind has its own way for

    @abstractmethod
    def launch(
        self, stack: ExitStack, watch: Watch, entry: Entry, disks: Sequence[Given], around: Around | None = None
    ) -> Running:
        """In the supervisor: begin to run a machine; ``stack`` ends with it, and one that restarts is begun once more.

        :param watch: is told each process that has to end where the supervisor is killed, and that does not end by itself then; before
            it can do anything.
        :param around: of a trial.
        """

    @abstractmethod
    def inside(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """Run a command in what a supervisor of this host runs under that name, a machine or a trial.

        :param timeout: in seconds.
        :raises LimitReached: it has said more than :data:`MOST_SAID`.
        """

    # -- trials

    @contextmanager
    def trial(
        self, name: str, set: str, *, read_only: Collection[str] = (), around: Around = NOTHING_AROUND
    ) -> Iterator[SupervisedTrial]:
        """As :meth:`goldroot.hosts.Host.trial`."""
        from goldroot.hosts.machines.supervise import Order, begin

        self._entries.get(name)
        directory = self.directory(name + TRIAL)
        with ExitStack() as stack:
            # The directory is there before the trial's supervisor has its own lock: others tidy meanwhile.
            self._take(
                stack, name, asking_lock(name + TRIAL), Note("run", f"a trial (process {os.getpid()})", utc_now())
            )
            reading, writing = os.pipe()
            stack.callback(os.close, reading)
            lifeline = stack.enter_context(open(writing, "wb", 0))
            os.makedirs(directory, mode=0o700, exist_ok=True)
            try:
                begin(self.table(), name, directory, Order(set, sorted(read_only), reading, around))
            except GoldrootError:
                if self._in_use.free(trial_lock(name + TRIAL)):  # else it is that of a trial which goes on
                    remove_tree(directory)
                raise
            try:
                yield SupervisedTrial(self, name + TRIAL)
            finally:
                lifeline.close()  # its end is the trial's
                self._end_of_trial(name + TRIAL)
                remove_tree(directory)

    def tidy(self) -> list[str]:
        told = super().tidy()
        for name in sorted(os.listdir(place)) if os.path.isdir(place := os.path.join(self.store, "running")) else []:
            if not name.endswith(TRIAL):
                continue
            with ExitStack() as stack:
                for lock in (asking_lock(name), trial_lock(name)):
                    if (taken := self._in_use.take(lock, patient=False)) is None:
                        break
                    stack.callback(taken.close)
                    stack.callback(taken.gone)
                else:
                    remove_tree(os.path.join(place, name))
                    told.append(f"removed what a killed command left of the trial of {name.removesuffix(TRIAL)}")
        return told

    # -- for the supervisor

    def table(self) -> Mapping[str, Any]:
        """The host's table, for its supervisors."""
        return {"kind": self.kind, "name": self.name, "config": asdict(self.config)}

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
            self._take(stack, name, trial_lock(name + TRIAL), Note("run", who, utc_now()))
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

    def _take(self, stack: ExitStack, name: str, lock: str, note: Note) -> None:
        """A lock of a trial, until the stack ends; nothing is left of it then.

        :raises Refused: another trial of the machine has it.
        """
        if (taken := self._in_use.take(lock, note=note)) is None:
            raise Refused(f"{name} is tried already", todo="Try again when that has ended.")
        stack.callback(taken.close)
        stack.callback(taken.gone)

    def _end_of_trial(self, name: str) -> None:
        """:raises HostError: its supervisor does not end."""
        end = time.monotonic() + _AFTER_TRIAL
        while not self._in_use.free(trial_lock(name)):
            if time.monotonic() > end:
                raise HostError(f"{name} does not end", todo="End its supervisor, which its console's directory names.")
            time.sleep(0.02)


class SupervisedTrial:
    """A trial, see :class:`goldroot.hosts.Trial`; ``name`` is that of its directory."""

    def __init__(self, host: TryingHost, name: str) -> None:
        self._host = host
        self._name = name

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        try:
            return self._host.inside(self._name, argv, timeout)
        except HostError:
            if self.gone():
                raise Refused(f"{self._name} has ended") from None
            raise

    def console(self, lines: int) -> list[str]:
        return last_lines(self._host.directory(self._name), lines)

    def gone(self) -> bool:
        try:
            control.ask(self._host.directory(self._name), do="inside")
        except HostError:  # of its supervisor: it has gone, or nothing runs in it any more
            return True
        return False


def asking_lock(name: str) -> str:
    """The lock of whoever has asked for a trial, from before it has a directory until that is gone.

    :param name: as of :func:`trial_lock`.
    """
    return f"trying-{name}"


def trial_lock(name: str) -> str:
    """The lock of a trial's supervisor.

    :param name: of the trial, which is also that of its directory.
    """
    return f"trial-{name}"
