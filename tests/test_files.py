"""Moving about in a tree, reading one file of it, writing a file whole."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.files import (
    KEPT_AT_TOP,
    KEPT_BELOW,
    NOT_THERE,
    Cursor,
    digest_of,
    has_room,
    parent_of,
    read_regular,
    split,
    write_whole,
)
from support.trees import Dir, Fifo, Link, make_tree


def test_splitting() -> None:
    assert split(b"a/b/c") == (b"a/b", b"c")
    assert split(b"a") == (b"", b"a")
    assert split(b"") == (b"", b".")


class Counted:
    """A cursor whose tree is a chain of directories, each holding a file named for its depth."""

    def __init__(self, root: Path, depth: int) -> None:
        self.paths = [b""]
        fd = os.open(root, os.O_RDONLY)
        for level in range(depth):
            os.mkdir(b"d", dir_fd=fd)
            below = os.open(b"d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
            os.close(os.open(b"level%d" % (level + 1), os.O_CREAT, dir_fd=fd))
            self.paths.append(self.paths[-1] + b"/d" if self.paths[-1] else b"d")
        os.close(fd)
        self.top = os.open(root, os.O_RDONLY)
        self.cursor = Cursor(self.top)

    def level(self, depth: int) -> int:
        names = [name for name in os.listdir(self.cursor.at(self.paths[depth])) if name.startswith("level")]
        return int(names[0][5:]) if names else 0


def test_a_cursor_finds_every_place_in_any_order(tmp_path: Path) -> None:
    depth = KEPT_AT_TOP + 2 * KEPT_BELOW + 10
    chain = Counted(tmp_path, depth)
    before = len(os.listdir("/proc/self/fd"))
    order = [*range(depth + 1), *range(depth, -1, -1), depth, 3, depth - 1, 40, depth, 33, 32, 31, depth, 70, 69, 0]
    for place in order:
        assert chain.level(place) == place
        assert len(os.listdir("/proc/self/fd")) <= before + KEPT_AT_TOP + KEPT_BELOW + 2
    chain.cursor.close()
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(chain.top)


def test_a_cursor_follows_no_link_and_recovers_from_an_error(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a/b/c": "", "l": Link("a"), "f": "", "p": Fifo()})
    top = os.open(root, os.O_RDONLY)
    cursor = Cursor(top)
    for wrong in (b"l", b"l/b", b"f", b"p", b"a/x", b"a/b/c", b"a/b/c/d"):
        with pytest.raises(OSError, match="Errno"):
            cursor.at(wrong)
        assert os.listdir(cursor.at(b"a/b")) == ["c"]
    cursor.close()
    os.close(top)


# -- one file of a tree ------------------------------------------------------------------------------------------------


def read(root: Path, path: bytes) -> bytes | None:
    with parent_of(root, path) as (directory, name):
        return read_regular(name, directory)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"d/f": "here", "d/l": Link("f"), "d/p": Fifo(), "d/e": Dir()})
    assert read(root, b"d/f") == b"here"
    assert [read(root, path) for path in (b"d/l", b"d/p", b"d/e")] == [None, None, None]


@pytest.mark.parametrize("path", [b"gone", b"up/f", b"d/f/x", b"d/gone/x"])
def test_what_is_not_there_says_so_and_a_link_on_the_way_leads_nowhere(tmp_path: Path, path: bytes) -> None:
    root = make_tree(tmp_path / "t", {"d/f": "here", "up": Link("d")})
    with pytest.raises(OSError, match="Errno") as failed:
        read(root, path)
    assert failed.value.errno in NOT_THERE


def test_the_root_may_be_named_by_a_link(tmp_path: Path) -> None:
    make_tree(tmp_path / "t", {"f": "here"})
    (tmp_path / "link").symlink_to("t")
    assert read(tmp_path / "link", b"f") == b"here"


def test_missing_directories_are_made_but_never_through_a_link(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"out": Link(str(tmp_path))})
    with parent_of(root, b"a/b/f", make=True) as (directory, name):
        assert (os.listdir(directory), name) == ([], b"f")
    assert (root / "a/b").is_dir()
    with pytest.raises(OSError, match="Errno"), parent_of(root, b"out/made/f", make=True):
        pass
    assert os.listdir(tmp_path) == ["t"]


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a/b/f": "", "l": Link("a")})
    before = os.listdir("/proc/self/fd")
    read(root, b"a/b/f")
    with pytest.raises(OSError, match="Errno"):
        read(root, b"l/b/f")
    assert os.listdir("/proc/self/fd") == before


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")
    with open(file, "rb") as reader:
        write_whole(file, [b"ne", b"w"], mode=0o600)
        assert reader.read() == b"old"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    assert os.listdir(tmp_path) == ["f"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")

    def parts() -> list[bytes]:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_whole(file, (part for _ in "x" for part in parts()))
    assert (file.read_bytes(), os.listdir(tmp_path)) == (b"old", ["f"])


def test_a_link_in_the_place_of_the_passing_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "f.new").symlink_to("other")
    with pytest.raises(OSError, match="Errno"):
        write_whole(tmp_path / "f", [b"x"])
    assert (tmp_path / "other").read_bytes() == b"precious"


@pytest.mark.parametrize("sync", [True, False])
def test_the_bytes_are_on_the_disk_before_the_name_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    done: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("sync"))
    monkeypatch.setattr(os, "replace", lambda *places: (done.append("replace"), replace(*places)))
    write_whole(tmp_path / "f", [b"x"], sync=sync)
    assert done == (["sync", "replace"] if sync else ["replace"])


# -- room --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "said", "room"),
    [
        (0, None, True),
        (0, errno.ENOSPC, False),
        (0, errno.EDQUOT, False),
        (0, errno.EOPNOTSUPP, True),
        (7, None, False),
    ],
)
def test_what_is_kept_for_root_is_tried(
    user: int, said: int | None, room: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all that statvfs counts as free for root is: ext4 keeps some blocks for itself."""

    def allocate(_handle: int, _at: int, size: int) -> None:
        assert size == 5000
        if said is not None:
            raise OSError(said, os.strerror(said))

    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=4, f_bfree=9, f_frsize=1000))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    assert has_room(tmp_path, 4000) and not has_room(tmp_path, 9001)
    assert has_room(tmp_path, 5000) == room
    assert not list(tmp_path.iterdir())


@pytest.mark.root
def test_a_full_ext4_has_no_room_for_root(tmp_path: Path) -> None:
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(20 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        assert has_room(place, 1 << 20)
        with open(place / "filler", "wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
            while True:
                filler.write(bytes(4096))
        assert os.statvfs(place).f_bfree * 1024 > 1 << 17, "that is what the count says"
        assert not has_room(place, 1 << 17)
    finally:
        subprocess.run(["umount", place], check=True)


# -- digests -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_other_parts_have_another_digest(one: list[bytes], other: list[bytes]) -> None:
    assert (digest_of(one) == digest_of(other)) == (one == other)


def test_a_digest_is_the_same_everywhere() -> None:
    """Keys of decisions are made of it, and live in databases."""
    assert digest_of([b"ab", b""]).hex() == "5275cd81a7ab85c7219cbe049231f08aab0913631cfd098890af6791862ef41e"
