"""The small tools of the tree room."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.errors import Failed
from goldroot.files import KEPT_AT_TOP, KEPT_BELOW, Cursor, split
from goldroot.tree.inode import write_flags
from goldroot.tree.mounts import mounts_below
from goldroot.tree.paths import path_bytes, path_text
from goldroot.tree.remove import remove_tree
from support.trees import Dir, Fifo, Link, make_tree

NOBODY = 65534


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_text_of_a_path_is_reversible_and_printable(path: bytes) -> None:
    text = path_text(path)
    assert path_bytes(text) == path
    assert text.isprintable()


def test_plain_paths_stay_as_they_are() -> None:
    assert path_text(b"etc/passwd") == "etc/passwd"
    assert path_text("größe".encode()) == "größe"
    assert path_text(b"a\\b\n\xff") == "a\\\\b\\x0a\\xff"


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


# -- removing ----------------------------------------------------------------------------------------------------------


def test_removing_leaves_what_links_point_to(tmp_path: Path) -> None:
    make_tree(tmp_path / "outside", {"d/f": "kept"})
    root = make_tree(
        tmp_path / "t", {"out": Link(str(tmp_path / "outside")), "d/up": Link(".."), "d/e/f": "", b"\xff": Dir()}
    )
    remove_tree(root)
    assert os.listdir(tmp_path) == ["outside"]
    assert (tmp_path / "outside/d/f").read_text() == "kept"
    remove_tree(root)


def test_the_top_can_stay(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"lost+found": Dir(), "d/lost+found/x": "", "f": ""})
    remove_tree(root, keep_top=True)
    assert os.listdir(root) == ["lost+found"]


@pytest.mark.root
def test_immutable_things_are_removed(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"d/f": "", "log": ""})
    for name, flags in (("d/f", 0x10), ("log", 0x20), ("d", 0x10), ("", 0x10)):
        fd = os.open(root / name, os.O_RDONLY)
        try:
            write_flags(fd, flags, 0, directory=False)
        except OSError:
            pytest.skip("no inode flags here")
        finally:
            os.close(fd)
    remove_tree(root)
    assert not root.exists()


@pytest.mark.root
def test_what_is_mounted_below_is_never_removed(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "t", {"a": "", "m nt": Dir()})
    kept = make_tree(tmp_path / "kept", {"precious": ""})
    if subprocess.run(["mount", "--bind", str(kept), str(root / "m nt")], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        fd = os.open(root, os.O_RDONLY)
        assert mounts_below(fd) == {b"m nt"}
        os.close(fd)
        with pytest.raises(Failed, match="mount point"):
            remove_tree(root)
    finally:
        subprocess.run(["umount", str(root / "m nt")], check=True)
    assert (kept / "precious").exists()
    assert (root / "a").exists()


def test_a_tree_whose_directories_nobody_may_enter_is_removed() -> None:
    """Root may enter everything: there another user removes it."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o777)
        root = make_tree(Path(place) / "t", {"shut/f": "", "shut/deep/g": ""})
        for name in ("shut/deep/g", "shut/f", "shut/deep", "shut", ""):
            (root / name).chmod(0)
            os.chown(root / name, NOBODY if os.geteuid() == 0 else -1, -1)
        child = os.fork()
        if not child:
            with suppress(BaseException):
                if os.geteuid() == 0:
                    os.setuid(NOBODY)
                remove_tree(root)
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert not root.exists()
