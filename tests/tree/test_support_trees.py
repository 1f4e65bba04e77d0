"""The tables of tests/support are what they say, for other tests stand on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.trees import MTIME, Device, Dir, Fifo, File, HardLink, Link, Socket, dump_tree, make_tree


def test_a_tree_reads_back_as_it_was_written(tmp_path: Path) -> None:
    table = {
        "a/text": "hello\n",
        "a/file": File(b"x", mode=0o600, xattrs={"user.k": b"v"}, mtime=5),
        "a/again": HardLink("a/file"),
        "link": Link("a/text"),
        "d": Dir(mode=0o700),
        "pipe": Fifo(mode=0o640),
        "sock": Socket(),
    }
    seen = dump_tree(make_tree(tmp_path / "t", table))
    assert sorted(seen) == ["", "a", "a/again", "a/file", "a/text", "d", "link", "pipe", "sock"]
    assert seen["a/text"].content == b"hello\n"
    assert (seen["a/file"].mode, seen["a/file"].mtime, seen["a/file"].xattrs) == (0o600, 5, {"user.k": b"v"})
    assert seen["a/again"].names == ("a/again", "a/file")
    assert (seen["link"].kind, seen["link"].content) == ("l", b"a/text")
    assert (seen["d"].kind, seen["d"].mode, seen["d"].mtime) == ("d", 0o700, MTIME)
    assert (seen["pipe"].kind, seen["pipe"].mode, seen["sock"].kind) == ("p", 0o640, "s")


def test_equal_tables_make_equal_trees(tmp_path: Path) -> None:
    table = {"x/y": "1", b"odd\xff\n": Link(b"\xfe")}
    assert dump_tree(make_tree(tmp_path / "a", table)) == dump_tree(make_tree(tmp_path / "b", table))


@pytest.mark.root
def test_owners_and_devices(tmp_path: Path) -> None:
    seen = dump_tree(make_tree(tmp_path / "t", {"f": File(b"", uid=12, gid=34), "null": Device("c", 1, 3)}))
    assert (seen["f"].uid, seen["f"].gid) == (12, 34)
