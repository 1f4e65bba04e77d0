"""Entries as user directory entries, over SMAPI: what :class:`goldroot.hosts.Host` says of entries.

One change is Lock, Query, Replace.  What is compared is what an entry says, never its bytes: a directory manager
writes it again in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from goldroot import crash
from goldroot.errors import BadInput, HostError, NotFound, Refused
from goldroot.hosts.differences import differences, taken_over
from goldroot.hosts.entries import check_change, check_links, work_of
from goldroot.hosts.port import Applied, Disk, Entry, EntryChanged, Role
from goldroot.hosts.sets import check_entry, check_entry_name, others_disks_stay, reads_as
from goldroot.hosts.zvm.adopted import Adopted
from goldroot.hosts.zvm.extents import Extents, disk_at
from goldroot.hosts.zvm.manager import EXISTS, UNSURE, Manager, Replaced
from goldroot.hosts.zvm.reading import Standing, checked, extent_of, is_managed, role_in, standing, with_known_disks
from goldroot.hosts.zvm.writing import Words, changed, new_entry, uncached
from goldroot.zvm import directory as source
from goldroot.zvm.smapi import CallRefused, SmapiError

#: Lines of a new entry.  Nobody logs it on before it is complete.
TEMPLATES: Mapping[Role, tuple[str, ...]] = {
    "machine": ("USER {user} NOLOG 512M 1G G", " IPL 1B1", " MACHINE ESA"),
    "owner": ("USER {user} NOLOG 32M 32M G",),
}


#: Characters that CP keeps of what stands behind PARM, and columns of a statement.
PARM, WIDTH = 64, 71


@dataclass(frozen=True, slots=True)
class Style:
    """How a site writes entries: words, and the lines that a new one begins with.

    :param parameters: entry's name -> what its kernel is told besides.
    """

    words: Words
    templates: Mapping[Role, tuple[str, ...]] = field(default_factory=lambda: TEMPLATES)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def lines(self, entry: Entry) -> tuple[str, ...]:
        """The lines that an entry begins with.

        Where it boots from gold's disk, whose boot record is everybody's, IPL tells its kernel the rest.

        :raises BadInput: that has no room.
        """
        lines, said = self.templates[entry.role], self.parameters.get(entry.name)
        return lines if not said else tuple(self._told(line, entry, said) for line in lines)

    def _told(self, line: str, entry: Entry, said: str) -> str:
        words = line.upper().split()
        if len(words) != 2 or words[0] != "IPL":
            return line
        if self.words.names.address(entry.name, entry.role, words[1]) not in entry.links:
            return line  # its own disk's boot record says it
        told = f"{line} PARM {said}"
        if len(said) > PARM or len(told) > WIDTH:
            raise BadInput(
                f"the parameters of {entry.name} are too long for IPL: {said!r}",
                meaning=f"A directory entry has room for {min(PARM, WIDTH - len(line) - len(' PARM '))} characters there.",
                todo="Put what is long into gold (parameters in the host's table), or make the server read-write.",
            )
        return told


class DirectoryEntries:
    """:param style: names, modes and templates of the site.

    :param adopted: the marks of entries that were adopted and not changed since.
    """

    def __init__(self, manager: Manager, extents: Extents, style: Style, adopted: Adopted | None = None) -> None:
        self._adopted = adopted or Adopted("")
        self.manager = manager
        self._extents = extents
        self._style = style
        self.names = style.words.names

    def create(self) -> None:
        """Nothing: the directory is z/VM's."""

    # -- questions

    def find(self, name: str) -> Entry | None:
        """As :meth:`goldroot.hosts.Host.find`."""
        found = self.standing(name)
        return None if found is None else found.entry

    def get(self, name: str) -> Entry:
        """An entry that has to be there.

        :raises NotFound: it is not.
        """
        if (found := self.find(name)) is None:
            raise _not_found(name)
        return found

    def standing(self, name: str) -> Standing | None:
        """An entry with all that it says, passwords too."""
        found = self.manager.read(self.names.user(name))
        return None if found is None else self._read(name, found)

    def text(self, name: str) -> tuple[Role, source.Entry] | None:
        """What an entry is, and its statements, in one call."""
        found = self.manager.read(self.names.user(name))
        return None if found is None else (role_in(found, name, self.names), found)

    def all(self) -> Iterator[Entry]:
        """As :meth:`goldroot.hosts.Host.entries`: those in which goldroot has written, or that were adopted."""
        every = ((name, found) for found in self.manager.all() if (name := self._name(found)))
        named = {name: found for name, found in every if is_managed(found) or name in self._adopted().entries}
        for name in sorted(named):
            yield self._read(name, named[name]).entry

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        """As :meth:`goldroot.hosts.Host.linked`, also by entries in which goldroot never wrote; one call for all."""
        names, found = self.names, set()
        for user, link in self.linking(owner):
            name, theirs = names.shown(user), names.address(owner, "owner", link.vdev1)
            found.add((name, names.address(name, "machine", link.address), _short(theirs)))
        return sorted(found)

    def linking(self, owner: str) -> list[tuple[str, source.Link]]:
        """(user ID, link) of every LINK to an entry's disks, passwords left behind."""
        user = self.names.user(check_entry_name(owner))
        return [(hit[0], link) for hit in set(self.manager.linking(user)) for link in self._links_in(hit, user)]

    def _links_in(self, hit: tuple[str, str], user: str) -> list[source.Link]:
        """The link of a statement that the search has found; of its whole entry where it cannot be read by itself."""
        target, statement = hit
        lines = [f"USER {target} NOLOG".encode("latin-1"), statement.encode("latin-1", "replace")]
        found = source.links(source.Directory.of_lines(lines).entries[0])
        if not any(link.owner == user for link, _ in found):
            entry = self.manager.read(target)
            found = [] if entry is None else source.links(entry)
        return [link for link, _ in found if link.owner == user]

    def others_disks(self, name: str) -> list[str]:
        """As :meth:`goldroot.hosts.HasOthersDisks.others_disks`: minidisks at any address, which keep what is on them."""
        found = self.standing(name)
        return [] if found is None else self._others_disks(found)

    def _others_disks(self, found: Standing) -> list[str]:
        entry, told = found.entry, []
        for disk, _ in source.disks(found.text):
            extent = extent_of(disk)
            address = self.names.address(entry.name, entry.role, disk.address)
            ours = extent is not None and disk_at(self._extents, entry.name, address, extent) is not None
            if disk.disktype == "PERM" and disk.volume.strip("$") and not ours:
                told.append(f"{disk.address} ({extent or f'{disk.volume}:{disk.start}:{disk.size}'})")
        return told

    # -- changes

    def define(self, entry: Entry) -> Entry:
        """As :meth:`goldroot.hosts.Host.define`."""
        check_entry(entry)
        if entry.disks or entry.startable:
            raise ValueError(f"{entry.name} would be defined with disks, or startable")
        if (there := self.find(entry.name)) is not None:
            return self._same_work(there, entry)
        check_links(Entry(entry.name, entry.role), entry, self.find)
        wanted = replace(entry, serial=f"{entry.generation}.0")
        made = new_entry(self._style.lines(entry), wanted, self._style.words, self._role)
        ours = False
        try:
            self.manager.create(self.names.user(entry.name), made)
            ours = True
        except CallRefused as error:
            if error.code != EXISTS:
                raise
        except UNSURE:
            pass  # looked at next
        crash.point("zvm.entry-created")
        now = self.standing(entry.name)
        if now is None:
            raise HostError(f"the entry {entry.name} was not made, or not yet", todo="Run the command again.")
        if not is_managed(now.text):
            raise _no_comments(entry.name)
        return now.entry if ours else self._same_work(now.entry, entry)

    def undefine(self, name: str) -> None:
        """As :meth:`goldroot.hosts.Host.undefine`."""
        if (found := self.standing(name)) is None:
            return
        if found.entry.disks:
            there = ", ".join(f"{address} {disk.id}" for address, disk in sorted(found.entry.disks.items()))
            raise Refused(f"{name} has disks: {there}", todo="Delete them first.")
        if others := self._others_disks(found):
            raise others_disks_stay(name, others)
        if links := [link for link in self.linked(name) if link[0] != name]:
            raise Refused(f"{name} is linked by {links[0][0]} at {links[0][1]}", todo="Move or delete that first.")
        crash.point("zvm.entry-going")
        self.manager.delete(self.names.user(name))
        crash.point("zvm.entry-gone")

    def apply(self, wanted: Entry) -> Applied:
        """As :meth:`goldroot.hosts.Host.apply`."""
        check_entry(wanted)
        applied: list[Entry] = []

        def make(found: source.Entry | None) -> source.Entry | None:
            now = self._there(wanted.name, found)
            if wanted.generation < now.entry.generation:
                raise taken_over(now.entry)
            if wanted.token != now.entry.token:
                if not reads_as(now.entry, wanted):
                    raise EntryChanged(now.entry, differences(wanted, now.entry))
                applied.append(now.entry)
                return None
            check_change(now.entry, wanted, self.find)
            return changed(now, _counted(wanted, now.entry), self._style.words, self._role)

        done = self.manager.replace(self.names.user(wanted.name), make)
        return Applied("done", applied[0]) if applied else self._outcome(done, wanted)

    def put_disk(self, name: str, address: str, disk: Disk) -> None:
        """A disk that was just made stands in its entry for good: a new serial says so."""

        def make(found: source.Entry | None) -> source.Entry | None:
            now = self._there(name, found)
            if now.entry.disks.get(address, Disk("", "ro")).id != disk.id:
                raise HostError(f"disk {disk.id} does not stand at {address} of {name}, where it was just made")
            made = changed(now, _counted(now.entry, now.entry), self._style.words, self._role)
            device = self.names.device(name, now.entry.role, address)
            return made if self._style.words.cached else uncached(made, device)

        if self.manager.replace(self.names.user(name), make).outcome != "done":
            raise HostError(f"it is not known whether {name} says that it has disk {disk.id}", todo="Run it again.")

    def drop_disk(self, name: str, id: str) -> None:
        """Nothing: a minidisk leaves its entry when it is deleted."""

    # -- inside

    def _outcome(self, done: Replaced, wanted: Entry) -> Applied:
        if done.entry is None:
            return Applied("unknown", None)
        try:
            now = self._read(wanted.name, done.entry).entry
        except SmapiError:
            return Applied("unknown", None)
        if done.outcome != "done" or reads_as(now, wanted):
            return Applied(done.outcome, now)
        if replace(now, marks=wanted.marks, serial=wanted.serial, token="") == replace(wanted, token=""):
            raise _no_comments(wanted.name)
        raise EntryChanged(now, differences(wanted, now))

    def _there(self, name: str, found: source.Entry | None) -> Standing:
        if found is None:
            raise _not_found(name)
        return self._read(name, found)

    def _read(self, name: str, found: source.Entry) -> Standing:
        registry = partial(disk_at, self._extents)
        read = standing(found, self.manager.beside(found), name=name, names=self.names, registry=registry)
        marks = self._adopted().entries.get(name)
        if marks and not is_managed(found):
            read = replace(read, entry=replace(read.entry, marks=dict(marks)))
        return checked(with_known_disks(read))

    def _same_work(self, there: Entry, entry: Entry) -> Entry:
        if there.role == entry.role and work_of(there) == work_of(entry) is not None:
            return there
        raise Refused(f"there is an entry {entry.name} already", todo="Choose another name.")

    def _role(self, name: str) -> Role:
        return self.get(name).role

    def _name(self, found: source.Entry) -> str | None:
        return self.names.entry(found.name)


def _counted(wanted: Entry, now: Entry) -> Entry:
    """The entry with the next serial."""
    return replace(wanted, serial=f"{wanted.generation}.{int(now.serial.partition('.')[2]) + 1}")


def _no_comments(name: str) -> HostError:
    return HostError(
        f"the directory manager does not keep the comments of {name}",
        meaning="The entry is changed, but goldroot's marks are lost: after a crash it could not be told from the entry "
        "which set of disks is which.",
        todo="Let the directory manager keep comment records.",
    )


def _short(device: str) -> str:
    return device.lstrip("0") or "0"


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no entry {name}", todo="Is this the host that was meant?")
