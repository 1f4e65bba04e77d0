"""Unpacking archives: what an honest one holds arrives, and no hostile one leads out of its tree."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from goldroot.errors import BadInput, NoSpace
from goldroot.image.tarball import unpack, unpack_stream
from support.trees import Device, Dir, Fifo, File, HardLink, Link, dump_tree, make_tree

Members = list[tuple[tarfile.TarInfo, bytes]]


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.uid, info.gid = len(content), 1_600_000_000, os.getuid(), os.getgid()
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=mode)


def archive(path: Path, members: Members) -> str:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def unpacked(tmp_path: Path, members: Members) -> Path:
    out = tmp_path / "site" / "out"
    out.mkdir(parents=True)
    unpack(archive(tmp_path / "a.tar", members), str(out))
    return out


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("../evil", b"x")], "lead out"),
        ([member("a/../../evil", b"x")], "lead out"),
        ([member("a/..", b"x")], "lead out"),
        ([member("/evil", b"x")], "absolute"),
        ([member("//evil", b"x")], "absolute"),
        ([link("a", "../.."), member("a/evil", b"x")], "leads through 'a'"),
        ([link("a", "/"), member("a/evil", b"x")], "leads through 'a'"),
        ([directory("d"), link("d/a", "../.."), directory("d/a/sub"), member("d/a/sub/evil", b"x")], "leads through"),
        ([hard("evil", "/etc/passwd")], "absolute"),
        ([hard("evil", "../../secret")], "lead out"),
        ([hard("evil", "nowhere")], "does not stand before"),
        ([link("a", "../../secret"), hard("evil", "a/secret")], "does not stand before"),
        ([directory("d"), hard("evil", "d")], "hard link to a directory"),
        ([member("f", b"x"), member("f/below", b"x")], "leads through 'f'"),
        ([directory("d"), member("d/f", b"x"), link("d", "/etc")], "something in it"),
        ([member(".", b"x")], "not a directory"),
        ([member("n" * 300, b"x")], "not a name"),
    ],
)
def test_no_member_leads_out_of_the_tree(tmp_path: Path, members: Members, said: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "site").mkdir()
    before = dump_tree(tmp_path, mtime=False)
    with pytest.raises(BadInput, match=said) as caught:
        unpacked(tmp_path, members)
    assert caught.value.todo
    after = dump_tree(tmp_path, mtime=False)
    outside = {path: seen for path, seen in after.items() if not path.startswith(("site", "a.tar"))}
    assert outside == {path: seen for path, seen in before.items() if not path.startswith("site")}


def test_a_link_is_data_and_a_later_member_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    out = unpacked(tmp_path, [link("a", "../../secret"), member("a", b"mine"), link("b", "/etc/shadow")])
    assert (tmp_path / "secret").read_text() == "secret"
    assert (out / "a").read_text() == "mine"
    assert os.readlink(out / "b") == "/etc/shadow"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_an_archive_does_not_have_can_be_entered_by_all(tmp_path: Path, umask: int) -> None:
    """One that was made by `tar -cf FILE *` has no top: a system whose / is 0700 would keep out everybody but root."""
    before = os.umask(umask)
    try:
        private = tmp_path / "site"
        private.mkdir()
        (private / "out").mkdir(0o700)
        unpack(
            archive(tmp_path / "a.tar", [member("etc/app/conf", b"x"), directory("root", 0o700)]), str(private / "out")
        )
    finally:
        os.umask(before)
    modes = {path: (private / "out" / path).stat().st_mode & 0o7777 for path in (".", "etc", "etc/app", "root")}
    assert modes == {".": 0o755, "etc": 0o755, "etc/app": 0o755, "root": 0o700}


def test_the_top_that_an_archive_has_counts_and_files_of_a_server_leave_their_room_private(tmp_path: Path) -> None:
    out, room = tmp_path / "out", tmp_path / "room"
    out.mkdir(0o755)
    unpack(archive(tmp_path / "a.tar", [directory(".", 0o711), member("etc/x")]), str(out))
    assert out.stat().st_mode & 0o7777 == 0o711
    room.mkdir(0o700)
    with open(archive(tmp_path / "b.tar", [member("etc/x")]), "rb") as stream:
        unpack_stream(stream, str(room), shown="b", whole=False)
    assert room.stat().st_mode & 0o7777 == 0o700


def test_of_duplicate_names_the_last_counts_noted(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done = unpack(
        archive(
            tmp_path / "a.tar", [member("./f", b"one"), member("f", b"two"), directory("d"), directory("d", 0o700)]
        ),
        str(out),
    )
    assert [(note.kind, note.path) for note in done.notes] == [("duplicate-name", b"f"), ("duplicate-name", b"d")]
    seen = dump_tree(out)
    assert (seen["f"].content, seen["d"].mode) == (b"two", 0o700)


def test_a_duplicate_of_a_hard_linked_file_leaves_the_other_name(tmp_path: Path) -> None:
    out = unpacked(tmp_path, [member("a", b"one"), hard("b", "a"), member("a", b"two")])
    assert ((out / "a").read_bytes(), (out / "b").read_bytes()) == (b"two", b"one")


@pytest.mark.root
def test_devices(tmp_path: Path) -> None:
    def device(name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> tuple[tarfile.TarInfo, bytes]:
        return member(name, type=kind, devmajor=major, devminor=minor)

    out = tmp_path / "out"
    out.mkdir()
    disk = device("home/sda", 8, 0, tarfile.BLKTYPE)
    members = [device("dev/null", 1, 3), device("jail/dev/urandom", 1, 9), disk, device("home/mem", 1, 1)]
    done = unpack(archive(tmp_path / "a.tar", members), str(out))
    seen = dump_tree(out)
    assert (seen["dev/null"].content, seen["jail/dev/urandom"].kind) == (b"1:3", "c")
    assert [(note.kind, note.path) for note in done.notes] == [
        ("device-not-made", b"home/sda"),
        ("device-not-made", b"home/mem"),
    ]


def _zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, _zst], ids=["plain", "gz", "xz", "zst"])
def test_compressions_are_known_by_their_bytes(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    archive(tmp_path / "a", [member("etc/f", b"x" * 70_000)])
    packed = tmp_path / "packed"
    packed.write_bytes(compress((tmp_path / "a").read_bytes()))
    out = tmp_path / "out"
    out.mkdir()
    unpack(str(packed), str(out))
    assert (out / "etc/f").read_bytes() == b"x" * 70_000


@pytest.mark.root
def test_what_gnu_tar_packs_arrives_whole(tmp_path: Path) -> None:
    """A second implementation as the witness: packed by GNU tar, unpacked by us, read back by neither."""
    source = make_tree(
        tmp_path / "source",
        {
            "etc/f": File(b"text", mode=0o640, uid=7, gid=8, mtime=1_600_000_000_123_456_789),
            "etc/cap": File(b"x", mode=0o4755, uid=9, xattrs={"user.a": b"\x00\xff\n=1", "user.b": b""}),
            "etc/g": HardLink("etc/f"),
            "etc/l": Link("/nowhere", uid=3, mtime=77_000_000_000),
            "d": Dir(mode=0o1777, uid=5, mtime=5_000_000_000, xattrs={"user.d": b"v"}),
            "d/holes": File(b"start", size=50_000_000),
            "d/pipe": Fifo(mode=0o600),
            "dev/null": Device(mode=0o666),
            "odd\nname\xff\\": File(b"odd", mode=0),
            "long/" + "n" * 200 + "/" + "m" * 200: File(b"far"),
        },
    )
    options = ["--xattrs", "--xattrs-include=*", "--sparse", "--format=posix", "--numeric-owner"]
    subprocess.run(["tar", "-C", source, *options, "-cf", tmp_path / "a.tar", "."], check=True)
    out = tmp_path / "out"
    out.mkdir()
    done = unpack(str(tmp_path / "a.tar"), str(out))
    assert done.notes == []
    assert dump_tree(out) == dump_tree(source)
    assert os.stat(out / "d/holes").st_blocks * 512 < 1_000_000


def test_a_cut_off_archive_is_no_short_one(tmp_path: Path) -> None:
    """Wherever it is cut, with a member's end among the places."""
    whole = Path(archive(tmp_path / "whole", [member(f"f{i}", bytes(600)) for i in range(3)])).read_bytes()
    assert whole[1536:1538] == b"f1"
    for number, end in enumerate([0, 100, 512, 1000, 1536, 1600, 2048, 3072, 4000, 4608]):
        out = tmp_path / f"out{number}"
        out.mkdir()
        (tmp_path / "cut").write_bytes(whole[:end])
        with pytest.raises(BadInput, match="cannot be read as a tar"):
            unpack(str(tmp_path / "cut"), str(out))


def test_damage_is_told_and_stays_inside(tmp_path: Path) -> None:
    """Bytes of an archive are turned at random: whatever comes of it, it is unpacked or told, and stays in the tree."""
    whole = archive(tmp_path / "whole", [directory("d"), member("d/f", b"x" * 900), hard("g", "d/f"), link("l", "d")])
    data = Path(whole).read_bytes()[:6144]
    chance = random.Random(7)
    before = sorted(os.listdir(tmp_path))
    for number in range(150):
        broken = bytearray(data + bytes(1024))
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "broken").write_bytes(broken)
        out = tmp_path / "outs" / str(number)
        out.mkdir(parents=True)
        try:
            unpack(str(tmp_path / "broken"), str(out))
        except BadInput:
            pass
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "broken", "outs"])


@pytest.mark.parametrize("name", ["none", "."])
def test_what_is_no_archive(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        unpack(str(tmp_path / name), str(tmp_path))


@pytest.mark.root
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", place], check=True)
    try:
        with pytest.raises(NoSpace, match="no space left"):
            unpack(archive(tmp_path / "a.tar", [member("f", bytes(300_000))]), str(place))
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("odd", [link("a", ""), member("a", uid=2**32 - 1), member("a", gid=-1)])
def test_what_the_kernel_would_not_take_or_misread_is_refused(
    tmp_path: Path, odd: tuple[tarfile.TarInfo, bytes]
) -> None:
    (tmp_path / "out").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(odd[0])
    with pytest.raises(BadInput, match="the archive's member 'a'"):
        unpack(str(tmp_path / "a.tar"), str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("uid", "zzz"), ("gid", ""), ("size", "1x"), ("mtime", "now"), ("mtime", "inf"), ("mtime", "nan")],
)
def test_a_number_that_is_none_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """Python's ``tarfile`` makes a 0 of it, or infinity: root's file, or an empty one."""
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput, match=f"'a' has a {key} that is not a number"):
        unpack(archive(tmp_path / "a.tar", [member("a", pax_headers={key: value})]), str(tmp_path / "out"))


@pytest.mark.parametrize("value", ["1e400", "-1e999999999", "1" * 400, "9223372036.5"])
def test_a_time_that_cannot_be_kept_is_noted(tmp_path: Path, value: str) -> None:
    (tmp_path / "out").mkdir()
    done = unpack(archive(tmp_path / "a.tar", [member("a", pax_headers={"mtime": value})]), str(tmp_path / "out"))
    assert [(note.kind, note.path) for note in done.notes] == [("time-not-kept", b"a")]
    assert abs((tmp_path / "out/a").stat().st_mtime_ns) == 4611686018 * 1_000_000_000


def test_a_damaged_gzip_is_bad_input(tmp_path: Path) -> None:
    """Python's error of it is one of the operating system's, which would say that a file cannot be written."""
    whole = gzip.compress(
        Path(archive(tmp_path / "a.tar", [member("a", random.Random(1).randbytes(200_000))])).read_bytes()
    )
    for number, damaged in enumerate((b"\x1f\x8b" + b"\7" * 500, whole[:-8] + b"\0" * 8)):
        (tmp_path / f"{number}.tar").write_bytes(damaged)
        (tmp_path / f"out{number}").mkdir()
        with pytest.raises(BadInput, match="cannot be read as a tar archive"):
            unpack(str(tmp_path / f"{number}.tar"), str(tmp_path / f"out{number}"))


def test_an_acl_that_is_text_alone_is_not_lost_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    acl = {"SCHILY.acl.access": "user::rw-,user:daemon:r--,group::r--,mask::r--,other::r--"}
    done = unpack(archive(tmp_path / "a.tar", [member("a", pax_headers=acl)]), str(tmp_path / "out"))
    assert [(note.kind, note.path) for note in done.notes] == [("acl-not-kept", b"a")]
