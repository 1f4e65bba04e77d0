"""The directory manager: entries that are read, locked, replaced, and disks that are made.

What a change would do is checked, and the room for it reserved, when it is asked for; the change itself is a
:class:`Change` that the caller makes at once or as an asynchronous operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from goldroot.zvm.simulator.answer import SmapiError
from goldroot.zvm.simulator.checks import BAD_STATEMENT, address_taken, checked, matches
from goldroot.zvm.simulator.cp import ControlProgram
from goldroot.zvm.simulator.dasd import Dasd, Extent, NoSpace, NoSuchArea, extent_of
from goldroot.zvm.simulator.directory import Directory, Entry, entry_of
from goldroot.zvm.simulator.disks import DiskFiles
from goldroot.zvm.simulator.locks import Locks
from goldroot.zvm.simulator.rewrite import padded, rewritten, with_record, without
from goldroot.zvm.simulator.statements import Statement, vdev

#: Kinds of automatic allocation that name an area.
AUTOMATIC = ("AUTOG", "AUTOR", "AUTOV")


def nothing() -> None:
    """No work."""


@dataclass(frozen=True)
class Change:
    """Something that is checked and not done yet; ``undo`` gives back what was reserved for it."""

    do: Callable[[], object]
    undo: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True)
class NewDisk:
    """What a minidisk shall be; ``allocation`` is AUTOG, AUTOR, AUTOV or a first cylinder."""

    address: str
    devtype: str
    allocation: str
    area: str
    size: int
    mode: str
    passwords: tuple[str, ...] = field(default=(), repr=False)


class DirectoryManager:
    """:param files: where minidisks are files; None where they are nothing but entries."""

    def __init__(self, directory: Directory, dasd: Dasd, cp: ControlProgram, files: DiskFiles | None) -> None:
        self.directory = directory
        self.dasd = dasd
        self.cp = cp
        self.files = files
        self.locks = Locks()
        self.prototypes: dict[str, list[str]] = {}
        self.busy: set[tuple[str, str]] = set()
        self.no_space: Callable[[], bool] = lambda: False

    # --- reading ---

    def entry(self, name: str) -> Entry:
        """:raises SmapiError: 400/4 there is no such entry."""
        entry = self.directory.get(name)
        if entry is None or entry.kind in ("DIRECTORY", "GLOBALDEFS"):
            raise SmapiError(400, 4)
        return entry

    def query(self, name: str) -> list[str]:
        """The records of an entry, 72 columns each."""
        return padded(self.entry(name).records)

    def search(self, pattern: str) -> list[tuple[str, str]]:
        """(entry, statement) for all statements that begin with the words of ``pattern``, where ``*`` stands for
        anything in a word, and alone at the end for any further words."""
        return [
            (entry.name, record.strip())
            for entry in self.directory.entries.values()
            for record in entry.records
            if matches(record, pattern)
        ]

    # --- changing entries ---

    def changeable(self, name: str) -> Entry:
        """:raises SmapiError: 400/4 not there, 400/12 locked, by whomever."""
        entry = self.entry(name)
        if self.locks.image(entry.name):
            raise SmapiError(400, 12)
        return entry

    def put(self, entry: Entry) -> None:
        self.directory.entries[entry.name] = entry

    def replace(self, name: str, by: str, records: Iterable[str]) -> Change:
        """A whole entry again; the lock that it needs is gone when it is done.

        :raises SmapiError: 400/24 ``by`` has not locked it; 596 it is not an entry, or another's.
        """
        entry = self.entry(name)
        if self.locks.image(entry.name) != by:
            raise SmapiError(400, 24)
        new = checked(entry_of(records), entry.name, (entry.kind,))

        def do() -> None:
            self.put(rewritten(new))
            self.locks.unlock(entry.name)

        return Change(do)

    def create(self, name: str, records: Iterable[str], kinds: tuple[str, ...] = ("USER", "IDENTITY")) -> Change:
        """A new entry; its automatic minidisks get their extents now.

        :raises SmapiError: 400/8 it exists; 408/24, 420/8 no room; 436/4 no such profile; 596 it is not an entry.
        """
        name = name.upper()
        if name in self.directory.entries:
            raise SmapiError(400, 8)
        new = checked(entry_of(records), name, kinds)
        included = [statement.operand(0) for statement in new.find("INCLUDE")]
        if len(included) > 1:
            raise SmapiError(436, 40)
        if included and ((profile := self.directory.get(included[0])) is None or profile.kind != "PROFILE"):
            raise SmapiError(436, 4)
        placed, extents = self._placed(new)

        def do() -> None:
            self.put(rewritten(placed))
            self._release(extents)
            for extent in extents:
                self.new_file(extent)

        return Change(do, lambda: self._release(extents))

    def _placed(self, entry: Entry) -> tuple[Entry, list[Extent]]:
        """The entry with extents instead of AUTOG and the like; the extents are reserved."""
        records, extents = list(entry.records), list[Extent]()
        try:
            for statement in entry.find("MDISK"):
                if statement.operand(2) not in AUTOMATIC:
                    continue
                address, devtype, kind, size, area = (statement.operand(number) for number in range(5))
                extent = self.room(kind, area, int(size) if size.isdigit() else 0, devtype)
                extents.append(extent)
                words = ["MDISK", address, devtype, str(extent.start), str(extent.size), extent.volser]
                records[statement.index] = " ".join([*words, *statement.operands[5:]])
        except SmapiError:
            self._release(extents)
            raise
        return Entry(entry.kind, entry.name, tuple(records)), extents

    def delete(self, name: str, *kinds: str) -> Change:
        """:raises SmapiError: 400/4, 400/12; 400/16 it is logged on; 408/12 work on one of its disks goes on."""
        entry = self.changeable(name)
        if kinds and entry.kind not in kinds:
            raise SmapiError(400, 4)
        if any(member.is_on(entry.name) for member in self.cp.members):
            raise SmapiError(400, 16)
        if any(busy[0] == entry.name for busy in self.busy):
            raise SmapiError(408, 12)

        def do() -> None:
            del self.directory.entries[entry.name]
            self.locks.forget(entry.name)
            for statement in entry.find("MDISK"):
                self.remove_file(statement)

        return Change(do)

    # --- statements ---

    def add(self, name: str, record: str) -> None:
        """Put one more statement into an entry, where its kind belongs."""
        self.put(with_record(self.changeable(name), record))

    def drop(self, name: str, unwanted: Iterable[Statement]) -> None:
        """Take statements out of an entry."""
        self.put(without(self.changeable(name), [statement.index for statement in unwanted]))

    def set_statement(self, name: str, keyword: str, record: str | None) -> None:
        """Replace all statements of one kind by this one, or by none."""
        entry = self.changeable(name)
        smaller = without(entry, [statement.index for statement in entry.find(keyword)])
        self.put(with_record(smaller, record) if record else smaller)

    # --- disks ---

    def room(self, kind: str, area: str, size: int, devtype: str) -> Extent:
        """Reserve an extent.

        :raises SmapiError: 408/24 no space, 420/8 no such group, region or volume.
        """
        try:
            if size <= 0 or self.no_space():
                raise NoSpace(area)
            extent = self.dasd.allocate(self.directory, kind.upper(), area.upper(), size, devtype)
        except NoSpace:
            raise SmapiError(408, 24) from None
        except NoSuchArea:
            raise SmapiError(420, 8) from None
        self.dasd.reserved.append(extent)
        return extent

    def _release(self, extents: Iterable[Extent]) -> None:
        for extent in extents:
            if extent in self.dasd.reserved:
                self.dasd.reserved.remove(extent)

    def new_disk(self, name: str, disk: NewDisk, fill: Callable[[Extent], None] | None = None) -> Change:
        """A minidisk for an entry.

        :param fill: puts the data on it.
        :raises SmapiError: 400/4, 400/12; 408/4 the address is taken; 408/24, 420/8 no room.
        """
        entry = self.changeable(name)
        key = (entry.name, vdev(disk.address))
        if key in self.busy or address_taken(entry, key[1]):
            raise SmapiError(408, 4)
        extent = self.room(disk.allocation, disk.area, disk.size, disk.devtype)
        words = ("MDISK", vdev(disk.address), disk.devtype, str(extent.start), str(extent.size), extent.volser)
        record = " ".join((*words, disk.mode or "MR", *disk.passwords)).strip()
        self.busy.add(key)

        def undo() -> None:
            self._release([extent])
            self.busy.discard(key)

        def do() -> None:
            undo()
            self.new_file(extent)
            if fill:
                fill(extent)
            # An entry that was locked meanwhile still gets its disk: the work was accepted before.
            self.put(with_record(self.entry(entry.name), record))

        return Change(do, undo)

    def copy_disk(self, name: str, disk: NewDisk, owner: str, address: str) -> Change:
        """A new minidisk with another's size, type and data.

        :raises SmapiError: as :meth:`new_disk`; 400/4 also where the source is not there.
        """
        self.changeable(name)
        found = self.directory.disk(owner, vdev(address))
        source = extent_of(found[1], self.dasd.volumes) if found else None
        if found is None or source is None:
            raise SmapiError(400, 4)
        wanted = NewDisk(
            disk.address, source.devtype, disk.allocation, disk.area, source.size, disk.mode, disk.passwords
        )
        return self.new_disk(name, wanted, lambda target: self.files.copy(source, target) if self.files else None)

    def delete_disk(self, name: str, address: str) -> Change:
        """:raises SmapiError: 400/4, 400/12; 408/12 locked or being worked on; 596 it is not there."""
        entry = self.changeable(name)
        key = (entry.name, vdev(address))
        if key in self.busy or self.locks.device(*key):
            raise SmapiError(408, 12)
        found = [one for one in entry.find("MDISK") if vdev(one.operand(0)) == key[1]]
        if not found:
            raise SmapiError(596, BAD_STATEMENT)

        def do() -> None:
            fresh = self.entry(entry.name)
            gone = [one for one in fresh.find("MDISK") if vdev(one.operand(0)) == key[1]]
            self.put(without(fresh, [one.index for one in gone]))
            for statement in gone:
                self.remove_file(statement)

        return Change(do)

    def new_file(self, extent: Extent) -> None:
        if self.files:
            self.files.fresh(extent)

    def remove_file(self, statement: Statement) -> None:
        extent = extent_of(statement, self.dasd.volumes)
        if self.files and extent:
            self.files.remove(extent)
