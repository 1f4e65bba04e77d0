"""A host that keeps disks and entries as files and starts machines, whoever it is that runs them."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

from goldroot.errors import Busy, Refused
from goldroot.hosts.filehost import FileHost, live_of
from goldroot.hosts.inuse import Note, entry_lock, utc_now
from goldroot.hosts.machines.console import last_lines
from goldroot.hosts.port import Access, Entry
from goldroot.hosts.sets import is_live, still_running
from goldroot.hosts.storefiles import Label
from goldroot.tree import remove_tree

#: Seconds that a machine gets to be gone after it was killed, and until it is asked again: it may not have listened yet.
_AFTER_KILL, _ASK_AGAIN = 20.0, 2.0
_LOOK_AGAIN = 0.05
#: So many looks before a machine that we do not run counts as somebody else's.
_ENDING = 30


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


class PoweredHost(FileHost, ABC):
    """Entries and disks below ``store``, and machines that run from them."""

    abilities = replace(FileHost.abilities, boots=True)
    #: How a machine of this kind is stopped: the first one that helps.
    ways: ClassVar[Sequence[str]] = ("asked", "killed")

    # -- what each kind has its own way for

    @abstractmethod
    def _begin(self, name: str) -> None:
        """Start a machine that is off, and return when it runs from the entry in force."""

    @abstractmethod
    def _is_ours(self, name: str) -> bool:
        """Whether a machine that is on is run in the way of this host, and not by somebody who uses its disks."""

    @abstractmethod
    def _told(self, name: str, how: str) -> bool:
        """Ask a machine to end in one of the ``ways``; whether that could be done.  One that has ended was told."""

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
            if power.runs == "current" and self._is_ours(name):
                return
            raise still_running(name, power.why)
        os.makedirs(self.directory(name), mode=0o700, exist_ok=True)
        self._begin(name)

    def stop(self, name: str, patience: float) -> str:
        power = self.power(name)
        if power.state == "off":
            return "off"
        if not self._is_ours(name):
            # What runs it may be ending just now: what it had mounted is seen until its process has gone.
            for _ in range(_ENDING):
                if self.power(name).state == "off":
                    return "off"
                time.sleep(_LOOK_AGAIN)
            raise still_running(name, power.why)
        unheard: list[str] = []
        for how in self.ways:
            seconds = _AFTER_KILL if how == "killed" else patience / (len(self.ways) - 1)
            if ended := self._ended(name, how, seconds, unheard):
                return ended
        if self.power(name).state == "off":
            return "killed"
        raise still_running(name, "nothing ended it")

    def console(self, name: str, lines: int) -> list[str]:
        self._entries.get(name)
        return last_lines(self.directory(name), lines)

    # -- for who runs it

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

    # -- inside

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

    def _ended(self, name: str, how: str, seconds: float, unheard: list[str]) -> str:
        """The way by which it has ended; "": it goes on.

        :param unheard: ways that it did not listen to.  What boots may listen before these seconds are over, and has as
            many from then on.
        """
        end, asked = time.monotonic() + seconds, float("-inf")
        while True:
            if (now := time.monotonic()) >= min(asked + _ASK_AGAIN, end):
                # who listened once has heard it: in a system that ends, the agent is among the first to go
                if not self._told(name, how) and asked < 0:
                    unheard.append(how)
                    return ""
                later = unheard if asked >= 0 and how != "killed" else []
                heard = next((one for one in later if self._told(name, one)), "")
                if heard and self.power(name).state != "off":  # one that has ended just now was told, too
                    unheard.remove(heard)
                    how, end = heard, now + seconds
                asked = now
            if self.power(name).state == "off":
                return how
            if now >= end:
                return ""
            time.sleep(_LOOK_AGAIN)
