"""Removing a tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from goldroot.errors import Failed
from goldroot.tree.kernel import mounts_below, write_flags
from goldroot.tree.remove import remove_tree
from support.trees import Dir, Link, make_tree

NOBODY = 65534


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
