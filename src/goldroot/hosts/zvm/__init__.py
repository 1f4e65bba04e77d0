"""The z/VM host: disks are minidisks, entries are user directory entries, and machines are guests.

It stands on the library :mod:`goldroot.zvm` (SMAPI, user directories) and on the CP commands of a management guest.
**It was never run against a live z/VM**: docs/zvm/host.md says what it was checked against.
"""

from goldroot.hosts.zvm.config import ZvmConfig, open_host
from goldroot.hosts.zvm.host import Parts, ZvmHost

__all__ = ["Parts", "ZvmConfig", "ZvmHost", "open_host"]
