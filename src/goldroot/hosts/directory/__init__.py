"""The directory host: each disk is a directory; its files stand directly in it, with their path from the system's root."""

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "DirectoryConfig",
    "DirectoryHost",
    "FormerMachine",
    "convert",
    "former_machines",
    "is_former",
    "open_host",
]

if TYPE_CHECKING:
    from goldroot.hosts.directory.former_store import FormerMachine, convert, former_machines
    from goldroot.hosts.directory.host import DirectoryConfig, DirectoryHost, is_former, open_host
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "former_store": "FormerMachine convert former_machines",
            "host": "DirectoryConfig DirectoryHost is_former open_host",
        },
    )
