"""A merge that is made again takes over the files that the last one wrote; the result is as if all had been written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot.errors import StillRunning
from goldroot.fleet import clones
from goldroot.fleet.update.memory import build_over, is_listed
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry, own_disks
from goldroot.site import Site
from goldroot.tree import EARLIER, INLINE, BuildOptions, BuildRow, rows_of, scan_tree
from goldroot.workflow import InProcess
from support.fleet import IMAGE, live, next_gold, on_clone, text
from support.former import former
from support.trees import Dir, File, HardLink, Link, dump_tree, make_tree

#: The server is the third source of a merge.
CLONE = 2
OLD = 1_000_000_000 * 10**9


class Disk:
    """A prepared disk, with the server's disk that it is made from."""

    def __init__(self, room: Path) -> None:
        self.server, self.out, self.fresh = room / "server", room / "out", room / "fresh"
        self.list = str(room / "records/1B5.rows")
        for path in (self.out, room / "gold"):
            path.mkdir()
        make_tree(
            self.server,
            {
                "etc/same": File("same"),
                "grows": File("one"),
                "deep/er/same": File("deep", mode=0o640),
                "deep/er/goes": File("goes"),
                "names/one": File("linked"),
                "names/two": HardLink("names/one"),
                "away": Link("etc/same"),
                "empty": Dir(),
            },
        )
        for top, directories, files in os.walk(self.server):
            for name in (*directories, *files):
                os.utime(os.path.join(top, name), ns=(OLD, OLD), follow_symlinks=False)
        self.gold = room / "gold"

    def rows(self) -> list[BuildRow]:
        """The server's tree, and a text that was merged."""
        rows = list(rows_of(scan_tree(self.server, writers="ended").manifest, CLONE))
        place = next(number for number, row in enumerate(rows) if row.path == b"etc/same")
        merged = rows[place]._replace(path=b"etc/merged", source=INLINE, content=b"of both\n", inode=0, ctime=0)
        return sorted([*rows, merged], key=lambda row: row.path.split(b"/") if row.path else [])

    def build(self, rows: list[BuildRow] | None = None) -> dict[str, int]:
        """Write it; the inodes of its files by path."""
        sources = [os.fsencode(path) for path in (self.gold, self.gold, self.server)]
        made = build_over(rows or self.rows(), sources, str(self.out), BuildOptions(sync=False), list_file=self.list)
        seen = scan_tree(self.out, writers="ended").manifest
        assert [row[:12] for row in made.manifest.rows()] == [row[:12] for row in seen.rows()]
        return {row[0].decode(): row[12] for row in made.manifest.rows() if row[1] == "f"}

    def is_as_if_new(self) -> None:
        """It is what the rows make on an empty disk."""
        self.fresh.mkdir()
        sources = [os.fsencode(path) for path in (self.gold, self.gold, self.server)]
        build_over(self.rows(), sources, str(self.fresh), BuildOptions(sync=False), list_file=self.list + "x")
        assert dump_tree(self.out) == dump_tree(self.fresh)
        assert not (self.out / EARLIER).exists()


@pytest.fixture(autouse=True)
def no_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes is as young as its list, and as the scan that sees it."""
    for name in ("tree.scan.scan.RACY", "tree.build.build.RACY"):
        monkeypatch.setattr(f"goldroot.{name}", 0)
    monkeypatch.setattr("goldroot.fleet.update.memory._YOUNG", 0)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_files_whose_rows_are_the_same_are_moved_and_the_others_written(disk: Disk) -> None:
    before = disk.build()
    (disk.server / "grows").write_text("one, two")
    (disk.server / "new").write_text("new")
    (disk.server / "deep/er/goes").unlink()
    after = disk.build()
    assert {path for path in after if after[path] == before.get(path)} == {"etc/same", "deep/er/same", "etc/merged"}
    assert (disk.out / "grows").read_text() == "one, two"
    disk.is_as_if_new()


def test_a_file_of_the_same_size_and_time_in_another_place_of_the_server_is_written(disk: Disk) -> None:
    before = disk.build()
    (disk.server / "other").write_text("emas")
    os.utime(disk.server / "other", ns=(OLD, OLD))
    (disk.server / "other").rename(disk.server / "etc/same")
    assert disk.build()["etc/same"] != before["etc/same"]
    assert (disk.out / "etc/same").read_text() == "emas"
    disk.is_as_if_new()


def by_a_command(disk: Disk) -> None:
    (disk.out / "etc/same").write_text("made again")
    (disk.out / "deep/er/more").write_text("made by it")
    os.utime(disk.out / "etc/same", ns=(OLD, OLD))


def with_another_mode(disk: Disk) -> None:
    (disk.out / "etc/same").chmod(0o600)


def with_a_link_on_the_way(disk: Disk) -> None:
    (disk.out / "deep").rename(disk.out / "elsewhere")
    (disk.out / "deep").symlink_to("elsewhere")


def cut_off_before(disk: Disk) -> None:
    (disk.out / EARLIER).mkdir()
    (disk.out / EARLIER / "junk").write_text("junk")


def without_list(disk: Disk) -> None:
    os.unlink(disk.list)


def with_a_list_that_is_cut(disk: Disk) -> None:
    os.truncate(disk.list, os.path.getsize(disk.list) - 5)


@pytest.mark.parametrize(
    "what",
    [
        by_a_command,
        with_another_mode,
        with_a_link_on_the_way,
        cut_off_before,
        without_list,
        with_a_list_that_is_cut,
    ],
    ids=lambda what: what.__name__,
)
def test_whatever_became_of_the_earlier_result_the_next_is_right(disk: Disk, what: Callable[[Disk], None]) -> None:
    disk.build()
    what(disk)
    disk.build()
    disk.is_as_if_new()
    assert is_listed(disk.list)


def test_an_earlier_result_that_cannot_be_moved_is_written_again(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = disk.build()
    rename = os.rename

    def refused(source: object, target: object, **options: int) -> None:
        if options:
            raise PermissionError(1, "Operation not permitted")
        rename(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr("goldroot.tree.build.make.os.rename", refused)
    assert disk.build()["etc/same"] != before["etc/same"]
    monkeypatch.undo()
    disk.is_as_if_new()


@pytest.mark.slow
def test_the_switch_copies_only_what_a_running_server_wrote_since(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/table": "rows\n" * 1000, "srv/busy": "1\n"})
    srv = Path(os.fsdecode(live(site, "web1").root(b"srv") or b"")) / "srv"
    for name in ("table", "busy"):
        os.utime(srv / name, ns=(OLD, OLD))
    next_gold(site, {"usr/bin/tool": "two\n"})
    with former(site).running("WEB1"), pytest.raises(StillRunning):
        run_update(site, engine, "web1")
    prepared = own_disks(find_entry(site.host, "WEB1"), "5")
    with site.host.open_disks(dict.fromkeys(prepared.values(), "ro")) as opened:
        before = {inodes(disk.path) for disk in opened.values()}
    on_clone(site, "web1", {"srv/busy": "2\n"})
    lists = Path(site.path("records/web1"))
    assert list(lists.rglob("*.rows"))
    assert run_update(site, engine, "web1").outcome == "done"
    assert not list(lists.rglob("*.rows")), "nothing is merged onto these disks again"
    assert (text(site, "web1", "srv/busy"), text(site, "web1", "srv/table")) == ("2\n", "rows\n" * 1000)
    after = Path(os.fsdecode(live(site, "web1").root(b"srv") or b"")) / "srv"
    assert (after / "table").stat().st_ino in {number for each in before for number in each}


def inodes(path: str) -> tuple[int, ...]:
    """Of all files of a disk."""
    return tuple(os.lstat(os.path.join(top, name)).st_ino for top, _, files in os.walk(path) for name in files)
