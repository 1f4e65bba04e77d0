"""The maintenance and the test system of an image: machines that own all their disks, read-write.

In the site::

    images/debian/
    ├── layout.toml               the layout that the image was imported with
    ├── maintenance/1B5.manifest  what the last scan of each disk saw: unchanged files are not read again
    ├── test/1B5.manifest         the same for the test system
    ├── test/tested/1B5.manifest  the test system right after its tests: what differs since was done by a person
    └── gold/1/ ...               see :mod:`goldroot.image.gold_version`

Disks are named IMAGE.ROLE.ADDRESS.NUMBER (``debian.mnt.1B5.2``); a name is never used for two contents, so that a disk
that nothing names is left over from a killed command and can go.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from goldroot import crash, private
from goldroot.catalog import entries
from goldroot.errors import GoldrootError, NoSpace, NotFound, Refused
from goldroot.hosts.former import Attached, Machine
from goldroot.site import Layout, Site, load_layout
from goldroot.tree import FILE, WITHOUT_SET_ID, Entry, Manifest, Note, Progress, owners_not_kept, scan_tree

Role = Literal["maintenance", "test"]
MAINTENANCE: Role = "maintenance"
TEST: Role = "test"

_NOT_KEPT = "owner-not-kept"

_DISKS: Mapping[Role, str] = {MAINTENANCE: "mnt", TEST: "tst"}


@dataclass(frozen=True)
class System:
    """The maintenance or the test system of an image."""

    site: Site
    image: str
    role: Role

    @cached_property
    def machine(self) -> str:
        """The machine's name by the catalog: S10RWMNT, S10RWTST. :raises NotFound: there is no such image."""
        if name := self._name():
            return name
        raise NotFound(f"there is no image {self.image!r}")

    def _name(self) -> str:
        with self.site.catalog.read() as tx:
            return entries.of_system(tx, self.image, self.role)

    @cached_property
    def layout(self) -> Layout:
        return image_layout(self.site, self.image)

    def path(self, address: str) -> str:
        """Where a disk's files are."""
        return self.site.former.at(self.machine, address).path

    def manifest_file(self, address: str, *, of: str = "") -> str:
        return self.site.image_path(self.image, self.role, of, f"{address}.manifest")

    def known(self, address: str, *, of: str = "") -> Manifest | None:
        """What the last scan saw; ``of="tested"``: what was there right after the tests."""
        file = self.manifest_file(address, of=of)
        return Manifest.load(file) if os.path.exists(file) else None

    def scan(self, *, progress: Progress | None = None, keep: bool = True) -> dict[str, Manifest]:
        """Every disk as it is now, by address.

        :param keep: remember it for the next scan, where it says more than what is known.
        """
        found = {}
        for disk in self.layout.disks:
            known = self.known(disk.address)
            manifest = scan_tree(self.path(disk.address), known=known, progress=progress).manifest
            now = found[disk.address] = with_recorded_owners(manifest, known)
            if keep and (known is None or (now.columns, now.squashed) != (known.columns, known.squashed)):
                with suppress(NoSpace):  # one who looks for what could go should find it
                    self.remember({disk.address: now})
        return found

    def remember(self, manifests: Mapping[str, Manifest], *, of: str = "") -> None:
        """Save manifests for :meth:`known`."""
        for address, manifest in manifests.items():
            file = self.manifest_file(address, of=of)
            private.make_directory(os.path.dirname(file))
            manifest.save(file)

    def forget(self, *, of: str) -> None:
        """Remove what :meth:`remember` saved."""
        for disk in self.layout.disks:
            if os.path.exists(file := self.manifest_file(disk.address, of=of)):
                os.unlink(file)

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Alone with the image, and the machine counts as running: nothing copies it while something writes it."""
        with ExitStack() as stack:
            stack.enter_context(self.site.lock(f"image-{self.image}", doing=doing))
            stack.enter_context(self.site.former.running(self.machine))
            yield

    def exists(self) -> bool:
        name = self._name()
        return bool(name) and self.site.former.find(name) is not None

    # -- disks

    def new_disks(self, addresses: Collection[str] | None = None) -> dict[str, str]:
        """A new, empty disk for each address (all without): address -> disk id.  What a killed command left is removed."""
        self.sweep()
        host, made = self.site.former, {}
        for disk in self.layout.disks:
            if addresses is not None and disk.address not in addresses:
                continue
            made[disk.address] = self._next_name(disk.address)
            host.create_disk(made[disk.address])
            crash.point("system-disk-created")
        return made

    def __str__(self) -> str:
        return f"the {self.role} system of image {self.image}"

    @contextmanager
    def tidy(self) -> Iterator[None]:
        """When the block fails, the disks that it made go at once: a full file system must not stay full."""
        try:
            yield
        except BaseException:
            with suppress(GoldrootError, OSError):
                self.sweep()
            raise

    def put_in_place(self, disks: Mapping[str, str]) -> None:
        """The machine stands on these disks from now on (others stay as they are); the ones before are removed."""
        host = self.site.former
        attached = {address: Attached(disk) for address, disk in disks.items()}
        if self.exists():
            machine = host.get(self.machine)
            refuse_foreign_disks(machine, self._prefix, str(self))
            host.replace(Machine(machine.name, machine.generation, {**machine.disks, **attached}))
        else:
            host.define(Machine(self.machine, disks=attached))
        crash.point("system-in-place")
        self.sweep()

    def sweep(self) -> None:
        """Remove disks of this system that it does not stand on."""
        host = self.site.former
        kept = {disk.disk for disk in host.get(self.machine).disks.values()} if self.exists() else set()
        for disk in host.disks():
            if disk.startswith(self._prefix) and disk not in kept:
                host.delete_disk(disk)

    @cached_property
    def _prefix(self) -> str:
        return f"{self.image}.{_DISKS[self.role]}."

    def _next_name(self, address: str) -> str:
        start = f"{self._prefix}{address}."
        taken = [int(disk.removeprefix(start)) for disk in self.site.former.disks() if disk.startswith(start)]
        return f"{start}{max(taken, default=0) + 1}"


def image_layout(site: Site, image: str) -> Layout:
    """The layout that the image was imported with; ``NotFound`` where its file is gone."""
    file = site.image_path(image, "layout.toml")
    if not os.path.exists(file):
        raise NotFound(
            f"the layout of image {image!r}, {file}, is missing",
            meaning="Which of its disks holds which paths is not known.",
            todo="Put the image's directory back from a backup.",
        )
    return load_layout(file)


def refuse_unknown_machine(site: Site, name: str) -> None:
    """:raises Refused: the host has a machine of this name, which is nobody's in the catalog."""
    if site.former.find(name) is not None:
        raise Refused(
            f"the host has a machine {name} already, and this site's catalog does not know it",
            meaning="Whose disks it has is not known. Nothing was made.",
            todo="Take another name; or look at it, and remove its definition and disks if nobody needs them.",
        )


def refuse_foreign_disks(machine: Machine, prefix: str, whose: str) -> None:
    """See that a machine has no disks but those that were made for whoever has its name.

    :raises Refused: it has; to put others in their place would leave them to nobody.
    """
    foreign = [disk.disk for disk in machine.disks.values() if not disk.disk.startswith(prefix)]
    if foreign:
        raise Refused(
            f"{machine.name} is {whose}, and the host has it on other disks: {', '.join(sorted(foreign)[:3])}",
            meaning="They are somebody else's. Nothing was changed.",
            todo="Find out whose they are (goldroot clone list), and delete or move that.",
        )


def fingerprint(layout: Layout, manifests: Mapping[str, Manifest]) -> str:
    """Hex SHA-256 of a whole system: equal for equal systems, whatever their disks are called."""
    digest = hashlib.sha256(layout.hash.encode())
    for address, manifest in sorted(manifests.items()):
        digest.update(f"{address} {manifest.digest()}\n".encode())
    return digest.hexdigest()


def said_once(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Notes of several disks, with one word for all about owners that could not be kept."""
    every = list(notes)
    count = sum(int(str(note.data.get("count", 1))) for note in every if note.kind == _NOT_KEPT)
    kept = [note for note in every if note.kind != _NOT_KEPT]
    if count:
        kept.append(owners_not_kept(count))
    return tuple(kept)


def with_recorded_owners(manifest: Manifest, known: Manifest | None) -> Manifest:
    """Owners as they should be, where a tree was written without the right to give files away.

    There every file belongs to the caller, and none has the set-id bits that would lend it the caller's rights; known
    paths have the owner and mode that are recorded of them, and new ones were made by the root of a user namespace, who
    is nobody else.
    """
    if known is None or known.squashed is None:
        return manifest
    owner = (known.squashed.uid, known.squashed.gid)
    recorded = {row[0]: row[2:5] for row in known.rows()}

    def own(path: bytes, kind: str, mode: int) -> tuple[int, int, int]:
        should, uid, gid = recorded.get(path, (mode, 0, 0))
        return should if kind == FILE and mode == should & WITHOUT_SET_ID else mode, uid, gid

    rows = ((*row[:2], *own(*row[:3]), *row[5:]) if row[3:5] == owner else row for row in manifest.rows())
    return Manifest.from_rows((Entry._make(row) for row in rows), known.squashed)


def tests_cut_off(system: System) -> NotFound:
    """What was changed on a test system is told from what its tests left; these have not ended."""
    return NotFound(
        f"the tests of {system.machine} were cut off, so it is not known what is a fix",
        todo=f"Run the tests again: goldroot maintain test {system.image}",
    )
