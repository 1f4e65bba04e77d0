"""The simulated z/VM as one object: directory, volumes, guests, links, locks and the queue.

The SMAPI server is one way in; the methods here are another, for tests and for whatever shall speak CP to the same
system.  All of them may be called from any thread.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.errors import BadInput

from .cp import ControlProgram, CpError, Device, Guest
from .dasd import Dasd, Extent, extent_of, placed_in
from .directory import NO_LOGON, Directory, is_uncached
from .dirmaint import DirectoryManager
from .disks import DiskFiles
from .faults import Fault, Faults
from .links import RW, Link
from .operations import Operations
from .rewrite import with_record
from .statements import vdev

#: How an asynchronous start is told: the operation's number as reason code, as output, or as IBM's list has it.
FORMS = ("auto", "reason", "output")

#: Which calls are asynchronous: copies and formatting as captured, everything that can be, or nothing.
ASYNCHRONOUS = ("captured", "always", "never")


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated system behaves.

    :param level: what ``Query_API_Functional_Level`` says; 640 is the newest that IBM's 7.1 book lists.
    :param asynchronous: one of :data:`ASYNCHRONOUS`.
    :param form: one of :data:`FORMS`.
    :param delay: seconds that an asynchronous operation takes.
    :param questions: how often a client must ask for it first; for tests that do not wait.
    :param shutdown: seconds that a guest takes to go when it is asked to.
    :param cluster_status: ``Image_Status_Query`` tells of guests of other members, too: which of the two a real one does
        was never seen.
    """

    level: int = 640
    manager_level: str = "DirMaint Function Level 710 (simulated)"
    asynchronous: str = "captured"
    form: str = "auto"
    delay: float = 0.0
    questions: int = 0
    shutdown: float = 0.0
    cluster_status: bool = False


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump of the system: place 1 is the reader, 2 the disk."""

    place: int
    number: str
    date: str
    name: str


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A console in somebody's reader: its number, whose it is, and its lines."""

    number: int
    origin: str
    lines: tuple[str, ...]


@dataclass
class Stores:
    """What the calls keep that have no other effect here."""

    name_lists: dict[str, list[str]] = field(default_factory=dict)
    authorizations: list[tuple[str, str, str]] = field(default_factory=list)
    metadata: dict[tuple[str, str], str] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    tag_values: dict[tuple[str, str], str] = field(default_factory=dict)
    notifications: list[tuple[str, int, int, int, str, int, bytes]] = field(default_factory=list)
    segments: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    segment_users: set[tuple[str, str]] = field(default_factory=set)
    texts: dict[str, list[str]] = field(default_factory=dict)
    real_devices: dict[str, str] = field(default_factory=dict)
    dumps: list[Dump] = field(default_factory=list)
    readers: dict[str, list[SpoolFile]] = field(default_factory=dict)
    spooled: int = 0  #: spool files so far
    scsi: list[str] = field(default_factory=list)
    interfaces: dict[str, list[str]] = field(default_factory=dict)
    switches: dict[str, dict[str, str]] = field(default_factory=dict)
    lans: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    lan_access: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Storage:
    """The volumes, and where the content of their minidisks is kept.

    :param volumes: volser -> cylinders, for volumes that are larger than their minidisks say, or empty.
    :param groups: group for AUTOG -> its volumes; by default ``LINUX`` with all volumes.
    :param files: a directory in which every minidisk is a file; "" for none.
    :param form: ``image`` for files of the disk's size, ``tree`` for directories in their place.
    """

    volumes: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: str = ""
    form: str = "image"


class System:
    """:param text: the source directory.
    :param active: who is logged on at the beginning; ``*`` for everybody who can be.
    :raises BadInput: the text is not a directory.
    """

    def __init__(
        self,
        text: str | bytes,
        *,
        storage: Storage | None = None,
        active: Iterable[str] = (),
        faults: Iterable[Fault | str] = (),
        options: Options | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        #: told of each SMAPI call and CP command: which of the two, and its text with the answer's code; no passwords
        self.heard: Callable[[str, str], None] = lambda where, text: None
        self.options = options or Options()
        self.clock = clock
        self.started = clock()
        self.directory = Directory.from_text(text)
        storage = storage or Storage()
        self.dasd = Dasd(dict(storage.volumes))
        self.dasd.learn(self.directory)
        for group, volsers in (storage.groups or {"LINUX": sorted(self.dasd.volumes)}).items():
            self.dasd.add_group(group.upper(), [volser.upper() for volser in volsers])
        self.files = DiskFiles(storage.files, storage.form) if storage.files else None
        self.cp = ControlProgram(self.directory, self.dasd, clock)
        self.manager = DirectoryManager(self.directory, self.dasd, self.cp, self.files)
        self.cp.gone = self._gone
        self._temporary = itertools.count(1, 262_668)
        self.operations = Operations(self.options.delay, self.options.questions)
        self.faults = Faults(faults)
        self.stores = Stores()
        self._make_switches()
        try:
            self._make_files()
            self._log_on(active)
        except BaseException:
            self.close()
            raise

    def _make_switches(self) -> None:
        """The virtual switches that NICDEF statements name, each for the users that do."""
        for entry in self.directory.entries.values():
            for statement in entry.find("NICDEF"):
                words = statement.operands
                at = words.index("LAN") if "LAN" in words else len(words)
                if words[at + 1 : at + 2] == ("SYSTEM",) and len(words) > at + 2:
                    self.stores.switches.setdefault(words[at + 2], {"transport_type": "ETHERNET"})
                    users = self.stores.lan_access.setdefault(("SYSTEM", words[at + 2]), {})
                    users[entry.name] = "NONPROMISCUOUS"

    def _make_files(self) -> None:
        for placed in placed_in(self.directory) if self.files else ():
            if placed.extent.start > 0 and self.files:
                self.files.file(placed.extent)

    def _log_on(self, active: Iterable[str]) -> None:
        wanted = list(active)
        if "*" in wanted:
            users = [entry for entry in self.directory.entries.values() if entry.password and not entry.pooled]
            wanted = [entry.name for entry in users if entry.password not in NO_LOGON]
        for name in wanted:
            try:
                self.cp.logon(name)
            except CpError as error:
                raise BadInput(
                    f"{name!r} cannot be logged on: {error.text}", todo="Name users that are in the directory."
                ) from error

    def second(self, member: str, *, lacks: Collection[str] = ()) -> System:
        """Another member of the cluster: the same directory, locks, volumes and links; guests and faults of its own.

        :param member: its name, as BUILD statements have it.
        :param lacks: volumes that it has not.
        """
        other = copy.copy(self)
        other.directory = self.directory.at(member)
        other.cp = self.cp.beside(other.directory, lacks)
        other.cp.gone = other._gone
        other.faults, other.heard = Faults(), lambda where, text: None
        other.close = lambda: None  # type: ignore[method-assign]  # the disks are the first one's to close
        return other

    def close(self) -> None:
        if self.files:
            self.files.close()

    def settle(self) -> None:
        """Let happen what is due: operations that end, guests that have taken their time to go."""
        self.operations.settle()
        now = self.clock()
        for member in self.cp.members:
            for guest in list(member.guests.values()):
                if guest.leaving_at is not None and guest.leaving_at <= now:
                    member.logoff(guest.name)

    def before(self, api: str, target: str = "") -> None:
        """What others do just before a call, where a fault says so: log on, or change the target's entry."""
        if fault := self.faults.strike(api, "logon"):
            with contextlib.suppress(CpError):
                self.cp.logon(fault.value or target)
        entry = self.directory.user(target)
        if entry and (fault := self.faults.strike(api, "changed")):
            self.manager.put(with_record(entry, fault.value or "ACCOUNT OTHER"))

    def new_temporary(self, user: str, address: str, size: int, devtype: str = "3390") -> Device:
        """A temporary disk for a guest, of so many cylinders or blocks: empty, writable, gone with its guest or by DETACH."""
        with self.lock:
            extent = Extent("TEMP", next(self._temporary), size, devtype)
            if self.files:
                self.files.fresh(extent)
            device = Device(vdev(address), "dasd", (RW, devtype), extent, user, vdev(address))
            self.cp.guest(user).devices[device.address] = device
            return device

    def _gone(self, device: Device) -> None:
        """A device has left its guest: nothing of a temporary disk is kept."""
        if self.files and device.extent and device.extent.volser == "TEMP":
            self.files.remove(device.extent)

    # --- what CP commands do ---

    def logon(self, name: str) -> Guest:
        """Log a guest on.  :raises CpError: it cannot be."""
        with self.lock:
            self.settle()
            return self.cp.logon(name)

    def logoff(self, name: str) -> None:
        """:raises CpError: it is not logged on."""
        with self.lock:
            self.settle()
            self.cp.logoff(name)

    def link(
        self, user: str, owner: str, owner_address: str, address: str, mode: str, password: str | None = None
    ) -> Link:
        """CP LINK, for a guest that is logged on.  :raises CpError: refused; the text is CP's message."""
        with self.lock:
            self.settle()
            return self.cp.link(user, owner, owner_address, address, mode, password)

    def detach(self, user: str, address: str) -> Device:
        """CP DETACH.  :raises CpError: no such device."""
        with self.lock:
            self.settle()
            return self.cp.detach(user, address)

    def says(self, user: str, *lines: str) -> None:
        """A guest writes to its console.  :raises CpError: it is not logged on."""
        with self.lock:
            self.cp.guest(user).console += lines

    def spool_console(self, user: str, to: str) -> None:
        """What a guest has said goes to a reader, as a file; nothing where it has said nothing."""
        with self.lock:
            guest = self.cp.guests.get(user)
            if guest is None or not (guest.messages or guest.console):
                return
            self.stores.spooled += 1
            file = SpoolFile(self.stores.spooled, guest.name, (*guest.messages, *guest.console))
            guest.messages, guest.console = [], []
            self.stores.readers.setdefault(to, []).append(file)

    def receive(self, user: str, number: int) -> SpoolFile | None:
        """A file leaves a reader; nothing where it is not there."""
        with self.lock:
            files = self.stores.readers.get(user, [])
            found = next((one for one in files if one.number == number), None)
            if found is not None:
                files.remove(found)
            return found

    def reader(self, user: str) -> list[str]:
        """A line for each file in a reader, as ``System_RDR_File_Query`` and ``vmur list`` show them."""
        with self.lock:
            day = time.strftime("%m/%d %H:%M:%S", time.localtime(self.clock()))
            return [
                f"{one.origin:<8} {one.number:04d} T CON {len(one.lines):08d} 001 NONE {day} {one.origin:<9} CONSOLE  {user}"
                for one in self.stores.readers.get(user, [])
            ]

    def query_virtual(self, user: str) -> list[Device]:
        """The devices of a guest, by address.  :raises CpError: it is not logged on."""
        with self.lock:
            self.settle()
            return sorted(self.cp.guest(user).devices.values(), key=lambda device: device.address)

    def query_links(self, owner: str, address: str) -> list[Link]:
        """Who has the disk.  :raises CpError: the owner is not logged on, or has no such device."""
        with self.lock:
            self.settle()
            return self.cp.linked_to(owner, address)

    def active(self) -> list[str]:
        """Who is logged on."""
        with self.lock:
            self.settle()
            return list(self.cp.guests)

    def entry(self, name: str) -> list[str]:
        """The records of a directory entry, 72 columns each.  :raises SmapiError: 400/4."""
        with self.lock:
            self.settle()
            return self.manager.query(name)

    def disk_file(self, user: str, address: str) -> str | None:
        """The file of a disk: of the device of a guest that is logged on, or else of the directory's minidisk."""
        with self.lock:
            self.settle()
            device = self.cp.guests[user.upper()].devices.get(vdev(address)) if self.cp.is_on(user) else None
            extent = device.extent if device else None
            if device is None and (found := self.directory.disk(user, vdev(address))):
                extent = extent_of(found[1], self.dasd.volumes)
            if not self.files or not extent:
                return None
            path = self.files.file(extent)
            return self._as_cached(path, device) if path and device and self.files.trees else path

    def _as_cached(self, path: str, device: Device) -> str:
        """Where this member's guests read a disk: with a fault, what its minidisk cache has, and other members cannot know."""
        assert self.files is not None
        found = self.directory.disk(device.owner, device.owner_address)
        uncached = found is None or is_uncached(*found)
        if device.detail[0] == RW or uncached or not self.faults.strike("CP_READ", "stale-cache"):
            return path
        return self.files.kept(path, self.directory.member)
