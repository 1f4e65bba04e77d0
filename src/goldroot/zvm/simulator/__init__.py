"""A z/VM that is not there: SMAPI, a directory manager, volumes, guests and links, for trying things and for tests.

What it does follows the captured calls of a z/VM 7.1 system and IBM's and VM/370's books, never a live system.
It shares no code with the SMAPI client or the directory parser of goldroot, so that their mistakes and its own do
not hide each other.
"""

from goldroot.zvm.simulator.answer import SmapiError
from goldroot.zvm.simulator.cp import CpError, Device, Guest
from goldroot.zvm.simulator.faults import KINDS, Fault, Faults
from goldroot.zvm.simulator.links import Link, access_for
from goldroot.zvm.simulator.running import Simulator
from goldroot.zvm.simulator.system import Options, System

__all__ = [
    "KINDS",
    "CpError",
    "Device",
    "Fault",
    "Faults",
    "Guest",
    "Link",
    "Options",
    "Simulator",
    "SmapiError",
    "System",
    "access_for",
]
