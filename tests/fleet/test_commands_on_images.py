"""Commands in systems whose disks are images: entered, maintained, rebuilt, migrated, checked, confined as on directories."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from goldroot.errors import ChecksFailed, Damaged, NoSpace, Refused
from goldroot.fleet import create_clone, enter_clone, machines
from goldroot.fleet.doctor.doctor import examine
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry
from goldroot.hosts.qemu import QemuHost
from goldroot.image import enter_system, import_image, publish_gold
from goldroot.image import test_system as image_tests
from goldroot.site import Site, init_site
from goldroot.system import Confined, confine
from goldroot.workflow import InProcess
from support.fleet import IMAGE
from support.hosts import need_mounts, need_programs
from support.roots import make_root

pytestmark = pytest.mark.root

HOST = '[hosts.local]\nstore = "store"\nkind = "qemu"\ndisk_size = 24\n'
CONFIG = f"""{HOST}
[images.{IMAGE}]
checks = ['read x < /etc/app.conf; [ "$x" != bad ] || {{ echo "it is bad" >&2; exit 3; }}']
policy = "policy.toml"
trial = "commands"
tests = ["read x < /etc/app.conf"]
"""
POLICY = """
[[rule]]
path = "/etc/generated"
class = "generated"
rebuild = "read x < /etc/app.conf; echo made from $x > /etc/generated"

[[rule]]
path = "/var/lib/shop"
class = "state"
whole = true
migrate = "echo 2 > /var/lib/shop/format"
"""


@pytest.fixture
def site(room: Path) -> Iterator[Site]:
    """web1 on an image whose gold is erofs and whose own disks are ext4."""
    need_programs("mkfs.ext4", "mkfs.erofs")
    need_mounts("ext4", "erofs")
    extra = {"etc/generated": "made from gold\n", "var/lib/shop/format": "1\n"}
    root = make_root(room / "root", extra)
    init_site(str(room / "site")).close()
    Path(room / "site", "goldroot.toml").write_text(CONFIG)
    Path(room / "site", "policy.toml").write_text(POLICY)
    init_site(str(room / "site")).close()
    made = Site.open(str(room / "site"))
    import_image(made, IMAGE, str(root))
    publish_gold(made, IMAGE, untested=True)
    create_clone(made, "web1", IMAGE)
    yield made
    made.close()


def inside(site: Site, words: str) -> Confined:
    return enter_clone(site, "web1", ["/bin/sh", "-c", words], capture=True)


def maintained(site: Site, words: str) -> None:
    enter_system(site, IMAGE, ["/bin/sh", "-c", words], capture=True)
    publish_gold(site, IMAGE, untested=True)


def loops() -> str:
    return subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_server_is_entered_and_only_its_own_disks_are_written(site: Site) -> None:
    done = inside(site, "echo mine > /srv/mine; read x < /srv/mine; echo $x; echo no > /usr/no")
    assert (done.out, done.mode) == (b"mine\n", "shift")
    assert b"Read-only file system" in done.err
    assert inside(site, "read x < /srv/mine; echo $x").out == b"mine\n", "it is on the disk"
    host = site.host
    own = find_entry(host, "WEB1").disks
    with host.open_disks({disk.id: "ro" for disk in own.values()}) as opened:
        found = [os.stat(os.path.join(disk.path, "srv/mine")) for disk in opened.values() if _has(disk.path)]
    assert [(one.st_uid, one.st_gid) for one in found] == [(0, 0)], "owners are those of the system"


def _has(path: str) -> bool:
    return os.path.exists(os.path.join(path, "srv/mine"))


def test_nothing_of_it_stays_mounted(site: Site) -> None:
    inside(site, "echo here")
    store = os.path.join(site.root, "store")
    assert store not in loops()
    assert store not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.slow
def test_an_update_rebuilds_migrates_and_checks(site: Site) -> None:
    inside(site, "echo mine > /var/lib/shop/data")
    maintained(site, "echo level = 2 > /etc/app.conf; echo made from new > /etc/generated; echo > /var/lib/shop/gold")
    assert run_update(site, InProcess(), "web1").outcome == "done"
    done = inside(
        site, "read a < /etc/app.conf; read b < /etc/generated; read c < /var/lib/shop/format; echo $a, $b, $c"
    )
    assert done.out == b"level = 2, made from level = 2, 2\n"


@pytest.mark.slow
def test_a_check_that_fails_switches_nothing(site: Site) -> None:
    maintained(site, "echo bad > /etc/app.conf")
    with pytest.raises(ChecksFailed, match="it is bad"):
        run_update(site, InProcess(), "web1")
    assert inside(site, "read x < /etc/app.conf; echo $x").out == b"level = 1\n"


def _fill(path: Path) -> None:
    """A file that takes all of its file system."""
    with path.open("wb", 0) as file, suppress(OSError):
        while file.write(b"mine" * 1024):
            pass


def test_a_full_disk_is_named_and_the_same_command_goes_on(site: Site) -> None:
    """The server has filled it, and gold brings more.  Where it was open in a process means nothing to a person."""
    disk = find_entry(site.host, "WEB1").disks["1B6"].id
    with site.host.hold("WEB1"), site.host.open_disks({disk: "rw"}) as opened:
        _fill(Path(opened[disk].path, "var/mine"))
    maintained(
        site, "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 a b c d e f g h; do x=$x$x; done; echo $x > /var/more"
    )
    for _ in range(2):
        with pytest.raises(NoSpace) as caught:
            run_update(site, InProcess(), "web1")
        said = f"{caught.value.brief} {caught.value.meaning} {caught.value.todo}"
        made = re.search(r"no space left for (web1-1B6-\w+):/var/more: No space left", said)
        assert made and f"the file system of the disk {made[1]} " in said and "/proc" not in said, said
        assert [find_entry(site.host, "WEB1").disks["1B6"].id, *find_entry(site.host, "WEB1").disks] == [
            disk,
            "1B5",
            "1B6",
        ]
    assert str(site.root) not in loops()
    with site.host.hold("WEB1"), site.host.open_disks({disk: "rw"}) as opened:
        os.truncate(os.path.join(opened[disk].path, "var/mine"), 4)
    assert run_update(site, InProcess(), "web1").outcome == "done"
    assert inside(site, "read x < /var/more; read -r y < /var/mine; echo ${#x} $y").out == b"2097152 mine\n"


def test_a_kernel_that_copies_no_mount_without_a_place_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(handle: int, path: bytes = b"", *, recursive: bool = False) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "open_tree")

    monkeypatch.setattr(confine.calls, "clone_mount", older)
    with pytest.raises(Refused, match="disks that are images with this kernel") as caught:
        inside(site, "echo here")
    assert "6.15" in caught.value.todo


@pytest.mark.slow
def test_a_maintenance_system_is_tested_in_both_forms(site: Site) -> None:
    run = image_tests(site, IMAGE)
    assert {one.form: one.passed for one in run.forms} == {"read-write": True, "read-only": True}


@pytest.mark.parametrize(
    "next",
    [
        """printf 'ID=small\\nVERSION_ID="2"\\nPRETTY_NAME="Small Linux 2"\\n' > /usr/lib/os-release""",
        pytest.param("echo more > /usr/lib/more", marks=pytest.mark.slow),
    ],
    ids=["of the same size", "with another file"],
)
def test_a_server_is_not_started_from_disks_of_another_version(
    site: Site, monkeypatch: pytest.MonkeyPatch, next: str
) -> None:
    """Nor from one whose files differ in nothing that a listing shows but their time; its own disks, or a copy of them, do."""
    started: list[str] = []
    monkeypatch.setattr(QemuHost, "start", lambda self, name: started.append(name))
    maintained(site, next)
    images = Path(site.root, "store/disks")
    gold, other = sorted(images.glob("*-1B1-*.erofs"), key=lambda one: one.stat().st_mtime_ns)
    kept = images / "kept"
    gold.rename(kept)
    shutil.copy2(other, gold)
    with pytest.raises(Damaged, match=f"the disks of gold 1 of {IMAGE} on host local are not what was published"):
        machines.start_machine(site, "web1")
    assert started == []
    assert [one.finding.kind for one in examine(site).told] == ["gold-changed"]
    gold.unlink()
    shutil.copy2(kept, gold)
    machines.start_machine(site, "web1")
    os.rename(kept, gold)
    machines.start_machine(site, "web1")
    assert started == ["WEB1", "WEB1"]


@pytest.mark.slow
def test_a_server_does_not_go_back_to_disks_of_another_version(site: Site) -> None:
    maintained(site, "echo more > /usr/lib/more")
    images = Path(site.root, "store/disks")
    gold, other = sorted(images.glob("*-1B1-*.erofs"), key=lambda one: one.stat().st_mtime_ns)
    assert run_update(site, InProcess(), "web1").outcome == "done"
    gold.rename(images / "kept")
    shutil.copy2(other, gold)
    with pytest.raises(Damaged, match=f"the disks of gold 1 of {IMAGE} on host local are not what was published"):
        roll_back(site, InProcess(), "web1")
    assert inside(site, "read x < /usr/lib/more; echo $x").out == b"more\n", "it is where it was"
    os.rename(images / "kept", gold)
    assert roll_back(site, InProcess(), "web1").outcome == "done"
    assert inside(site, "read x < /usr/lib/more || echo none").out == b"none\n"
