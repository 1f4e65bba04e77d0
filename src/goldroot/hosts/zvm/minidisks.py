"""Minidisks: made and deleted by the directory manager, and reached through links of the management guest.

What is on a disk is a :class:`Medium`'s: how it is formatted, labelled and mounted.  Each disk carries a label that is
made of its id, so that another's disk is known before it is read or written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from goldroot import crash
from goldroot.errors import Busy, Damaged, HostError, NoSpace, NotFound, Refused, StillRunning
from goldroot.hosts.port import Access, DiskInfo, Role, Use
from goldroot.hosts.storefiles import Exact, Label, OpenedDisk
from goldroot.hosts.zvm.adopted import Adopted
from goldroot.hosts.zvm.cp import User
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.extents import Row
from goldroot.hosts.zvm.limits import Places
from goldroot.hosts.zvm.links import Linked, Links, Minidisk
from goldroot.hosts.zvm.manager import UNSURE
from goldroot.hosts.zvm.medium import tag_of
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.pool import fits
from goldroot.hosts.zvm.reading import extent_of
from goldroot.tree import copy_tree
from goldroot.zvm.directory import Mdisk, disks
from goldroot.zvm.smapi import CallRefused, MinidiskForm, MinidiskRoom

EXISTS, NO_ROOM = (408, 4), (408, 24)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a disk stands: what its entry is, the device number, and the minidisk there if there is one."""

    role: Role
    device: str
    disk: Mdisk | None


class Minidisks:
    """The disks of a z/VM host; the caller holds each disk's lock, and has looked whether it may."""

    def __init__(self, entries: DirectoryEntries, links: Links, parts: Parts, adopted: Adopted, places: Places) -> None:
        self._adopted = adopted
        self._places = places
        self._manager = entries.manager
        self._entries = entries
        self._extents = parts.extents
        self._links = links
        self._medium = parts.medium
        self.pool = parts.pool
        self.names: Names = entries.names
        #: disks that this process holds exclusively, by their id
        self.held: dict[str, Linked] = {}
        #: disks of running machines, which are seen as copies of one moment, by their id
        self.running: Counter[str] = Counter()

    @property
    def forms(self) -> Collection[str]:
        return self._medium.forms

    @property
    def sealed_forms(self) -> Collection[str]:
        return self._medium.sealed_forms

    # -- making

    def make(self, label: Label, source: Label | None) -> None:
        """Make a disk whose row is there, in its entry, empty or as a copy; again: finished."""
        row = self.row(label.id)
        place = self._place(row)
        disk = place.disk or self._create(row, place.device, source)
        extent = extent_of(disk)
        wanted = self._units(row, source)
        if extent is None or extent.size != wanted:
            raise Refused(
                f"{row.owner} has a minidisk at {row.address} that is not the one that was to be made",
                meaning=f"It has {disk.size} {self.pool.at(row.address).geometry.word}, and {wanted} were asked for; it stays.",
                todo="Look at the directory entry; delete that minidisk, or choose another address.",
            )
        row = replace(row, extent=extent)
        self._extents.write(row)
        crash.point("zvm.disk-placed")
        with self._device_of(row, "W") as target:
            if source is None or not self._copied_blocks(source, row, target):
                self._medium.format(target[1], row.form, tag_of(row.id))
                crash.point("zvm.disk-formatted")
                if source is not None:
                    self._copy_files(source, row, target[1])
        self._extents.write(replace(row, state="made"))
        crash.point("zvm.disk-made")

    def empty(self, label: Label) -> None:
        """An empty file system in the place of what there is."""
        row = self.row(label.id)
        with self._device_of(row, "") as (_, device):
            row = replace(row, sealed="")
            self._extents.write(replace(row, state="emptying"))
            crash.point("zvm.disk-emptying")
            self._medium.format(device, row.form, tag_of(row.id))
        crash.point("zvm.disk-emptied")
        self._extents.write(replace(row, state="made"))

    def seal(self, label: Label, form: str) -> None:
        row = self.row(label.id)
        with self._device_of(row, "") as (_, device):
            self._medium.seal(device, form)
        crash.point("zvm.disk-sealing")

    def settle(self, label: Label) -> None:
        """Nothing: a disk has one form at a time."""

    def remove(self, id: str) -> None:
        """The minidisk leaves its entry, its content is destroyed, and its row goes."""
        row = self.row(id)
        self._extents.write(replace(row, state="deleting"))
        crash.point("zvm.disk-going")
        user = self.names.user(row.owner)
        place = self._place(row)
        if place.disk is not None:
            self._manager.unlock_left(user)
            try:
                with self._places.one("copies"):  # erasing is a copy of nothing
                    self._manager.waiting(
                        user, lambda: self._manager.client.image_disk_delete_dm(user, place.device, erase=True)
                    )
            except (CallRefused, *UNSURE):
                if self._place(row).disk is not None:
                    raise
        crash.point("zvm.disk-gone")
        self._extents.remove(id)

    # -- questions

    def row(self, id: str) -> Row:
        """:raises NotFound: there is no such disk."""
        if (row := self._extents.find(id)) is None:
            raise NotFound(f"there is no disk {id}", todo="Is this the host that was meant?")
        return row

    def stands(self, label: Label) -> bool:
        """Whether the disk is made whole, and stands in its entry."""
        row = self._extents.find(label.id)
        return row is not None and row.state == "made" and self._place(row).disk is not None

    def is_placed(self, label: Label) -> bool:
        """Whether its minidisk is known and stands in its entry, whole or not."""
        row = self._extents.find(label.id)
        return row is not None and row.extent is not None and self._place(row).disk is not None

    def check_label(self, label: Label) -> None:
        """:raises Damaged: another's disk lies where this one should."""
        with self._device_of(self.row(label.id), "RR"):
            pass

    def copies(self, source: Label, form: str) -> Literal["blocks", "files"]:
        same = (source.sealed or source.form) == form
        return "blocks" if same and self._medium.blocks else "files"

    def info(self, label: Label) -> DiskInfo:
        row = self.row(label.id)
        extent = row.extent
        where: Mapping[str, object] = (
            {} if extent is None else {"volume": extent.volume, "start": extent.start, "size": extent.size}
        )
        size = 0 if extent is None else extent.size * self.pool.at(row.address).geometry.size
        return DiskInfo(where, size, -1, row.sealed or row.form, bool(row.sealed), self._evidence(row))

    def users(self, labels: Sequence[Label], *, writing: bool) -> str | None:
        """Who else has one of these disks now, by CP; its own machine, where that only reads it, is none."""
        for label in labels:
            row = self.row(label.id)
            with ExitStack() as stack:
                try:
                    linked = self._linked(stack, row, "RR")
                except Busy as error:
                    return error.brief
                for user in self._links.others(linked):
                    own = user.name == self.names.user(row.owner)
                    if user.access == "R/W" or (not own and not writing):
                        return f"{user}"
        return None

    def having(self, id: str) -> list[User]:
        """Everybody but the management guest who has a disk now, by CP."""
        with ExitStack() as stack:
            return self._links.others(self._linked(stack, self.row(id), "RR"))

    def attached(self, id: str) -> bool:
        """Whether its own machine has it since its last logon, at whatever address."""
        row = self.row(id)
        if row.extent is None or self._place(row).disk is None:
            return False
        return any(user.name == self.names.user(row.owner) for user in self.having(id))

    def room(self, sizes: Sequence[int]) -> str | None:
        """Why disks of these sizes do not fit into the gaps of the pool's volumes, or ``None``.

        Where there are several pools it is not known which of them a size is for: each has to fit somewhere.
        """
        told = []
        for pool in self.pool.all():
            found = self._manager.client.image_volume_space_query_dm(pool.group, query=2, entry=3)
            gaps = [one.size for one in found]
            asked = sizes if not self.pool.others else [max(sizes, default=0)]
            if (size := fits(asked, gaps, pool.geometry)) is None:
                return None
            free = sum(gaps) * pool.geometry.size
            told.append(f"group {pool.group} has no room for a disk of {size} bytes ({free} bytes are free in all)")
        return "; ".join(told)

    # -- opening

    def open(self, stack: ExitStack, label: Label, access: Access, use: Use, *, exact: Exact) -> OpenedDisk:
        """Open a disk; ``stack`` gives back the link and all else that this takes."""
        row = self.row(label.id)
        if access == "ro" and self.running[row.id] > 0:
            return self._open_copy(stack, row, use)
        linked, device = stack.enter_context(self._device_of(row, "R" if access == "ro" else ""))
        if access == "rw":
            self._refuse_others(row, linked)
        mounted = self._medium.mount(device, row.sealed or row.form, write=access == "rw", use=use)
        return OpenedDisk(*mounted, exact=exact)

    def _open_copy(self, stack: ExitStack, row: Row, use: Use) -> OpenedDisk:
        """A copy that the storage server makes at once, on a temporary disk that goes with the block."""
        with ExitStack() as source:
            origin = self._linked(source, row, "RR")
            assert row.extent is not None, "what is linked has an extent"
            copy = stack.enter_context(self._links.temporary(row.extent.size, self.pool.at(row.address).geometry))
            if not self._links.copy_blocks(origin, copy):
                raise StillRunning(
                    f"disk {row.id} of a running machine cannot be seen: FLASHCOPY is refused",
                    meaning="A copy that takes its time would be of no one moment. Nothing was changed.",
                    todo="Stop the machine first, or set live_view to none in the host's table.",
                )
        device = stack.enter_context(self._links.online(copy))
        if (tag := self._medium.tag(device)) and not self._has_its_label(row, tag):
            raise Damaged(f"the minidisk of disk {row.id} has the label {tag!r}, and not its own")
        return OpenedDisk(*self._medium.mount(device, row.sealed or row.form, write=False, use=use, replay=True))

    @contextmanager
    def hold(self, labels: Sequence[Label]) -> Iterator[None]:
        """Nobody else gets these disks in the block: exclusive links.

        :raises Busy: somebody has one.
        """
        with ExitStack() as stack:
            for label in labels:
                row = self.row(label.id)
                self.held[row.id] = self._linked(stack, row, "EW")
                stack.callback(self.held.pop, row.id, None)
            yield

    # -- what killed commands left

    def ids(self) -> list[str]:
        return self._extents.ids()

    def halves(self) -> list[str]:
        """The ids of disks whose removal was cut off: nobody sees them any more, and they still have their room.

        What is being made is none: the command that made it finishes it, or deletes it.  A disk that its machine has had
        attached since then waits for the next time.
        """
        return [id for id in self._extents.deleting() if not self.attached(id)]

    def tidy(self, id: str) -> None:
        """Finish the removal."""
        self.remove(id)

    # -- inside

    def _create(self, row: Row, device: str, source: Label | None) -> Mdisk:
        user, mode = self.names.user(row.owner), self.pool.mode if row.address.startswith("1") else "RR"
        pool = self.pool.at(row.address)
        geometry = pool.geometry
        form = MinidiskForm(geometry.device, geometry.unit, formatting=1)
        room = MinidiskRoom(pool.group, mode=mode)
        size = self._units(row, source)
        self._manager.unlock_left(user)
        try:
            self._manager.waiting(
                user,
                lambda: self._manager.client.image_disk_create_dm(user, device, size=size, room=room, form=form),
            )
        except CallRefused as error:
            if error.code == NO_ROOM:
                raise NoSpace(
                    f"{error.brief}; needed are {size} {geometry.word}", todo="Make room in the group."
                ) from error
            if error.code != EXISTS:
                raise
        except UNSURE:
            pass  # looked at next
        crash.point("zvm.disk-created")
        if (disk := self._place(row).disk) is None:
            raise HostError(
                f"the minidisk {device} of {user} was not made, or not yet",
                todo="Run the command again; what was made meanwhile is found.",
            )
        return disk

    def _copied_blocks(self, source: Label, row: Row, target: tuple[Linked, str]) -> bool:
        if self.copies(source, row.form) != "blocks" or not self._same_type(source, row):
            return False
        with self._places.one("copies"), self._device_of(self.row(source.id), "R") as origin:
            if not self._links.copy_blocks(origin[0], target[0]):
                self._medium.copy(origin[1], target[1])
        self._medium.own(target[1], row.form, tag_of(row.id))
        return True

    def _same_type(self, source: Label, row: Row) -> bool:
        """Whether both are counted alike: cylinders are not copied to blocks, by CP or by dd, but files are."""
        return self.pool.at(self.row(source.id).address).geometry == self.pool.at(row.address).geometry

    def _copy_files(self, source: Label, row: Row, device: str) -> None:
        with ExitStack() as stack:
            old = self.open(stack, source, "ro", "files", exact=True)
            stack.callback(old.close)
            new = OpenedDisk(*self._medium.mount(device, row.form, write=True, use="files"))
            stack.callback(new.close)
            copy_tree(old.path, new.path)

    @contextmanager
    def _device_of(self, row: Row, mode: str) -> Iterator[tuple[Linked, str]]:
        """The device of a disk, linked, online, and with its own label on it as soon as it is made.

        :param mode: "" for writing: gold only where nobody has it (W), another beside its own machine's reading and
            nobody else's writing (M).
        """
        with ExitStack() as stack:
            linked = self._linked(stack, row, mode)
            device = stack.enter_context(self._links.online(linked))
            if row.state == "made" and not self._has_its_label(row, tag := self._medium.tag(device)):
                raise Damaged(
                    f"the minidisk of disk {row.id} has the label {tag!r}, and not its own",
                    meaning="It may be anybody's: it is neither read, written nor removed.",
                    todo="Look at the directory entry: was another minidisk put in its place?",
                )
            yield linked, device

    def _has_its_label(self, row: Row, tag: str) -> bool:
        """Whether a volume label is a disk's: made of its id, or that with which it was adopted."""
        return tag == tag_of(row.id) or tag == self._adopted().labels.get(row.id)

    def label_of(self, disk: Minidisk) -> str:
        """The volume label of a minidisk that is nobody's disk yet; it is only read."""
        with ExitStack() as stack:
            linked = stack.enter_context(self._links.link(disk, "RR"))
            return self._medium.tag(stack.enter_context(self._links.online(linked)))

    def _linked(self, stack: ExitStack, row: Row, mode: str) -> Linked:
        if row.id in self.held:
            return self.held[row.id]
        place = self._place(row)
        if row.extent is None or place.disk is None:
            raise Damaged(
                f"disk {row.id} is not where it was, in the entry {row.owner}",
                meaning="Its minidisk was deleted or changed by somebody else. Nothing was made in its place.",
                todo="Look at the directory entry.",
            )
        disk = Minidisk(self.names.user(row.owner), place.device, row.extent)
        mode = mode or ("W" if place.role == "owner" else "M")
        try:
            return stack.enter_context(self._links.link(disk, mode))
        except Busy as error:
            raise Busy(f"disk {row.id} is in use: {error.brief}", meaning=error.meaning, todo=error.todo) from error

    def _refuse_others(self, row: Row, linked: Linked) -> None:
        for user in self._links.others(linked):
            if user.access == "R/W" or user.name != self.names.user(row.owner):
                raise Busy(f"disk {row.id} is in use: {user}", todo="End that use, then run the command again.")

    def _place(self, row: Row) -> _Place:
        """Where a disk stands in its entry as it is now: by its extent, or by its address until that is known."""
        found = self._entries.text(row.owner)
        if found is None:
            return _Place("machine", "", None)
        role, text = found
        device = self.names.device(row.owner, role, row.address)
        for disk, _ in disks(text):
            if extent_of(disk) == row.extent if row.extent is not None else disk.address == device:
                return _Place(role, disk.address, disk)
        return _Place(role, device, None)

    def _units(self, row: Row, source: Label | None) -> int:
        """How many a new disk has: a copy of blocks needs those of its source."""
        least = 0
        if source is not None and self.copies(source, row.form) == "blocks" and self._same_type(source, row):
            extent = self.row(source.id).extent
            least = extent.size if extent is not None else 0
        return max(self.pool.at(row.address).geometry.units(max(row.size, self._medium.least(row.form))), least)

    def _evidence(self, row: Row) -> str:
        if not row.sealed:
            return ""
        with self._device_of(row, "RR") as (_, device):
            return self._medium.evidence(device, row.sealed)
