"""``goldroot backup`` and ``restore``: what is lost comes back, what is newer stays, and what is not a backup is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from goldroot.catalog import clones
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import BadInput, Busy
from goldroot.fleet.restoring import _Restoring
from goldroot.locks import lock, lock_file
from goldroot.site import Site, read_backup
from goldroot.site.backup_file import HEAD, MANIFEST
from support.commands import data, said
from support.fleet import IMAGE, dump, moved_site, next_gold, on_clone, text
from support.killing import kill_at
from support.marks import slow


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 is on gold 2 with a fallback, web2 on gold 1."""
    site = moved_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    yield site
    site.close()


@pytest.fixture
def kept(moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A backup of the site."""
    file = tmp_path / "kept.tar"
    code, out = said(capsys, "backup", str(file))
    assert code == 0, out
    return file


def rows(site: Site) -> list[str]:
    """All that a catalog holds, but for the events."""
    with closing(sqlite3.connect(site.catalog_file)) as catalog:
        return [line for line in catalog.iterdump() if 'INTO "events"' not in line and "sqlite_sequence" not in line]


def members(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


@pytest.mark.slow
def test_a_backup_holds_everything_but_the_disks_and_is_its_owners_alone(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = members(kept)
    assert names[0] == HEAD and names[-1] == MANIFEST
    assert {
        "site/goldroot.toml",
        "site/catalog.sqlite",
        "site/keys/site",
        "site/keys/allowed_signers",
        f"site/images/{IMAGE}/gold/2/record.json",
        "host/local/entries/WEB1.json",
        "host/local/label",
    } <= set(names)
    assert any(name.startswith("site/records/web1/") for name in names)
    assert not any("disks" in name or "workflow" in name for name in names)
    assert kept.stat().st_mode & 0o777 == 0o600
    with tarfile.open(kept) as tar:
        assert {member.mode for member in tar} == {0o600}
    code, out = said(capsys, "backup", str(kept))
    assert code == 0 and "private key" in out and "Not in it: the disks" in out, "a former backup is replaced"


def test_a_backup_replaces_nothing_else(moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine\n")
    assert said(capsys, "backup", str(mine))[0] == 3
    assert mine.read_text() == "mine\n"
    assert said(capsys, "backup", str(tmp_path / "no" / "where.tar"))[0] == 2
    assert said(capsys, "backup", str(tmp_path / "planned.tar"), "--plan")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "root", "site"]


def test_a_damaged_catalog_makes_no_backup(moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved.close()
    before = kept.read_bytes()
    file = Path(moved.path("catalog.sqlite"))
    os.truncate(file, file.stat().st_size // 2)
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    code, out = said(capsys, "backup", str(kept))
    assert code == 4 and "goldroot doctor" in out
    assert kept.read_bytes() == before
    assert [path.name for path in kept.parent.iterdir() if path.name.endswith(".new")] == []


def test_a_backup_is_taken_while_somebody_writes(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    with moved.catalog.begin() as tx:
        tx.event("tested", "image:small", form="half")
        assert said(capsys, "backup", str(tmp_path / "b.tar"))[0] == 0
    with moved.lock("clone-web1"):
        assert said(capsys, "backup", str(tmp_path / "b.tar"))[0] == 0


@pytest.mark.parametrize(
    "lost", ["images", *map(slow, ["catalog.sqlite", "keys", "records", "goldroot.toml", "store/entries"])]
)
def test_what_was_lost_comes_back(lost: str, moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = rows(moved), dump(moved, "web1")
    moved.close()
    place = Path(moved.path(lost))
    if place.is_dir():
        shutil.rmtree(place)
        if lost == "store/entries":
            place.mkdir(mode=0o700)
    else:
        place.unlink()
    if lost == "catalog.sqlite":
        for beside in ("-wal", "-shm"):
            Path(f"{place}{beside}").unlink(missing_ok=True)
    assert said(capsys, "restore", str(kept), "--plan")[0] == 0
    code, out = said(capsys, "restore", str(kept))
    assert code == 0, out
    assert "Everything is as it should be." in out
    site = Site.open(moved.root)
    assert rows(site) == before
    assert dump(site, "web1") == files
    assert said(capsys, "rollback", "web1")[0] == 0
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    site.close()


DAMAGED = (
    "goldroot.toml", "keys/site", "keys/allowed_signers", "images/small/layout.toml", "images/small/gold/1/record.json",
    "images/small/gold/2/1B5.manifest", "images/small/gold/2/accounts.json", "records/web1/*/record.json",
    "store/entries/WEB1.json", "store/labels/web2-1B5-*.json",
)  # fmt: skip


@pytest.mark.parametrize("damaged", ["all", *map(slow, DAMAGED)])
def test_what_was_damaged_is_replaced_and_kept_beside(
    damaged: str, moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.close()
    files = [next(Path(moved.root).glob(one)) for one in (DAMAGED if damaged == "all" else [damaged])]
    contents = {file: file.read_bytes() for file in files}
    for file in files:
        file.write_bytes(b"\xff" + contents[file][:20])
    report = data(capsys, "restore", str(kept))
    assert report["doctor"]["sound"], report
    for file, content in contents.items():
        assert file.read_bytes() == content
        name = str(file.relative_to(moved.root))
        assert name in report["replaced"]
        assert (Path(report["aside"]) / name).read_bytes() == b"\xff" + content[:20]
    assert Path(report["aside"]).stat().st_mode & 0o777 == 0o700


def test_what_is_newer_than_the_backup_stays_and_the_rest_is_brought_up(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next_gold(moved, {"etc/plain.conf": "gold 3\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    assert said(capsys, "clone", "create", "web3", "--image", IMAGE)[0] == 0
    config = Path(moved.path("goldroot.toml"))
    config.write_text(config.read_text() + "# newer\n")
    files = {name: dump(moved, name) for name in ("web1", "web2", "web3")}
    with moved.catalog.read() as tx:
        before = [(one.name, one.version, one.last) for one in clones.every(tx)]
    moved.close()
    report = data(capsys, "restore", str(kept))
    assert not report["doctor"]["sound"]
    assert report["kept"] == ["goldroot.toml"]
    assert {"clone-behind", "clone-unknown", "gold-unknown"} <= {one["kind"] for one in report["doctor"]["findings"]}
    assert data(capsys, "doctor", "--repair", "--yes")["sound"]
    site = Site.open(moved.root)
    with site.catalog.read() as tx:
        assert [(one.name, one.version, one.last) for one in clones.every(tx)] == before
    assert {name: dump(site, name) for name in files} == files
    site.close()


@pytest.mark.slow
def test_an_update_that_was_in_flight_then_begins_again(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal that is there is of runs that the catalog of the backup does not know: it is put aside."""
    on_clone(moved, "web2", {"etc/plain.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 1
    assert said(capsys, "backup", str(tmp_path / "b.tar"))[0] == 0
    assert said(capsys, "update", "run", "web2")[0] == 1
    moved.close()
    assert said(capsys, "restore", str(tmp_path / "b.tar"))[0] in (0, 1)
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 0
    assert said(capsys, "update", "run", "web2")[0] == 1
    assert said(capsys, "review", "resolve", "web2", "--all", "--take", "gold")[0] == 0
    code, out = said(capsys, "update", "run", "web2")
    assert code == 0, out
    assert text(moved, "web2", "etc/plain.conf") == "gold\n"


@pytest.mark.slow
def test_a_site_is_moved_by_a_backup_and_its_store(
    moved: Site, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved.close()
    there = tmp_path / "elsewhere"
    there.mkdir()
    shutil.move(moved.path("store"), there / "store")
    code, out = said(capsys, "restore", str(kept), "--to", str(there))
    assert code == 0, out
    monkeypatch.setenv("GOLDROOT_SITE", str(there))
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert oct((there / "keys/site").stat().st_mode & 0o777) == "0o600"


def test_a_site_that_was_only_made_becomes_that_of_the_backup(
    moved: Site, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved.close()
    there = tmp_path / "made"
    assert said(capsys, "init", str(there))[0] == 0
    shutil.rmtree(there / "store")
    shutil.move(moved.path("store"), there / "store")
    code, out = said(capsys, "restore", str(kept), "--to", str(there))
    assert code == 0, out
    monkeypatch.setenv("GOLDROOT_SITE", str(there))
    assert said(capsys, "gold", "verify", IMAGE)[0] == 0


def test_a_new_directory_without_the_store_says_so(
    moved: Site, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = data(capsys, "restore", str(kept), "--to", str(tmp_path / "new"))
    assert [one["kind"] for one in report["doctor"]["findings"]] == ["host-silent"]


def test_other_places_are_refused(moved: Site, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").write_text("mine\n")
    assert said(capsys, "restore", str(kept), "--to", str(tmp_path / "home"))[0] == 3
    assert said(capsys, "init", str(tmp_path / "other"))[0] == 0
    root = str(tmp_path / "root")
    assert said(capsys, "image", "import", "i", "--from", root, "--site", str(tmp_path / "other"))[0] == 0
    code, out = said(capsys, "restore", str(kept), "--to", str(tmp_path / "other"))
    assert code == 3 and "another site" in out
    with moved.lock("clone-web1", doing="a test"):
        assert said(capsys, "restore", str(kept))[0] == 5
    assert os.listdir(tmp_path / "home") == ["letter"]


@pytest.mark.parametrize(
    "point", ["restore.catalog-aside:1", *map(slow, ["restore.put:1", "restore.put:3", "restore.catalog:1"])]
)
def test_a_restore_that_was_killed_is_finished_by_the_same_command(
    point: str, moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(moved)
    moved.close()
    shutil.rmtree(moved.path("keys"))
    (Path(moved.path("store/entries")) / "WEB2.json").unlink()
    kill_at(point, lambda: guarded(cli, ["restore", str(kept)]))
    code, out = said(capsys, "restore", str(kept))
    assert code == 0, out
    site = Site.open(moved.root)
    assert rows(site) == before
    site.close()
    assert not [name for name in os.listdir(moved.root) if name.startswith(".restore")]


# -- files that are not a backup

Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def rewritten(kept: Path, change: Change, *, right: bool = False) -> Path:
    """The same backup with other members; ``right``: its manifest has them."""
    with tarfile.open(kept) as tar:
        found = [(member, b"" if (file := tar.extractfile(member)) is None else file.read()) for member in tar]
    change(found)
    if right:
        files = [{"name": m.name, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for m, c in found[1:-1]]
        found[-1] = (found[-1][0], json.dumps({"files": files}).encode())
    out = kept.with_name("changed.tar")
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in found:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made, b"evil\n" if kind == tarfile.REGTYPE else b""


def changed_content(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    at = next(place for place, one in enumerate(found) if one[0].name.endswith("record.json"))
    found[at] = (found[at][0], found[at][1].replace(b"1", b"2", 1))


def padded(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    found[1][0].pax_headers = {"GNU.sparse.realsize": str(1 << 40), "GNU.sparse.major": "1"}


HOSTILE: dict[str, Change] = {
    "absolute": lambda found: found.insert(1, member("/etc/evil")),
    "dots": lambda found: found.insert(1, member("site/../../evil")),
    "dots inside": lambda found: found.insert(1, member("site/keys/../../../evil")),
    "a dot": lambda found: found.insert(1, member("site/./evil")),
    "hidden": lambda found: found.insert(1, member("site/keys/.evil")),
    "no room": lambda found: found.insert(1, member("evil")),
    "a NUL": lambda found: found.insert(1, member("site/keys/ev\nil")),
    "a link out": lambda found: found.insert(1, member("site/keys/site2", tarfile.SYMTYPE, "/etc/passwd")),
    "a hard link": lambda found: found.insert(2, member("site/keys/site2", tarfile.LNKTYPE, "/etc/passwd")),
    "a link as a directory": lambda found: found.insert(1, member("site/images", tarfile.SYMTYPE, "/")),
    "a device": lambda found: found.insert(1, member("site/keys/null", tarfile.CHRTYPE)),
    "a block device": lambda found: found.insert(1, member("site/keys/disk", tarfile.BLKTYPE)),
    "a FIFO": lambda found: found.insert(1, member("site/keys/pipe", tarfile.FIFOTYPE)),
    "a directory": lambda found: found.insert(1, member("site/keys", tarfile.DIRTYPE)),
    "an unknown kind": lambda found: found.insert(1, member("site/keys/x", b"Z")),
    "twice": lambda found: found.insert(2, found[1]),
    "another content": changed_content,
    "one too many": lambda found: found.insert(1, member("site/keys/evil")),
    "one too few": lambda found: found.pop(1) and None,  # type: ignore[func-returns-value]
    "no head": lambda found: found.pop(0) and None,  # type: ignore[func-returns-value]
    "no manifest": lambda found: found.pop() and None,  # type: ignore[func-returns-value]
    "behind the end": lambda found: found.append(member("site/keys/evil")),
    "the head twice": lambda found: found.insert(1, found[0]),
    "sparse": padded,
    "deep": lambda found: found.insert(1, member("site/" + "a/" * 40 + "a")),
    "long": lambda found: found.insert(1, member("site/" + "a" * 3000)),
    "nothing": lambda found: found.clear(),
    "a head that is a list": lambda found: found.__setitem__(0, (found[0][0], b"[]")),
    "a head of deep lists": lambda found: found.__setitem__(0, (found[0][0], b"[" * 100000)),
    "a manifest of deep lists": lambda found: found.__setitem__(-1, (found[-1][0], b"[" * 100000)),
    "a manifest of numbers": lambda found: found.__setitem__(-1, (found[-1][0], b'{"files": [1, 2]}')),
}  # fmt: skip


def test_hostile_archives_are_refused_before_anything_is_changed(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.close()
    before = {
        path: path.lstat().st_mtime_ns for path in Path(moved.root).rglob("*") if not path.name.startswith("catalog")
    }
    for which, change in HOSTILE.items():
        file = rewritten(kept, change)
        outside = sorted(os.listdir(kept.parent))
        code, out = said(capsys, "restore", str(file))
        assert code == 2 and "Nothing was changed." in out, (which, out)
        assert sorted(os.listdir(kept.parent)) == outside, which
        assert not [name for name in os.listdir(moved.root) if "restore" in name], which
    assert {path: path.lstat().st_mtime_ns for path in before} == before


def test_what_no_backup_has_goes_nowhere(moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Members that are well formed, and in their manifest, and that nobody asks for."""
    names = ("site/store/entries/WEB1.json", "site/workflow.sqlite", "host/other/entries/X.json", "site/locks/x.lock")
    file = rewritten(kept, lambda found: [found.insert(1, member(name)) for name in names] and None, right=True)
    moved.close()
    entry = Path(moved.path("store/entries/WEB1.json")).read_bytes()
    assert said(capsys, "restore", str(file))[0] == 0
    assert Path(moved.path("store/entries/WEB1.json")).read_bytes() == entry
    files = [path for path in Path(moved.root).rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if path.read_bytes() == b"evil\n"]


def test_what_is_not_a_backup_is_refused(moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, content = kept.with_name("other"), kept.read_bytes()
    made = {"text": b"hello\n" * 1000, "empty": b"", "gz": gzip.compress(content, 1), "cut": content[:-20000],
            "half": content[: len(content) // 2]}  # fmt: skip
    for what, bytes_of in made.items():
        file.write_bytes(bytes_of)
        assert said(capsys, "restore", str(file))[0] == 2, what
    assert said(capsys, "restore", str(kept.parent))[0] == 2
    assert said(capsys, "restore", str(kept.with_name("missing")))[0] == 2
    os.mkfifo(kept.with_name("pipe"))
    assert said(capsys, "restore", str(kept.with_name("pipe")))[0] == 2
    newer = rewritten(kept, lambda found: found.__setitem__(0, (found[0][0], b'{"goldroot_backup": 2}')))
    assert said(capsys, "restore", str(newer))[0] == 6


def test_every_part_of_a_backup_is_refused(kept: Path) -> None:
    content = kept.read_bytes()
    file = kept.with_name("part")
    whole = content.rstrip(b"\0")
    for size in range(0, len(whole), max(1, len(whole) // 60)):
        file.write_bytes(content[:size])
        with pytest.raises(BadInput):
            read_backup(str(file))


# -- beside commands


def test_a_command_that_began_while_a_backup_was_read_keeps_its_catalog(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = ExitStack()
    records = _Restoring._records
    place = lock_file(moved.path("locks"), "clone-web1")

    def begins(self: _Restoring) -> None:
        records(self)
        held.enter_context(lock(place, 0.0, "goldroot update run web1"))

    monkeypatch.setattr(_Restoring, "_records", begins)
    before = os.stat(moved.catalog_file).st_ino
    with held:
        code, out = said(capsys, "restore", str(kept))
        assert code == 5 and "goldroot update run web1" in out
        assert os.stat(moved.catalog_file).st_ino == before
    monkeypatch.setattr(_Restoring, "_records", records)
    assert said(capsys, "restore", str(kept))[0] == 0


def test_no_command_begins_beside_a_restore(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    records = _Restoring._records

    def begins(self: _Restoring) -> None:
        told.append(said(capsys, "clone", "delete", "web2"))
        records(self)

    monkeypatch.setattr(_Restoring, "_records", begins)
    assert said(capsys, "restore", str(kept))[0] == 0
    ((code, out),) = told
    assert code == 5 and "goldroot restore" in out
    assert data(capsys, "clone", "show", "web2")["clone"] == "web2"


def test_what_is_decided_below_a_restore_is_not_said_to_be_kept(
    moved: Site, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A review stays open for hours, and holds no lock meanwhile."""
    with moved.catalog.read() as tx:
        assert clones.get(tx, "web1").version == 2
    assert said(capsys, "restore", str(kept))[0] == 0
    with pytest.raises(Busy, match="another catalog"), moved.catalog.begin() as tx:
        tx.event("clone-moved", "clone:web1")
