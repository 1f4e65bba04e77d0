"""The QEMU host: the parts put together."""

from __future__ import annotations

import os
import platform
import pty
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from goldroot.errors import Damaged, GoldrootError, HostError, Refused, Unreachable
from goldroot.guest.initramfs import PARAMETER, GuestDisk, addition, follow
from goldroot.hosts.addresses import LIVE, check_disk_id, check_place, is_live, place_of
from goldroot.hosts.bytes import OpenedDisk
from goldroot.hosts.filehost import FileHold
from goldroot.hosts.images import Images, verity
from goldroot.hosts.inuse import entry_lock
from goldroot.hosts.machines import MachineHost, Running, control
from goldroot.hosts.machines.host import Given
from goldroot.hosts.machines.paths import check_paths, ordered, usual_paths
from goldroot.hosts.port import Access, Around, DiskInfo, Entry, Opened, Power, Use, View
from goldroot.hosts.qemu import kernel, live, monitor
from goldroot.hosts.qemu.arguments import Drive, Machine, Sockets, board_of, command
from goldroot.hosts.qemu.locks import kept_from_qemu
from goldroot.hosts.standing import still_running
from goldroot.run import Done, find, start

_KVM = "/dev/kvm"


@dataclass(frozen=True)
class QemuConfig:
    """``[hosts.NAME]`` with ``kind = "qemu"``.

    :param store: where disks and entries stand; relative to the site.
    :param running: a command that is called with an entry's name; status 0: it runs, 1: it does not.
    :param architecture: of the machines, as ``uname -m`` has it; "": this machine's.
    :param accelerator: "kvm", "tcg" (emulation), or "": kvm where this machine offers it to machines of its own kind.
    :param memory: MiB of each machine.
    :param processors: of each machine.
    :param parameters: of the kernel, besides those for its console.
    :param root: place of the disk that has ``/boot``, for entries that do not say what they boot from.
    :param user: what QEMU becomes once it has all files open; "": it stays what goldroot is.
    :param options: more words for QEMU, for each machine: network cards.
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
    user: str = ""
    options: list[str] = field(default_factory=list)
    paths: dict[str, list[str]] = field(default_factory=usual_paths)
    disk_size: int = 8192
    verity: bool = False

    def __post_init__(self) -> None:
        if self.memory < 1 or self.processors < 1 or self.disk_size < 1:
            raise ValueError("a machine has at least 1 MiB and 1 processor, and a disk 1 MiB")
        check_place(self.root)
        check_paths(self.paths)


class QemuHost(MachineHost):
    """Disks as images below ``store``; machines boot the newest kernel of their own root."""

    kind = "qemu"
    ways = ("asked", "pressed", "killed")

    def __init__(self, name: str, store: str, config: QemuConfig) -> None:
        self._images = Images(store, with_hashes=config.verity)
        super().__init__(name, store, self._images, config)
        self.usual_size = config.disk_size << 20
        self.architecture = config.architecture or platform.machine()
        self.abilities = replace(
            MachineHost.abilities,
            live_view="snapshot",
            guest_commands=True,
            runs_architectures=frozenset([self.architecture]),
            sizes=True,
            verity=config.verity,
        )

    # -- disks

    def verity(self, id: str) -> verity.Verity | None:
        """The root hash of a sealed disk, for its signed record; ``None``: it has no tree of hashes."""
        return verity.of(self._images.file(self._label(id)))

    def check_verity(self, id: str) -> DiskInfo:
        """Read all of a sealed disk and compare it with its root hash.

        :raises Damaged: it is another one.
        :raises Refused: it has no tree of hashes.
        """
        label = self._label(id)
        if (found := self.verity(id)) is None:
            raise Refused(
                f"disk {id} has no tree of hashes", todo="Set `verity = true` for the host, and publish again."
            )
        verity.check(self._images.file(label), found)
        return self._images.info(label)

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

    # -- power

    def launch(self, stack: ExitStack, entry: Entry, disks: Sequence[Given], around: Around | None = None) -> Running:
        board, directory = board_of(self.architecture), self.directory(entry.name)
        program, setpriv = find(board.program), find("setpriv")
        for given in disks:
            self._images.refuse_cut_off(given.label)
        boot = self._kernel(entry, disks, directory)
        machine = Machine(
            name=entry.name,
            architecture=self.architecture,
            accelerator=self.config.accelerator or self._accelerator(),
            memory=self.config.memory,
            processors=self.config.processors,
            kernel=boot.kernel,
            initrd=boot.initial,
            parameters=f"{PARAMETER} {self.config.parameters}",
            drives=[Drive(given.address, self._images.file(given.label), given.access) for given in disks],
            user=self.config.user,
            more=self.config.options,
        )
        lead, follow = pty.openpty()
        stack.callback(os.close, lead)
        # Only QEMU listens: where it has ended, whoever connects is told at once.
        with ExitStack() as listening:
            names = (monitor.QMP, monitor.COPIES, monitor.AGENT)
            handles = [listening.enter_context(control.listening(directory, name)).fileno() for name in names]
            words = command(machine, Sockets(*handles))
            try:
                process = start(
                    [setpriv, "--pdeathsig", "KILL", "--", program, *words[1:]],
                    program=setpriv,
                    streams=(follow, follow, follow),
                    pass_fds=handles,
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                )
            finally:
                os.close(follow)
        return Emulated(process, lead, directory)

    def power(self, name: str) -> Power:
        """As :meth:`goldroot.hosts.Host.power`; with what QEMU says, where it is not simply running."""
        power = super().power(name)
        if power.state == "on" and power.runs in ("current", "older"):
            try:
                with monitor.qmp(self.directory(name)) as talk:
                    status = str(talk.ask("query-status")["status"])
            except GoldrootError:
                return power
            if status != "running":
                return replace(power, why=f"{power.why}; QEMU says: {status}")
        return power

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """As :meth:`goldroot.hosts.Host.command`, by qemu-guest-agent.  After the timeout it may go on inside."""
        if self.power(name).state != "on":
            raise Refused(f"{name} does not run", todo="Start it first: goldroot machine start CLONE")
        return monitor.run_inside(self.directory(name), argv, timeout)

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

    def _running(self, wanted: Mapping[str, Access]) -> dict[str, dict[str, str]]:
        """Of machines that a supervisor of ours runs: those disks that are wanted for reading, id -> address."""
        found: dict[str, dict[str, str]] = {}
        for id in sorted(id for id, access in wanted.items() if access == "ro"):
            label = self._label(check_disk_id(id))
            note = self._in_use.note(entry_lock(label.owner))
            address = next((address for address, given in note.live.items() if given == id), None)
            if note.what == "run" and address is not None and self.power(label.owner).state == "on":
                found.setdefault(label.owner, {})[id] = address
        return found

    def _at_one_moment(self, stack: ExitStack, name: str, disks: Mapping[str, str], use: Use) -> dict[str, OpenedDisk]:
        labels = {id: self._label(id) for id in disks}
        size = sum(self._images.info(label).size for label in labels.values())
        scratch = stack.enter_context(self.scratch(size))
        paths = {id: f"{os.readlink(scratch.path)}/{address}" for id, address in disks.items()}
        try:
            live.copy_out(self.directory(name), {disks[id]: path for id, path in paths.items()})
        except Unreachable as error:  # a command of goldroot is at work in its system, and no QEMU
            raise still_running(name, self.power(name).why or error.brief) from error
        opened = {}
        for id, path in paths.items():
            opened[id] = self._images.open_copy(labels[id], path, use)
            stack.callback(opened[id].close)
        return opened

    def _kernel(self, entry: Entry, disks: Sequence[Given], directory: str) -> kernel.Kernel:
        """The copies of what its root boots; the initial file system with what finds the machine's disks."""
        place = place_of(entry.boot) if entry.boot else self.config.root
        given = next((one for one in disks if place_of(one.address) == place), None)
        if given is None:
            raise Damaged(f"{entry.name} has no disk at {LIVE}{place} to boot from")
        with ExitStack() as stack:
            opened = self._images.open(stack, given.label, "ro", "files", exact=True)
            stack.callback(opened.close)
            found = kernel.copy_out(opened.handle, directory, f"the disk {given.label.id}")
            guests = [GuestDisk(one.address, one.access, one.label.sealed or one.label.form) for one in disks]
            paths = [(one.address, path) for one, path in ordered(entry.name, disks, self.config.paths)]
            more = addition(opened.handle, found.version, guests, paths)
        with open(found.initial, "ab") as file:
            file.write(follow(file.tell(), more))
        return found

    def _accelerator(self) -> str:
        return "kvm" if self.architecture == platform.machine() and os.access(_KVM, os.R_OK | os.W_OK) else "tcg"


class Emulated:
    """A machine of QEMU, see :class:`goldroot.hosts.machines.Running`."""

    def __init__(self, process: subprocess.Popen[bytes], console: int, directory: str) -> None:
        self._process = process
        self._directory = directory
        self.pid = process.pid
        self.console = console

    def is_up(self) -> bool:
        try:
            with monitor.qmp(self._directory) as talk:
                return bool(talk.ask("query-status")["running"])
        except HostError:
            return False

    def halt(self, how: str) -> None:
        if how == "killed":
            self._process.kill()
        elif how == "pressed":
            with monitor.qmp(self._directory) as talk:
                talk.ask("system_powerdown")
        elif not monitor.has_agent(self._directory):
            raise HostError("no agent listens in the guest")
        else:
            with monitor.agent(self._directory) as talk:
                talk.tell("guest-shutdown", mode="powerdown")  # it is answered only where it fails

    def inside(self) -> int:
        return self.pid


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def open_host(name: str, config: QemuConfig, root: str) -> QemuHost:
    """The host of that name in the site at ``root``."""
    return QemuHost(name, os.path.join(root, config.store), config)
