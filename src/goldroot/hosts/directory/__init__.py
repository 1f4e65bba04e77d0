"""The directory host: each disk is a directory; its files stand directly in it, with their path from the system's root."""

from goldroot.hosts.directory.former_store import FormerMachine, convert, former_machines, is_former
from goldroot.hosts.directory.host import DirectoryConfig, DirectoryHost, open_host

__all__ = [
    "DirectoryConfig",
    "DirectoryHost",
    "FormerMachine",
    "convert",
    "former_machines",
    "is_former",
    "open_host",
]
