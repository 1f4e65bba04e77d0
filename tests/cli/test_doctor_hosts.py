"""`goldroot doctor` on hosts whose disks are images or whose entries are a daemon's: one story, on each kind."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.catalog import clones, gold
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.commands import data, said
from support.fleet import IMAGE
from support.hosts import need_mounts, need_programs
from support.killing import kill_at
from support.libvirtd import need_libvirt
from support.roots import make_root

pytestmark = [pytest.mark.root, pytest.mark.slow]

TABLES = {
    "nspawn": "",
    "qemu": "disk_size = 24\nmemory = 64\n",
    "libvirt": 'disk_size = 24\nmemory = 64\naccelerator = "tcg"\nprefix = "doctor{pid}-"\nuri = "{uri}"\n',
}


@pytest.fixture(params=sorted(TABLES))
def site(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    """web1 and web2 on gold 1, on one host of that kind."""
    kind = request.param
    if kind == "nspawn":
        need_programs("systemd-nspawn")
    else:
        need_programs("mkfs.ext4", "mkfs.erofs", "e2fsck")
        need_mounts("ext4", "erofs")
    uri = need_libvirt() if kind == "libvirt" else ""
    room = Path(tempfile.mkdtemp(prefix="goldroot-doctor-"))
    room.chmod(0o755)
    root = room / "site"
    root.mkdir()
    table = TABLES[kind].format(uri=uri, pid=os.getpid())
    (root / "goldroot.toml").write_text(f'[hosts.local]\nkind = "{kind}"\nstore = "store"\n{table}')
    monkeypatch.setenv("GOLDROOT_SITE", str(root))
    for words in (
        ("init", str(root)),
        ("image", "import", IMAGE, "--from", str(make_root(room / "root", {}))),
        ("gold", "publish", IMAGE, "--untested"),
        ("clone", "create", "web1", "web2", "--image", IMAGE),
    ):
        code, out = said(capsys, *words)
        assert code == 0, (words, out)
    made = Site.open(str(root))
    yield made
    for name in ("web1", "web2"):
        said(capsys, "clone", "delete", name, "--force")
    said(capsys, "image", "delete", IMAGE)
    made.close()
    shutil.rmtree(room)


def kinds(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {one["kind"]: one["name"] for one in data(capsys, "doctor")["findings"]}


def copied(file: Path, place: Path) -> None:
    if file.is_dir():
        shutil.copytree(file, place, symlinks=True)
    else:
        shutil.copy(file, place)


def test_the_doctor_finds_and_repairs_on_every_kind(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert data(capsys, "doctor")["sound"] is True
    disks, labels = Path(site.path("store/disks")), Path(site.path("store/labels"))

    # A disk that no entry names goes where it is named, and only there.
    own = next(file for file in sorted(disks.iterdir()) if file.name.startswith("web2-1B5-"))
    id = own.name.partition(".")[0]
    orphan = own.with_name(own.name.replace(id, "web2-1B5-aaaaaaaaaa"))
    copied(own, orphan)
    label = json.loads((labels / f"{id}.json").read_text())
    (labels / "web2-1B5-aaaaaaaaaa.json").write_text(json.dumps({**label, "id": "web2-1B5-aaaaaaaaaa"}))
    assert list(kinds(capsys)) == ["disk-unnamed"]
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 1 and orphan.exists()
    assert said(capsys, "doctor", "--repair", "--remove", "web2-1B5-aaaaaaaaaa")[0] == 0
    assert not orphan.exists() and kinds(capsys) == {}

    # What a killed command left is told and given up or finished.
    kill_at("clone.disk-copied:1", lambda: guarded(cli, ["clone", "create", "web3", "--image", IMAGE]))
    assert "cut-off" in kinds(capsys)
    code, out = said(capsys, "doctor", "--repair", "--yes")
    assert code == 0, out
    assert kinds(capsys) == {} and not [one for one in os.listdir(disks) if one.startswith("web3-")]

    # A disk that is lost is named; what is left of its server goes with --force.
    gone = next(file for file in sorted(disks.iterdir()) if file.name.startswith("web2-1B6-"))
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    found = {one["kind"]: one for one in data(capsys, "doctor")["findings"]}
    assert set(found) == {"disk-missing"} and gone.name.partition(".")[0] in found["disk-missing"]["text"]
    code, out = said(capsys, "clone", "delete", "web2", "--force")
    assert code == 0, out
    assert kinds(capsys) == {}

    # The catalog is made again from the entries, wherever these are.
    site.close()
    for beside in ("", "-wal", "-shm"):
        Path(site.path("catalog.sqlite") + beside).unlink(missing_ok=True)
    assert list(kinds(capsys)) == ["catalog-missing"]
    code, out = said(capsys, "doctor", "--repair", "--yes")
    assert code == 0, out
    again = Site.open(site.root)
    with again.catalog.read() as tx:
        assert [(one.name, one.image, one.version) for one in clones.every(tx)] == [("web1", IMAGE, 1)]
        assert [one.state for one in gold.every(tx, IMAGE)] == ["published"]
    again.close()
    assert said(capsys, "clone", "create", "web4", "--image", IMAGE)[0] == 0
    assert said(capsys, "clone", "delete", "web4")[0] == 0 and kinds(capsys) == {}
