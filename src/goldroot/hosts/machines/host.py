"""A host that keeps disks and entries as files and runs the machines: what is the same for containers and for QEMU.

A machine is run by a supervisor (:mod:`goldroot.hosts.machines.supervise`), a process of its own that holds the entry's
lock as long as the machine lives.  So "does it run" is asked of the kernel, and nobody holds a machine that runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldroot.errors import HostError, Unreachable
from goldroot.hosts.inuse import entry_lock
from goldroot.hosts.machines import control
from goldroot.hosts.machines.trying import TryingHost

if TYPE_CHECKING:
    from goldroot.hosts.parts import DiskBytes


class MachineHost(TryingHost):
    """Entries and disks below ``store``, and machines that run from them.

    :param config: the host's table, as a dataclass that has ``store`` and ``running``.
    """

    def __init__(self, name: str, store: str, disk_bytes: DiskBytes, config: Any) -> None:
        super().__init__(name, store, disk_bytes, running_command=config.running)
        self.config = replace(config, store=self.store)

    # -- inside

    def _begin(self, name: str) -> None:
        from goldroot.hosts.machines.supervise import begin

        begin(self.table(), name, self.directory(name))

    def _is_ours(self, name: str) -> bool:
        return self._in_use.note(entry_lock(name)).what == "run" and self._is_supervised(name)

    def _is_supervised(self, name: str) -> bool:
        """Whether a supervisor runs it, and not a command of goldroot that is at work in its system."""
        try:
            control.ask(self.directory(name), do="inside")
        except Unreachable:
            return False
        except HostError:
            return True
        return True

    def _told(self, name: str, how: str) -> bool:
        """Whether the supervisor could do that; where it is gone, the machine is, too."""
        try:
            control.ask(self.directory(name), do=how)
        except Unreachable:
            return True
        except HostError:
            return False
        return True
