"""The QEMU host: the parts put together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from goldroot.errors import GoldrootError, HostError, Refused, Unreachable
from goldroot.hosts.inuse import entry_lock
from goldroot.hosts.machines import MachineHost
from goldroot.hosts.network import Network, checked
from goldroot.hosts.port import NetLink, Power
from goldroot.hosts.qemu import live, monitor
from goldroot.hosts.qemu.base import ImageConfig
from goldroot.hosts.qemu.emulated import EmulatedHost
from goldroot.hosts.sets import still_running
from goldroot.run import Done


@dataclass(frozen=True)
class QemuConfig(ImageConfig):
    """``[hosts.NAME]`` with ``kind = "qemu"``; besides what :class:`ImageConfig` has:

    :param user: what QEMU becomes once it has all files open; "": it stays what goldroot is.
    :param bridge: of this machine, to which links of servers lead of which nobody says otherwise; "": they have none.
    :param options: more words for QEMU, for each machine.
    """

    user: str = ""
    bridge: str = ""
    options: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        ImageConfig.__post_init__(self)
        checked(Network(self.bridge, "eth0"))


class QemuHost(EmulatedHost, MachineHost):
    """Disks as images below ``store``; machines boot the newest kernel of their own root."""

    kind = "qemu"
    ways = ("asked", "pressed", "killed")

    def __init__(self, name: str, store: str, config: QemuConfig) -> None:
        super().__init__(name, store, config)
        self.abilities = replace(
            MachineHost.abilities,
            live_view="snapshot",
            guest_commands=True,
            trials=True,
            networks=True,
            runs_architectures=frozenset([self.architecture]),
            sizes=True,
            verity=config.verity,
        )

    # -- power

    @property
    def usual_bridge(self) -> str:
        return str(self.config.bridge)

    def more_words(self) -> Sequence[str]:
        return tuple(self.config.options)

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
        return self.inside(name, argv, timeout)

    def links(self, name: str) -> Sequence[NetLink]:
        """As :meth:`goldroot.hosts.Host.links`, as the guest's agent says."""
        try:
            if self.power(name).state != "on" or not monitor.has_agent(self.directory(name)):
                return ()
            with monitor.agent(self.directory(name)) as agent:
                return monitor.links_of(agent)
        except HostError:  # it has just ended; its agent does not know the question
            return ()

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


def open_host(name: str, config: QemuConfig, root: str) -> QemuHost:
    """The host of that name in the site at ``root``."""
    return QemuHost(name, os.path.join(root, config.store), config)
