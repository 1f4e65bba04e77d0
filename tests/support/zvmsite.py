"""A simulated z/VM with a small site, for tests of the host on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldroot.hosts.inuse import InUse
from goldroot.hosts.zvm.entries import DirectoryEntries, Style
from goldroot.hosts.zvm.extents import ExtentsFile
from goldroot.hosts.zvm.manager import Manager
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.simulator import Options, Simulator, Storage
from goldroot.zvm.smapi import Client, Clock, Patience, Server

DIRECTORY = """\
USER MAINT MAINT 128M 1000M ABCDEFG
 OPTION LNKNOPAS
USER GOLDMGMT GOLDMGMT 2G 4G BG
 OPTION LNKNOPAS
 NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1
 MDISK 0100 3390 00001 00100 LX3001 MR READ    WRITE   MULTIPLE
"""
NAMES = {"DEBIANGOLD": "DEBGOLD", "DEBIANGOLD2": "DEBGOLD2"}
VOLUMES = {"LX3001": 3339, "LX3002": 3339}
#: No test waits for a clock.
CLOCK = Clock(sleep=lambda seconds: None)


def simulator(root: Path, text: str = DIRECTORY, **settings: Any) -> Simulator:
    """One whose minidisks are directories; two guests of the site's own are logged on."""
    storage = Storage(VOLUMES, {"LINUX": ["LX3001", "LX3002"]}, str(root / "minidisks"), "tree")
    options = settings.pop("options", Options())
    return Simulator(text, storage=storage, active=("MAINT", "GOLDMGMT"), options=options, **settings)


def client(sim: Simulator, *, timeout: float = 20.0) -> Client:
    """GOLDMGMT's way to it."""
    server = Server(sim.host, sim.port, tls=False, timeout=timeout)
    return Client(server, "GOLDMGMT", "GOLDMGMT", patience=Patience(tries=2, pause=0, interval=0), clock=CLOCK)


@dataclass
class Site:
    """The parts of a host that are about entries."""

    sim: Simulator
    root: Path
    style: Style = field(default_factory=lambda: Style(Words(Names(NAMES))))

    def __post_init__(self) -> None:
        self.notes = InUse(str(self.root))
        self.notes.create()
        self.extents = ExtentsFile(str(self.root / "disks.sqlite"))
        self.extents.create()

    def entries(self, *, timeout: float = 20.0) -> DirectoryEntries:
        return DirectoryEntries(self.manager(timeout=timeout), self.extents, self.style)

    def manager(self, *, timeout: float = 20.0) -> Manager:
        return Manager(client(self.sim, timeout=timeout), InUse(str(self.root)), pauses=(0, 0))
