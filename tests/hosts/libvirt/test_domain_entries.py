"""Entries that are domains: when one is there, what others may do with it, and a reply that is lost.

libvirt is a dictionary here; the contract tests ask a real one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from goldroot.errors import Damaged, MissingPackage, Refused, Unreachable
from goldroot.hosts import Disk, Entry, EntryChanged, Link, exchange
from goldroot.hosts.libvirt import LibvirtConfig
from goldroot.hosts.libvirt.daemon import Daemon, ReplyLost
from goldroot.hosts.libvirt.domain import Blank, Ours, new
from goldroot.hosts.libvirt.entries import DomainEntries
from goldroot.hosts.libvirt.points import POINTS
from goldroot.hosts.qemu.arguments import BOARDS, Drive
from support.hosts import SINCE, gold, live
from support.killing import kill_at
from support.points import named_points


@dataclass
class Dictionary(Daemon):
    """libvirt, as far as entries ask it; in a file, so that a killed copy of this process changes it, too."""

    place: Path
    fails: list[str] = field(default_factory=list)  #: what happens to the next definitions

    def _file(self, name: str) -> Path:
        return self.place / name

    def text(self, name: str) -> str | None:
        if self.fails[:1] == ["away"]:
            raise Unreachable("gone")
        return self._file(name).read_text() if self._file(name).exists() else None

    def texts(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self.place.iterdir()):
            yield path.name, path.read_text()

    def define(self, text: str) -> str:
        how = self.fails.pop(0) if self.fails else ""
        if how != "lost before":
            self._file(text.partition("<name>")[2].partition("<")[0]).write_text(text)
        if how:
            raise ReplyLost("gone")
        return text

    def undefine(self, name: str) -> None:
        self._file(name).unlink()

    def edit(self, name: str, old: str, new: str) -> None:
        """By an administrator."""
        assert old in self._file(name).read_text()
        self._file(name).write_text(self._file(name).read_text().replace(old, new))


@dataclass
class Site:
    """Entries, and libvirt."""

    entries: DomainEntries
    libvirt: Dictionary

    def found(self, name: str = "WEB1") -> Entry:
        entry = self.entries.find(name)
        assert entry is not None
        return entry


def blank(name: str) -> str:
    return new(Blank(f"x-{name}", BOARDS["x86_64"], "x86_64", "tcg", 512, 1, "ro", "/log"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two slots, and a machine WEB1 that has set 5, too; not startable yet."""
    (tmp_path / "libvirt").mkdir()
    libvirt = Dictionary(tmp_path / "libvirt")
    store = str(tmp_path / "store")

    def ours(entry: Entry, said: str) -> Ours:
        drives = [Drive(a, f"{store}/disks/{disk.id}.ext4", "rw") for a, disk in entry.disks.items() if a[0] == "1"]
        drives += [
            Drive(a, f"{store}/disks/{link.owner}.erofs", "ro") for a, link in entry.links.items() if a[0] == "1"
        ]
        return Ours(said, store, "/k", "/i", drives, frozenset(a for a in entry.links))

    entries = DomainEntries(store, libvirt, "x-", blank=blank, ours=ours)
    entries.create()
    for number, slot in enumerate(("GOLD", "GOLD2"), 1):
        entries.define(Entry(slot, "owner", marks={"1": gold(number)}))
        entries.put_disk(slot, "1B1", Disk(f"{slot}-1B1", "ro"))
    links = {"1B1": Link("GOLD", "1B1"), "5B1": Link("GOLD2", "1B1")}
    marks = {"1": live(), "5": replace(live("update", 2), state="preparing")}
    entries.define(Entry("WEB1", "machine", links=links, marks=marks))
    entries.put_disk("WEB1", "1B5", Disk("web1-a", "rw"))
    entries.put_disk("WEB1", "5B5", Disk("web1-b", "ro"))
    return Site(entries, libvirt)


def startable(site: Site) -> Entry:
    done = site.entries.apply(replace(site.found(), startable=True))
    assert (done.outcome, done.entry) == ("done", site.found())
    return site.found()


def test_a_machine_has_a_domain_while_it_is_startable_and_gets_back_what_it_had(site: Site) -> None:
    assert site.libvirt.text("x-WEB1") is None
    startable(site)
    site.libvirt.edit("x-WEB1", ">512<", ">4096<")
    entry = site.found()
    site.entries.apply(replace(entry, startable=False))
    assert site.libvirt.text("x-WEB1") is None
    assert replace(site.found(), serial="", token="") == replace(entry, startable=False, serial="", token="")
    startable(site)
    assert ">4096<" in (site.libvirt.text("x-WEB1") or "")
    site.entries.apply(replace(site.found(), startable=False))
    for id in ("web1-a", "web1-b"):
        site.entries.drop_disk("WEB1", id)
    site.entries.undefine("WEB1")
    site.entries.undefine("WEB1")
    assert site.entries.find("WEB1") is None


def test_a_switch_is_one_definition(site: Site) -> None:
    before = startable(site)
    site.entries.apply(exchange(before, "5", "update", "kept", since=SINCE))
    text = site.libvirt.text("x-WEB1") or ""
    assert "/disks/web1-b.ext4" in text
    assert "/disks/GOLD2.erofs" in text
    assert "/disks/web1-a.ext4" not in text
    assert site.found().disks["5B5"] == Disk("web1-a", "ro")
    assert ("WEB1", "5B1", "1B1") in site.entries.linked("GOLD")


def test_each_edit_makes_another_token_and_no_change_is_lost_by_it(site: Site) -> None:
    before = startable(site)
    site.libvirt.edit("x-WEB1", ">512<", ">4096<")
    with pytest.raises(EntryChanged):
        site.entries.apply(exchange(before, "5", "update", "kept", since=SINCE))
    assert site.found().disks == before.disks


def test_who_undefines_a_domain_does_not_lose_its_entry(site: Site) -> None:
    startable(site)
    site.libvirt.edit("x-WEB1", ">512<", ">4096<")
    site.entries.renew("WEB1")
    before = site.found()
    assert not site.entries.was_undefined("WEB1")
    site.libvirt.undefine("x-WEB1")
    assert site.entries.was_undefined("WEB1")
    now = site.found()
    assert not now.startable
    assert (now.disks, now.links, now.marks) == (before.disks, before.links, before.marks)
    assert startable(site).disks == before.disks
    assert ">4096<" in (site.libvirt.text("x-WEB1") or "")
    site.entries.apply(replace(site.found(), startable=False))
    assert not site.entries.was_undefined("WEB1"), "goldroot did it itself"


def test_a_domain_whose_file_was_lost_is_listed(site: Site) -> None:
    before = startable(site)
    (Path(site.entries.store) / "entries/WEB1.json").unlink()
    assert site.found() == before
    assert [entry.name for entry in site.entries.all()] == ["GOLD", "GOLD2", "WEB1"]
    assert ("WEB1", "1B1", "1B1") in site.entries.linked("GOLD")


def test_domains_of_others_are_not_touched(site: Site) -> None:
    theirs = blank("WEB2")
    site.libvirt.define(theirs)
    with pytest.raises(Refused, match="x-WEB2 that is not of this store"):
        site.entries.define(Entry("WEB2", "machine", marks={"1": live()}))
    assert site.entries.find("WEB2") is None
    assert [entry.name for entry in site.entries.all()] == ["GOLD", "GOLD2", "WEB1"]
    startable(site)
    for name in ("x-WEB1-COPY", "x-lower case"):
        site.libvirt.define((site.libvirt.text("x-WEB1") or "").replace("<name>x-WEB1<", f"<name>{name}<"))
    (Path(site.entries.store) / "links/.entries").unlink()
    assert site.entries.linked("GOLD") == [("WEB1", "1B1", "1B1")], "whose copies they are is nobody's matter"
    assert [entry.name for entry in site.entries.all()] == ["GOLD", "GOLD2", "WEB1"]
    assert site.entries.find("WEB1-COPY") is None
    of_another_store = (site.libvirt.text("x-WEB1") or "").replace(site.entries.store, "/another")
    site.libvirt.define(of_another_store)
    assert not site.found().startable, "the domain of that name is another store's"


def test_a_domain_that_has_other_disks_than_its_entry_is_damaged(site: Site) -> None:
    startable(site)
    site.libvirt.edit("x-WEB1", "/disks/web1-a.ext4", "/disks/web1-a.snapshot1")
    assert site.found().startable, "one file of the same disk is as good as another"
    site.libvirt.edit("x-WEB1", "/disks/web1-a.snapshot1", "/elsewhere/overlay.qcow2")
    with pytest.raises(Damaged, match="at 1B5"):
        site.found()
    with pytest.raises(Damaged):
        site.entries.linked("GOLD")
    site.libvirt.edit("x-WEB1", "/elsewhere/overlay.qcow2", f"{site.entries.store}/disks/web1-b.ext4")
    with pytest.raises(Damaged, match="at 1B5"):
        site.found()


def test_a_slot_that_is_there_asks_nothing_of_libvirt(site: Site) -> None:
    site.libvirt.fails = ["away"]
    site.entries.put_disk("GOLD2", "1B5", Disk("GOLD2-1B5", "rw"))
    assert site.found("GOLD2").disks["1B5"].id == "GOLD2-1B5"
    assert site.entries.apply(replace(site.found("GOLD2"), marks={"1": gold(3)})).outcome == "done"
    with pytest.raises(Unreachable):
        site.entries.find("WEB1")


def test_what_is_damaged_is_given_up_and_kept_aside(site: Site) -> None:
    startable(site)
    site.libvirt.edit("x-WEB1", "/disks/web1-a.ext4", "/elsewhere/overlay.qcow2")
    site.entries.give_up("WEB1")
    assert not site.found().startable
    (kept,) = (Path(site.entries.store) / "entries").glob("WEB1.xml.damaged-*")
    assert "overlay.qcow2" in kept.read_text()


def test_a_lost_reply_is_looked_at(site: Site) -> None:
    wanted = exchange(startable(site), "5", "update", "kept", since=SINCE)
    site.libvirt.fails = ["lost before"]
    done = site.entries.apply(wanted)
    assert done.outcome == "unchanged"
    site.libvirt.fails = ["lost after"]
    done = site.entries.apply(wanted)
    assert done.outcome == "done"
    assert done.entry == site.found()
    assert site.found().disks["1B5"].id == "web1-b"
    back = exchange(site.found(), "5", "rollback", "set-aside", since=SINCE)
    site.libvirt.fails = ["lost after", "away"]
    assert site.entries.apply(back).outcome == "unknown"
    site.libvirt.fails = []
    assert site.entries.apply(back).outcome == "done"
    site.entries.tidy()
    site.libvirt.undefine("x-WEB1")
    assert site.found().disks["1B5"].id == "web1-a", "the file beside it is as new as the domain was"


@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_kill_leaves_the_domain_in_force_and_tidying_its_file(site: Site, point: str) -> None:
    before = startable(site)
    wanted = (
        replace(before, startable=False)
        if point == "host.libvirt.put-away"
        else exchange(before, "5", "update", "kept", since=SINCE)
    )
    kill_at(point, lambda: site.entries.apply(wanted))
    now = site.found()
    assert now.startable
    assert (now.token == before.token) is (point == "host.libvirt.put-away")
    site.entries.tidy()
    assert not list(Path(site.entries.store).rglob("*.new"))
    assert site.found() == now
    assert site.entries.apply(wanted).outcome == "done"
    assert site.found().startable is wanted.startable


def test_the_list_of_points_is_that_of_the_source() -> None:
    assert {name for name in named_points() if name.startswith("host.libvirt.")} == set(POINTS)


@pytest.mark.parametrize(
    "uri", ["qemu+ssh://other/system", "qemu://other/system", "test:///default", "qemu:///embed", "lxc:///system"]
)
def test_a_daemon_elsewhere_or_of_other_machines_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not a daemon"):
        LibvirtConfig(uri=uri)
    with pytest.raises(ValueError, match="name it as `user`"):
        LibvirtConfig(uri="qemu:///session")
    LibvirtConfig(uri="qemu:///session?socket=/run/user/1000/libvirt/libvirt-sock", user="nobody")


def test_without_the_binding_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(MissingPackage, match="Python binding") as caught:
        Daemon("qemu:///system").text("WEB1")
    assert "goldroot[libvirt]" in caught.value.todo


def test_a_daemon_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("libvirt", reason="libvirt-python is not installed")
    with pytest.raises(Unreachable, match="does not answer"):
        Daemon(f"qemu:///system?socket={tmp_path}/none").text("WEB1")
