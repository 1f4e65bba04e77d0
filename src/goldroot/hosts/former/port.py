"""What every host can do, and the words for it: machines, their disks, their links.

A machine's definition is the counterpart of a z/VM user directory entry: disks that it owns (MDISK) and links to disks
of another owner (LINK), each at an address.  A gold slot is an owner too, and never runs.  Addresses come in pairs: 1Bx
is live, 5Bx is being prepared or kept as the fallback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from goldroot.errors import BadInput

READ_WRITE, READ_ONLY = "rw", "ro"

#: What a definition describes: a system that may run, or an owner of disks that never does (a gold slot).
RUNS, OWNER = "machine", "owner"

_ADDRESS = re.compile(r"[15][0-9A-F]{2}")
_MACHINE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Attached:
    """A disk that a machine owns: its id, and ``rw`` or ``ro``."""

    disk: str
    mode: str = READ_WRITE


@dataclass(frozen=True, slots=True)
class LinkTo:
    """A read-only link to the disk that stands at ``address`` of ``owner``."""

    owner: str
    address: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One definition.  ``generation`` counts its changes, from 1; a change names the one that it was made from."""

    name: str
    generation: int = 0
    disks: Mapping[str, Attached] = field(default_factory=dict)
    links: Mapping[str, LinkTo] = field(default_factory=dict)
    kind: str = RUNS

    def addresses(self) -> list[str]:
        """Every address where something stands, sorted."""
        return sorted({*self.disks, *self.links})


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at an address of a machine, links followed."""

    disk: str
    mode: str
    owner: str  #: the machine that owns the disk: the machine itself, or whom it links
    path: str  #: where the disk's files are on this host, once :meth:`Host.open_disk` has seen to it


@dataclass(frozen=True, slots=True)
class Linked:
    """One link, seen from its owner: ``machine`` links ``owner_address`` as its own ``address``."""

    machine: str
    address: str
    owner_address: str


class Host(Protocol):
    """A place where disks and machines live.  Every method may raise ``HostError``."""

    kind: str

    def disks(self) -> list[str]:
        """The ids of all disks, attached or not, those that a killed removal left a part of among them; sorted."""

    def create_disk(self, disk: str) -> str:
        """Make an empty disk and return its path; ``BadInput`` for a bad id, ``Refused`` when it exists."""

    def delete_disk(self, disk: str) -> None:
        """Remove a disk and what is on it; ``Refused`` while a definition names it or a process uses it.

        A disk that does not exist is no error, so that a cut-off removal is finished by a second one.
        """

    def disk_path(self, disk: str) -> str:
        """Where the disk's files are; ``NotFound`` for an unknown disk."""

    def disk_user(self, *disks: str) -> str | None:
        """Why one of these disks is in use at this moment, by readers too; ``None`` where nothing speaks for it."""

    def machines(self) -> list[Machine]:
        """All definitions, by name."""

    def get(self, name: str) -> Machine:
        """One definition; ``NotFound``."""

    def find(self, name: str) -> Machine | None:
        """One definition; ``None`` where there is none of that name."""

    def define(self, machine: Machine) -> Machine:
        """Make a definition (generation 1); ``Refused`` when the name is taken."""

    def replace(self, machine: Machine) -> Machine:
        """Put ``machine`` in the place of the definition of the same name, atomically.

        ``machine.generation`` must be the one in force (compare and swap), else ``Busy``; the result's is one higher.
        """

    def delete(self, name: str) -> None:
        """Remove a definition, not its disks; ``Refused`` while others link it."""

    def at(self, name: str, address: str) -> Standing:
        """What stands at an address, links followed; ``NotFound``."""

    def linked(self, owner: str) -> list[Linked]:
        """Who links a disk of ``owner``, live or as a fallback; by machine and address."""

    def is_running(self, name: str) -> str | None:
        """Why the machine's live disks may be written at this moment; ``None`` where nothing speaks for it."""

    def running(self, name: str) -> AbstractContextManager[None]:
        """While inside, the machine counts as running; ``Busy`` while a switch holds it."""

    def stopped(self, name: str) -> AbstractContextManager[object]:
        """While inside, the machine cannot be started by goldroot; ``StillRunning`` when it runs."""

    def refuse_running(self, name: str) -> None:
        """For a plan, which holds nothing and makes no file: ``StillRunning`` when the machine runs now."""

    def switch(self, name: str, generation: int) -> Machine:
        """Exchange 1Bx and 5Bx of a stopped machine, disks and links, in one atomic step.

        :raises StillRunning: the machine may still be written.
        :raises Busy: the definition is no longer of that generation.
        """


def check_address(address: str) -> str:
    """The address, if it is one (``1B0`` to ``5FF``: live 1xx, prepared 5xx); ``BadInput``."""
    if not _ADDRESS.fullmatch(address):
        raise BadInput(f"{address!r} is no disk address", todo="Addresses are 1xx, live, or 5xx, prepared: 1B1, 5B5.")
    return address


def check_machine_name(name: str) -> str:
    """The name, if a machine may have it; ``BadInput``."""
    if not _MACHINE.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a machine's name",
            todo="Use 1 to 32 capital letters, digits, '-' and '_', beginning with a letter or digit.",
        )
    return name


def partner(address: str) -> str:
    """The other address of a pair: 1B5 for 5B5, 5B5 for 1B5."""
    check_address(address)
    return ("5" if address[0] == "1" else "1") + address[1:]


def prepared(address: str) -> bool:
    """Whether an address is one of the prepared ones (5Bx)."""
    return address.startswith("5")


def switched(machine: Machine) -> Machine:
    """The definition after the switch, or after a rollback: every pair that has something prepared is exchanged.

    Disks and links go together.  An address without anything at its partner stays as it is, so that a disk outside the
    pairs (a swap disk, data of the machine's own) is never taken away by an update.
    """
    taken = {*machine.disks, *machine.links}

    def place(address: str) -> str:
        return partner(address) if prepared(address) or partner(address) in taken else address

    return replace(
        machine,
        disks={place(address): disk for address, disk in sorted(machine.disks.items())},
        links={place(address): link for address, link in sorted(machine.links.items())},
    )
