"""Trees that are unusual in their shape, not in what was changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldroot.merge.trees import Trees, merge_trees
from goldroot.tree import remove_tree
from support.merging import merge_directories, merge_tables
from support.trees import Dir, File, Link, make_tree

DEPTH = 1050
NAME = b"deep-down"  # so that the whole path is longer than any that the kernel takes


def dig(root: Path, leaf: bytes) -> None:
    """A file far below ``root``."""
    fd = os.open(root, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir(NAME, dir_fd=fd)
        below = os.open(NAME, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
        file.write(leaf)
    os.close(fd)


def leaf_of(root: Path) -> bytes:
    fd = os.open(root, os.O_RDONLY)
    for _ in range(DEPTH):
        below = os.open(NAME, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open(os.open("leaf", os.O_RDONLY, dir_fd=fd), "rb") as file:
        os.close(fd)
        return file.read()


@pytest.mark.slow
def test_a_tree_deeper_than_any_path_may_be_long(tmp_path: Path) -> None:

    roots = {word: make_tree(tmp_path / word, {}) for word in ("base", "gold", "clone")}
    for word, leaf in (("base", b"1\n2\n3\n"), ("gold", b"0\n2\n3\n"), ("clone", b"1\n2\n4\n")):
        dig(roots[word], leaf)
    out = tmp_path / "out"
    record = merge_trees(Trees(roots["base"], roots["gold"], roots["clone"], at="/etc"), out)
    assert (list(record.conflicts), leaf_of(out)) == ([], b"0\n2\n4\n")
    for tree in (*roots.values(), out):
        remove_tree(tree)


@pytest.mark.slow
def test_very_many_files_in_one_directory(tmp_path: Path) -> None:
    table = {f"etc/many/{i}": "" for i in range(2000)}
    done = merge_tables(tmp_path, table, {**table, "etc/many/gold": "g"}, {**table, "etc/many/77": "mine"})
    assert len(done.tree) == 2000 + 1 + 3
    assert done.text("etc/many/77") == "mine"


def test_directories_that_nobody_may_enter(tmp_path: Path) -> None:
    table = {"etc/closed": Dir(mode=0), "etc/shut": Dir(mode=0o500), "etc/f": File("1", mode=0)}
    if os.geteuid() != 0:
        table = {"etc/shut": Dir(mode=0o500), "etc/f": File("1", mode=0o400)}
    done = merge_tables(tmp_path, table, {**table, "etc/g": "g"}, {**table, "etc/c": "c"})
    assert {path: done.tree[path].mode for path in table} == {path: node.mode for path, node in table.items()}


@pytest.mark.slow
def test_huge_files_with_holes(tmp_path: Path) -> None:
    for word in ("base", "gold", "clone"):
        make_tree(tmp_path / word, {"etc/x": File("1", size=1 << 27), "srv/u/disk": File(word, size=1 << 25)})
    roots = {word: tmp_path / word for word in ("base", "gold", "clone")}
    with open(roots["clone"] / "etc/x", "r+b") as file:
        file.seek(1 << 26)
        file.write(b"in the middle")
    target = tmp_path / "out"
    merge_trees(Trees(roots["base"], roots["gold"], roots["clone"]), target)
    held = os.stat(target / "etc/x")
    assert (held.st_size, held.st_blocks * 512 < 1 << 20) == (1 << 27, True)
    with open(target / "etc/x", "rb") as file:
        file.seek(1 << 26)
        assert file.read(13) == b"in the middle"
    with open(target / "srv/u/disk", "rb") as file:
        assert file.read(5) == b"clone"


@pytest.mark.slow
def test_names_with_every_byte_that_a_name_may_have(tmp_path: Path) -> None:
    names = [bytes([byte]) + b"x" for byte in range(1, 256) if byte != 0x2F]
    for word in ("base", "gold", "clone"):
        (tmp_path / word / "etc").mkdir(parents=True)
        for name in names:
            (Path(os.fsdecode(os.fsencode(tmp_path / word / "etc") + b"/" + name))).write_text(word)
    roots = {word: tmp_path / word for word in ("base", "gold", "clone")}
    done = merge_directories(tmp_path, roots)
    assert len(done.conflicts) == len(names)
    assert len({path for path, _ in done.conflicts}) == len(names)


def test_an_account_file_that_is_a_link_is_not_followed_and_noted(tmp_path: Path) -> None:
    passwd = "root:x:0:0::/root:/bin/sh\n"
    base = {"etc/passwd": passwd, "etc/group": "root:x:0:\n"}
    done = merge_tables(tmp_path, base, base, {**base, "etc/passwd": Link("/srv/passwd"), "srv/passwd": passwd})
    assert done.tree["etc/passwd"].content == b"/srv/passwd"
    notes = [note for note in done.record["notes"] if note["kind"] == "account-file-not-regular"]
    assert [(note["path"], note["data"]) for note in notes] == [("/etc/passwd", {"side": "clone"})]


def test_a_directory_made_again_in_a_unit_goes_when_gold_has_a_link_above(tmp_path: Path) -> None:
    base = {"var/lib/dbus/machine-id": "me\n", "var/lib/db/x": "1"}
    gold = {"var/lib": Link("../srv"), "srv": Dir()}
    done = merge_tables(tmp_path, base, gold, base, policy='conflict = "gold"\n')
    assert done.tree["var/lib"].content == b"../srv"
    assert done.conflicts == [("/var/lib", "type"), ("/var/lib/dbus/machine-id", "presence")]
    assert done.entry("/var/lib/dbus")["axis"] == "unit"
    stays = merge_tables(tmp_path, {}, {}, {}, out="stays")
    assert stays.text("var/lib/dbus/machine-id") == "me\n"
