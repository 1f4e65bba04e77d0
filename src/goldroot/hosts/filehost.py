"""A host that keeps entries as JSON files and disks as files or directories: all that is the same for every such kind.

A kind says how the bytes of a disk are kept (:mod:`goldroot.hosts.storefiles`), and what it can do besides.  The files of a
store::

    STORE/
    ├── entries/, links/, lock     who owns and links what, see :mod:`goldroot.hosts.entries`
    ├── labels/                    whose each disk is, see :mod:`goldroot.hosts.storefiles`
    ├── locks/                     who works on what, see :mod:`goldroot.hosts.inuse`
    ├── disks/                     the bytes
    ├── halfway/                   disks that are being made, emptied or removed
    ├── begun/                     a file for each disk that is not in its entry yet
    └── scratch/                   trees for a while

A disk is labelled, made under another name, renamed, and then named in its entry; removing goes the other way.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from goldroot import crash, files
from goldroot.errors import BadInput, Busy, Damaged, HostError, NoSpace, NotFound, ProgramFailed, Refused
from goldroot.hosts.entries import Entries, refuse_linked, where
from goldroot.hosts.inuse import InUse, Note, Taken, disk_lock, entry_lock, new_note
from goldroot.hosts.port import (
    NOTHING_AROUND,
    Abilities,
    Access,
    Applied,
    Around,
    Disk,
    DiskInfo,
    Entry,
    NetLink,
    NewDisk,
    Opened,
    Power,
    SystemDisk,
    Trial,
    Use,
    View,
)
from goldroot.hosts.registry import SeenDisk
from goldroot.hosts.sets import check_address, check_disk_id, check_entry_name, is_live, still_running
from goldroot.hosts.storefiles import OPEN_DIRECTORY, Begun, Exact, Label, Labels, OpenedDisk, free_bytes, store_errors
from goldroot.ids import new_id
from goldroot.run import Done, run
from goldroot.tree import remove_tree

if TYPE_CHECKING:
    from goldroot.hosts.parts import DiskBytes, EntryKeeper, LabelKeeper


class FileHost:
    """Entries and disks below ``store``.

    :param name: the host's name in the site.
    :param store: path of the store; made by :meth:`create`.
    :param disk_bytes: how this kind keeps them.
    :param running_command: a command of the site that is called with an entry's name and ends with status 0 when that
        machine runs, 1 when it does not; anything else is an error.
    :param keepers: what keeps entries and labels, where files of the store do not.
    """

    kind = "files"
    #: Bytes of a disk of which no size is said; 0: no limit.
    usual_size = 0
    abilities = Abilities(
        live_view="torn",
        exact_apply=True,
        strong_hold=False,
        boots=False,
        guest_commands=False,
        runs_architectures=frozenset([platform.machine()]),
        sizes=False,
        verity=False,
    )

    def __init__(
        self,
        name: str,
        store: str,
        disk_bytes: DiskBytes,
        *,
        running_command: Sequence[str] = (),
        keepers: tuple[EntryKeeper, LabelKeeper] | None = None,
    ) -> None:
        self.name = name
        self.store = os.path.abspath(store)
        self.running_command = tuple(running_command)
        self._bytes = disk_bytes
        self._entries, self._labels = keepers or (Entries(self.store), Labels(self.store))
        self._in_use = InUse(self.store)
        self._begun = Begun(self.store)
        self._held: set[str] = set()

    def create(self) -> None:
        """Make the store's directories; what is there already stays."""
        files.make_directory(self.store)
        self._entries.create()
        self._labels.create()
        self._in_use.create()
        for name in ("disks", "halfway", "scratch", "begun"):
            files.make_directory(os.path.join(self.store, name))

    # -- whose it is

    @property
    def own_paths(self) -> list[str]:
        """What of the store is goldroot's, for :func:`goldroot.private.tighten`; the store's directory is the last."""
        names = (
            "entries",
            "links",
            "labels",
            "locks",
            "halfway",
            "scratch",
            "begun",
            "lock",
            "label",
            "machines-before",
            "machines",
            "disks",
            "",
        )
        return [os.path.join(self.store, name).rstrip("/") for name in names]

    @property
    def trees(self) -> list[str]:
        """The directories in which trees are: what is in these has modes of its own."""
        return [os.path.join(self.store, name) for name in ("disks", "halfway", "scratch")]

    def is_made(self) -> bool:
        """Whether the store's directories are there."""
        return all(os.path.isdir(os.path.join(self.store, name)) for name in ("disks", "entries"))

    def label(self) -> str:
        """What :meth:`set_label` wrote last; "" where nothing was."""
        try:
            with open(os.path.join(self.store, "label"), encoding="ascii", errors="replace") as file:
                return file.read(64).strip()
        except FileNotFoundError:
            return ""

    def set_label(self, label: str) -> None:
        """Write down whose the store is."""
        files.write(os.path.join(self.store, "label"), f"{label}\n".encode())

    def disk_ids(self) -> list[str]:
        """The ids of all disks that there are anything of; for lists, never to answer about one."""
        return sorted({*self._bytes.ids(), *self._bytes.halves()})

    def look_at_disk(self, id: str) -> SeenDisk:
        """What there is of a disk, whoever names it; nothing is changed."""
        try:
            label = self._labels.find(check_disk_id(id))
        except (Damaged, BadInput) as error:
            return SeenDisk(id, why=error.brief)
        whole, damage = False, ""
        try:
            if whole := label is not None and self._bytes.stands(label):
                self._refuse_part(label)
        except Damaged as error:
            whole, damage = True, error.brief
        owner = "" if label is None else label.owner
        begun = id in self._begun.ids() or id in self._bytes.halves()
        return SeenDisk(id, owner, whole=whole, begun=begun, damage=damage)

    def leftovers(self) -> list[str]:
        """What :meth:`tidy` would look at: work on disks that was begun and is not done, one line each."""
        scratch = os.path.join(self.store, "scratch")
        trees = sorted(os.listdir(scratch)) if os.path.isdir(scratch) else []
        ids = sorted({*self._bytes.halves(), *self._begun.ids()})
        found = [(disk_lock(id), f"disk {id}") for id in ids]
        found += [(f"scratch-{id}", f"scratch/{id}") for id in trees]
        return [what for name, what in found if self._in_use.free(name)]

    def give_up_disk(self, id: str) -> None:
        """Remove a disk that no entry names, with its label.  Again: nothing.

        :raises Refused: an entry names it, or it is in use.
        """
        check_disk_id(id)
        with self._alone(id) as taken:
            for entry in self._entries.all():
                if (address := where(entry, id)) is not None:
                    raise Refused(f"disk {id} is that at {address} of {entry.name}", meaning="It was not touched.")
            seen = self.look_at_disk(id)
            if seen.whole and (label := self._labels.find(id)) is not None:
                self._refuse_used(label)
            self._bytes.remove(id)
            self._labels.remove(id)
            self._begun.forget(id)
            taken.gone()

    # -- disks

    def create_disk(self, new: NewDisk) -> DiskInfo:
        check_disk_id(new.id)
        check_address(new.address)
        new = self._usual(new)
        if new.form not in self._bytes.forms:
            raise BadInput(
                f"{self.kind} hosts have no disks of form {new.form!r}", todo=f"Use {_or(self._bytes.forms)}."
            )
        entry = self._entries.get(check_entry_name(new.owner))
        if entry.role == "owner" and not is_live(new.address):
            raise BadInput(f"{new.owner} is an owner of disks: it has set 1 only")
        with self._alone(new.id), ExitStack() as stack:
            label = self._labels.find(new.id)
            wanted = Label(new.id, new.owner, new.size, new.form)
            if label is not None and label.owner != new.owner:
                raise Refused(f"disk {new.id} is {label.owner}'s", meaning="A disk never changes its owner.")
            if label is None or not self._bytes.stands(label):
                self._refuse_lost(entry, new.id)
                self._begun.note(new.id)
                self._make(stack, wanted, new.copy_of)
            elif (label.size, label.form) != (wanted.size, wanted.form):
                raise Refused(
                    f"disk {new.id} is there already, of form {label.form} and {label.size} bytes",
                    meaning=f"Asked for were {new.form} and {new.size} bytes. It was not touched.",
                    todo="Delete it, or choose another id.",
                )
            if where(entry, new.id) is None:
                mode: Access = "rw" if is_live(new.address) else "ro"
                self._entries.put_disk(new.owner, new.address, Disk(new.id, mode))
            crash.point("host.disk-named")
            self._begun.forget(new.id)
            return self._bytes.info(self._label(new.id))

    def empty_disk(self, id: str) -> None:
        self._label(id)  # before a lock's file is made for it
        with self._alone(id):
            label = self._label(id)
            entry, address = self._standing(label)
            if is_live(address) and not (entry.role == "owner" or (entry.name in self._held and not entry.startable)):
                raise Refused(f"disk {id} is the live one at {address} of {entry.name}", meaning="It was not touched.")
            refuse_linked(entry, address, self._entries.linked(entry.name))
            if self._bytes.stands(label):  # else its emptying was cut off
                self._refuse_used(label)
            fresh = Label(label.id, label.owner, label.size, label.form)
            self._labels.write(fresh)
            crash.point("host.disk-unsealed")
            self._bytes.empty(fresh)
            self._bytes.settle(fresh)
            crash.point("host.disk-emptied")

    def seal_disk(self, id: str, form: str) -> DiskInfo:
        form = form or next(iter(self._bytes.sealed_forms))
        if form not in self._bytes.sealed_forms:
            raise BadInput(f"{self.kind} hosts seal no disk as {form!r}", todo=f"Use {_or(self._bytes.sealed_forms)}.")
        self._label(id)
        with self._alone(id):
            label = self._label(id)
            if label.sealed and label.sealed != form:
                raise Refused(f"disk {id} is sealed already, as {label.sealed}", todo="Empty it first.")
            sealed = Label(label.id, label.owner, label.size, label.form, form)
            if not label.sealed:
                self._refuse_used(label)
                self._bytes.seal(label, form)
                crash.point("host.disk-sealing")
                self._labels.write(sealed)
                crash.point("host.disk-sealed")
            self._bytes.settle(sealed)
            return self._bytes.info(sealed)

    def delete_disk(self, id: str) -> None:
        check_disk_id(id)
        if (label := self._labels.find(id)) is None:
            return
        with self._alone(id) as taken:
            self._refuse_attached(label)
            if self._bytes.stands(label):
                self._refuse_used(label)
            with suppress(NoSpace):  # on a full disk it has to go without
                self._begun.note(id)
            self._entries.drop_disk(label.owner, id)
            crash.point("host.disk-unnamed")
            self._bytes.remove(id)
            crash.point("host.disk-removed")
            self._labels.remove(id)
            taken.gone()
            self._begun.forget(id)

    def copies(self, source: str, form: str) -> Literal["blocks", "files"]:
        return self._bytes.copies(self._label(source), form)

    def info(self, ids: Collection[str]) -> Mapping[str, DiskInfo]:
        return {id: self._bytes.info(self._label(id)) for id in ids}

    def hashes(self, ids: Collection[str]) -> Mapping[str, str]:
        return {}

    def check_hash(self, id: str, root: str) -> None:
        raise Damaged(f"disk {id} has no tree of hashes", todo="Make its copy of gold again.")

    def in_use(self, ids: Collection[str]) -> str | None:
        labels = [self._label(id) for id in ids]
        busy = (id for id in ids if not self._in_use.free(disk_lock(id)))
        if (id := next(busy, None)) is not None:
            return f"disk {id} is in use by {self._in_use.note(disk_lock(id))}"
        return self._bytes.users(labels, writing=False) if labels else None

    def room(self, sizes: Sequence[int]) -> str | None:
        return self._room_in_store(sizes)

    def _room_in_store(self, sizes: Sequence[int]) -> str | None:
        wanted, free = sum(sizes), free_bytes(self.store)
        return None if wanted <= free else f"{self.name} has {free} bytes left, and {wanted} are needed"

    @contextmanager
    def open_disks(
        self, wanted: Mapping[str, Access], *, use: Use = "files", view: View = "still"
    ) -> Iterator[Mapping[str, Opened]]:
        for id in wanted:
            check_disk_id(id)
        with ExitStack() as stack:
            # In one order, so that two who want the same disks do not each wait for the other's.
            looked: dict[str, Exact] = {}
            given = [self._enter(stack, id, wanted[id], view, looked) for id in sorted(wanted)]
            self._refuse_strangers([one for one in given if one[0].id not in looked])
            opened: dict[str, Opened] = {}
            for label, access, exact in given:
                one = opened[label.id] = self._bytes.open(stack, label, access, use, exact=exact)
                stack.callback(one.close)
            yield opened

    @contextmanager
    def scratch(self, size: int) -> Iterator[Opened]:
        if (reason := self._room_in_store([size])) is not None:
            raise NoSpace(reason, todo="Make room, then run the command again.")
        id = new_id()
        taken = self._in_use.take(f"scratch-{id}", note=new_note("disk"))
        assert taken is not None, "the id is new"
        place = os.path.join(self.store, "scratch", id)
        opened = None
        try:
            with store_errors(place):
                os.mkdir(place, 0o700)
                opened = OpenedDisk(os.open(place, OPEN_DIRECTORY))
            yield opened
        finally:
            if opened is not None:
                opened.close()
            remove_tree(place)
            taken.gone()
            taken.close()

    def make_bootable(self, name: str, disks: Mapping[str, SystemDisk]) -> str:
        """Nothing: no disk of this kind is booted from by itself."""
        return ""

    # -- entries

    def find(self, name: str) -> Entry | None:
        return self._entries.find(name)

    def entries(self) -> Iterator[Entry]:
        return self._entries.all()

    def linked(self, owner: str) -> list[tuple[str, str, str]]:
        return self._entries.linked(owner)

    def define(self, entry: Entry) -> Entry:
        made = self._entries.define(entry)
        self._in_use.make(entry_lock(entry.name))
        return made

    def undefine(self, name: str) -> None:
        check_entry_name(name)
        taken = self._in_use.take(entry_lock(name), note=new_note("hold"))
        if taken is None:
            raise Busy(f"{name} is in use by {self._in_use.note(entry_lock(name))}")
        try:
            self._entries.undefine(name)
            taken.gone()
        finally:
            taken.close()

    def give_up(self, name: str) -> list[str]:
        """Remove an entry that cannot be used any more, with every disk that carries its name in its label.

        The entry is damaged, or disks that it names are not there.  Its damaged file is kept beside it, for a person.

        :returns: the ids of the disks that went.
        :raises Busy: somebody works on it. :raises Refused: one of its disks is in use, or linked.
        """
        if not isinstance(self._entries, Entries):
            raise Refused(
                f"the entries of host {self.name} are kept elsewhere", todo=f"Put the entry {name} right there."
            )
        taken = self._in_use.take(entry_lock(check_entry_name(name)), note=new_note("hold"))
        if taken is None:
            raise Busy(f"{name} is in use by {self._in_use.note(entry_lock(name))}", meaning="Nothing was removed.")
        try:
            if links := [link for link in self._links_to(name) if link[0] != name]:
                raise Refused(f"{name} is linked by {links[0][0]} at {links[0][1]}", meaning="Nothing was removed.")
            labels = [label for id in self.disk_ids() if (label := self._labels.find(id)) and label.owner == name]
            for label in labels:
                if self._bytes.stands(label):
                    self._refuse_used(label)
            self._entries.give_up(name)
            entry = self._entries.find(name)
            if entry is not None and entry.startable:
                self._entries.apply(replace(entry, startable=False))
            named = [] if entry is None else [disk.id for disk in entry.disks.values()]
            going = sorted({*named, *(label.id for label in labels)})
            for id in going:
                self._entries.drop_disk(name, id)
                self._bytes.remove(id)
                self._labels.remove(id)
                self._begun.forget(id)
            self._entries.undefine(name)
            taken.gone()
            return going
        finally:
            taken.close()

    def _links_to(self, name: str) -> list[tuple[str, str, str]]:
        """Who links an entry; where an entry is damaged, by those that can be read."""
        found = []
        with suppress(Damaged):
            for entry in self._entries.all():
                found += [(entry.name, a, link.address) for a, link in entry.links.items() if link.owner == name]
        return found

    def apply(self, wanted: Entry) -> Applied:
        return self._entries.apply(wanted)

    # -- power

    def power(self, name: str) -> Power:
        entry = self._entries.get(name)
        if not self._in_use.asked(entry_lock(name)):
            return self._power_noted(entry, self._in_use.note(entry_lock(name)))
        if reason := self._seen(entry):
            return Power("on", reason, "", "unknown")
        return Power("off", "", "", "nothing")

    def start(self, name: str) -> None:
        self._entries.get(name)
        raise Refused(
            f"a {self.kind} host does not start machines", todo=f"Start {name} with whatever it is that runs it."
        )

    def stop(self, name: str, patience: float) -> str:
        power = self.power(name)
        if power.state != "off":
            raise still_running(name, power.why)
        return "off"

    @contextmanager
    def hold(self, name: str, *, runs: bool = False) -> Iterator[FileHold]:
        before = self._entries.get(name)  # before a lock's file is made for it
        note = new_note("run", live_of(before)) if runs else new_note("hold")
        taken = self._in_use.take(entry_lock(name), note=note)
        if taken is None:
            note = self._in_use.note(entry_lock(name))
            if note.what == "run":
                raise still_running(name, str(note))
            raise Busy(
                f"{name} is in use by {note}", meaning="Nothing was changed.", todo="Try again when that has ended."
            )
        try:
            entry = self._entries.get(name)
            if reason := self._seen(entry):
                raise still_running(name, reason)
            self._held.add(name)
            yield FileHold(self, entry)
        finally:
            self._held.discard(name)
            taken.close()

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        self._entries.get(name)
        raise Refused(f"a {self.kind} host runs no commands inside a machine")

    def console(self, name: str, lines: int) -> list[str]:
        self._entries.get(name)
        return []

    @property
    def usual_bridge(self) -> str:
        return ""

    def links(self, name: str) -> Sequence[NetLink]:
        """As :meth:`goldroot.hosts.Host.links`: such a host knows of none."""
        return ()

    @contextmanager
    def trial(
        self, name: str, set: str, *, read_only: Collection[str] = (), around: Around = NOTHING_AROUND
    ) -> Iterator[Trial]:
        self._entries.get(name)
        raise Refused(f"a {self.kind} host starts no trials", todo='Set trial = "commands" for the image.')
        yield

    def tidy(self) -> list[str]:
        told = []
        for id in self._bytes.halves():
            if (taken := self._in_use.take_left(disk_lock(id), new_note("disk"))) is not None:
                self._bytes.tidy(id)
                taken.close()
                told.append(f"removed what a killed command left of disk {id}")
        told += self._tidy_begun()
        scratch = os.path.join(self.store, "scratch")
        for id in sorted(os.listdir(scratch)):
            if (taken := self._in_use.take_left(f"scratch-{id}", new_note("disk"))) is not None:
                remove_tree(os.path.join(scratch, id))
                taken.gone()
                taken.close()
                told.append(f"removed what a killed command left in scratch/{id}")
        return told

    # -- inside

    def _tidy_begun(self) -> list[str]:
        """Disks that no entry names, as their making or removal was cut off; who wants one makes it again."""
        told = []
        for id in self._begun.ids():
            if (taken := self._in_use.take_left(disk_lock(id), new_note("disk"))) is None:
                continue
            label = self._labels.find(id)
            entry = None if label is None else self._entries.find(label.owner)
            named = entry is not None and where(entry, id) is not None
            if label is not None and not named:
                self._bytes.remove(id)
                self._labels.remove(id)
                told.append(f"removed disk {id}, whose making or removal was cut off")
            if not named:
                taken.gone()
            self._begun.forget(id)
            taken.close()
        return told

    def _usual(self, new: NewDisk) -> NewDisk:
        """What a new disk is where nobody says it."""
        return replace(new, form=new.form or next(iter(self._bytes.forms)), size=new.size or self.usual_size)

    # -- inside: rules

    def _refuse_part(self, label: Label) -> None:
        """:raises Damaged: not all bytes of a disk that is there are, as far as that is seen without reading them."""

    def _label(self, id: str) -> Label:
        label = self._labels.find(id)
        if label is None:
            raise NotFound(f"there is no disk {id}", todo="Is this the host that was meant?")
        return label

    def _standing(self, label: Label) -> tuple[Entry, str]:
        """A disk's entry, and its address there."""
        entry = self._entries.find(label.owner)
        address = None if entry is None else where(entry, label.id)
        if entry is None or address is None:
            raise NotFound(
                f"disk {label.id} of {label.owner} is in no entry",
                meaning="Its making or its removal was cut off.",
                todo="Run the command that was cut off again.",
            )
        return entry, address

    @contextmanager
    def _alone(self, id: str) -> Iterator[Taken]:
        """Nobody else has the disk open.

        :raises Refused: somebody has.
        """
        name = disk_lock(id)
        if (taken := self._in_use.take(name, note=new_note("disk"))) is None:
            raise Refused(f"disk {id} is in use by {self._in_use.note(name)}", todo="End that use, then try again.")
        try:
            yield taken
        finally:
            taken.close()

    def _refuse_used(self, label: Label) -> None:
        if reason := self._bytes.users([label], writing=False):
            raise Refused(f"disk {label.id} is in use: {reason}", todo="End that use, then run the command again.")

    def _refuse_attached(self, label: Label) -> None:
        note = self._in_use.note(entry_lock(label.owner))
        if note.what == "run" and label.id in {str(disk) for disk in note.live.values()}:
            taken = self._in_use.take(entry_lock(label.owner), shared=True, patient=False)
            if taken is None:
                raise Refused(f"{label.owner} runs from disk {label.id}", todo="It can go after the next stop.")
            taken.close()

    def _refuse_lost(self, entry: Entry, id: str) -> None:
        if where(entry, id) is not None:
            raise Damaged(
                f"disk {id} is in the entry {entry.name}, and is not there",
                meaning="It was lost, or its emptying was cut off. Nothing was made in its place.",
                todo="Put it back, or empty or delete it.",
            )

    def _make(self, stack: ExitStack, label: Label, copy_of: str) -> None:
        source = None
        if copy_of:
            given = self._enter(stack, check_disk_id(copy_of), "ro", "still", {})
            self._refuse_strangers([given])
            source = given[0]
        self._labels.write(label)
        crash.point("host.disk-labelled")
        self._bytes.make(label, source)
        crash.point("host.disk-made")

    def _enter(
        self, stack: ExitStack, id: str, access: Access, view: View, looked: dict[str, Exact]
    ) -> tuple[Label, Access, Exact]:
        """Take what keeps others off a disk that is to be opened; and whether it will be seen exactly.

        :param looked: the live disks, and their machines, that were looked at already: whether they are seen exactly.
        """
        self._label(id)  # before a lock's file is made for it
        taken = self._in_use.take(
            disk_lock(id), shared=access == "ro", note=new_note("disk") if access == "rw" else None
        )
        if taken is None and access == "ro" and view == "live" and self._runs_from(id):
            return self._label(id), access, False
        if taken is None:
            raise Busy(
                f"disk {id} is in use by {self._in_use.note(disk_lock(id))}", todo="Try again when that has ended."
            )
        stack.callback(taken.close)
        label = self._label(id)
        entry, address = self._standing(label)
        if not self._bytes.stands(label):
            self._refuse_lost(entry, id)
        if access == "rw":
            self._refuse_writing(label, entry, address)
        elif is_live(address) and entry.role == "machine" and entry.name not in self._held:
            machine = f"{entry.name} as a whole"
            if machine not in looked:
                looked[machine] = self._enter_live(stack, entry, view)
            looked[id] = looked[machine]
            return label, access, looked[id]
        return label, access, True

    def _runs_from(self, id: str) -> bool:
        """Whether goldroot itself runs a machine from the disk, and it may be seen torn."""
        note = self._in_use.note(entry_lock(self._label(id).owner))
        return self.abilities.live_view == "torn" and note.what == "run" and id in map(str, note.live.values())

    def _refuse_writing(self, label: Label, entry: Entry, address: str) -> None:
        if label.sealed:
            raise Refused(f"disk {label.id} is sealed", meaning="It is never written again.", todo="Empty it first.")
        refuse_linked(entry, address, self._entries.linked(entry.name))
        if is_live(address) and entry.name not in self._held:
            if reason := self.power(entry.name).why:
                raise still_running(entry.name, reason)
            raise Refused(f"disk {label.id} is the live one at {address} of {entry.name}, which is not held")

    def _enter_live(self, stack: ExitStack, entry: Entry, view: View) -> Exact:
        name = entry_lock(entry.name)
        if (gate := self._in_use.take(name, shared=True, patient=view == "still")) is not None:
            stack.callback(gate.close)
            if view == "live" and self.abilities.live_view == "torn":
                # Whoever only reads a few files does not ask, and to look at every process takes as long as all that it reads.
                return cache(lambda: not self._seen(entry))
        note = self._in_use.note(name) if gate is None else Note()
        reason = str(note) if gate is None else self._seen(entry)
        if not reason or (view == "live" and self.abilities.live_view == "torn"):
            return not reason
        if note.what == "hold":
            raise Busy(f"{entry.name} is held by {note}", todo="Try again when that has ended.")
        raise still_running(entry.name, reason)

    def _refuse_strangers(self, given: Sequence[tuple[Label, Access, Exact]]) -> None:
        """What no lock of ours keeps off: programs that use the bytes of a disk."""
        for which, writing in (("rw", False), ("ro", True)):
            labels = [label for label, access, exact in given if access == which and exact and not label.sealed]
            if labels and (reason := self._bytes.users(labels, writing=writing)):
                raise Busy(f"a disk is in use: {reason}", todo="End that use, then run the command again.")

    # -- inside: power

    def _power_noted(self, entry: Entry, note: Note) -> Power:
        if note.what == "run":
            return Power("on", str(note), note.since, "current" if note.live == live_of(entry) else "older")
        if note.what == "hold":
            return Power("off", f"held by {note}", note.since, "nothing")
        return Power("changing", str(note), "", "unknown")

    def _seen(self, entry: Entry) -> str | None:
        """Why the live disks of a machine may be written at this moment, by others than goldroot."""
        if entry.role != "machine":
            return None
        live = [label for a, disk in entry.disks.items() if is_live(a) and (label := self._labels.find(disk.id))]
        return (self._bytes.users(live, writing=True) if live else None) or self._said(entry.name)

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


class FileHold:
    """A machine that is held, see :class:`goldroot.hosts.Hold`."""

    def __init__(self, host: FileHost, entry: Entry) -> None:
        self._host = host
        self._entry = entry

    def broken(self) -> str | None:
        """Who uses the disks that were live when the hold began, or are now."""
        now = self._host.find(self._entry.name)
        if now is None or live_of(now) == live_of(self._entry):
            return self._host._seen(self._entry)
        return self._host._seen(self._entry) or self._host._seen(now)


def live_of(entry: Entry) -> dict[str, str]:
    """What a machine that starts now is given: disks by id, links by owner and address; for a :class:`Note` of a run."""
    disks = {address: disk.id for address, disk in entry.disks.items() if is_live(address)}
    links = {address: f"{link.owner} {link.address}" for address, link in entry.links.items() if is_live(address)}
    return disks | links


def _or(words: Collection[str]) -> str:
    return " or ".join(sorted(words))
