"""What a supervisor runs as a QEMU of its own: machines of the kind ``qemu``, and trials of every kind that has images."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from goldroot.errors import HostError, Unreachable
from goldroot.guest import kernel
from goldroot.guest.initramfs import PARAMETER, GuestLink, addition, follow
from goldroot.hosts.machines import Given, Running, TryingHost, Watch, control
from goldroot.hosts.machines.console import ConsoleLog
from goldroot.hosts.machines.cover import cover, own_mounts
from goldroot.hosts.port import Around, Entry
from goldroot.hosts.qemu import monitor
from goldroot.hosts.qemu.arguments import Drive, Machine, Sockets, board_of, command
from goldroot.hosts.qemu.base import ImageHost
from goldroot.hosts.qemu.cards import cards_of
from goldroot.hosts.storefiles import store_errors
from goldroot.run import Done, find, run, start

#: How much of this machine's memory may hold what the guests of one supervisor write aside, as tmpfs(5) has it.
_ASIDE = "50%"


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a machine is, and what its kernel is told besides goldroot's own words.

    :param memory: MiB.
    """

    memory: int
    processors: int
    parameters: str


class EmulatedHost(ImageHost, TryingHost):
    """Disks as images, and a QEMU for what its supervisors run."""

    def shape(self, name: str) -> Shape:
        """Of the machine of an entry, and of its trials."""
        return Shape(self.config.memory, self.config.processors, self.config.parameters)

    def more_words(self) -> Sequence[str]:
        """What QEMU is told of each machine besides.  Never of a trial: it might lead out of it."""
        return ()

    def launch(
        self, stack: ExitStack, watch: Watch, entry: Entry, disks: Sequence[Given], around: Around | None = None
    ) -> Running:
        board, directory = board_of(self.architecture), self.directory(entry.name)
        program, setpriv = find(board.program), find("setpriv")
        for given in disks:
            self._images.refuse_cut_off(given.label)
        network = entry.network if around is None else None
        cards = cards_of(stack, entry.name, self.store, network)
        links = (
            [GuestLink(link.name, link.addresses) for link in around.links] if around else [one.link for one in cards]
        )
        with store_errors(directory):
            boot, shape = self._kernel(entry, disks, links), self.shape(entry.name)
            accelerator, why = self.accelerator(boot.kernel)
            if why:
                ConsoleLog(directory).write(f"-- it is emulated: KVM does not run its kernel: {why}\n".encode())
        more = [word for card in cards for word in card.words(board.bus)]
        machine = Machine(
            name=entry.name,
            architecture=self.architecture,
            accelerator=accelerator,
            memory=shape.memory,
            processors=shape.processors,
            kernel=boot.kernel,
            initrd=boot.initial,
            parameters=" ".join([PARAMETER, shape.parameters, *_of_a_trial(around)]),
            drives=self._drives(disks) if around is None else self._tried_drives(disks, directory),
            user=self.config.user,
            more=[*more, *self.more_words()] if around is None else ["-no-reboot"],
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
                    pass_fds=[*handles, *(card.handle for card in cards if card.handle >= 0)],
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                )
            finally:
                os.close(follow)
        watch(process.pid)  # one that has become another user does not end with its parent (prctl(2))
        return Emulated(process, lead, directory)

    def inside(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """As :meth:`goldroot.hosts.machines.TryingHost.inside`, by qemu-guest-agent."""
        directory = self.directory(name)
        if not monitor.has_agent(directory):
            raise Unreachable(
                f"no agent listens in {name}",
                meaning="Commands are run in a machine by qemu-guest-agent.",
                todo="Wait until it has started; install it in the image where it is not there.",
            )
        with monitor.agent(directory, timeout) as agent:
            return monitor.run_inside(agent, argv, timeout)

    # -- inside

    def _tried_drives(self, disks: Sequence[Given], directory: str) -> list[Drive]:
        """The disks of a trial: what is written goes aside, into memory.

        Its own are kept by goldroot's locks alone: whoever tries a set may hold its machine, and has QEMU's locks then.
        """
        place = os.path.join(directory, "aside")
        if any(given.aside for given in disks):
            own_mounts()
            os.makedirs(place, mode=0o700, exist_ok=True)
            cover(place, _ASIDE)
        given_at = {given.address: given for given in disks}
        drives = []
        for drive in self._drives(disks):
            given = given_at.get(drive.address)
            if given is not None and not given.owner:
                aside = _aside(place, drive) if given.aside else ""
                drive = replace(drive, access="rw" if aside else "ro", aside=aside, locked=False)
            drives.append(drive)
        return drives

    def _kernel(self, entry: Entry, disks: Sequence[Given], links: Sequence[GuestLink]) -> kernel.Kernel:
        """The copies of what its root boots; the initial file system with what finds the machine's disks."""
        given = self._booted_from(entry, disks)
        with ExitStack() as stack:
            opened = self._images.open(stack, given.label, "ro", "files", exact=True)
            stack.callback(opened.close)
            found = kernel.copy_out(opened.handle, self.directory(entry.name), f"the disk {given.label.id}")
            more = addition(opened.handle, found.version, *self._guest(entry.name, disks), links)
        with open(found.initial, "ab") as file:
            file.write(follow(file.tell(), more))
        return found


class Emulated:
    """A machine of QEMU, see :class:`goldroot.hosts.machines.Running`."""

    restarts = None

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


def _of_a_trial(around: Around | None) -> list[str]:
    """What the kernel of a trial is told: it ends where it panics, and some units are not started (systemd.mask=)."""
    return [] if around is None else ["panic=-1", *(f"systemd.mask={unit}" for unit in around.masked)]


def _aside(place: str, drive: Drive) -> str:
    """An empty file that says what was written, for a disk that is only read."""
    path = os.path.join(place, f"{drive.address}.qcow2")
    run([find("qemu-img"), "create", "-q", "-f", "qcow2", path, str(os.path.getsize(drive.image))])
    return path
