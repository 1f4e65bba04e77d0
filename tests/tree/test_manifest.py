"""Manifests: what goes in comes out, in memory and on disk; nothing from outside is believed."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.errors import BadInput, Failed, NewerVersion
from goldroot.tree.entry import Entry
from goldroot.tree.manifest import COLUMNS, HEADER, LENGTHS, Manifest, Squashed
from goldroot.tree.paths import tree_key
from support.examples import examples

names = st.binary(min_size=1, max_size=12).filter(lambda n: not set(n) & {0, 47} and n not in (b".", b".."))
xattr_sets = st.dictionaries(st.binary(min_size=1, max_size=8).filter(lambda n: 0 not in n), st.binary(max_size=9))
u32 = st.integers(0, 2**32 - 1)
times = st.integers(-(2**62), 2**62)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """Rows of some tree: each directory before what is in it, every value that a row may have."""
    directories = [b""]
    rows = {b"": draw(entries(b"", "d"))}
    for name in draw(st.lists(names, max_size=12)):
        above = draw(st.sampled_from(directories))
        path = above + b"/" + name if above else name
        if path in rows:
            continue
        kind = draw(st.sampled_from("fdlcbps"))
        if kind == "d":
            directories.append(path)
        rows[path] = draw(entries(path, kind))
    return [rows[path] for path in sorted(rows, key=tree_key)]


@st.composite
def entries(draw: st.DrawFn, path: bytes, kind: str) -> Entry:
    content = b""
    if kind == "f":
        content = draw(st.sampled_from([b"", bytes(32), b"\0/\xff\n" * 8]))
    elif kind == "l":
        content = draw(st.binary(min_size=1, max_size=9).filter(lambda target: 0 not in target))
    elif kind in "cb":
        content = b"%d:%d" % (draw(st.integers(0, 4095)), draw(st.integers(0, 2**20)))
    return Entry(
        path, kind, draw(st.integers(0, 0o7777)), draw(u32), draw(u32), draw(u32) if kind == "f" else 0, draw(times),
        content, tuple(sorted(draw(xattr_sets).items())), draw(st.sampled_from([0, 0x10, 0xF0])), draw(u32), 0,
        draw(st.integers(0, 2**64 - 1)), draw(times),
    )  # fmt: skip


def small() -> list[Entry]:
    return [
        Entry(b"", "d", 0o755, 0, 0, 0, 1, b"", (), 0, 0, 0, 2, 3),
        Entry(b"a", "d", 0o755, 0, 0, 0, 1, b"", ((b"user.x", b"1"),), 0, 0, 0, 4, 5),
        Entry(b"a/f", "f", 0o644, 1, 2, 9, 1, bytes(32), (), 0x10, 7, 1, 6, 7),
        Entry(b"a/g", "f", 0o644, 1, 2, 9, 1, bytes(32), (), 0x10, 7, 1, 6, 7),
        Entry(b"a.c", "l", 0o777, 0, 0, 0, 1, b"a/f", (), 0, 0, 0, 8, 9),
        Entry(b"n", "c", 0o666, 0, 0, 0, 1, b"1:3", (), 0, 0, 0, 10, 11),
    ]


@given(trees())
@settings(max_examples=examples(20), deadline=None)
def test_rows_come_out_as_they_went_in(rows: list[Entry]) -> None:
    manifest = Manifest.from_rows(rows)
    assert list(manifest.rows()) == rows
    assert [manifest.get(row.path) for row in rows] == rows
    assert manifest.get(b"not/there") is None


@given(trees())
@settings(max_examples=examples(20), deadline=None)
def test_saving_and_loading_is_identity(tmp_path_factory: pytest.TempPathFactory, rows: list[Entry]) -> None:
    file = tmp_path_factory.mktemp("m") / "tree.manifest"
    manifest = Manifest.from_rows(rows, Squashed(5, 6))
    manifest.save(file)
    loaded = Manifest.load(file)
    assert loaded == manifest
    assert loaded.squashed == Squashed(5, 6)
    assert loaded.digest() == manifest.digest()
    loaded.save(str(file) + ".again")
    assert Path(str(file) + ".again").read_bytes() == file.read_bytes()


def test_an_empty_manifest_is_one(tmp_path: Path) -> None:
    Manifest.from_rows([]).save(tmp_path / "m")
    assert list(Manifest.load(tmp_path / "m").rows()) == []


def test_the_digest_is_of_everything_but_the_signature() -> None:
    rows = small()
    digest = Manifest.from_rows(rows).digest()
    elsewhere = [row._replace(inode=row.inode + 1, ctime=row.ctime + 1) for row in rows]
    assert Manifest.from_rows(elsewhere).digest() == digest
    for changes in (
        {"mode": 0o600}, {"uid": 3}, {"gid": 3}, {"size": 8}, {"mtime": 2}, {"content": b"\1" * 32},
        {"xattrs": ((b"user.y", b""),)}, {"flags": 0x20}, {"project": 8}, {"group": 2}, {"path": b"a/e"},
    ):  # fmt: skip
        changed = [*rows[:2], rows[2]._replace(**changes), *rows[3:]]
        assert Manifest.from_rows(changed).digest() != digest, changes


@pytest.mark.slow
def test_many_rows_and_long_paths_pass_the_chunks() -> None:
    long = b"x" * 200 + b"/" + b"y" * 200
    rows = [small()[0], small()[0]._replace(path=long[:200])]
    rows += [small()[2]._replace(path=long + b"%06d" % number, group=0) for number in range(9000)]
    deep = b"/".join([b"z" * 250] * 1200)
    parts = deep.split(b"/")
    rows += [small()[0]._replace(path=b"/".join(parts[: depth + 1])) for depth in range(1200)]
    manifest = Manifest.from_rows(rows)
    assert list(manifest.rows()) == rows
    assert manifest.get(deep) == rows[-1]


def test_json_rows_name_every_path_in_text() -> None:
    rows = [small()[0], small()[4]._replace(path=b"\xff\\", content=b"\n")]
    shown = list(Manifest.from_rows(rows).as_json_rows())
    assert shown[1]["path"] == "\\xff\\\\"
    assert shown[1]["content"] == "\\x0a"
    assert shown[0]["mode"] == "0755"


# -- hostile files -----------------------------------------------------------------------------------------------------

BAD_ROWS = {
    "leads up": lambda r: [r[0], r[1]._replace(path=b".."), r[2]._replace(path=b"../f")],
    "up inside": lambda r: [*r[:2], r[2]._replace(path=b"a/../f")],
    "up at the end": lambda r: [*r[:2], r[2]._replace(path=b"a/..")],
    "a dot": lambda r: [r[0], r[2]._replace(path=b".")],
    "absolute": lambda r: [r[2]._replace(path=b"/etc")],
    "an empty name": lambda r: [*r[:2], r[2]._replace(path=b"a//f")],
    "a slash at the end": lambda r: [*r[:2], r[2]._replace(path=b"a/f/")],
    "not sorted": lambda r: [r[0], r[1], r[3], r[2]],
    "byte order, not tree order": lambda r: [r[0], r[1], r[4], r[2]],
    "twice": lambda r: [*r[:3], r[2]],
    "no parent": lambda r: [r[0], r[2]],
    "below a file": lambda r: [*r[:3], r[2]._replace(path=b"a/f/g")],
    "below a link": lambda r: [r[0], r[4]._replace(path=b"l"), r[2]._replace(path=b"l/g")],
    "the root a file": lambda r: [r[2]._replace(path=b"")],
    "a long name": lambda r: [r[0], r[2]._replace(path=b"n" * 256)],
    "unknown kind": lambda r: [r[0], r[1]._replace(kind="x")],
    "mode": lambda r: [r[0]._replace(mode=0o10000)],
    "flags": lambda r: [*r[:2], r[2]._replace(flags=0x01)],
    "directory with a size": lambda r: [r[0]._replace(size=1)],
    "directory in a group": lambda r: [r[0]._replace(group=1)],
    "group number": lambda r: [*r[:2], r[2]._replace(group=99)],
    "short digest": lambda r: [*r[:2], r[2]._replace(content=b"x")],
    "directory with content": lambda r: [r[0]._replace(content=b"x")],
    "link to nothing": lambda r: [r[0], r[4]._replace(content=b"")],
    "link with a NUL": lambda r: [r[0], r[4]._replace(content=b"a\0b")],
    "device": lambda r: [r[0], r[5]._replace(content=b"one:3")],
    "device number": lambda r: [r[0], r[5]._replace(content=b"1:-3")],
    "attribute without a name": lambda r: [r[0]._replace(xattrs=((b"", b"1"),))],
    "attributes not sorted": lambda r: [r[0]._replace(xattrs=((b"b", b""), (b"a", b"")))],
    "attribute twice": lambda r: [r[0]._replace(xattrs=((b"a", b"1"), (b"a", b"2")))],
    "attribute too large": lambda r: [r[0]._replace(xattrs=((b"a", bytes(65537)),))],
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_rows_that_no_tree_has_are_refused(tmp_path: Path, what: str) -> None:
    Manifest.from_rows(BAD_ROWS[what](small())).save(tmp_path / "m")
    with pytest.raises(BadInput):
        Manifest.load(tmp_path / "m")


def packed(tmp_path: Path) -> bytearray:
    Manifest.from_rows(small()).save(tmp_path / "good")
    return bytearray((tmp_path / "good").read_bytes())


def refused(tmp_path: Path, data: bytes) -> str:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        Manifest.load(tmp_path / "bad")
    return caught.value.brief


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = packed(tmp_path)
    for size in range(len(data)):
        refused(tmp_path, data[:size])
    refused(tmp_path, data + b"x")


def test_every_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    """A damaged file never gets through as other rows; the header's own fields are the exception that proves it."""
    data = packed(tmp_path)
    rows = small()
    for place in range(24, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x41
        (tmp_path / "bad").write_bytes(damaged)
        try:
            assert list(Manifest.load(tmp_path / "bad").rows()) == rows
        except BadInput:
            pass


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    data = packed(tmp_path)
    data[8:12] = (2).to_bytes(4, "little")
    (tmp_path / "new").write_bytes(data)
    with pytest.raises(NewerVersion, match="format 2"):
        Manifest.load(tmp_path / "new")


def test_huge_lengths_are_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    data = packed(tmp_path)
    for column in range(len(COLUMNS)):
        at = HEADER.size + LENGTHS.size * column
        for length in (2**63, 2**32, 2**20):
            damaged = bytearray(data)
            struct.pack_into("<Q", damaged, at, length)
            refused(tmp_path, damaged)
            damaged = bytearray(data)
            struct.pack_into("<Q", damaged, at + 8, length)
            refused(tmp_path, damaged)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """A column of a gigabyte of zeros in a small file."""
    data = packed(tmp_path)
    bomb = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(bytes(1 << 29))
    lengths = [list(LENGTHS.unpack_from(data, HEADER.size + LENGTHS.size * n)) for n in range(len(COLUMNS))]
    start = HEADER.size + LENGTHS.size * len(COLUMNS)
    rest = data[start + lengths[0][1] :]
    lengths[0] = [1 << 29, len(bomb)]
    made = data[: HEADER.size] + b"".join(LENGTHS.pack(*pair) for pair in lengths) + bomb + rest
    assert "unpack to more" in refused(tmp_path, made)


@pytest.mark.parametrize("text", [b"", b"not a manifest", b"\x89goldmf\n"])
def test_other_files_are_refused(tmp_path: Path, text: bytes) -> None:
    refused(tmp_path, text)
    with pytest.raises(BadInput):
        Manifest.load(tmp_path / "missing")
    with pytest.raises(BadInput):
        Manifest.load(tmp_path)


def test_saving_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    Manifest.from_rows(small()).save(tmp_path / "m")
    Manifest.from_rows(small()[:2]).save(tmp_path / "m")
    assert len(Manifest.load(tmp_path / "m")) == 2
    assert os.listdir(tmp_path) == ["m"]


def test_saving_removes_what_killed_writers_left(tmp_path: Path) -> None:
    file, old, young = tmp_path / "m", tmp_path / "other.new-4711", tmp_path / "m.new-4712"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    Manifest.from_rows([]).save(file)
    assert sorted(tmp_path.iterdir()) == [file, young]


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        Manifest.from_rows(small()).save(tmp_path / "no" / "m")
    assert "m" in str(caught.value)
