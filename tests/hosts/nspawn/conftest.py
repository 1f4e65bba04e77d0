"""A host of containers, with a server of one program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.hosts import Entry, Link
from goldroot.hosts.nspawn import NspawnHost
from support.busybox import INIT, make_root
from support.hosts import Lab, applied, found, gold, hold, live, need_programs, new_disk, nspawn_host


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A slot ``GOLD`` with a root, and a server ``WEB1`` whose own disk is ``/etc``; what runs at the end is killed."""
    need_programs("systemd-nspawn", "setpriv", "nsenter")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    lab = Lab(tmp_path, "directory", "directory", lambda at: nspawn_host(at, B1=["/"], B5=["/etc"]))
    add_server(lab)
    try:
        yield lab
    finally:
        for entry in lab.host.entries():
            if entry.role == "machine":
                lab.host.stop(entry.name, 0)


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
    from dataclasses import replace

    applied(host.apply(replace(entry, startable=True)))
