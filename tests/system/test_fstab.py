"""What of an fstab a trial leaves out, and the names of systemd's units for it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from goldroot.merge import parse_fstab, unit_name
from goldroot.system import left_out, put_together

OWN = {"/", "/etc", "/var"}


@pytest.mark.parametrize(
    ("line", "units"),
    [
        ("/dev/sdb1 /data ext4 defaults 0 2", ["data.mount", "data.automount"]),
        ("UUID=0a-1b /srv/my\\040files xfs", ["srv-my\\x20files.mount", "srv-my\\x20files.automount"]),
        ("LABEL=swap none swap sw", ["dev-disk-by\\x2dlabel-swap.swap"]),
        ('LABEL="a/b\\040c" none swap sw', ["dev-disk-by\\x2dlabel-a\\x5cx2fb\\x5cx20c.swap"]),
        ("/dev/b /srv/\\303\\244 ext4", ["srv-\\xc3\\xa4.mount", "srv-\\xc3\\xa4.automount"]),
        ("/dev/b /srv/a\u00a0b ext4", ["srv-a\\xc2\\xa0b.mount", "srv-a\\xc2\\xa0b.automount"]),
        ("/dev/b /srv//x/ ext4", ["srv-x.mount", "srv-x.automount"]),
        ("/dev/vdb swap swap", ["dev-vdb.swap"]),
        ("nas:/export /mnt/nas nfs4 rw", ["mnt-nas.mount", "mnt-nas.automount"]),
        ("//nas/x /x cifs", ["x.mount", "x.automount"]),
        ("/srv/image /i ext4 _netdev,loop", ["i.mount", "i.automount"]),
    ],
)
def test_other_disks_and_other_machines_are_left_out(line: str, units: list[str]) -> None:
    (found,) = left_out(line.encode(), OWN)
    assert list(found.units) == units
    assert str(found).startswith(line.partition(" ")[0].replace("\\040", " ")) and str(found).endswith(
        "and was left out"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# /dev/sdb1 /data ext4",
        "/dev/sdb1",
        "/dev/sda1 / ext4 defaults 0 1",
        "UUID=1 /var/ ext4",
        "tmpfs /tmp tmpfs",
        "proc /proc proc",
        "/srv/a /b none bind",
        "overlay /c overlay lowerdir=/a",
    ],
)
def test_what_is_there_stays(line: str) -> None:
    assert left_out(line.encode(), OWN) == []


def test_bytes_that_are_not_text_and_lines_that_are_not_lines_do_no_harm() -> None:
    assert [one.where for one in left_out(b"\xff\xfe\n/dev/b /a ext4\n\x00\n", OWN)] == ["/a"]


@pytest.mark.parametrize("path", ["/", "/a/b", "/a-b/c d", "/.hidden", "/\u00e4/\\x", "//a//b/"])
def test_names_of_units_are_those_of_systemd(path: str) -> None:
    if shutil.which("systemd-escape") is None:
        pytest.skip("systemd-escape is not installed")
    said = subprocess.run(["systemd-escape", "--path", path], capture_output=True, text=True, check=True)
    assert unit_name(path.encode(), b"").decode() == said.stdout.rstrip("\n")


def test_a_mount_point_has_one_spelling() -> None:
    (line,) = parse_fstab(b"/dev/b //srv//x/ ext4 nofail\n")
    assert (line.point, line.lenient) == (b"/srv/x", True)
    assert unit_name(b"/srv//x", b".mount") == b"srv-x.mount"


def test_a_converted_image_mounts_no_disk_that_its_layout_takes_the_place_of() -> None:
    text = (
        b"# by hand\nUUID=a / ext4 errors=remount-ro 0 1\nUUID=b /boot/efi vfat defaults 0 2\n"
        b"/dev/mapper/vg-var /var xfs defaults 0 2\nLABEL=log /var/log ext4 defaults 0 2\n/dev/sda3 none swap sw 0 0\n"
        b"UUID=d /data ext4 nofail 0 2\nnas:/home /home nfs defaults 0 0\ntmpfs /tmp tmpfs defaults 0 0\n"
        b"/dev/vg/varied /var2 nfs defaults 0 0"
    )
    after, out, left = put_together(text, {"/", "/etc", "/var", "/home"})
    assert out == ["/", "/boot/efi", "/var", "/var/log", "swap"]
    assert left == ["/data"]
    kept = [line for line in after.splitlines() if not line.startswith(b"# goldroot: ")]
    assert kept == [
        line for line in text.splitlines() if line.split()[1] not in (b"/", b"/boot/efi", b"/var", b"/var/log", b"none")
    ]
    assert put_together(after, {"/", "/etc", "/var", "/home"}) == (after, [], left), "again: nothing"
