"""What is put behind a system's own initial file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from goldroot.errors import BadInput
from goldroot.guest.cpio import cpio
from goldroot.guest.initramfs import GuestDisk, GuestLink, addition, follow, needed, table

DISKS = [GuestDisk("1B1", "ro", "erofs"), GuestDisk("1B5", "rw", "ext4")]
PATHS = [("1B1", "/"), ("1B5", "/etc"), ("1B5", "/srv/my data")]

DEP = """\
kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko
kernel/fs/jbd2/jbd2.ko:
kernel/lib/crc16.ko:
kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz
kernel/lib/libcrc32c.ko.xz:
kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko.xz
kernel/drivers/virtio/virtio-pci.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
"""


def files_in(archive: bytes) -> dict[str, bytes]:
    """The regular files of an archive, read by its headers; directories end with a slash."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = archive[at + 110 : at + 109 + fields[11]].decode()
        start = at + (110 + fields[11] + 3 & ~3)
        if name == "TRAILER!!!":
            return found
        found[name + "/" * (fields[1] & 0o170000 == 0o040000)] = archive[start : start + fields[6]]
        at = start + (fields[6] + 3 & ~3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with modules, below a ``lib`` that is a link as in every system of today."""
    top = tmp_path / "usr/lib/modules/6.1"
    for path in (line.partition(":")[0] for line in DEP.splitlines()):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path)
    (top / "modules.dep").write_text(DEP)
    (top / "modules.dep.bin").write_bytes(b"index")
    (top / "modules.order").write_bytes(b"of no use")
    (tmp_path / "lib").symlink_to("usr/lib")
    return tmp_path


def made(root: Path, version: str = "6.1") -> dict[str, bytes]:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return files_in(addition(handle, version, DISKS, PATHS))
    finally:
        os.close(handle)


def test_the_table_says_each_disk_and_what_stands_where(root: Path) -> None:
    assert made(root)["goldroot/table"].decode() == (
        "disk 1B1 ro erofs\ndisk 1B5 rw ext4\npath 1B1 /\npath 1B5 /etc\npath 1B5 /srv/my data\n"
    )


def test_the_table_says_the_root_hash_of_a_disk_that_has_one(root: Path) -> None:
    disks = [GuestDisk("1B1", "ro", "erofs", "ab" * 32), GuestDisk("1B5", "rw", "ext4")]
    lines = table(disks, PATHS).splitlines()
    assert lines[2] == f"verity 1B1 {'ab' * 32}"
    assert [line.split()[0] for line in lines] == ["disk", "disk", "verity", "path", "path", "path"]


def test_links_of_a_trial_are_in_the_table_and_need_their_module(root: Path) -> None:
    top = root / "usr/lib/modules/6.1"
    (top / "modules.dep").write_text(DEP + "kernel/drivers/net/dummy.ko:\n")
    (top / "kernel/drivers/net").mkdir(parents=True)
    (top / "kernel/drivers/net/dummy.ko").write_text("it")
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        links = [
            GuestLink("eth0", ("192.0.2.1/24", "2001:db8::1/64")),
            GuestLink("lan1"),
            GuestLink("lan0", (), "52:54:00:1:2:3"),
        ]
        found = files_in(addition(handle, "6.1", DISKS, PATHS, links))
        assert found["goldroot/table"].decode().splitlines()[-3:] == [
            "link eth0 192.0.2.1/24 2001:db8::1/64",
            "link lan1",
            "card lan0 52:54:00:1:2:3",
        ]
        assert "goldroot/lib/modules/6.1/kernel/drivers/net/dummy.ko" in found
    finally:
        os.close(handle)
    assert "goldroot/lib/modules/6.1/kernel/drivers/net/dummy.ko" not in made(root)


@pytest.mark.parametrize("path", ["/srv/a\nb", "/srv/a ", "/srv/a\\b"])
def test_a_path_that_a_line_cannot_hold_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        table(DISKS, [("1B1", path)])


def test_both_kinds_of_initial_file_systems_find_their_hooks(root: Path) -> None:
    found = made(root)
    assert b"mountroot()" in found["scripts/goldroot"]
    assert {name for name in found if name.endswith(".sh")} == {
        "goldroot/mount.sh",
        "usr/lib/dracut/hooks/cmdline/50-goldroot.sh",
        "usr/lib/dracut/hooks/mount/50-goldroot.sh",
    }
    # a directory in the place of a link would take away all that is behind it
    assert not {"lib/", "bin/", "sbin/"} & set(found)


def test_modules_come_with_what_they_need_and_with_their_indexes(root: Path) -> None:
    there = {name.rpartition("6.1/")[2] for name in made(root) if "modules/6.1/" in name and not name.endswith("/")}
    assert there == {
        "modules.dep",
        "modules.dep.bin",
        "kernel/fs/ext4/ext4.ko",
        "kernel/fs/jbd2/jbd2.ko",
        "kernel/lib/crc16.ko",
        "kernel/fs/erofs/erofs.ko.xz",
        "kernel/lib/libcrc32c.ko.xz",
        "kernel/drivers/virtio/virtio-pci.ko",
        "kernel/drivers/virtio/virtio.ko",
    }


def test_a_kernel_without_modules_has_all_of_it_built_in(root: Path) -> None:
    assert not [name for name in made(root, "5.10") if "kernel/" in name]
    assert needed("", ["ext4"]) == needed(DEP, ["btrfs"]) == []


def test_modules_are_read_through_no_link(root: Path) -> None:
    module = root / "usr/lib/modules/6.1/kernel/lib/crc16.ko"
    module.unlink()
    module.symlink_to("/etc/passwd")
    (name,) = (name for name in made(root) if name.endswith("crc16.ko"))
    assert made(root)[name] == b""


def test_it_follows_what_was_there_where_the_kernel_looks_for_it() -> None:
    for length in range(8):
        assert (length + len(follow(length, b"070701")) - 6) % 4 == 0


def test_the_program_cpio_reads_it(tmp_path: Path) -> None:
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed")
    archive = cpio({"a/b/file": b"content", "c": b"123"}, ["empty"])
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "a/b/file").read_bytes() == b"content"
    assert (tmp_path / "c").read_bytes() == b"123"
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash --posix"])
@pytest.mark.parametrize("name", ["mount.sh", "initramfs-tools.sh", "dracut-cmdline.sh", "dracut-mount.sh"])
def test_every_shell_reads_the_words(shell: str, name: str) -> None:
    words = shell.split()
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    import goldroot.guest

    file = Path(goldroot.guest.__file__).parent / "boot" / name
    done = subprocess.run([*words, "-n", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
