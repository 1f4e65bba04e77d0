"""Machines that a host starts itself: each has a supervisor, which outlives the command that asked for it."""

from goldroot.hosts.machines.host import MachineHost
from goldroot.hosts.machines.powered import Given, PoweredHost
from goldroot.hosts.machines.trying import MOST_LINKS, MOST_SAID, Running, SupervisedTrial, TryingHost, Watch

__all__ = [
    "MOST_LINKS",
    "MOST_SAID",
    "Given",
    "MachineHost",
    "PoweredHost",
    "Running",
    "SupervisedTrial",
    "TryingHost",
    "Watch",
]
