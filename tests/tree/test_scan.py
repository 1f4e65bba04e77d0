"""Scanning: what is on disk is what the manifest says, and nothing outside the tree is ever touched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from goldroot.errors import BadInput, TreeChanged
from goldroot.tree.entry import Entry
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.paths import tree_key
from goldroot.tree.remove import remove_tree
from goldroot.tree.scan import reading as reading_module
from goldroot.tree.scan import scan as scan_module
from goldroot.tree.scan import walk as listing_module
from goldroot.tree.scan.scan import Writers, hash_files, scan_tree, scan_trees
from support.open_way import need_other_users
from support.trees import MTIME, Device, Dir, Fifo, File, HardLink, Link, Socket, make_tree


def found(root: Path, **options: object) -> dict[bytes, Entry]:
    manifest = scan_tree(root, **options).manifest  # type: ignore[arg-type]
    return {row[0]: Entry._make(row) for row in manifest.rows()}


def settled(manifest: Manifest, root: Path) -> Manifest:
    """The manifest with true signatures, as a scan of a tree that is older than two seconds has them."""
    rows = []
    for row in manifest.rows():
        status = os.lstat(os.path.join(os.fsencode(root), row[0]) if row[0] else root)
        rows.append(Entry._make(row)._replace(ctime=status.st_ctime_ns))
    return Manifest.from_rows(rows)


def test_every_kind_and_every_fact(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "t",
        {
            "": Dir(mode=0o750, mtime=7),
            "d": Dir(mode=0o2755, xattrs={"user.d": b"1"}),
            "d/file": File(b"hello", mode=0o4711, mtime=-5, xattrs={"user.b": b"2", "user.a": b""}),
            "empty": "",
            "link": Link("../no/where"),
            "pipe": Fifo(mode=0o600),
            "sock": Socket(),
        },
    )
    rows = found(root)
    assert list(rows) == [b"", b"d", b"d/file", b"empty", b"link", b"pipe", b"sock"]
    assert rows[b""][:8] == (b"", "d", 0o750, os.geteuid(), rows[b""].gid, 0, 7, b"")
    assert rows[b"d"].mode == 0o2755
    assert rows[b"d"].xattrs == ((b"user.d", b"1"),)
    file = rows[b"d/file"]
    assert (file.kind, file.mode, file.size, file.mtime) == ("f", 0o4711, 5, -5)
    assert file.content == sha256(b"hello").digest()
    assert file.xattrs == ((b"user.a", b""), (b"user.b", b"2"))
    assert file.inode == os.lstat(root / "d/file").st_ino
    assert rows[b"empty"].content == sha256(b"").digest()
    assert (rows[b"link"].kind, rows[b"link"].content, rows[b"link"].size) == ("l", b"../no/where", 0)
    assert [rows[name].kind for name in (b"pipe", b"sock")] == ["p", "s"]
    assert {row.group for row in rows.values()} == {0}


def test_rows_stand_in_tree_order(tmp_path: Path) -> None:
    table = dict.fromkeys(
        ["a/b", "a.c", "a", "a-", "b", b"\xff", b"\xc3\xa9", "ö/x", b"\xf0\x9f\x98\x80", b"\xee\x80\x80"], ""
    )
    table.pop("a")
    rows = list(found(make_tree(tmp_path / "t", table)))
    assert rows == sorted(rows, key=tree_key)
    assert rows.index(b"a/b") < rows.index(b"a-")


def test_odd_names(tmp_path: Path) -> None:
    names = [b"-rf", b"new\nline", b"\xff\xfe", b" ", b"tab\t", b"x" * 255, b"\\", b"*", b"...", b"..a"]
    root = make_tree(tmp_path / "t", {name: name for name in names} | {b"dir\xff\n/" + name: b"" for name in names})
    rows = found(root)
    assert {name for name in rows if b"/" not in name} - {b"", b"dir\xff\n"} == set(names)
    assert all(rows[name].content == sha256(name).digest() for name in names)


@pytest.mark.slow
def test_a_thousand_levels_and_paths_beyond_every_limit(tmp_path: Path) -> None:
    """No path is handed to the kernel, no descriptor kept for each level, and nothing recurses."""
    root = tmp_path / "t"
    root.mkdir()
    depth, name = 1030, b"n" * 100
    fd = os.open(root, os.O_RDONLY)
    for level in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        if level % 10 == 0:
            os.mkdir(b"z", dir_fd=below)
            os.close(os.open(b"zz", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(fd)
        fd = below
    os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    try:
        rows = found(root)
        assert len(rows) == 1 + depth + 2 * depth // 10
        assert b"/".join([name] * depth) in rows
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        remove_tree(root)
    assert not root.exists()


def test_links_are_never_followed(tmp_path: Path) -> None:
    make_tree(tmp_path / "outside", {"secret": "s"})
    root = make_tree(tmp_path / "t", {"up": Link(".."), "out": Link(str(tmp_path / "outside")), "self": Link("self")})
    assert list(found(root)) == [b"", b"out", b"self", b"up"]


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    """Opening a FIFO would wait for ever; a FIFO that takes a file's place under way is an error, and no wait."""
    root = make_tree(tmp_path / "t", {"pipe": Fifo(xattrs={}), "f": "x"})
    assert found(root)[b"pipe"].kind == "p"
    reader = reading_module.Reader(os.open(root, os.O_RDONLY), b"t", contents=lambda path: True)
    with pytest.raises(TreeChanged):
        reader.read(reading_module.Wanted(b"pipe", "f", 1, 1, 1))


def test_hard_links_are_grouped_by_first_name(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "t",
        {
            "a/one": "1", "b": "2", "c": HardLink("b"), "d": HardLink("a/one"), "alone": "3",
            "l": Link("x"), "m": HardLink("l"),
        },
    )  # fmt: skip
    os.link(root / "alone", tmp_path / "outside")
    rows = found(root)
    groups = {path: row.group for path, row in rows.items() if row.group}
    assert groups == {b"a/one": 1, b"d": 1, b"b": 2, b"c": 2, b"l": 3, b"m": 3}


@pytest.mark.root
def test_devices_owners_and_attributes_that_need_root(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "t",
        {
            "null": Device(kind="c", major=1, minor=3),
            "disk": Device(kind="b", major=300, minor=70000),
            "f": File("x", uid=12345, gid=54321, xattrs={"trusted.t": b"\0\xff"}),
            "l": Link("x", uid=5, xattrs={"trusted.l": b"on a link"}),
        },
    )
    rows = found(root)
    assert (rows[b"null"].kind, rows[b"null"].content) == ("c", b"1:3")
    assert (rows[b"disk"].kind, rows[b"disk"].content) == ("b", b"300:70000")
    assert (rows[b"f"].uid, rows[b"f"].gid, rows[b"f"].xattrs) == (12345, 54321, ((b"trusted.t", b"\0\xff"),))
    assert (rows[b"l"].uid, rows[b"l"].xattrs) == (5, ((b"trusted.l", b"on a link"),))


def test_lost_and_found_is_the_file_systems_own(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"lost+found": Dir(mode=0o700), "d/lost+found": Dir(), "e": ""})
    is_root = os.lstat(root / "lost+found").st_uid == 0
    assert (b"lost+found" in found(root)) is not is_root
    assert b"d/lost+found" in found(root)
    make_tree(root, {"lost+found/rescued": "x"})
    assert b"lost+found/rescued" in found(root)


@contextlib.contextmanager
def mounted(point: Path, *args: str) -> Iterator[None]:
    done = subprocess.run(["mount", *args, str(point)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(point)], check=True)


@pytest.mark.root
def test_another_file_system_is_not_entered(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "", "mnt/under": "hidden", "z": ""})
    with mounted(root / "mnt", "-t", "tmpfs", "none"):
        (root / "mnt/inside").write_text("x")
        result = scan_tree(root)
    assert list(result.manifest.paths()) == [b"", b"a", b"mnt", b"z"]
    assert [(note.kind, note.path) for note in result.notes] == [("other-file-system", b"mnt")]


@pytest.mark.root
def test_a_bind_mount_of_the_same_file_system_is_not_entered(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"mnt x": Dir()})
    make_tree(tmp_path / "other", {"inside": "x"})
    with mounted(root / "mnt x", "--bind", str(tmp_path / "other")):
        result = scan_tree(root)
    assert list(result.manifest.paths()) == [b"", b"mnt x"]
    assert [note.kind for note in result.notes] == ["other-file-system"]


# -- known -------------------------------------------------------------------------------------------------------------


def test_what_is_known_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "d/b": File("2", xattrs={"user.x": b"1"}), "l": Link("a")})
    first = settled(scan_tree(root).manifest, root)
    read: list[bytes] = []
    monkeypatch.setattr(
        reading_module.Reader,
        "read",
        lambda self, wanted: read.append(wanted.path) or reading_module.Found(b"", (), 0, 0),
    )
    again = scan_tree(root, known=first).manifest
    assert read == []
    assert again.digest() == first.digest()


@pytest.mark.parametrize("change", ["content", "mode", "xattr", "new", "gone", "replaced", "link"])
def test_every_change_is_seen_against_what_is_known(tmp_path: Path, change: str) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "d/b": "2", "d/c": "3", "l": Link("a")})
    first = settled(scan_tree(root).manifest, root)
    match change:
        case "content":  # the same size, and the time set back: only the ctime tells
            (root / "d/b").write_text("4")
            os.utime(root / "d/b", ns=(MTIME, MTIME))
            os.utime(root / "d", ns=(MTIME, MTIME))
        case "mode":
            os.chmod(root / "d/b", 0o600)
        case "xattr":
            os.setxattr(root / "d/b", "user.new", b"1")
        case "new":
            (root / "d/bb").write_text("n")
        case "gone":
            (root / "d/b").unlink()
        case "replaced":
            (root / "d/n").write_text("5")
            os.utime(root / "d/n", ns=(MTIME, MTIME))
            os.rename(root / "d/n", root / "d/b")
        case "link":
            (root / "l").unlink()
            (root / "l").symlink_to("b")
    with_known, without = scan_tree(root, known=first).manifest, scan_tree(root).manifest
    assert with_known.digest() == without.digest()
    assert with_known.digest() != first.digest()


def test_young_signatures_are_not_kept(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "1"})
    assert found(root)[b"a"].ctime == 0


def test_young_signatures_are_kept_of_a_tree_that_nobody_writes(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "d/b": "2"})
    rows = found(root, writers="ended")
    for path in ("a", "d/b"):
        assert rows[path.encode()].ctime == os.lstat(root / path).st_ctime_ns


def test_contents_can_be_left_out_and_chosen(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": File("1", xattrs={"user.x": b"1"}), "b": "2"})
    rows = found(root, contents=False)
    assert (rows[b"a"].content, rows[b"a"].xattrs) == (b"", ((b"user.x", b"1"),))
    rows = found(root, contents=lambda path: path == b"b")
    assert [rows[name].content for name in (b"a", b"b")] == [b"", sha256(b"2").digest()]
    known = settled(scan_tree(root, contents=False).manifest, root)
    assert found(root, known=known)[b"a"].content == sha256(b"1").digest()


def test_recorded_owners_are_taken_where_files_could_not_be_given_away(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "b": "2", "new": "3"})
    me = (os.geteuid(), os.lstat(root / "a").st_gid)
    recorded = [
        row._replace(uid=1000, gid=2000, mode=0o4644) for row in found(root).values() if row.path in (b"", b"a", b"b")
    ]
    known = settled(Manifest.from_rows(recorded), root)
    known.squashed = Squashed(*me)
    (root / "b").write_text("changed")
    result = scan_tree(root, known=known).manifest
    rows = {row[0]: Entry._make(row) for row in result.rows()}
    assert (rows[b"a"].uid, rows[b"a"].gid, rows[b"a"].mode) == (1000, 2000, 0o4644)
    assert (rows[b"b"].uid, rows[b"b"].gid, rows[b"b"].mode) == (1000, 2000, 0o4644)
    assert (rows[b"new"].uid, rows[b"new"].gid) == me
    assert result.squashed == known.squashed


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("missing", "file", "file/below", "nul\0"):
        with pytest.raises(BadInput):
            scan_tree(tmp_path / name)


def test_a_changing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"d/log": "1"})
    digest = reading_module.Digester.digest

    def written_meanwhile(self: reading_module.Digester, fd: int, size: int) -> bytes:
        with open(root / "d/log", "a") as log:
            log.write("2")
        return digest(self, fd, size)

    monkeypatch.setattr(reading_module.Digester, "digest", written_meanwhile)
    with pytest.raises(TreeChanged, match="d/log changed"):
        scan_tree(root)


@pytest.mark.parametrize("replacement", ["nothing", "link", "directory"])
def test_a_path_that_changes_between_two_looks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replacement: str
) -> None:
    make_tree(tmp_path / "outside", {"f": "secret"})
    root = make_tree(tmp_path / "t", {"d/f": "1"})
    read = reading_module.Reader.read

    def replaced(self: reading_module.Reader, wanted: reading_module.Wanted) -> reading_module.Found:
        if wanted.path == b"d/f" and os.path.lexists(root / "d/f"):
            remove_tree(root / "d")
            if replacement == "link":
                (root / "d").symlink_to(tmp_path / "outside")
            elif replacement == "directory":
                make_tree(root, {"d/f": "1"})
        return read(self, wanted)

    monkeypatch.setattr(reading_module.Reader, "read", replaced)
    with pytest.raises(TreeChanged, match="t/d/f"):
        scan_tree(root, contents=lambda path: True)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user may enter (pytest's own are the caller's alone)."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_a_denied_directory_and_a_denied_file_are_named(open_path: Path) -> None:
    root = make_tree(open_path / "t", {"ok": "", "d/closed": File("x", mode=0o000), "e/closed": Dir(mode=0o000)})
    program = "import os, sys; from goldroot.tree import scan_tree\n"
    need_other_users()
    if os.geteuid() == 0:
        program += "os.setgid(65534); os.setuid(65534)\n"
    program += "try: scan_tree(sys.argv[1])\nexcept Exception as e: print(type(e).__name__, e.brief)\n"

    def said() -> str:
        done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
        return done.stdout

    assert said().startswith(f"NoPermission {root}/e/closed cannot be read")
    os.chmod(root / "e/closed", 0o755)
    assert said().startswith(f"NoPermission {root}/d/closed cannot be read")


def test_a_live_tree_may_lose_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"a": "", "b": "", "c": ""})
    fd = os.open(root, os.O_RDONLY)
    listed = listing_module.sorted_entries(fd)  # its entries ask this descriptor for their status
    (root / "b").unlink()
    monkeypatch.setattr(listing_module, "sorted_entries", lambda fd: listed)
    result = scan_tree(root, writers="live")
    assert list(result.manifest.paths()) == [b"", b"a", b"c"]
    assert [(note.kind, note.path) for note in result.notes] == [("vanished", b"b")]
    with pytest.raises(TreeChanged):
        scan_tree(root)
    os.close(fd)


def test_hash_files(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"b": "2", "a/x": "1", "big": b"z" * 300_000, "l": Link("b")})
    paths = [b"b", b"big", b"a/x"]
    digests = hash_files(root, paths)
    assert digests == {
        b"b": sha256(b"2").digest(),
        b"a/x": sha256(b"1").digest(),
        b"big": sha256(b"z" * 300_000).digest(),
    }
    for wrong in (b"l", b"a", b"missing"):
        with pytest.raises(TreeChanged):
            hash_files(root, [wrong])
    assert hash_files(root, []) == {}


def test_many_files_are_read_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldroot.tree.scan.scan.RACY", 0)  # between two scans files grow old enough to be trusted
    table = {f"d{n % 40}/f{n}": File(str(n), xattrs={"user.n": b"%d" % n} if n % 500 == 0 else {}) for n in range(3500)}
    root = make_tree(tmp_path / "t", table)
    told: list[int] = []
    one, two = scan_tree(root, jobs=1).manifest, scan_tree(root, jobs=2, progress=told.append).manifest
    assert list(one.rows()) == list(two.rows())
    assert sum(told) == 2 * len(one)
    assert two.get(b"d0/f1000").xattrs == ((b"user.n", b"1000"),)  # type: ignore[union-attr]


class Restless:
    """Writes to a file of the tree each time that it is hashed, ``times`` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path, times: int) -> None:
        self.left = times
        digest = reading_module.Digester.digest

        def written_meanwhile(digester: reading_module.Digester, fd: int, size: int) -> bytes:
            found = digest(digester, fd, size)
            if self.left and os.fstat(fd).st_ino == os.stat(file).st_ino:
                self.left -= 1
                with open(file, "a") as log:
                    log.write("x")
            return found

        monkeypatch.setattr(reading_module.Digester, "digest", written_meanwhile)


def test_a_live_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"d/log": "1", "other": "2"})
    Restless(monkeypatch, root / "d/log", 2)
    with pytest.raises(TreeChanged):
        scan_tree(root)
    result = scan_tree(root, writers="live")
    row = result.manifest.get(b"d/log")
    assert row is not None
    assert (row.size, row.content) == (3, sha256(b"1xx").digest())
    assert row.mtime == os.stat(root / "d/log").st_mtime_ns
    assert result.notes == ()


def test_a_live_file_that_never_stands_still_is_taken_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path / "t", {"d/log": "1"})
    Restless(monkeypatch, root / "d/log", 1000)
    result = scan_tree(root, writers="live")
    assert [(note.kind, note.path) for note in result.notes] == [("changed-while-read", b"d/log")]
    row = result.manifest.get(b"d/log")
    assert row is not None
    assert row.ctime == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_live_tree_loses_is_left_out_with_all_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "d/e/f": "2", "d/z": "3", "gone": "4", "l": Link("a"), "z": "5"})
    walk = scan_module.walk

    def deleted_meanwhile(*args: object, **options: object) -> object:
        walked = walk(*args, **options)
        remove_tree(root / "d")
        (root / "gone").unlink()
        (root / "l").unlink()
        return walked

    monkeypatch.setattr(scan_module, "walk", deleted_meanwhile)
    result = scan_tree(root, writers="live", jobs=jobs)
    assert list(result.manifest.paths()) == [b"", b"a", b"z"]
    assert {note.kind for note in result.notes} == {"vanished"}
    assert {b"d", b"gone", b"l"} <= {note.path for note in result.notes}


@pytest.mark.parametrize("now", ["f", "d", "l", "p"])
def test_a_live_path_may_become_another_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str) -> None:
    make_tree(tmp_path / "outside", {"secret": "s"})
    root = make_tree(tmp_path / "t", {"d/in": "1", "f": "2", "l": Link("f"), "z": "3"})
    walk = scan_module.walk

    def exchanged_meanwhile(*args: object, **options: object) -> object:
        walked = walk(*args, **options)
        remove_tree(root / "d")
        for name in "fl":
            (root / name).unlink()
        thing = {"f": "new", "d": Dir(), "l": Link(str(tmp_path / "outside")), "p": Fifo()}[now]
        make_tree(root, dict.fromkeys("dfl", thing))
        return walked

    monkeypatch.setattr(scan_module, "walk", exchanged_meanwhile)
    result = scan_tree(root, writers="live")
    paths = list(result.manifest.paths())
    assert paths == [b"", *([now.encode()] if now in "dfl" else []), b"z"]
    assert {note.path for note in result.notes if note.kind == "vanished"} >= {b"d", b"f", b"l"} - set(paths)
    if now == "f":
        assert result.manifest.get(b"f").content == sha256(b"new").digest()  # type: ignore[union-attr]


@pytest.mark.parametrize("now", ["directory", "file", "link"])
def test_a_live_directory_may_be_exchanged_before_it_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str
) -> None:
    make_tree(tmp_path / "outside", {"secret": "s"})
    root = make_tree(tmp_path / "t", {"d/old": "1", "z": "3"})
    look = listing_module.Lister.look

    def exchanged(self: listing_module.Lister, path: bytes, status: object) -> object:
        if path == b"d" and (root / "d/old").exists():
            remove_tree(root / "d")
            thing = {"directory": Dir(), "file": "f", "link": Link(str(tmp_path / "outside"))}[now]
            make_tree(root, {"d": thing} | ({"d/new": "2"} if now == "directory" else {}))
        return look(self, path, status)  # type: ignore[arg-type]

    monkeypatch.setattr(listing_module.Lister, "look", exchanged)
    found = list(scan_tree(root, writers="live").manifest.paths())
    assert found == ([b"", b"d", b"d/new", b"z"] if now == "directory" else [b"", b"z"])


def test_a_name_of_a_live_directory_that_is_listed_twice_stands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "b": "2"})
    listed = listing_module.sorted_entries

    def twice(fd: int) -> tuple[list[bytes], listing_module.Listed]:
        names, entries = listed(fd)
        return [names[0], *names], [entries[0], *entries]

    monkeypatch.setattr(listing_module, "sorted_entries", twice)
    assert list(scan_tree(root, writers="live").manifest.paths()) == [b"", b"a", b"b"]


def test_a_name_that_becomes_another_file_leaves_its_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a log is rotated by a link and a new file."""
    root = make_tree(tmp_path / "t", {"log": "1", "log.1": HardLink("log"), "x": "2", "y": HardLink("x")})
    walk = scan_module.walk

    def rotated_meanwhile(*args: object, **options: object) -> object:
        walked = walk(*args, **options)
        (root / "log").unlink()
        (root / "log").write_text("new")
        return walked

    monkeypatch.setattr(scan_module, "walk", rotated_meanwhile)
    found = scan_tree(root, writers="live").manifest
    entries = {path: found.get(path) for path in (b"log", b"log.1", b"x", b"y")}
    assert [entry.group for entry in entries.values() if entry] == [0, 0, 1, 1]
    assert [entry.content for entry in entries.values() if entry] == [
        sha256(text).digest() for text in (b"new", b"1", b"2", b"2")
    ]


def test_a_trusted_signature_stays_trusted(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "1"})
    known = settled(scan_tree(root).manifest, root)
    assert scan_tree(root, known=known).manifest.get(b"a") == known.get(b"a")


def test_trees_that_are_alike_are_read_together(tmp_path: Path) -> None:
    base = {f"d{n % 7}/f{n}": f"{n}\n" * 3 for n in range(40)} | {"same": "x", "big": "b" * 300_000, "empty": ""}
    gold = base | {"same": "y", "new/file": "n", "d3/f10.x": "z", "big": "b" * 299_999 + "c"}
    clone = {path: content for path, content in base.items() if not path.startswith("d2/")} | {"d1/f1": "1\n" * 2}
    roots = [make_tree(tmp_path / name, table) for name, table in (("b", base), ("g", gold), ("c", clone))]
    together = scan_trees(roots)
    assert [one.manifest.digest() for one in together] == [scan_tree(root).manifest.digest() for root in roots]
    assert [list(one.manifest.rows()) for one in together] == [list(scan_tree(root).manifest.rows()) for root in roots]


@pytest.mark.slow
def test_alike_trees_are_read_together_by_several_processes(tmp_path: Path) -> None:
    table = {f"d{n % 40}/f{n}": str(n) for n in range(3200)}
    roots = [make_tree(tmp_path / name, table | {f"d5/{name}": name}) for name in "bgc"]
    known = settled(scan_tree(roots[1]).manifest, roots[1])
    together = scan_trees(roots, [None, known, None], jobs=2)
    assert [list(one.manifest.paths()) for one in together] == [
        list(scan_tree(root).manifest.paths()) for root in roots
    ]
    assert [one.manifest.digest() for one in together] == [scan_tree(root, jobs=1).manifest.digest() for root in roots]


@pytest.mark.slow
def test_a_large_tree_is_walked_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldroot.tree.scan.scan.RACY", 0)  # between two scans files grow old enough to be trusted
    table: dict[str, object] = {f"top{n}": "x" for n in range(30)} | {"a": Link("b"), "zz/first": HardLink("top1")}
    for number in range(700):
        table[f"d{number % 9}/e{number % 80}/f{number}/g"] = str(number)
    table |= {"d3/again": HardLink("top1"), "d8/e8/own": "1", "d1/e1/other": HardLink("d8/e8/own")}
    root = make_tree(tmp_path / "t", table)  # type: ignore[arg-type]
    one, two = scan_tree(root, jobs=1).manifest, scan_tree(root, jobs=2).manifest
    assert list(one.rows()) == list(two.rows())
    assert [row[0] for row in two.rows()] == sorted((row[0] for row in two.rows()), key=tree_key)
    assert {row[0]: row[11] for row in two.rows() if row[11]} == {
        b"d1/e1/other": 1, b"d3/again": 2, b"d8/e8/own": 1, b"top1": 2, b"zz/first": 2,
    }  # fmt: skip


def test_a_snapshot_of_a_running_system_trusts_no_ctime_of_the_last_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a guest writes through a mapping leaves no trace in a file's times until the page is on the disk."""
    make_tree(tmp_path / "root", {"file": File("content")})
    later, clock = 0, time.time_ns
    monkeypatch.setattr("goldroot.tree.scan.scan.time.time_ns", lambda: clock() + later)

    def ctime(writers: Writers) -> int:
        return {row[0]: row[13] for row in scan_tree(tmp_path / "root", writers=writers).manifest.rows()}[b"file"]

    later = 10 * 10**9
    assert (ctime("unknown") > 0, ctime("snapshot")) == (True, 0)
    later = 70 * 10**9
    assert ctime("snapshot") == os.stat(tmp_path / "root/file").st_ctime_ns


def test_progress_counts_each_entry_when_it_is_found_and_when_it_is_read(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"f{number}").write_text("x")
    counts: list[int] = []
    found = scan_tree(tmp_path, progress=counts.append).manifest
    again: list[int] = []
    scan_tree(tmp_path, known=found, progress=again.append)
    assert sum(counts) == sum(again) == 2 * len(found)
