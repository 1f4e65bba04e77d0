"""The power fails while somebody reads the catalog: every server can be worked on afterwards.

A reader keeps SQLite from bringing its log into the catalog.  The site is on a file system in an image; a copy of that image, taken
while it is mounted, has what was on the disk at that moment and no more.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from support.commands import data, said
from support.fleet import IMAGE, dump, moved_site, text
from support.killing import kill_at
from support.marks import slow

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode:
        pytest.skip("images cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    file = tmp_path / "disk.img"
    with open(file, "wb") as made:
        made.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", file], check=True)
    return file


@contextmanager
def cut(image: Path, tmp_path: Path) -> Iterator[Path]:
    """The site as it is after the power failed now."""
    copy = tmp_path / "after.img"
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", image, copy], check=True)
    with mounted(copy, tmp_path / "after") as place:
        yield place / "site"


#: Where the update of web2 is killed just before; "": it was not begun, and the command before has just ended.
MOMENTS = ("update.begun:1", "update.disk-built:1", "update.before-switch:1", "update.noted:1", "host.entry-written:4")


@pytest.mark.parametrize("point", [*map(slow, ["", *MOMENTS])])
def test_every_server_can_be_worked_on_after_the_power_failed(
    point: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(image, tmp_path / "before") as place:
        site = moved_site(place)
        monkeypatch.setenv("GOLDROOT_SITE", site.root)
        subprocess.run(["sync", "-f", place], check=True)
        with closing(sqlite3.connect(site.catalog_file)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM clones").fetchone()
            assert said(capsys, "clone", "create", "web3", "--image", IMAGE)[0] == 0
            assert said(capsys, "rollback", "web1")[0] == 0
            if point:  # else the command before has just ended
                kill_at(point, lambda: guarded(cli, ["update", "run", "web2"]))
            files = {name: dump(site, name) for name in ("web1", "web3")}
            with cut(image, tmp_path) as after:
                monkeypatch.setenv("GOLDROOT_SITE", str(after))
                names = [one["name"] for one in data(capsys, "clone", "list")]
                assert names == ["web1", "web2", "web3"], "what a command had done is on the disk"
                code, out = said(capsys, "update", "run", "web1", "web2", "web3")
                assert code == 0, out
                from goldroot.site import Site

                there = Site.open(str(after))
                assert [text(there, name, "etc/plain.conf") for name in names] == ["gold\n"] * 3
                assert set(dump(there, "web3")) == set(files["web3"])
                there.close()
                assert said(capsys, "doctor", "--repair", "--yes")[0] == 0
                assert data(capsys, "doctor")["sound"]
                for name in names:
                    assert said(capsys, "clone", "delete", name)[0] == 0, name
        site.close()


def test_what_is_in_the_catalog_alone_is_on_the_disk_when_its_command_ends(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retirement writes nothing besides, so nothing else brings the catalog's log to the disk."""
    with mounted(image, tmp_path / "before") as place:
        site = moved_site(place)
        site.close()
        subprocess.run(["sync", "-f", place], check=True)
        with closing(sqlite3.connect(site.catalog_file)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM clones").fetchone()
            monkeypatch.setenv("GOLDROOT_SITE", site.root)
            assert said(capsys, "gold", "retire", IMAGE, "2")[0] == 0
            with cut(image, tmp_path) as after:
                monkeypatch.setenv("GOLDROOT_SITE", str(after))
                assert [one["state"] for one in data(capsys, "gold", "list")] == ["published", "retired"]
