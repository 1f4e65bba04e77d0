"""A site whose only host is a simulated z/VM, used by its commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from goldroot.hosts import Entry
from goldroot.hosts.zvm import ZvmHost
from goldroot.hosts.zvm.config import PASSWORD
from goldroot.site import Site
from goldroot.zvm.simulator import Simulator, Storage
from goldroot.zvm.simulator.site import GROUPS, VOLUMES
from goldroot.zvm.smapi import Client
from support.commands import said
from support.fleet import ROOT, write
from support.trees import Node, make_tree
from support.zvmsite import DIRECTORY

IMAGE = "s10"
TABLE = """\
default_host = "zvm"

[hosts.zvm]
kind = "zvm"
server = "127.0.0.1"
port = {port}
tls = false
user = "GOLDMGMT"
guest = "GOLDMGMT"
group = "LINUX"
simulator = "{cp}"
live_view = "flashcopy"
disk_size = 20
{more}
"""


class ZvmFleet:
    """Commands of a site on a simulated z/VM.

    :param text: the user directory that it begins with.
    """

    def __init__(
        self, root: Path, capsys: pytest.CaptureFixture[str], *, text: str = DIRECTORY, table: str = "", **settings: Any
    ) -> None:
        self.root, self._capsys = root, capsys
        root.mkdir(exist_ok=True)
        storage = Storage(dict(VOLUMES), dict(GROUPS), str(root / "minidisks"), "tree")
        active = settings.pop("active", ("MAINT", "GOLDMGMT"))
        self.sim = Simulator(text, storage=storage, active=active, cp=str(root / "cp"), **settings)
        self.sim.start()
        self.site_dir = root / "site"
        self.site_dir.mkdir(exist_ok=True)
        self.table = table
        self.write_table(table)

    def copied_to(self, root: Path) -> ZvmFleet:
        """The same once more: z/VM's directory, minidisks and site; nobody else is logged on there."""
        text = "".join(record + "\n" for one in self.sim.system.directory.entries.values() for record in one.records)
        root.mkdir()
        for name in ("minidisks", "site"):
            subprocess.run(["cp", "-a", "--reflink=auto", self.root / name, root / name], check=True)
        return ZvmFleet(root, self._capsys, text=text, table=self.table)

    def write_table(self, more: str) -> None:
        """The site's file, with these lines more in the host's table."""
        text = TABLE.format(port=self.sim.port, cp=self.root / "cp", more=more)
        (self.site_dir / "goldroot.toml").write_text(text)

    def __call__(self, *args: str, ok: int = 0) -> str:
        """A command; all that it says."""
        status, text = self.ends(*args)
        assert status == ok, (args, status, text)
        return text

    def ends(self, *args: str) -> tuple[int, str]:
        """A command, however it ends."""
        return said(self._capsys, *args)

    def data(self, *args: str, ok: int = 0) -> Any:
        """What a command says as JSON."""
        return json.loads(self(*args, "--json", ok=ok))

    # -- what is there

    def site(self) -> Site:
        return Site.open(str(self.site_dir))

    def host(self) -> ZvmHost:
        host = self.site().host_named("zvm")
        assert isinstance(host, ZvmHost)
        return host

    def entry(self, name: str) -> Entry:
        found = self.host().find(name)
        assert found is not None, name
        return found

    def place(self, name: str, address: str) -> Path:
        """The directory of the files of a disk."""
        id = self.entry(name).disks[address].id
        where = self.host().info([id])[id].where
        return self.root / "minidisks" / f"{where['volume']}.{where['start']:09d}"

    def text(self, name: str, address: str, path: str) -> str | None:
        """A file of a server's, or of gold's."""
        file = self.place(name, address) / path
        return file.read_text() if file.exists() else None

    def write(self, name: str, files: Mapping[str, str | None]) -> None:
        """What somebody in the server does: paths below the root, on 1B5 or 1B6."""
        for path, content in files.items():
            address = "1B6" if path.startswith("var/") else "1B5" if path.startswith("etc/") else "1B1"
            write(str(self.place(name, address)), path, content)

    def directory(self, user: str) -> list[str]:
        """The records of a directory entry."""
        return [record.rstrip() for record in self.sim.system.directory.entries[user].records]

    # -- what is made

    def image(self, root: Mapping[str, Node] = ROOT) -> None:
        """The site, and an image in it whose first gold version is published."""
        self("init", str(self.site_dir))
        make_tree(self.root / "root", root)
        self("image", "import", IMAGE, "--from", str(self.root / "root"))
        self.publish()

    def publish(self, files: Mapping[str, str | None] | None = None) -> None:
        """The next gold version, with these files of the maintenance system changed."""
        self.write("S10RWMNT", files or {})
        self("gold", "publish", IMAGE, "--untested", "--unchanged")

    def calls(self, *args: str, ok: int = 0) -> list[str]:
        """The SMAPI calls of a command, in their order, as ``API TARGET [DEVICE]``."""
        made: list[str] = []
        call = Client.call

        def counted(client: Client, name: str, target: str = "", **named: Any) -> Any:
            made.append(" ".join(filter(None, [name, target, str(named.get("image_disk_number", ""))])))
            return call(client, name, target, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "call", counted)
            self(*args, ok=ok)
        return made

    def left(self) -> list[str]:
        """What no ended command may leave: links of the management guest, locks, and notes of either."""
        system = self.sim.system
        links = [one.address for one in system.query_virtual("GOLDMGMT") if one.address.startswith("F")]
        locks = [name for name in system.directory.entries if system.manager.locks.image(name)]
        places: Sequence[Path] = [self.site_dir / "store" / "locks", self.site_dir / "store" / "scratch"]
        notes = [one.name for place in places if place.exists() for one in place.iterdir()]
        return [*links, *locks, *(one for one in notes if one.startswith(("link-", "directory-")))]


def password(monkeypatch: pytest.MonkeyPatch, fleet: ZvmFleet) -> None:
    """Commands find the site, and the password for SMAPI."""
    monkeypatch.setenv("GOLDROOT_SITE", str(fleet.site_dir))
    monkeypatch.setenv(PASSWORD, "GOLDMGMT")
