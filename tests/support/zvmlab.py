"""A z/VM host on the simulator for the contract tests: its minidisks are directories, and nothing is really mounted."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.extents import ExtentsFile
from goldroot.hosts.zvm.host import ZvmHost
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.simulated import TAG, Socket, Trees
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.simulator import CpError
from goldroot.zvm.smapi import Client
from support.hosts import Lab
from support.zvmsite import DIRECTORY, NAMES, client, simulator

ME = "GOLDMGMT"


class ZvmLab(Lab):
    """A host on a simulator of its own, and what other guests and administrators do."""

    def __init__(self, root: Path, text: str = DIRECTORY) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.sim = simulator(root, text, cp=str(root / "cp"))
        self.sim.start()
        weakref.finalize(self, self.sim.stop)
        super().__init__(root, "directory", "directory", self._host)
        self.commanded, self.searches, self.sees_others = False, True, True

    def _host(self, root: Path) -> ZvmHost:
        cp = Socket(str(root / "cp"), ME)
        extents = ExtentsFile(str(root / "disks.sqlite"))
        parts = Parts(
            client=self.client(),
            cp=cp,
            medium=Trees(cp),
            extents=extents,
            me=ME,
            style=Style(Words(Names(NAMES))),
            pool=Pool("LINUX"),
            pauses=(0, 0),
            snapshots=True,
        )
        return ZvmHost("here", str(root / "store"), self.parts_here(parts))

    def parts_here(self, parts: Parts) -> Parts:
        """What is otherwise."""
        return parts

    def copied_to(self, root: Path) -> Lab:
        for name in ("minidisks", "store"):
            shutil.copytree(self.root / name, root / name, symlinks=True)
        shutil.copy(self.root / "disks.sqlite", root / "disks.sqlite")
        entries = self.sim.system.directory.entries.values()
        return type(self)(root, "".join(record + "\n" for entry in entries for record in entry.records))

    def client(self) -> Client:
        return client(self.sim)

    @staticmethod
    def user(name: str) -> str:
        return NAMES.get(name, name)

    # -- what others do

    def put_something_at(self, name: str, address: str) -> None:
        self.sim.system.manager.add(self.user(name), f"SPECIAL 0{address} CTCA")

    def damage(self, name: str) -> None:
        manager = self.sim.system.manager
        entry = manager.entry(self.user(name))
        records = tuple(f"{one[:25]}?" if one.startswith("* GOLDROOT") else one for one in entry.records)
        manager.put(type(entry)(entry.kind, entry.name, records))

    def lose_index(self) -> None:
        """There is none: the directory manager searches."""

    @contextmanager
    def runs(self, name: str) -> Iterator[None]:
        self.sim.system.logon(self.user(name))
        try:
            yield
        finally:
            self.sim.system.logoff(self.user(name))

    @contextmanager
    def started(self, name: str) -> Iterator[None]:
        self.host.start(name)
        try:
            yield
        finally:
            self.host.stop(name, 0)

    @contextmanager
    def used(self, id: str) -> Iterator[bool]:
        """Another guest links the disk for writing, as far as CP lets it."""
        row = ExtentsFile(str(self.root / "disks.sqlite")).find(id)
        assert row is not None
        address = next(a for a, disk in self.host.find(row.owner).disks.items() if disk.id == id)  # type: ignore[union-attr]
        user = self.user(row.owner)
        device = ("1" if user.startswith("DEBGOLD") else "0") + address
        try:
            self.sim.system.link("MAINT", user, device, "0F00", "MW")
        except CpError:
            yield False
            return
        try:
            yield True
        finally:
            self.sim.system.detach("MAINT", "0F00")

    def break_disk(self, id: str) -> None:
        """Another's disk lies where this one was."""
        Path(f"{self.place_of(id)}{TAG}").write_text("OTHERS")

    def place_of(self, id: str) -> Path:
        where = self.host.info([id])[id].where
        return self.root / "minidisks" / f"{where['volume']}.{where['start']:09d}"

    @contextmanager
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        read: list[str] = []
        query = Client.image_query_dm
        names = {user: name for name, user in NAMES.items()}

        def counted(client: Client, target: str) -> tuple[str, ...]:
            read.append(names.get(target, target))
            return query(client, target)

        with monkeypatch.context() as patch:
            patch.setattr(Client, "image_query_dm", counted)
            yield read

    def handles(self) -> set[str]:
        """The simulator is in this process, and closes its connections when it comes to it.

        What is gone when it is looked at was one of these, or the listing itself, which has the lowest free number.
        """
        there = {one: _link(f"/proc/self/fd/{one}") for one in super().handles()}
        return {one for one, link in there.items() if link and not link.startswith("socket:")}

    def halves(self) -> list[str]:
        """What is left of killed commands: links of the management guest, locks, and notes of either."""
        system = self.sim.system
        links = [one.address for one in system.query_virtual(ME) if one.address.startswith("F")]
        locks = [name for name in system.directory.entries if system.manager.locks.image(name)]
        notes = [
            one.name
            for one in (self.root / "store" / "locks").iterdir()
            if one.name.startswith(("link-", "directory-"))
        ]
        scratch = [str(one) for one in (self.root / "store" / "scratch").iterdir()]
        return [*links, *locks, *notes, *scratch]


def zvm_lab(root: Path) -> Lab:
    return ZvmLab(root)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""
