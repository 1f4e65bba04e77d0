"""What is the same for every host whose machines are QEMU's, whoever starts them: their table, their disks, their kernel."""

from __future__ import annotations

import os
import platform
import stat
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from goldroot.errors import Damaged
from goldroot.guest.initramfs import GuestDisk, hashes_at
from goldroot.hosts.filehost import FileHold, FileHost
from goldroot.hosts.images import Images, verity
from goldroot.hosts.machines.paths import check_paths, ordered, usual_paths
from goldroot.hosts.machines.powered import Given, PoweredHost
from goldroot.hosts.port import Access, Entry, Opened, Use, View
from goldroot.hosts.qemu import kvm
from goldroot.hosts.qemu.arguments import Drive, board_of
from goldroot.hosts.qemu.locks import kept_from_qemu
from goldroot.hosts.sets import LIVE, check_disk_id, check_place, is_live, place_of, still_running
from goldroot.hosts.storefiles import Label, OpenedDisk

if TYPE_CHECKING:
    from goldroot.hosts.parts import EntryKeeper, LabelKeeper


@dataclass(frozen=True)
class ImageConfig:
    """What each such host's ``[hosts.NAME]`` may say.

    :param store: where disks and entries stand; relative to the site.
    :param running: a command that is called with an entry's name; status 0: it runs, 1: it does not.
    :param architecture: of the machines, as ``uname -m`` has it; "": this machine's.
    :param accelerator: "kvm", "tcg" (emulation), or "": kvm where this machine's runs the image's kernel.
    :param memory: MiB of each machine.
    :param processors: of each machine.
    :param parameters: of the kernel, besides those for its console.
    :param root: place of the disk that has ``/boot``, for entries that do not say what they boot from.
    :param paths: place -> the paths of that disk, as the layout has them.
    :param disk_size: MiB of each new disk; the file grows with what is written.
    :param verity: whether sealed disks get a tree of hashes (veritysetup).
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    store: str = "store"
    running: list[str] = field(default_factory=list)
    architecture: Literal["", "x86_64", "s390x"] = ""
    accelerator: Literal["", "kvm", "tcg"] = ""
    memory: int = 1024
    processors: int = 1
    parameters: str = "ro"
    root: str = "B1"
    paths: dict[str, list[str]] = field(default_factory=usual_paths)
    disk_size: int = 8192
    verity: bool = False

    def __post_init__(self) -> None:
        if self.memory < 1 or self.processors < 1 or self.disk_size < 1:
            raise ValueError("a machine has at least 1 MiB and 1 processor, and a disk 1 MiB")
        check_place(self.root)
        check_paths(self.paths)


class ImageHost(PoweredHost):
    """Disks as images below ``store``, for machines of QEMU that boot the newest kernel of their own root."""

    config: Any  #: an :class:`ImageConfig`

    def __init__(
        self,
        name: str,
        store: str,
        config: ImageConfig,
        *,
        keepers: tuple[EntryKeeper, LabelKeeper] | None = None,
        group: int | None = None,
    ) -> None:
        self._images = Images(store, with_hashes=config.verity, group=group)
        FileHost.__init__(self, name, store, self._images, running_command=config.running, keepers=keepers)
        self.config = replace(config, store=self.store)
        self.usual_size = config.disk_size << 20
        self.architecture = config.architecture or platform.machine()

    # -- what each kind has its own way for

    @abstractmethod
    def _run_from(self, name: str) -> Mapping[str, str]:
        """The disks that a machine runs from at this moment: id -> address; none where it does not run."""

    @abstractmethod
    def _copy_out(self, name: str, wanted: Mapping[str, str]) -> None:
        """Copy live disks of a running machine at one moment: address -> path of a file that is not there yet."""

    # -- disks

    def hashes(self, ids: Collection[str]) -> Mapping[str, str]:
        found = {id: verity.of(self._images.file(self._label(id))) for id in ids}
        return {id: one.root for id, one in found.items() if one is not None}

    def check_hash(self, id: str, root: str) -> None:
        image = self._images.file(self._label(id))
        if (found := verity.of(image)) is None:
            super().check_hash(id, root)
            return
        verity.check(image, replace(found, root=root))

    @contextmanager
    def open_disks(
        self, wanted: Mapping[str, Access], *, use: Use = "files", view: View = "still"
    ) -> Iterator[Mapping[str, Opened]]:
        """As :meth:`goldroot.hosts.Host.open_disks`; live disks of machines that run are copied out by their QEMU."""
        running = self._running(wanted) if view == "live" else {}
        taken = {id for disks in running.values() for id in disks}
        rest = {id: access for id, access in wanted.items() if id not in taken}
        with ExitStack() as stack:
            opened = dict(stack.enter_context(super().open_disks(rest, use=use, view=view)))
            for name, disks in sorted(running.items()):
                opened |= self._at_one_moment(stack, name, disks, use)
            yield opened

    def _refuse_part(self, label: Label) -> None:
        self._images.refuse_cut_off(label)

    # -- power

    @contextmanager
    def hold(self, name: str, *, runs: bool = False) -> Iterator[FileHold]:
        """As :meth:`goldroot.hosts.Host.hold`; QEMU's locks on the live disks are taken, too."""
        with super().hold(name, runs=runs) as held:
            entry = self._entries.get(name)
            live = [self._label(disk.id) for address, disk in sorted(entry.disks.items()) if is_live(address)]
            images = [self._images.file(label) for label in live]
            # What is lost or a link keeps nobody from holding its machine: it can be removed then.
            with kept_from_qemu(image for image in images if stat.S_ISREG(_mode(image))) as taken:
                if taken is not None:
                    raise still_running(name, f"a QEMU has {taken} open")
                yield held

    # -- inside

    def _running(self, wanted: Mapping[str, Access]) -> dict[str, dict[str, str]]:
        """Of machines that we can ask for a copy: those disks that are wanted for reading, id -> address."""
        found: dict[str, dict[str, str]] = {}
        for id in sorted(id for id, access in wanted.items() if access == "ro"):
            owner = self._label(check_disk_id(id)).owner
            if (address := self._run_from(owner).get(id)) is not None:
                found.setdefault(owner, {})[id] = address
        return found

    def _at_one_moment(self, stack: ExitStack, name: str, disks: Mapping[str, str], use: Use) -> dict[str, OpenedDisk]:
        """Copies of a running machine's disks, id -> address; they are gone when the stack is."""
        labels = {id: self._label(id) for id in disks}
        size = sum(self._images.info(label).size for label in labels.values())
        scratch = stack.enter_context(self.scratch(size))
        paths = {id: f"{os.readlink(scratch.path)}/{address}" for id, address in disks.items()}
        self._copy_out(name, {disks[id]: path for id, path in paths.items()})
        opened = {}
        for id, path in paths.items():
            opened[id] = self._images.open_copy(labels[id], path, use)
            stack.callback(opened[id].close)
        return opened

    def _booted_from(self, entry: Entry, disks: Sequence[Given]) -> Given:
        """The disk that has the kernel.

        :raises Damaged: there is none.
        """
        place = place_of(entry.boot) if entry.boot else self.config.root
        found = next((one for one in disks if place_of(one.address) == place), None)
        if found is None:
            raise Damaged(f"{entry.name} has no disk at {LIVE}{place} to boot from")
        return found

    def _guest(self, name: str, disks: Sequence[Given]) -> tuple[list[GuestDisk], list[tuple[str, str]]]:
        """What the guest is told of its disks, and of the paths that stand on them."""
        roots = {one.address: found.root for one, found in self._hashed(disks)}
        guests = [
            GuestDisk(
                one.address, "rw" if one.aside else one.access, one.label.sealed or one.label.form,
                roots.get(one.address, ""),
            )
            for one in disks
        ]  # fmt: skip
        return guests, [(one.address, path) for one, path in ordered(name, disks, self.config.paths)]

    def _drives(self, disks: Sequence[Given]) -> list[Drive]:
        """What the machine is given: its disks, and the trees of hashes of those that have one."""
        drives = [Drive(one.address, self._images.file(one.label), one.access) for one in disks]
        return drives + [Drive(hashes_at(one.address), found.tree, "ro") for one, found in self._hashed(disks)]

    def _hashed(self, disks: Sequence[Given]) -> list[tuple[Given, verity.Verity]]:
        found = [(one, verity.of(self._images.file(one.label))) for one in disks if one.label.sealed]
        return [(one, hashes) for one, hashes in found if hashes is not None]

    def accelerator(self, kernel: str) -> tuple[str, str]:
        """What runs a kernel here, and why that is not KVM where this machine offers it; "" where it does not, or a person chose.

        :param kernel: path of its file.
        """
        if self.config.accelerator:
            return str(self.config.accelerator), ""
        if not kvm.is_offered(self.architecture):
            return "tcg", ""
        why = kvm.why_not(board_of(self.architecture), kernel, os.path.join(self.store, "kvm"))
        return ("tcg", why) if why else ("kvm", "")


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
