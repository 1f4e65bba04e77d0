"""A server of one program on a host of containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from goldroot.hosts import Entry, Link
from goldroot.hosts.nspawn import NspawnHost
from support.busybox import INIT, make_root
from support.hosts import Lab, applied, found, gold, hold, live, new_disk


def add_server(lab: Lab, name: str = "WEB1", init: str = INIT) -> None:
    """A server, and the slot that it links where that is not there yet."""
    host = lab.host
    assert isinstance(host, NspawnHost)
    if host.find("GOLD") is None:
        host.define(Entry("GOLD", "owner", marks={"1": gold(1)}))
        host.create_disk(new_disk(lab, "root", "GOLD", "1B1", size=0))
        with hold(host, "GOLD"), host.open_disks({"root": "rw"}) as opened:
            make_root(Path(opened["root"].path), init)
        host.seal_disk("root", "directory")
    host.define(Entry(name, "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": live(server=name.lower())}))
    host.create_disk(new_disk(lab, f"{name}-1B5", name, "1B5", size=0))
    with hold(host, name), host.open_disks({f"{name}-1B5": "rw"}) as opened:
        Path(opened[f"{name}-1B5"].path, "etc").mkdir()
        Path(opened[f"{name}-1B5"].path, "etc", "hostname").write_text(f"{name.lower()}\n")
    entry = found(host, name)
    applied(host.apply(replace(entry, startable=True)))
