"""What a site keeps is its owner's alone: at its making, whatever the umask, and where it was made by another rule."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot import files, private
from goldroot.errors import NoPermission


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_modes_are_those_of_the_rule_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    files.make_directory(tmp_path / "a" / "b" / "c")
    files.write(tmp_path / "a" / "file", b"one")
    files.prepare(tmp_path / "a" / "database")
    os.close(files.open_new(tmp_path / "a" / "b" / "new", exclusive=True))
    assert {mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")} == {0o700}
    assert {mode(tmp_path / name) for name in ("a/file", "a/database", "a/b/new")} == {0o600}
    assert sorted(os.listdir(tmp_path / "a")) == ["b", "database", "file"]


def test_a_file_of_before_gets_the_mode_before_the_content(tmp_path: Path) -> None:
    (tmp_path / "file.new").touch(0o666)
    (tmp_path / "file").touch(0o666)
    files.write(tmp_path / "file", b"secret")
    assert mode(tmp_path / "file") == 0o600
    (tmp_path / "there").write_text("content")
    files.prepare(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "content"


def test_a_link_in_the_place_of_a_new_file_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    (tmp_path / "file.new").symlink_to("outside")
    with pytest.raises(OSError, match="symbolic"):
        files.write(tmp_path / "file", b"secret")
    assert (tmp_path / "outside").read_text() == ""


@pytest.fixture
def open_room() -> Iterator[Path]:
    """A room that other users can enter."""
    place = Path(tempfile.mkdtemp(prefix="goldroot-open-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def make_loose(top: Path) -> None:
    for name in ("keys", "store/disks/web1/etc", "records/1"):
        (top / name).mkdir(parents=True)
    for name in ("keys/site", "store/disks/web1/etc/passwd", "records/1/record", "run"):
        (top / name).touch(0o644)
    (top / "run").chmod(0o4755)
    (top / "store/disks/web1/etc/passwd").chmod(0o646)


def test_everything_is_closed_but_what_is_in_the_trees(tmp_path: Path) -> None:
    top = tmp_path / "site"
    make_loose(top)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch(0o666)
    (top / "records" / "link").symlink_to(outside)
    before = mode(top / "store/disks/web1"), mode(top / "store/disks/web1/etc/passwd")
    assert files.is_loose(str(top))
    changed = private.tighten([str(top)], [str(top / "store/disks")], os.geteuid())
    assert changed[-1] == str(top), "the top is the last"
    assert (mode(top / "store/disks/web1"), mode(top / "store/disks/web1/etc/passwd")) == before
    assert {mode(top / name) for name in ("", "keys", "store", "store/disks", "records/1")} == {0o700}
    assert {mode(top / name) for name in ("keys/site", "records/1/record")} == {0o600}
    assert mode(top / "run") == 0o700, "and no set-uid bit"
    assert mode(outside) != 0o700
    assert not files.is_loose(str(outside / "nothing"))
    assert private.tighten([str(top), str(top / "gone")], [str(top / "store/disks")], os.geteuid()) == []


def test_a_tree_is_known_by_what_it_is_and_not_by_its_path(tmp_path: Path) -> None:
    top = tmp_path / "site"
    make_loose(top)
    (tmp_path / "way").symlink_to(top / "store")
    private.tighten([str(top)], [str(tmp_path / "way" / "disks")], os.geteuid())
    assert mode(top / "store/disks/web1/etc/passwd") == 0o646


@pytest.mark.root
def test_what_cannot_be_closed_is_refused_by_name(open_room: Path) -> None:
    top = open_room / "site"
    make_loose(top)
    os.chown(top, 65534, 65534)
    code = (
        "import os, sys\nfrom goldroot import private\nos.setgroups([])\nos.setresuid(65534, 65534, 65534)\n"
        "try:\n    private.tighten([sys.argv[1]], [], 65534)\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code, top], text=True, capture_output=True, check=True)
    assert done.stdout.startswith(f"NoPermission '{top}/keys/site' may be open to others"), done


@pytest.mark.root
def test_root_does_not_change_another_users_file_by_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir(0o755)
    (tmp_path / "foreign").touch(0o644)
    os.link(tmp_path / "foreign", tmp_path / "site" / "by-another-name")
    with pytest.raises(NoPermission, match="by a second name"):
        private.tighten([str(tmp_path / "site")], [], 65534)
    assert mode(tmp_path / "foreign") == 0o644
