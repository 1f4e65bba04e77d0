"""The QEMU host: the parts put together."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from goldroot.errors import GoldrootError, HostError, Refused, Unreachable
from goldroot.guest import kernel
from goldroot.guest.initramfs import PARAMETER, addition, follow
from goldroot.hosts.addresses import still_running
from goldroot.hosts.inuse import entry_lock
from goldroot.hosts.machines import MachineHost, Running, control
from goldroot.hosts.machines.powered import Given
from goldroot.hosts.port import Around, Entry, Power
from goldroot.hosts.qemu import live, monitor
from goldroot.hosts.qemu.arguments import Machine, Sockets, board_of, command
from goldroot.hosts.qemu.base import ImageConfig, ImageHost
from goldroot.run import Done, find, start


@dataclass(frozen=True)
class QemuConfig(ImageConfig):
    """``[hosts.NAME]`` with ``kind = "qemu"``; besides what :class:`ImageConfig` has:

    :param user: what QEMU becomes once it has all files open; "": it stays what goldroot is.
    :param options: more words for QEMU, for each machine: network cards.
    """

    user: str = ""
    options: list[str] = field(default_factory=list)


class QemuHost(ImageHost, MachineHost):
    """Disks as images below ``store``; machines boot the newest kernel of their own root."""

    kind = "qemu"
    ways = ("asked", "pressed", "killed")

    def __init__(self, name: str, store: str, config: QemuConfig) -> None:
        super().__init__(name, store, config)
        self.abilities = replace(
            MachineHost.abilities,
            live_view="snapshot",
            guest_commands=True,
            runs_architectures=frozenset([self.architecture]),
            sizes=True,
            verity=config.verity,
        )

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
            accelerator=self._accelerator(),
            memory=self.config.memory,
            processors=self.config.processors,
            kernel=boot.kernel,
            initrd=boot.initial,
            parameters=f"{PARAMETER} {self.config.parameters}",
            drives=self._drives(disks),
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
        with monitor.agent(self.directory(name)) as agent:
            return monitor.run_inside(agent, argv, timeout)

    def _run_from(self, name: str) -> Mapping[str, str]:
        note = self._in_use.note(entry_lock(name))
        if note.what != "run" or self.power(name).state != "on":
            return {}
        return {str(given): address for address, given in note.live.items()}

    def _copy_out(self, name: str, wanted: Mapping[str, str]) -> None:
        try:
            live.copy_out(self.directory(name), wanted)
        except Unreachable as error:  # a command of goldroot is at work in its system, and no QEMU
            raise still_running(name, self.power(name).why or error.brief) from error

    def _kernel(self, entry: Entry, disks: Sequence[Given], directory: str) -> kernel.Kernel:
        """The copies of what its root boots; the initial file system with what finds the machine's disks."""
        given = self._booted_from(entry, disks)
        with ExitStack() as stack:
            opened = self._images.open(stack, given.label, "ro", "files", exact=True)
            stack.callback(opened.close)
            found = kernel.copy_out(opened.handle, directory, f"the disk {given.label.id}")
            guests, paths = self._guest(entry.name, disks)
            more = addition(opened.handle, found.version, guests, paths)
        with open(found.initial, "ab") as file:
            file.write(follow(file.tell(), more))
        return found


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


def open_host(name: str, config: QemuConfig, root: str) -> QemuHost:
    """The host of that name in the site at ``root``."""
    return QemuHost(name, os.path.join(root, config.store), config)
