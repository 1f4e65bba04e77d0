"""What every host can do, and the words for it: disks (where bytes are), entries (who owns and links what), power (what runs).

The **entry** on the host says which disks and links a machine has, and at which address; nothing else says it.  A disk
belongs to one entry from its making to its removal.  Files are reached only inside ``with host.open_disks(...)``.  One
change of an entry is one atomic :meth:`Host.apply`, made from a token.  There is no "switch" here: a switch is
:func:`goldroot.hosts.exchange` and :meth:`Host.apply` inside :meth:`Host.hold`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from goldroot.errors import Busy
from goldroot.hosts.network import Network

if TYPE_CHECKING:
    from goldroot.run import Done

Access = Literal["ro", "rw"]
View = Literal["still", "live"]
Use = Literal["files", "system"]
Role = Literal["machine", "owner"]
#: removing: disks of the set are being deleted, so nobody goes back to it, also where a catalog does not know.
State = Literal["live", "preparing", "kept", "set-aside", "removing", "publishing", "gold"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a host can do; two hosts of one kind may differ."""

    live_view: Literal["snapshot", "torn", "none"]  #: of a running machine's disks; torn: files may change while read
    exact_apply: bool  #: False: another administrator's change within milliseconds may be lost; people are told
    strong_hold: bool  #: False: others can start the machine; :meth:`Hold.broken` finds it out
    boots: bool  #: machines are started and stopped by this host
    guest_commands: bool  #: commands can be run inside a running machine
    runs_architectures: frozenset[str]  #: as ``uname -m`` has them
    sizes: bool  #: disks have sizes, which the host keeps to
    verity: bool  #: sealed disks carry a tree of hashes that a guest can check
    trials: bool = False  #: a set can be started in isolation, see :meth:`Host.trial`
    networks: bool = False  #: an entry says what joins its machine to others
    boot_records: bool = False  #: machines boot by a record on one of their disks, see :meth:`Host.make_bootable`
    largest_owner: int = (1 << 32) - 2  #: of a file, that a machine can have: what is above it, it cannot use


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in an entry: its id, and whether the machine that owns it may write to it."""

    id: str
    mode: Access


@dataclass(frozen=True, slots=True)
class Link:
    """A link to what stands at ``address`` of another entry; always read-only."""

    owner: str
    address: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What an entry says of one set."""

    state: State
    by: str  #: id of the work that put it so
    image: str
    server: str  #: the clone, or "" for gold
    version: int
    since: str  #: UTC, ISO 8601


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as it is or as it is wanted.  ``disks`` and ``links`` are by address, ``marks`` by set digit."""

    name: str
    role: Role  #: an owner (gold slot) never runs
    disks: Mapping[str, Disk] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    others: frozenset[str] = frozenset()  #: addresses taken by what goldroot does not manage; never changed
    startable: bool = False  #: False while it is being made or removed
    boot: str = ""  #: live address to boot from, "" for the root; kernel and initrd are derived from it, never stored
    marks: Mapping[str, Mark] = field(default_factory=dict)
    serial: str = "0.0"  #: GENERATION.COUNT, new with each change: the entry never reads as it once did
    token: str = ""  #: opaque; changes with *every* change of the entry, also of parts that goldroot does not know
    network: Network | None = None  #: None: private, or where the host gives machines no network, whatever it has

    @property
    def generation(self) -> int:
        """The fencing generation of whoever changed it last."""
        return int(self.serial.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an :meth:`Host.apply`; ``entry`` is the one in force, where that is known."""

    outcome: Literal["done", "unchanged", "unknown"]
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A disk that is to be made; also the intent row of the catalog."""

    id: str
    owner: str
    address: str
    size: int  #: bytes; the host rounds up; 0: what the host's table says, or no limit
    form: str  #: "directory", "ext4", "xfs"; the host makes the file system; "": its usual one
    copy_of: str = ""  #: a disk that nobody writes to; how it is copied is what :meth:`Host.copies` says


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """What a host knows of a disk without reading it."""

    where: Mapping[str, object]  #: locator: path, or volume, start, size; may be learned again, with a person's consent
    size: int  #: bytes; 0: no limit
    used: int  #: bytes; -1: not known without reading all of it
    form: str
    sealed: bool
    evidence: str  #: cheap proof that nobody wrote to a sealed disk; "": there is none, and a stat scan has to do


class Opened(Protocol):
    """A disk whose files can be reached, until the block ends; used after it, each property is a ValueError."""

    @property
    def handle(self) -> int:
        """A directory descriptor of the root."""

    @property
    def path(self) -> str:
        """/proc/self/fd/N or a mount point, for this process and children that get the descriptor."""

    @property
    def exact(self) -> bool:
        """False: a torn view, files may change while they are read."""


class Hold(Protocol):
    """A machine that is off and kept off."""

    def broken(self) -> str | None:
        """Who started the machine since the hold began; asked before *and* after a switch."""


@dataclass(frozen=True, slots=True)
class Power:
    """Whether a machine runs."""

    state: Literal["off", "on", "changing", "unknown"]
    why: str  #: what is known, for people; "" where there is nothing to add
    since: str  #: UTC, ISO 8601; "" where it is not known
    runs: Literal["current", "older", "unknown", "nothing"]  #: does it run from the entry as it is now?


@dataclass(frozen=True, slots=True)
class NetLink:
    """A network link of a machine: its name there, and its addresses, each with its prefix length (192.0.2.10/24)."""

    name: str
    addresses: tuple[str, ...] = ()


#: What :meth:`Host.make_bootable` writes among a system's files, from the root on: of each disk another, and nobody's work.
BOOT_MAP = b"boot/bootmap"


@dataclass(frozen=True, slots=True)
class SystemDisk:
    """A disk of a system, as its boot needs it."""

    paths: tuple[str, ...]  #: of the system, absolute, that stand on it
    access: Access  #: of the machine that boots
    opened: Opened | None = None  #: None: another's, to which the machine has a link


@dataclass(frozen=True, slots=True)
class Around:
    """What a trial finds around it, in the place of what its server has."""

    links: tuple[NetLink, ...] = ()  #: that lead nowhere, with the server's names and addresses
    masked: tuple[str, ...] = ()  #: systemd's units that are not started: of devices that it lacks


class Trial(Protocol):
    """A system that is tried: it runs in isolation, and what it writes is gone with it."""

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        """Run a command inside.

        :param timeout: in seconds.
        :raises Refused: it has ended.
        """

    def console(self, lines: int) -> list[str]:
        """The last lines of its console."""

    def gone(self) -> bool:
        """Whether it has ended."""


class EntryChanged(Busy):
    """An entry is not what a change of it was made from; nothing was changed.

    :param entry: the entry in force.
    :param diff: lines for people: what was wanted -> what is in force.
    """

    kind = "entry-changed"

    def __init__(self, entry: Entry, diff: Sequence[str]) -> None:
        super().__init__(
            f"the entry {entry.name} was changed by somebody else meanwhile",
            meaning="Nothing was changed. What was wanted -> what is in force: " + "; ".join(diff),
            todo="Look at what was changed, then run the command again.",
        )
        self.entry = entry
        self.diff = tuple(diff)


NOTHING_AROUND = Around()


@runtime_checkable
class SeesLinks(Protocol):
    """A host that can tell what machines have linked at this moment, which may be other than what their entries say."""

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        """As :meth:`Host.linked`."""

    def linked_now(self, owner: str) -> list[tuple[str, str, str]]:
        """The same, as it is: (machine, its address, owner's address)."""

    def running(self) -> set[str]:
        """The names of the machines that run."""


@runtime_checkable
class HasOthersDisks(Protocol):
    """A host in whose entries disks may stand that goldroot did not make: they would go with their entry."""

    def others_disks(self, name: str) -> list[str]:
        """Those of an entry, each in the host's words."""


class Host(Protocol):
    """A place where disks and machines live.

    Every method may raise ``Unreachable`` (nothing is known) or ``HostError``.  Names and ids are checked first:
    ``BadInput``.  No method lists all entries or disks, but :meth:`entries`.  Every change may be repeated after a kill.
    """

    @property
    def name(self) -> str:
        """Its name in the site."""

    @property
    def kind(self) -> str:
        """Its kind, as in ``[hosts.NAME]``."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    # -- disks.  A disk belongs to one entry from its making to its removal, and never changes its owner.

    def create_disk(self, new: NewDisk) -> DiskInfo:
        """Make a disk, with an empty file system or a copy, *in* an entry that exists.

        A copy gets a new file system UUID.  Again with the same id: finished and returned.  A part of a copy never
        counts as made.  What a killed making left is adopted if its size and form are those wanted and its label is of
        the same owner.

        :raises NoSpace: what there is and what is needed.
        :raises Refused: the address is taken, or a disk of that id is another owner's or of another form.
        :raises NotFound: there is no such entry, or no disk ``copy_of``.
        """

    def empty_disk(self, id: str) -> None:
        """An empty file system again: same id, place and size; unseals.

        Only of a disk outside set 1, or of an entry that is held and not startable or is an owner.

        :raises Refused: it is live, linked, or open.
        """

    def seal_disk(self, id: str, form: str) -> DiskInfo:
        """Put a filled disk into its final read-only form ("directory", "erofs", "ext4", ...; "": the host's), in one step.

        Inodes and ctimes may be others afterwards: scan again.  ``rw`` is refused from now on.  Again: nothing.

        :raises Refused: it is open, or sealed in another form.
        """

    def delete_disk(self, id: str) -> None:
        """Take it out of its entry and destroy its content.  Again, or where it is gone: nothing.

        :raises Refused: it is in set 1 of a startable entry, linked, open, or attached to a machine that runs.
        """

    def copies(self, source: str, form: str) -> Literal["blocks", "files"]:
        """How :meth:`create_disk` copies a disk into a new one of that form.

        "blocks": inodes and ctimes stay, so the source's scan is valid for the copy.
        """

    def info(self, ids: Collection[str]) -> Mapping[str, DiskInfo]:
        """What is known of these disks.

        :raises NotFound: an id is nowhere.
        """

    def hashes(self, ids: Collection[str]) -> Mapping[str, str]:
        """Root hashes (dm-verity, 64 hexadecimal digits) of sealed disks, by id; those that have none are left out.

        :raises Damaged: what was made of one is not there any more.
        """

    def check_hash(self, id: str, root: str) -> None:
        """Read all of a sealed disk and compare it with a root hash.

        :raises Damaged: it is another one, or has none any more.
        """

    def in_use(self, ids: Collection[str]) -> str | None:
        """Why one of these disks is in use at this moment, by readers too; ``None`` where nothing speaks for it.

        :raises NotFound: an id is nowhere.
        """

    def room(self, sizes: Sequence[int]) -> str | None:
        """Why disks of these sizes, in bytes, do not fit, or ``None``; allocates nothing."""

    def open_disks(
        self, wanted: Mapping[str, Access], *, use: Use = "files", view: View = "still"
    ) -> AbstractContextManager[Mapping[str, Opened]]:
        """The only way to files.  All or none; everything is given back on every way out, by the kernel after SIGKILL.

        ``rw``: alone in the world, for disks outside set 1 or of entries that are held.  ``ro`` still: nobody writes.
        ``ro`` live: as ``live_view`` says.  Mounts are nosuid and nodev, and noexec for "files".

        :raises StillRunning: a still view, or ``rw``, of a machine that runs.
        :raises Busy: somebody else has it open; who.
        :raises Refused: ``rw`` of a disk that is live and not held, sealed, or linked.
        :raises NotFound: an id is nowhere.
        :raises Damaged: dirty or broken; never repaired silently.
        """

    def scratch(self, size: int) -> AbstractContextManager[Opened]:
        """A tree that keeps owners and attributes, gone after the block: for unpacking.  Not a disk.

        :param size: bytes that it will need.
        :raises NoSpace: they are not there.
        """

    def make_bootable(self, name: str, disks: Mapping[str, SystemDisk]) -> str:
        """Write the boot record of the disk that has ``/boot``, after the last write to its files; it is still open, ``rw``.

        A record says where blocks of that very disk lie, so each copy of a disk needs its own: nothing is published or
        switched before.  Again: written again.  Nothing where :attr:`Abilities.boot_records` is false, or that disk is
        another's.

        :param name: the entry whose disks they are.
        :param disks: all of a system, by live address, wherever they stand now.
        :returns: why nothing can be booted from it; "" where that can.
        :raises HostError: it could not be written.
        """

    # -- entries

    def find(self, name: str) -> Entry | None:
        """An entry as it is now; ``None``: there is none.

        :raises HostError: it is damaged, or not understood.
        """

    def entries(self) -> Iterator[Entry]:
        """All of them, by name: for adopt, doctor and lists; never to answer about one.

        :raises Damaged: one cannot be read; those that can came before.
        """

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        """Who links an entry: (machine, its address, owner's address), all sets; never by looking at all entries."""

    def define(self, entry: Entry) -> Entry:
        """Make an entry, without disks and not startable.  Again with a mark of set 1 by the same work: returned as it is.

        :raises Refused: the name is another's.
        :raises ValueError: it would have disks, or be startable.
        """

    def undefine(self, name: str) -> None:
        """Remove an entry.  Again: nothing.

        :raises Refused: it has disks, or is linked.
        """

    def apply(self, wanted: Entry) -> Applied:
        """The one atomic change: addresses, modes, links, boot, marks, startable.

        ``wanted.token`` is that of the entry that it was made from.  It writes a new serial, of the generation of
        ``wanted.serial``, so that an entry never returns to an old token.

        done: the entry reads as wanted, also where it did before.  unchanged: certainly not applied; may be repeated.
        unknown: the reply was lost and the entry cannot be read now; the caller reads later and compares with both.

        :raises EntryChanged: the token is old, and the entry does not read as wanted.
        :raises Busy: the entry was changed by a higher generation: somebody else has taken this work over.
        :raises Refused: an address is taken by what goldroot does not manage.
        :raises NotFound: there is no such entry, or a new link leads nowhere.
        :raises ValueError: it would add or drop a disk, or change name, role or ``others``.
        """

    # -- power

    def power(self, name: str) -> Power:
        """Whether it runs, and from what."""

    def start(self, name: str) -> None:
        """Returns when it runs from the entry in force.  Again: nothing.

        :raises Refused: it is not startable, held, an owner, or links an owner that is open ``rw``; or this host does
            not start machines.
        """

    def stop(self, name: str, patience: float) -> str:
        """Stop it within so many seconds; how it ended: "off", "asked", "pressed", "killed".

        :raises StillRunning: none helped.
        """

    def hold(self, name: str, *, runs: bool = False) -> AbstractContextManager[Hold]:
        """Off, and kept off as far as the host can.

        :param runs: the caller runs the system in the block: others are told that it runs.
        :raises StillRunning: it runs.
        :raises Busy: somebody else holds it, or reads its live disks; who.
        """

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """Run a command inside the running guest.

        :param timeout: in seconds.
        :raises Refused: this host cannot.
        """

    def console(self, name: str, lines: int) -> list[str]:
        """The last lines of its console; none where there is no console."""

    @property
    def usual_bridge(self) -> str:
        """The bridge of a machine of which nobody says another; "" where it is private."""

    def links(self, name: str) -> Sequence[NetLink]:
        """The network links of a running machine but its loopback; none where it does not run, or nobody can tell."""

    def trial(
        self, name: str, set: str, *, read_only: Collection[str] = (), around: Around = NOTHING_AROUND
    ) -> AbstractContextManager[Trial]:
        """The system of a set, started in isolation for the block: without a network, and nothing reaches its disks.

        The machine may run meanwhile.  The trial ends with the block, and with the process that asked for it.

        :param read_only: live addresses of its own disks that it cannot write either; others' it never can.
        :param around: its links, and what is not started in it.
        :raises Refused: this host cannot; or a disk of the set is written by somebody.
        :raises HostError: it did not begin; with the end of its console.
        """

    def tidy(self) -> list[str]:
        """At a worker's start: gives back what killed ones left; says what, one line each."""
