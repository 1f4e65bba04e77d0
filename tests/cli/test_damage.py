"""What is damaged or full: an error with advice, and everybody else goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goldroot.catalog import damage_of, disks, is_there, open_catalog, store
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import Damaged, NoSpace
from goldroot.fleet import engine_of
from goldroot.site import Site, keep_reserve, making_room, space
from support.commands import data, said
from support.fleet import IMAGE, next_gold, on_clone, small_site, text
from support.killing import kill_at
from support.marks import slow


@pytest.fixture
def moved(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 and web2 are on gold 2, with a fallback each."""
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    return fleet


@pytest.fixture
def hurt(moved: Site) -> Site:
    """The entry of web1 was cut off."""
    entry = Path(moved.path("store/entries/WEB1.json"))
    entry.write_bytes(entry.read_bytes()[:50])
    return moved


def test_a_damaged_entry_stops_nobody_else(hurt: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "clone", "create", "web3", "--image", IMAGE, "--gold", "1")[0] == 0
    for words in (
        ("status",), ("clone", "list"), ("machine", "list"), ("update", "plan", "web3"), ("update", "run", "web3"),
        ("rollback", "web2"), ("fallback", "prune", "web2", "--force"), ("clone", "delete", "web2"),
        ("gold", "retire", IMAGE, "1"), ("gold", "restore", IMAGE, "1"),
    ):  # fmt: skip
        code, out = said(capsys, *words)
        assert code == 0, (words, out)
    code, out = said(capsys, "linked")
    assert code == 4 and "WEB3 1B1" in out and "WEB1.json is not an entry" in out, "what is known is shown"
    code, out = said(capsys, "update", "run", "--all")
    assert code == 4 and "web1" in out and "web3   nothing-to-do" in out


def test_a_damaged_entry_that_was_put_back_stops_no_other_server(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who puts a file in its place, as editors and copies do, makes the register of links doubtful: it is made again."""
    next_gold(moved, {"etc/plain.conf": "newer\n"})
    entry = Path(moved.path("store/entries/WEB1.json"))
    other = entry.with_name("other")
    other.write_bytes(entry.read_bytes()[:50])
    other.rename(entry)
    for words in (("update", "run", "web2"), ("rollback", "web2"), ("clone", "delete", "web2")):
        code, out = said(capsys, *words)
        assert code == 0, (words, out)
    slot = data(capsys, "gold", "list", IMAGE)[0]["slot"]
    with pytest.raises(Damaged, match=r"WEB1\.json is not an entry"):
        moved.host.linked(slot)


def test_a_clone_with_a_damaged_entry_is_removed_by_force(hurt: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "clone", "delete", "web1")
    assert code == 4 and "goldroot clone delete web1 --force" in out
    assert said(capsys, "clone", "delete", "web1", "--force", "--plan")[0] == 0
    assert [row["name"] for row in data(capsys, "clone", "list")] == ["web1", "web2"]
    code, out = said(capsys, "clone", "delete", "web1", "--force")
    assert code == 0, out
    assert not [name for name in os.listdir(hurt.path("store/disks")) if name.startswith("web1-")]
    assert [name for name in os.listdir(hurt.path("store/entries")) if name.startswith("WEB1.json.damaged-")]
    with hurt.catalog.read() as tx:
        assert disks.of_owner(tx, hurt.host.name, "WEB1") == {} != disks.of_owner(tx, hurt.host.name, "WEB2")
    assert said(capsys, "linked")[0] == 0
    assert text(hurt, "web2", "etc/plain.conf") == "gold\n"
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE)[0] == 0, "the name is free again"


def test_force_takes_an_update_that_is_in_flight_along(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    Path(fleet.path("store/entries/WEB1.json")).write_text("{")
    assert said(capsys, "clone", "delete", "web1", "--force")[0] == 0
    assert data(capsys, "update", "list") == []


@pytest.mark.slow
def test_force_removes_no_disk_that_is_in_use(hurt: Site, capsys: pytest.CaptureFixture[str]) -> None:
    disk = next(name for name in os.listdir(hurt.path("store/disks")) if name.startswith("web1-1B5"))
    with subprocess.Popen(["sleep", "60"], cwd=hurt.path("store/disks", disk)) as user:
        code, out = said(capsys, "clone", "delete", "web1", "--force")
        user.kill()
    assert code == 3 and "is in use" in out
    assert disk in os.listdir(hurt.path("store/disks"))
    assert said(capsys, "clone", "delete", "web1", "--force")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("words", [slow(()), ("--force",)])
def test_a_clone_whose_disks_are_missing_is_removed(
    words: tuple[str, ...], moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in os.listdir(moved.path("store/disks")):
        if name.startswith("web1-"):
            shutil.rmtree(moved.path("store/disks", name))
    code, out = said(capsys, "clone", "delete", "web1", *words)
    assert code == 0, out
    assert [row["name"] for row in data(capsys, "clone", "list")] == ["web2"]
    assert said(capsys, "linked")[0] == 0


@pytest.mark.slow
def test_force_on_a_clone_that_is_whole_is_a_removal_like_any_other(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with moved.host.hold("WEB1", runs=True):
        assert said(capsys, "clone", "delete", "web1", "--force")[0] == 3
    assert said(capsys, "clone", "delete", "web1", "--force")[0] == 0


def closed(site: Site, name: str) -> Path:
    """A database of the site, with nothing beside it."""
    site.close()
    file = Path(site.path(name))
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", *map(slow, ["zeros", "not JSON", "not UTF-8"])])
def test_a_damaged_catalog_is_an_error_with_advice(how: str, moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    file = closed(moved, "catalog.sqlite")
    if how == "cut":
        os.truncate(file, 4096 * 3)
    elif how == "zeros":
        content = file.read_bytes()
        file.write_bytes(content[:4096] + bytes(len(content) - 4096))
    else:
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA writable_schema=ON")
            value = "CAST(x'7b22ff' AS TEXT)" if how == "not UTF-8" else "'{\"hostname'"
            database.execute(f"UPDATE clones SET identity = {value}")
    before = file.read_bytes()
    for words in (("clone", "list"), ("clone", "show", "web1"), ("update", "run", "web1"), ("clone", "delete", "web1")):
        code, out = said(capsys, *words)
        assert code == 4 and "is damaged" in out and "from a backup" in out and "--force" not in out, (words, out)
    assert how in ("not JSON", "not UTF-8") or file.read_bytes() == before


@pytest.mark.slow
def test_a_damaged_workflow_database_is_put_aside_and_the_update_goes_on(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    file = closed(fleet, "workflow.sqlite")
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    assert said(capsys, "review", "resolve", "web1", "--all", "--take", "gold")[0] == 0
    code, out = said(capsys, "update", "run", "web1")
    assert code == 4 and f"mv {file} {file}.damaged" in out
    file.rename(f"{file}.damaged")
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    code, out = said(capsys, "update", "run", "web1")
    assert code == 0, out
    assert text(fleet, "web1", "etc/plain.conf") == "gold\n"


@pytest.mark.slow
def test_damaged_caches_cost_a_scan_and_no_more(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    caches = [path for path in Path(moved.path("manifests")).rglob("*") if path.is_file()]
    assert caches
    for path in caches:
        path.write_bytes(b"\x28\xb5\x2f\xfd" + os.urandom(200))
    next_gold(moved, {"etc/plain.conf": "newer\n"})
    for words in (
        ("clone", "diff", "web1"),
        ("update", "plan", "web1"),
        ("update", "run", "web1"),
        ("rollback", "web1"),
    ):
        code, out = said(capsys, *words)
        assert code == (words[1] == "diff"), (words, out)


@pytest.mark.slow
def test_what_was_asked_for_is_not_called_damage(moved: Site) -> None:
    from goldroot.catalog import clones

    with moved.catalog.read() as tx, pytest.raises(UnicodeEncodeError):
        clones.find(tx, "w\udcff")
    with pytest.raises(ValueError, match="mine"), moved.catalog.read():
        raise ValueError("mine")
    assert not issubclass(Damaged, ValueError)


# -- full disks


def test_the_reserve_is_made_and_given_up_where_there_is_no_room(fleet: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(fleet.path("reserve"))
    place.unlink(missing_ok=True)
    keep_reserve(fleet)
    assert (place.stat().st_size, place.stat().st_blocks * 512, place.stat().st_mode & 0o777) == (
        1 << 20,
        1 << 20,
        0o600,
    )
    with making_room(fleet):
        assert place.exists(), "there is room"
    free = {"bytes": 1000}
    monkeypatch.setattr(space, "has_room", lambda _, size: free["bytes"] >= size)
    with pytest.raises(ZeroDivisionError), making_room(fleet):
        assert not place.exists()
        raise ZeroDivisionError
    assert not place.exists(), "there is no room yet"
    free["bytes"] = 100 << 20
    with making_room(fleet):
        pass
    assert place.exists()
    free["bytes"] = 1000
    with making_room(fleet):
        free["bytes"] = 1 << 20
    assert place.stat().st_size == 1 << 20, "what was given up is taken back, be it the last room"
    free["bytes"] = 1000
    with making_room(fleet):
        free["bytes"] = 300 << 10
    assert place.stat().st_size == 256 << 10, "and where the command's log still has some of it, as much as there is"
    with making_room(fleet):
        free["bytes"] = 1000 << 10
    assert place.stat().st_size == 960 << 10, "nearly all of it: half would be gone after four commands"
    free["bytes"] = 100 << 20
    keep_reserve(fleet)
    assert place.stat().st_size == 1 << 20, "it is filled up"
    free["bytes"] = 1000
    with making_room(fleet):
        pass
    free["bytes"] = 1 << 20
    keep_reserve(fleet)
    assert not place.exists(), "of the last room nothing is taken that was not had"
    free["bytes"] = 100 << 20
    keep_reserve(fleet)
    assert place.exists()
    assert not [name for name in os.listdir(fleet.root) if name.endswith(".new")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 12 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", place], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> None:
    """Leave not one byte."""
    with open(place / "filler", "wb", buffering=0) as file:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.mark.root
@pytest.mark.parametrize(
    "words",
    [
        ("fallback", "prune", "web1", "web2", "--force"),
        slow(("clone", "delete", "web1", "web2")),
        slow(("update", "cancel", "web3")),
    ],
)
def test_what_makes_room_works_on_a_full_disk(
    words: tuple[str, ...], small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = small_site(small_disk)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    shutil.rmtree(small_disk / "root")
    assert said(capsys, "clone", "create", "web1", "web2", "web3", "--image", IMAGE)[0] == 0
    on_clone(site, "web3", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "--all", "--jobs", "1")[0] == 1
    site.close()
    assert Path(site.path("reserve")).exists()
    fill(small_disk)
    code, out = said(capsys, "clone", "create", "web4", "--image", IMAGE)
    assert code == 4 and "no space left" in out
    code, out = said(capsys, *words)
    assert code == 0, out
    (small_disk / "filler").unlink()
    assert said(capsys, "clone", "create", "web5", "--image", IMAGE)[0] == 0
    assert Path(site.path("reserve")).exists(), "it is made again"


@pytest.mark.root
@pytest.mark.slow
def test_a_killed_update_can_be_cancelled_on_a_full_disk(
    small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run in the engine may have to wait for room."""
    site = small_site(small_disk)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    shutil.rmtree(small_disk / "root")
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE)[0] == 0
    next_gold(site, {"etc/plain.conf": "gold\n"})
    site.close()
    kill_at("update.merge.done:1", lambda: guarded(cli, ["update", "run", "web1"]))
    fill(small_disk)
    code, out = said(capsys, "update", "cancel", "web1")
    assert code == 0, out
    (small_disk / "filler").unlink()
    assert said(capsys, "update", "run", "web1")[0] == 0
    with closing(Site.open(site.root)) as again, engine_of(again) as engine:
        assert engine.unfinished() == []


@pytest.mark.root
def test_doctor_looks_on_a_full_disk_and_a_backup_says_what_is_wrong(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = small_site(small_disk)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    shutil.rmtree(small_disk / "root")
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE)[0] == 0
    site.close()
    fill(small_disk)
    for more in ((), ("--repair", "--plan"), ("--repair", "--yes")):
        assert said(capsys, "doctor", *more) == (0, "Everything is as it should be.\n")
    code, out = said(capsys, "backup", str(tmp_path / "backup.tar"))
    assert code == 4 and "no space left" in out and "damaged" not in out
    assert not (tmp_path / "backup.tar").exists()
    next(Path(site.root).glob("**/entries/WEB1*")).unlink()
    code, out = said(capsys, "doctor")
    assert code == 1 and "WEB1" in out, "and it finds what is wrong"


def test_a_catalog_without_room_for_its_index_is_only_looked_at(fleet: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the kernel kills who writes into a hole of the index, where blocks are smaller than pages."""
    file = closed(fleet, "catalog.sqlite")
    real = os.statvfs

    class Full:
        f_bavail = f_bfree = 3
        f_frsize = 1024

    monkeypatch.setattr(store.os, "statvfs", lambda path: Full if str(path) == fleet.root else real(path))
    with open_catalog(file) as catalog:
        with catalog.read() as tx:
            assert tx
        with pytest.raises(NoSpace, match="no space left for the catalog"), catalog.begin():
            pass
    assert is_there(file) and damage_of(str(file)) == ""
    assert not Path(f"{file}-shm").exists()
    with open(file, "r+b") as database:
        database.seek(100)
        database.write(b"\xff" * 4000)
    assert damage_of(str(file))
