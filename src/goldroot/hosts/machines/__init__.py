"""Machines that a host starts itself: each has a supervisor, which outlives the command that asked for it."""

from goldroot.hosts.machines.host import MachineHost
from goldroot.hosts.machines.powered import Given, PoweredHost
from goldroot.hosts.machines.trying import Running, SupervisedTrial, TryingHost

__all__ = ["Given", "MachineHost", "PoweredHost", "Running", "SupervisedTrial", "TryingHost"]
