"""The directory host: each disk is a directory; its files stand directly in it, with their path from the system's root."""

from goldroot.hosts.directory.host import DirectoryConfig, DirectoryHost, open_host

__all__ = ["DirectoryConfig", "DirectoryHost", "open_host"]
