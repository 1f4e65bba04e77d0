"""Machines that a host starts itself: each has a supervisor, which outlives the command that asked for it."""

from goldroot.hosts.machines.host import MachineHost, Running
from goldroot.hosts.machines.powered import Given, PoweredHost

__all__ = ["Given", "MachineHost", "PoweredHost", "Running"]
