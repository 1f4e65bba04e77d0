"""A z/VM that is not there: SMAPI, a directory manager, volumes, guests and links, for trying things and for tests.

What it does follows the captured calls of a z/VM 7.1 system and IBM's and VM/370's books, never a live system.
It shares no code with the SMAPI client or the directory parser of goldroot, so that their mistakes and its own do
not hide each other.
"""

from .answer import SmapiError
from .console import Console, Said
from .cp import CpError, Device, Guest
from .faults import KINDS, Fault, Faults
from .links import Link, access_for
from .running import Listening, Simulator
from .system import Options, Storage, System

__all__ = [
    "KINDS",
    "Console",
    "CpError",
    "Device",
    "Fault",
    "Faults",
    "Guest",
    "Link",
    "Listening",
    "Options",
    "Said",
    "Simulator",
    "SmapiError",
    "Storage",
    "System",
    "access_for",
]
