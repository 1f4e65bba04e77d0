"""Building: what the rows say is what stands on the disk afterwards, or an error or a note says where it does not."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import BadInput, Failed, NoPermission, NoSpace, TreeChanged
from goldroot.tree.build import build as build_module
from goldroot.tree.build import make as make_module
from goldroot.tree.build.build import BuildOptions, Built, build_tree
from goldroot.tree.build.copy import copy_tree as synced_copy_tree
from goldroot.tree.build.copy import rows_of
from goldroot.tree.entry import INLINE, BuildRow
from goldroot.tree.kernel import read_flags, write_flags
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.remove import remove_tree
from goldroot.tree.scan.scan import scan_tree
from support.marks import slow
from support.open_way import need_other_users
from support.trees import MTIME, Device, Dir, Fifo, File, HardLink, Link, Socket, dump_tree, make_tree

#: Waiting for the disk makes tests slow and proves nothing; one test looks that it is done.


def build(rows: Iterable[BuildRow], sources: Sequence[Path], out: Path, **options: Any) -> Built:
    return build_tree(rows, sources, out, BuildOptions(sync=False)._replace(**options))


copy_tree = partial(synced_copy_tree, sync=False)

TOP = BuildRow(b"", "d", 0o755, os.geteuid(), os.getegid(), MTIME, (), 0, 0, INLINE, b"", b"", 0, 0, 0)


def inline(path: bytes, content: bytes = b"", **changes: object) -> BuildRow:
    return TOP._replace(path=path, kind="f", mode=0o644, content=content)._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user may enter (pytest's own are the caller's alone)."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def test_a_copy_is_the_same_tree(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "t",
        {
            "": Dir(mode=0o711, mtime=11),
            "d": Dir(mode=0o3750, mtime=12, xattrs={"user.d": b"1"}),
            "d/f": File(b"x" * 5000, mode=0o4755, mtime=13, xattrs={"user.f": b"\0"}),
            "d/closed": File("c", mode=0o000 if os.geteuid() == 0 else 0o400),
            "d/again": HardLink("d/f"),
            "d/dir/deep": Dir(mode=0o500),
            "big": b"0123456789abcdef" * 40_000,
            "link": Link("d/f", mtime=14),
            "pipe": Fifo(mode=0o622, mtime=15),
            "sock": Socket(mtime=16),
            b"odd\xff\n": "",
        },
    )
    built = copy_tree(root, tmp_path / "out")
    assert dump_tree(tmp_path / "out") == dump_tree(root)
    assert built.notes == ()
    assert built.manifest.digest() == scan_tree(root, contents=False).manifest.digest()


def test_rows_may_come_from_several_sources_and_from_themselves(tmp_path: Path) -> None:
    one = make_tree(tmp_path / "one", {"a": "from one"})
    two = make_tree(tmp_path / "two", {"x/y": "from two"})
    rows = [
        TOP,
        inline(b"a", source=0, source_path=b"a", content=sha256(b"from one").digest()),
        inline(b"b", source=1, source_path=b"x/y"),
        inline(b"c", b"inline", mode=0o600, mtime=9),
        TOP._replace(path=b"l", kind="l", mode=0o777, content=b"to\xff"),
    ]
    built = build(rows, [one, two], tmp_path / "out")
    seen = dump_tree(tmp_path / "out")
    assert [seen[name].content for name in "abcl"] == [b"from one", b"from two", b"inline", b"to\xff"]
    assert (seen["c"].mode, seen["c"].mtime) == (0o600, 9)
    contents = {row[0]: row[7] for row in built.manifest.rows()}
    assert contents == {
        b"": b"", b"a": sha256(b"from one").digest(), b"b": b"", b"c": sha256(b"inline").digest(), b"l": b"to\xff",
    }  # fmt: skip


def test_the_manifest_spares_the_next_scan_every_open(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "1", "d/b": HardLink("a"), "e/f/g": "2", "l": Link("a")})
    built = build(rows_of(scan_tree(root).manifest), [root], tmp_path / "out")
    with_known = scan_tree(tmp_path / "out").manifest
    for row, seen in zip(built.manifest.rows(), with_known.rows(), strict=True):
        assert row[:12] == seen[:12]
        status = os.lstat(os.path.join(os.fsencode(tmp_path / "out"), row[0]) if row[0] else tmp_path / "out")
        assert row[12:] == (status.st_ino, status.st_ctime_ns)


def test_a_young_file_gets_no_signature(tmp_path: Path) -> None:
    built = build([TOP, inline(b"a", mtime=time.time_ns())], [], tmp_path / "out")
    assert built.manifest.get(b"a").ctime == 0  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, slow(2)])
def test_many_rows_in_parts(tmp_path: Path, jobs: int) -> None:
    """Directories that span parts, and hard links across them, are complete at the end."""
    table: dict[str, object] = {"a/first": "linked", "z/mode": Dir(mode=0o711, mtime=5)}
    for number in range(4000):
        table[f"m/n{number % 3}/o{number // 1000}/f{number:04}"] = File(str(number), mtime=number)
    table |= {"m/n1/again": HardLink("a/first"), "z/again": HardLink("a/first"), "z/local": "1"}
    table |= {"z/local2": HardLink("z/local")}
    root = make_tree(tmp_path / "t", table)  # type: ignore[arg-type]
    told: list[int] = []
    source = scan_tree(root).manifest
    built = build(rows_of(source), [root], tmp_path / "out", jobs=jobs, progress=told.append)
    assert dump_tree(tmp_path / "out") == dump_tree(root)
    assert built.manifest.digest() == source.digest()
    assert sum(told) == len(source)
    for path in (b"z/again", b"z/local", b"m", b"m/n1", b""):
        status = os.lstat(os.path.join(os.fsencode(tmp_path / "out"), path))
        assert built.manifest.get(path)[12:] == (status.st_ino, status.st_ctime_ns)  # type: ignore[index]


def test_holes_stay_holes(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {})
    with open(root / "sparse", "wb") as file:
        file.seek(8 << 20)
        file.write(b"data")
        file.seek(20 << 20)
        file.write(b"more")
        file.truncate(64 << 20)
    make_tree(root, {"empty": File("", size=10 << 20), "small": File("x", size=100_000)})
    copy_tree(root, tmp_path / "out")
    for name in ("sparse", "empty", "small"):
        was, now = os.stat(root / name), os.stat(tmp_path / "out" / name)
        assert now.st_size == was.st_size
        assert now.st_blocks <= was.st_blocks + 16
        assert (tmp_path / "out" / name).read_bytes() == (root / name).read_bytes()


def test_copying_without_the_kernels_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"big": os.urandom(3 << 20), "sparse": File("x", size=5 << 20)})

    def refuse(*args: object) -> int:
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_tree(root, tmp_path / "out", jobs=1)
    assert dump_tree(tmp_path / "out") == dump_tree(root)


def test_the_file_system_is_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(build_module, "sync_file_system", lambda top, out: synced.append(out))
    rows = [TOP, inline(b"a"), inline(b"b")]
    build_module.build_tree(rows, [], tmp_path / "out")
    assert synced == [os.fsencode(tmp_path / "out")]
    build_module.build_tree(rows, [], tmp_path / "out2", BuildOptions(sync=False))
    assert len(synced) == 1


@pytest.mark.slow
def test_deep_trees_are_built(tmp_path: Path) -> None:
    parts = [b"n" * 120] * 1010
    rows = [TOP, *(TOP._replace(path=b"/".join(parts[: n + 1])) for n in range(len(parts)))]
    rows.append(inline(b"/".join([*parts, b"end"]), b"here"))
    try:
        built = build(rows, [], tmp_path / "out")
        assert scan_tree(tmp_path / "out").manifest.digest() == built.manifest.digest()
    finally:
        remove_tree(tmp_path / "out")


def test_an_empty_mount_point_is_filled_and_nothing_else_written_over(tmp_path: Path) -> None:
    out = make_tree(tmp_path / "out", {"lost+found": Dir(mode=0o700)})
    build([TOP, inline(b"a", b"1")], [], out)
    assert sorted(os.listdir(out)) == ["a", "lost+found"]
    for wrong in (out, tmp_path / "out/a"):
        with pytest.raises(BadInput):
            build([TOP], [], wrong)
    with pytest.raises(Failed):
        build([TOP], [], tmp_path / "missing" / "out")


def test_a_default_acl_above_is_not_handed_on(tmp_path: Path) -> None:
    acl = bytes.fromhex("0200000001000700ffffffff02000700391b000004000700ffffffff10000700ffffffff20000700ffffffff")
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("no ACLs here")
    make_tree(tmp_path / "t", {"d/f": "x"})
    for path in ("t", "t/d", "t/d/f"):
        for name in os.listxattr(tmp_path / path):
            os.removexattr(tmp_path / path, name)
    copy_tree(tmp_path / "t", tmp_path / "out")
    assert all(row[8] == () for row in scan_tree(tmp_path / "out").manifest.rows())


def test_acls_are_kept(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"f": "x", "d": Dir()})
    acl = bytes.fromhex("0200000001000600ffffffff02000600391b000004000400ffffffff10000600ffffffff20000400ffffffff")
    try:
        os.setxattr(root / "f", "system.posix_acl_access", acl)
        os.setxattr(root / "d", "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("no ACLs here")
    copy_tree(root, tmp_path / "out")
    assert dump_tree(tmp_path / "out")["f"].xattrs == {"system.posix_acl_access": acl}
    assert dump_tree(tmp_path / "out")["d"].xattrs == {"system.posix_acl_default": acl}
    assert dump_tree(tmp_path / "out")["f"].mode == dump_tree(root)["f"].mode == 0o664


# -- as root -----------------------------------------------------------------------------------------------------------

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@pytest.mark.root
def test_owners_set_uid_capabilities_and_devices(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "t",
        {
            "su": File("x", mode=0o6755, uid=7, gid=8),
            "ping": File("y", mode=0o755, uid=9, xattrs={"security.capability": CAPABILITY, "trusted.t": b"1"}),
            "d": Dir(mode=0o2770, uid=5, gid=6),
            "link": Link("su", uid=3, gid=4, xattrs={"trusted.l": b"2"}),
            "null": Device(mode=0o666, kind="c", major=1, minor=3, uid=1),
            "disk": Device(mode=0o660, kind="b", major=259, minor=1048575),
        },
    )
    copy_tree(root, tmp_path / "out")
    assert dump_tree(tmp_path / "out") == dump_tree(root)
    assert os.lstat(tmp_path / "out/disk").st_rdev == os.makedev(259, 1048575)


def set_flags(path: Path, flags: int, project: int = 0) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        write_flags(fd, flags, project, directory=path.is_dir())
    except OSError:
        pytest.skip("no inode flags here")
    finally:
        os.close(fd)


def flags_of(path: Path) -> tuple[int, int] | None:
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_flags(fd)
    finally:
        os.close(fd)


@pytest.mark.root
def test_inode_flags_are_set_last(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"d/f": "x", "d/g": HardLink("d/f"), "log": "l", "z/h": HardLink("d/f")})
    try:
        set_flags(root / "d/f", 0x10 | 0x40)
        set_flags(root / "log", 0x20 | 0x80)
        set_flags(root / "d", 0x10)
        built = copy_tree(root, tmp_path / "out")
        assert [flags_of(tmp_path / "out" / name) for name in ("d/f", "log", "d")] == [(0x50, 0), (0xA0, 0), (0x10, 0)]
        assert dump_tree(tmp_path / "out") == dump_tree(root)
        assert built.manifest.get(b"z/h").flags == 0x50  # type: ignore[union-attr]
        assert scan_tree(tmp_path / "out", contents=False).manifest.digest() == built.manifest.digest()
    finally:
        for name in ("t", "out"):
            remove_tree(tmp_path / name)


@pytest.mark.root
def test_what_a_file_system_cannot_keep_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    root = make_tree(tmp_path / "t", {"f": File("x", xattrs={"user.a": b"1", "user.b": b"2"})})
    source = [row._replace(flags=0x40, project=7) if row.path else row for row in rows_of(scan_tree(root).manifest)]
    monkeypatch.setattr(make_module, "write_xattr", refuse)
    monkeypatch.setattr(make_module, "write_flags", refuse)
    built = build(source, [root], tmp_path / "out")
    assert sorted((note.kind, note.path) for note in built.notes) == [
        ("flags-not-kept", b"f"), ("xattr-not-kept", b"f"), ("xattr-not-kept", b"f"),
    ]  # fmt: skip
    row = built.manifest.get(b"f")
    assert row is not None
    assert (row.xattrs, row.flags, row.project) == ((), 0, 0)


@pytest.mark.root
def test_a_full_file_system_is_said_plainly(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {f"d/f{number}": b"x" * 50_000 for number in range(60)})
    out = make_tree(tmp_path / "out", {})
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(out)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(NoSpace, match=r"no space left for .*out/d/f"):
            copy_tree(root, out)
    finally:
        subprocess.run(["umount", str(out)], check=True)


# -- without root ------------------------------------------------------------------------------------------------------


def as_nobody(program: str, *args: object) -> str:
    start = "import os, sys\nfrom goldroot.tree import *\nfrom goldroot.errors import *\n"
    need_other_users()
    if os.geteuid() == 0:
        start += "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    command = [sys.executable, "-c", start + program, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


ROWS = """
top = BuildRow(b"", "d", 0o755, 0, 0, 1, (), 0, 0, INLINE, b"", b"", 0, 0, 0)
file = top._replace(path=b"su", kind="f", mode=0o4755, content=b"x")
device = top._replace(path=b"null", kind="c", mode=0o666, content=b"1:3")
cap = file._replace(path=b"x", mode=0o644, xattrs=((b"user.a", b"1"), (b"security.capability", bytes(20))))
cap = cap._replace(xattrs=tuple(sorted(cap.xattrs)))
own = file._replace(path=b"own", mode=0o4700, uid=os.geteuid(), gid=os.getegid())
"""


def test_without_root_owners_are_recorded_and_said_once(open_path: Path) -> None:
    program = (
        ROWS
        + """
built = build_tree([top, device, own, file, cap], [], sys.argv[1])
built.manifest.save(sys.argv[2])
print([(n.kind, n.path) for n in built.notes], built.owners)
"""
    )
    said = as_nobody(program, open_path / "out", open_path / "manifest")
    assert said == (
        "[('device-not-made', b'null'), ('xattr-not-kept', b'x'), ('owner-not-kept', b'')] "
        "((b'', 0, 0), (b'su', 0, 0), (b'x', 0, 0))"
    )
    seen = dump_tree(open_path / "out")
    assert seen["su"].mode == 0o755
    assert seen["own"].mode == 0o4700
    manifest = Manifest.load(open_path / "manifest")
    assert manifest.squashed == Squashed(seen["su"].uid, seen["su"].gid)
    again = scan_tree(open_path / "out", known=manifest).manifest
    assert again.digest() == manifest.digest()
    row = again.get(b"su")
    assert row is not None
    assert (row.uid, row.gid, row.mode) == (0, 0, 0o4755)


def test_owners_can_be_insisted_on(open_path: Path) -> None:
    program = (
        ROWS
        + """
try: build_tree([top, file], [], sys.argv[1], BuildOptions(keep_owner=True))
except NoPermission as error: print(error.brief)
"""
    )
    assert "cannot be given to uid 0" in as_nobody(program, open_path / "out")


def test_owners_can_be_left_alone(tmp_path: Path) -> None:
    built = build([TOP, inline(b"a", uid=12345)], [], tmp_path / "out", keep_owner=False)
    assert built.owners == ((b"a", 12345, os.getegid()),)
    assert os.lstat(tmp_path / "out/a").st_uid == os.geteuid()


# -- sources that change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["content", "gone", "link", "fifo", "attributes"])
def test_a_source_that_is_not_what_the_row_says(tmp_path: Path, change: str) -> None:
    make_tree(tmp_path / "outside", {"f": "1"})
    root = make_tree(tmp_path / "t", {"d/f": "1"})
    status = os.stat(root / "d/f")
    rows = [TOP, inline(b"x", source=0, source_path=b"d/f", inode=status.st_ino, ctime=status.st_ctime_ns)]
    build(rows, [root], tmp_path / "good")
    time.sleep(0.02)
    if change == "content":
        (root / "d/f").write_text("2")
    elif change == "attributes":
        os.chmod(root / "d/f", 0o600)
    else:
        remove_tree(root / "d")
        if change == "link":
            (root / "d").symlink_to(tmp_path / "outside")
        elif change == "fifo":
            make_tree(root, {"d/f": Fifo()})
    with pytest.raises(TreeChanged, match="t/d/f changed"):
        build(rows, [root], tmp_path / "out")


@pytest.mark.parametrize("size", [1, 300_000])
def test_a_source_that_grows_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    root = make_tree(tmp_path / "t", {"f": "1" * size})
    opened = os.open

    def grown_meanwhile(path: bytes, flags: int, *args: int, **options: int) -> int:
        fd = opened(path, flags, *args, **options)
        if path == b"f" and not flags & os.O_CREAT:
            with open(root / "f", "a") as file:
                file.write("2")
        return fd

    monkeypatch.setattr(os, "open", grown_meanwhile)
    with pytest.raises(TreeChanged):
        copy_tree(root, tmp_path / "out", jobs=1)


def test_a_source_that_may_not_be_read(open_path: Path) -> None:
    root = make_tree(open_path / "t", {"f": File("1", mode=0o000)})
    program = """
row = BuildRow(b"", "d", 0o755, os.geteuid(), os.getegid(), 1, (), 0, 0, INLINE, b"", b"", 0, 0, 0)
row = [row, row._replace(path=b"x", kind="f", source=0, source_path=b"f")]
try: build_tree(row, [sys.argv[1]], sys.argv[2])
except NoPermission as error: print(error.brief)
"""
    assert f"{root}/f cannot be read" in as_nobody(program, root, open_path / "out")


def test_rows_without_their_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Failed):
        build([TOP, inline(b"no/parent")], [], tmp_path / "out")


def test_permission_to_write(open_path: Path) -> None:
    os.chmod(open_path, 0o755)
    program = (
        ROWS
        + """
try: build_tree([top], [], sys.argv[1])
except NoPermission as error: print(error.brief)
"""
    )
    if os.geteuid() == 0:
        assert "cannot be written" in as_nobody(program, open_path / "out")
    assert NoPermission.exit_code == 4


def test_a_live_source_is_taken_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "t", {"log": "1" * 300_000, "steady": "2"})
    rows = [
        TOP,
        *(inline(name, source=0, source_path=name, content=bytes(32)) for name in (b"gone", b"log", b"steady")),
    ]
    opened = os.open

    def grown_meanwhile(path: bytes, flags: int, *args: int, **options: int) -> int:
        if path == b"log" and flags & os.O_CREAT:
            with open(root / "log", "a") as file:
                file.write("2")
        return opened(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", grown_meanwhile)
    built = build(rows, [root], tmp_path / "out", live=(0,))
    assert list(built.manifest.paths()) == [b"", b"log", b"steady"]
    assert ("vanished", b"gone") in [(note.kind, note.path) for note in built.notes]
    for wrong in (rows[:2], [TOP, rows[2]]):
        with pytest.raises(TreeChanged):
            build([row._replace(ctime=1) if row.path else row for row in wrong], [root], tmp_path / "no", live=(1,))
        remove_tree(tmp_path / "no")


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("change", ["content", "shorter", "gone", "link", "fifo", "directory", "other-file"])
def test_of_a_live_source_what_is_not_as_the_row_says_is_noted(tmp_path: Path, change: str, size: int) -> None:
    make_tree(tmp_path / "outside", {"f": "secret"})
    root = make_tree(tmp_path / "t", {"d/f": "1" * size})
    status, content = os.stat(root / "d/f"), sha256(b"1" * size).digest()
    row = inline(b"x", source=0, source_path=b"d/f", inode=status.st_ino, ctime=status.st_ctime_ns, content=content)
    time.sleep(0.02)
    if change in ("content", "shorter"):
        (root / "d/f").write_text("2" * (size if change == "content" else size // 2))
    else:
        remove_tree(root / "d")
        if change == "link":
            (root / "d").symlink_to(tmp_path / "outside")
        elif change != "gone":
            make_tree(root, {"d/f": {"fifo": Fifo(), "directory": Dir(), "other-file": "3" * size}[change]})
    rows = [TOP, row._replace(size=size), row._replace(path=b"y", size=size, group=1), row._replace(path=b"z", group=1)]
    built = build(rows, [root], tmp_path / "out", live=(0,))
    stands = change in ("content", "shorter", "other-file")
    kinds = {note.path: note.kind for note in built.notes}
    word = "changed-while-read" if stands else "vanished"
    assert (kinds[b"x"], kinds[b"y"]) == (word, word)
    assert list(built.manifest.paths()) == ([b"", b"x", b"y", b"z"] if stands else [b""])
    if stands:
        assert (tmp_path / "out/x").read_bytes() == (root / "d/f").read_bytes()
        assert [built.manifest.get(path).content for path in (b"x", b"y", b"z")] == [b""] * 3  # type: ignore[union-attr]


@pytest.mark.root
def test_flags_are_kept_where_a_project_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_projects(fd: int, flags: int, project: int, *, directory: bool) -> None:
        if project:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        write_flags(fd, flags, project, directory=directory)

    set_flags(make_tree(tmp_path / "probe", {}), 0x40)
    monkeypatch.setattr(make_module, "write_flags", no_projects)
    built = build([TOP, inline(b"f", flags=0x40, project=7)], [], tmp_path / "out")
    assert [(note.kind, note.path, "project" in note.text) for note in built.notes] == [("flags-not-kept", b"f", True)]
    assert flags_of(tmp_path / "out/f") == (0x40, 0)


def test_a_young_file_written_after_the_scan_is_not_taken_for_what_was_scanned(tmp_path: Path) -> None:
    """Its ctime proves nothing, so its bytes must: a scan that trusts no time is followed by a change of the same size."""
    source = make_tree(tmp_path / "source", {"a": "one", "b": "same"})
    manifest = scan_tree(source).manifest
    entry = manifest.get(b"a")
    assert entry is not None
    assert entry.ctime == 0, "just made: too young to be trusted"
    (source / "a").write_text("two")
    with pytest.raises(TreeChanged, match="a"):
        build(rows_of(manifest), [source], tmp_path / "out")


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A directory on a file system that has the flags that tmpfs has not."""
    room = Path(tempfile.mkdtemp(prefix="goldroot-flags-", dir="/var/tmp"))
    try:
        yield room
    finally:
        remove_tree(room)


@pytest.mark.root
def test_a_tree_takes_no_flags_from_the_directory_that_it_is_made_in(on_disk: Path) -> None:
    """Else every path of it would count as changed at the next update."""
    root = make_tree(on_disk / "t", {"d/f": "x", "log/l": "l"})
    above = make_tree(on_disk / "above", {})
    for flags in (0x80, 0x08, 0x01, 0x04, 0x40):
        set_flags(above, flags)
        out = above / f"out-{flags}"
        built = copy_tree(root, out)
        assert {flags_of(out / name) for name in ("", "d", "d/f", "log")} == {(0, 0)}
        assert not any(built.manifest.columns.flags)
        ready = make_tree(above / f"ready-{flags}", {})
        copy_tree(root, ready)
        assert {flags_of(ready / name) for name in ("", "d", "d/f")} == {(0, 0)}


@pytest.mark.root
def test_the_flags_that_say_how_a_path_is_treated_are_kept(on_disk: Path) -> None:
    root = make_tree(on_disk / "t", {"d/f": "x", "d/sub/g": "y", "log": "l"})
    wanted = {"d/f": 0x08 | 0x80, "log": 0x20 | 0x04, "d/sub": 0x01 | 0x08, "d": 0x01 | 0x80}
    for path, flags in wanted.items():
        set_flags(root / path, flags)
    built = copy_tree(root, on_disk / "out")
    assert {path: flags_of(on_disk / "out" / path) for path in wanted} == {p: (f, 0) for p, f in wanted.items()}
    assert flags_of(on_disk / "out/d/sub/g") == (0, 0), "what is in a directory does not take its flags"
    assert built.notes == ()
    assert scan_tree(on_disk / "out").manifest.digest() == scan_tree(root).manifest.digest()


@pytest.mark.root
def test_flags_that_a_file_system_has_not_do_not_cost_the_others(tmp_path: Path) -> None:
    set_flags(make_tree(tmp_path / "probe", {}), 0x40)
    if not os.path.ismount("/dev/shm"):
        pytest.skip("no tmpfs here")
    room = Path(tempfile.mkdtemp(prefix="goldroot-flags-", dir="/dev/shm"))
    try:
        built = build([TOP, inline(b"f", flags=0x80 | 0x04)], [], room / "out")
        assert flags_of(room / "out/f") == (0x80, 0)
        assert [(note.kind, note.path) for note in built.notes] == [("flags-not-kept", b"f")]
    finally:
        remove_tree(room)


@pytest.mark.root
@pytest.mark.slow
def test_a_project_is_the_trees_own_and_stays(tmp_path: Path) -> None:
    """A store under a quota must not leave it, nor must its trees differ by its number from all others."""
    image, place = tmp_path / "image", tmp_path / "mounted"
    image.write_bytes(b"")
    os.truncate(image, 400 << 20)
    place.mkdir()
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("no file system with projects can be made here")
    subprocess.run(["mkfs.xfs", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False).returncode:
        pytest.skip("no file system with projects can be mounted here")
    try:
        root = make_tree(place / "t", {"d/f": "x", "other/g": "y"})
        for path, project in (("", 7), ("d", 7), ("d/f", 7), ("other", 9), ("other/g", 9)):
            set_flags(root / path, 0x80 if path == "d/f" else 0, project)
        store = make_tree(place / "store", {})
        set_flags(store, 0, 5)
        copy_tree(root, store / "out")
        projects = {name: flags_of(store / "out" / name)[1] for name in ("", "d", "d/f", "other", "other/g")}  # type: ignore[index]
        assert projects == {"": 5, "d": 5, "d/f": 5, "other": 9, "other/g": 9}
        assert scan_tree(store / "out").manifest.digest() == scan_tree(root).manifest.digest()
    finally:
        subprocess.run(["umount", str(place)], check=True)
