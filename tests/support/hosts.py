"""Hosts of every kind for the contract tests, with what another administrator or program may do to them.

A new kind is a :class:`Lab` of its own and one line in :data:`LABS`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from goldroot.hosts import Applied, Entry, Host, Link, Mark, NewDisk, with_links, with_mark
from goldroot.hosts.directory import DirectoryHost
from goldroot.hosts.entries import Entries
from goldroot.hosts.filehost import FileHost, live_of
from goldroot.hosts.inuse import InUse, entry_lock, new_note, utc_now
from goldroot.hosts.machines import control
from goldroot.hosts.nspawn import NspawnConfig, NspawnHost
from goldroot.hosts.qemu import QemuConfig, QemuHost

SINCE = "2026-11-26T09:30:00Z"
MIB = 1 << 20


@dataclass
class Lab:
    """A host, and hands that are not goldroot's.  ``form`` is that of its own disks, ``sealed`` of a sealed one."""

    root: Path
    form: str
    sealed: str
    new_host: Callable[[Path], FileHost]
    host: FileHost = field(init=False)
    searches: bool = field(init=False, default=False)  #: links are found by a search, and no entry is read for them
    sees_others: bool = field(init=False, default=False)  #: a point in time can be asked of what others run, too
    commanded: bool = field(init=False, default=True)  #: a command of the site says whether a machine runs

    def __post_init__(self) -> None:
        self.host = self.again()
        self.host.create()

    def again(self) -> FileHost:
        """The same host, as another process has it."""
        return self.new_host(self.root)

    def copied_to(self, root: Path) -> Lab | None:
        """Another lab that is in the same state; ``None``: making one is as quick."""
        return None

    # -- what others do

    def put_something_at(self, name: str, address: str) -> None:
        """Another administrator gives a machine something that goldroot does not manage."""
        path = self.root / "store" / "entries" / f"{name}.json"
        data = json.loads(path.read_text())
        data["others"].append(address)
        path.with_suffix(".tmp").write_text(json.dumps(data))
        path.with_suffix(".tmp").rename(path)

    def damage(self, name: str) -> None:
        """An entry is cut off."""
        path = self.root / "store" / "entries" / f"{name}.json"
        path.write_text(path.read_text()[:-20])

    def lose_index(self) -> None:
        """What answers :meth:`Host.linked` quickly is gone."""
        shutil.rmtree(self.root / "store" / "links")

    @contextmanager
    def runs(self, name: str) -> Iterator[None]:
        """Somebody else runs a machine."""
        mark = self.root / f"runs-{name}"
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    @contextmanager
    def started(self, name: str) -> Iterator[None]:
        """A supervisor of this host runs a machine from its entry as it is."""
        entry = self.host.find(name)
        assert entry is not None
        locks = InUse(str(self.root / "store"))
        taken = locks.take(entry_lock(name), note=new_note("run", live_of(entry)))
        assert taken is not None
        try:
            yield
        finally:
            taken.close()

    @contextmanager
    def used(self, id: str) -> Iterator[bool]:
        """A program that knows nothing of goldroot has the bytes of a disk open for writing; whether it could."""
        path = str(self.host.info([id])[id].where["path"])
        code = (
            "import os, sys, time\np = sys.argv[1]\nf = os.chdir(p) if os.path.isdir(p) else open(p, 'r+b')\n"
            "print('ready', flush=True)\ntime.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                yield True
            finally:
                process.kill()

    def place_of(self, id: str) -> Path:
        """Where the bytes of a disk are."""
        return Path(str(self.host.info([id])[id].where["path"]))

    def break_disk(self, id: str) -> None:
        """The bytes of a disk are gone, and a link is in their place."""
        path = Path(str(self.host.info([id])[id].where["path"]))
        path.rename(path.with_suffix(".elsewhere"))
        path.symlink_to(path.with_suffix(".elsewhere"))

    @contextmanager
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        """The names of the entries that are read meanwhile."""
        read: list[str] = []

        def counted(
            entries: Entries, name: str, find: Callable[[Entries, str], Entry | None] = Entries.find
        ) -> Entry | None:
            read.append(name)
            return find(entries, name)

        with monkeypatch.context() as patch:
            patch.setattr(Entries, "find", counted)
            yield read

    def handles(self) -> set[str]:
        """What this process has open."""
        return set(os.listdir("/proc/self/fd"))

    def halves(self) -> list[str]:
        """What is left of killed commands."""
        store = self.root / "store"
        return [str(path) for name in ("halfway", "scratch") for path in (store / name).iterdir()]


def directory_lab(root: Path) -> Lab:
    return Lab(root, "directory", "directory", lambda at: DirectoryHost("here", f"{at}/store", **_running(at)))


def nspawn_lab(root: Path) -> Lab:
    return Lab(root, "directory", "directory", lambda at: nspawn_host(at, **_running(at)))


def nspawn_host(at: Path, *, running_command: Sequence[str] = (), **paths: list[str]) -> NspawnHost:
    """A host of containers; ``paths`` are of each place, where they are others than by default."""
    config = NspawnConfig(store="store", running=list(running_command))
    return NspawnHost("here", f"{at}/store", replace(config, paths=paths or config.paths))


def qemu_lab(root: Path, **settings: Any) -> Lab:
    """A host of images; ``settings`` are of its table."""
    if os.geteuid() != 0:
        pytest.skip("needs root: file systems are mounted")
    need_programs("mkfs.ext4", "mkfs.erofs", "e2fsck", "resize2fs", "tune2fs")
    need_mounts("ext4", "erofs")
    return QemuLab(root, "ext4", "erofs", lambda at: qemu_host(at, **settings, **_running(at)))


def zvm_lab(root: Path) -> Lab:
    from support import zvmlab

    return zvmlab.zvm_lab(root)


class QemuLab(Lab):
    """What is started is a QEMU, with the disks that a machine is given and without a machine: it executes nothing."""

    @contextmanager
    def started(self, name: str) -> Iterator[None]:
        if shutil.which("qemu-system-x86_64") is None:
            pytest.skip("qemu-system-x86 is not installed")
        directory = self.root / "store" / "running" / name
        directory.mkdir(exist_ok=True)
        disks = {address: disk.id for address, disk in found(self.host, name).disks.items() if address[0] == "1"}
        words = ["qemu-system-x86_64", "-machine", "none", "-display", "none", "-nodefaults"]
        for address, id in disks.items():
            file = {"driver": "file", "filename": str(self.host.info([id])[id].where["path"]), "locking": "off"}
            words += ["-blockdev", json.dumps({"driver": "raw", "node-name": f"disk-{address}", "file": file})]
        with control.listening(str(directory), "qmp") as one, control.listening(str(directory), "copies") as other:
            handles = {"qmp": one.fileno(), "copies": other.fileno()}
            for socket, handle in handles.items():
                words += [
                    "-chardev",
                    f"socket,id={socket},fd={handle},server=on,wait=off",
                    "-mon",
                    f"{socket},mode=control",
                ]
            process = subprocess.Popen(words, pass_fds=list(handles.values()))
        try:
            with super().started(name):
                yield
        finally:
            process.kill()
            process.wait()


def libvirt_lab(root: Path, **settings: Any) -> Lab:
    from support import libvirtlab

    return libvirtlab.libvirt_lab(root, **settings)


def qemu_host(at: Path, *, running_command: Sequence[str] = (), **settings: Any) -> QemuHost:
    config = QemuConfig(running=list(running_command), **settings)
    return QemuHost("here", f"{at}/store", config)


LABS: Mapping[str, Callable[[Path], Lab]] = {
    "directory": directory_lab,
    "libvirt": libvirt_lab,
    "nspawn": nspawn_lab,
    "qemu": qemu_lab,
    "zvm": zvm_lab,
}


def _running(at: Path) -> dict[str, list[str]]:
    return {"running_command": ["/bin/sh", "-c", f'test -e "{at}/runs-$1"', "sh"]}


def need_programs(*programs: str) -> None:
    """Skip a test where one of these is not installed."""
    for program in programs:
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed")


def need_mounts(*kinds: str) -> None:
    """Skip a test where the kernel mounts no images of these file systems."""
    known = Path("/proc/filesystems").read_text().split()
    if not os.access("/dev/loop-control", os.W_OK) or not set(kinds) <= set(known):
        pytest.skip(f"this kernel mounts no images of {' and '.join(kinds)}")


# -- a site's words


def live(by: str = "making", version: int = 1, server: str = "web1") -> Mark:
    """A mark of set 1 of a machine."""
    return Mark("live", by, "debian", server, version, SINCE)


def gold(version: int, by: str = "publish") -> Mark:
    """A mark of a slot."""
    return Mark("gold", by, "debian", "", version, SINCE)


def new_disk(lab: Lab, id: str, owner: str, address: str, *, size: int = 8 * MIB, copy_of: str = "") -> NewDisk:
    """A disk of the lab's form."""
    return NewDisk(id, owner, address, size, lab.form, copy_of)


def fill(host: Host, id: str, files: Mapping[str, bytes], owner: str = "") -> None:
    """Write files into a disk; the owner is held where one is named."""
    with hold(host, owner), host.open_disks({id: "rw"}) as opened:
        for name, content in files.items():
            Path(opened[id].path, name).write_bytes(content)


@contextmanager
def hold(host: Host, name: str) -> Iterator[None]:
    """Hold an entry; none without a name."""
    if not name:
        yield
        return
    with host.hold(name):
        yield


def content(host: Host, id: str) -> dict[str, bytes]:
    """The files of a disk."""
    with host.open_disks({id: "ro"}, view="live") as opened:
        there = Path(opened[id].path)
        return {one.name: one.read_bytes() for one in there.iterdir() if one.name != "lost+found"}


def found(host: Host, name: str) -> Entry:
    """An entry that is there."""
    entry = host.find(name)
    assert entry is not None
    return entry


def make_slot(lab: Lab, name: str = "DEBIANGOLD", version: int = 1) -> None:
    """A gold slot with a shared disk 1B1 and an own one 1B5, ``NAME-1B1`` and ``NAME-1B5``."""
    host = lab.host
    host.define(Entry(name, "owner", marks={"1": gold(version)}))
    for address in ("1B1", "1B5"):
        host.create_disk(new_disk(lab, f"{name}-{address}", name, address))
        fill(host, f"{name}-{address}", {"version": b"%d" % version}, owner=name)


def make_machine(lab: Lab, name: str = "WEB1", slot: str = "DEBIANGOLD", *, startable: bool = True) -> Entry:
    """A machine with a disk of its own, ``NAME-1B5``, and a link to the slot's shared one."""
    host = lab.host
    host.define(Entry(name, "machine", links={"1B1": Link(slot, "1B1")}, marks={"1": live(server=name.lower())}))
    host.create_disk(new_disk(lab, f"{name}-1B5", name, "1B5"))
    fill(host, f"{name}-1B5", {"hostname": name.encode()}, owner=name)
    return applied(host.apply(replace(found(host, name), startable=startable)))


def prepare(lab: Lab, name: str = "WEB1", slot: str = "DEBIANGOLD2", *, work: str = "update") -> Entry:
    """Set 5 of a machine is prepared: links to a slot, and a disk ``NAME-5B5``."""
    host = lab.host
    entry = with_links(found(host, name), "5", slot, ["B1"])
    host.apply(with_mark(entry, "5", Mark("preparing", work, "debian", name.lower(), 2, SINCE)))
    host.create_disk(new_disk(lab, f"{name}-5B5", name, "5B5"))
    fill(host, f"{name}-5B5", {"hostname": b"merged"})
    return found(host, name)


def applied(done: Applied) -> Entry:
    """The entry of a change that was made."""
    assert done.outcome == "done"
    assert done.entry is not None
    return done.entry


def state(host: Host) -> dict[str, object]:
    """All that a host has, but for what each change makes new: entries, disks, and what is on those."""
    seen: dict[str, object] = {}
    for entry in host.entries():
        seen[entry.name] = replace(entry, serial="", token="")
        seen[f"links to {entry.name}"] = host.linked(entry.name)
        for disk in entry.disks.values():
            info = host.info([disk.id])[disk.id]
            seen[disk.id] = (info.form, info.sealed, info.size, content(host, disk.id))
    return seen


def now() -> str:
    """The time for marks."""
    return utc_now()
