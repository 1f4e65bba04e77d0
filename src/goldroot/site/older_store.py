"""A site of an older goldroot is converted when its host is first opened: its machines become entries with marks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from goldroot.hosts import Disk, Entry, Link, Mark, is_live, new_id

if TYPE_CHECKING:
    from goldroot.hosts.directory import DirectoryHost, FormerMachine
    from goldroot.site.site import Site


def convert_store(site: Site, host: DirectoryHost) -> None:
    """Convert the store, if it is an older one; killed anywhere, the next command does it all again."""
    from goldroot.hosts.directory import convert, former_machines, is_former

    if not is_former(host.store):
        return
    with _alone(host.store):
        if is_former(host.store):
            machines = former_machines(host.store)
            entries = [_entry(machine) for machine in machines]
            sealed = {disk for machine in machines if machine.is_owner for disk in machine.disks.values()}
            convert(host, entries, sealed)


@contextmanager
def _alone(store: str) -> Iterator[None]:
    handle = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _entry(machine: FormerMachine) -> Entry:
    return Entry(
        machine.name,
        "owner" if machine.is_owner else "machine",
        disks={
            address: Disk(id, "rw" if is_live(address) and not machine.is_owner else "ro")
            for address, id in machine.disks.items()
        },
        links={address: Link(*link) for address, link in machine.links.items()},
        startable=not machine.is_owner,
        marks={"1": Mark("live", new_id(), "", "", 0, "")},
        serial=f"{machine.generation}.0",
    )
