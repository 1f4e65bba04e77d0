"""Disks as images: what each form has to have besides what the contract asks of every kind of host."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.errors import Damaged, NoSpace, Refused
from goldroot.hosts import NewDisk
from goldroot.hosts.images import Images, verity
from goldroot.hosts.images.mounting import loop_of
from goldroot.hosts.qemu import QemuHost
from goldroot.hosts.storefiles import Label
from goldroot.tree import scan_tree
from support.hosts import MIB, Lab, content, fill, make_slot, need_mounts, need_programs, qemu_lab
from support.killing import in_a_copy

pytestmark = pytest.mark.root


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A slot with an ext4 disk ``GOLD-1B1``."""
    lab = qemu_lab(tmp_path)
    make_slot(lab, "GOLD")
    return lab


def file_of(lab: Lab, id: str) -> Path:
    return Path(str(lab.host.info([id])[id].where["path"]))


def uuid_of(path: Path) -> str:
    return subprocess.run(["blkid", "-p", "-o", "value", "-s", "UUID", path], capture_output=True, text=True).stdout


@contextmanager
def written(lab: Lab, id: str = "GOLD-1B1") -> Iterator[Path]:
    """The top of a disk of the slot, which is held."""
    with lab.host.hold("GOLD"), lab.host.open_disks({id: "rw"}) as opened:
        yield Path(opened[id].path)


def synced(path: Path) -> None:
    """What was written there is in the image."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def blocks_of(path: Path) -> int:
    return path.stat().st_blocks * 512


# -- copies


def test_a_copy_of_blocks_has_a_uuid_of_its_own_and_takes_no_more_room(lab: Lab) -> None:
    assert lab.host.copies("GOLD-1B1", "ext4") == "blocks"
    lab.host.create_disk(NewDisk("copy", "GOLD", "1B6", 64 * MIB, "ext4", "GOLD-1B1"))
    one, other = file_of(lab, "GOLD-1B1"), file_of(lab, "copy")
    assert uuid_of(one) != uuid_of(other)
    assert other.stat().st_size == 64 * MIB
    assert blocks_of(other) < blocks_of(one) + 2 * MIB, "where there is nothing, nothing is written"
    with lab.host.open_disks({"copy": "ro", "GOLD-1B1": "ro"}) as opened:
        room = os.statvfs(opened["copy"].handle)
        assert room.f_blocks * room.f_frsize > 50 * MIB, "the file system has all of its file"
        one_, other_ = (Path(opened[id].path, "version").stat() for id in ("GOLD-1B1", "copy"))
    assert (one_.st_ino, one_.st_ctime_ns, one_.st_mtime_ns) == (other_.st_ino, other_.st_ctime_ns, other_.st_mtime_ns)
    subprocess.run(["e2fsck", "-fn", other], check=True, capture_output=True)


def test_where_this_machine_mounts_something_a_disk_has_its_own(lab: Lab) -> None:
    """An image that is opened has no place among this machine's mounts, of which /proc is one."""
    with written(lab) as root:
        (root / "proc").mkdir()
        (root / "proc" / "own").write_text("own")
    with lab.host.open_disks({"GOLD-1B1": "ro"}) as opened:
        scanned = scan_tree(opened["GOLD-1B1"].path)
    assert (b"proc/own" in scanned.manifest.paths(), scanned.notes) == (True, ())


def test_a_copy_is_never_smaller_than_its_source(lab: Lab) -> None:
    lab.host.create_disk(NewDisk("large", "GOLD", "1B6", 16 * MIB, "ext4"))
    made = lab.host.create_disk(NewDisk("small", "GOLD", "1B7", MIB, "ext4", "large"))
    assert made.size == 16 * MIB


def test_other_forms_are_copied_file_by_file(lab: Lab) -> None:
    lab.host.seal_disk("GOLD-1B1", "squashfs")
    assert lab.host.copies("GOLD-1B1", "ext4") == "files"
    assert lab.host.copies("GOLD-1B1", "xfs") == "files"


# -- sealing


@pytest.mark.parametrize("form", ["erofs", "squashfs", "ext4"])
def test_what_is_sealed_has_all_that_files_have(lab: Lab, form: str) -> None:
    need_mounts(form)
    if form == "squashfs":
        need_programs("mksquashfs")
    with written(lab) as top:
        file = top / "file"
        file.write_bytes(b"x" * 100_000)
        os.chown(file, 70000, 2_000_000_000)
        file.chmod(0o6755)
        os.setxattr(file, "trusted.a", b"1")
        os.utime(file, ns=(5 * 10**9, 1_234_567_890 * 10**9))
        os.link(file, file.with_name("other"))
        os.mkfifo(file.with_name("pipe"))
        file.with_name("link").symlink_to("/nowhere")
    sealed = lab.host.seal_disk("GOLD-1B1", form)
    assert (sealed.form, sealed.sealed) == (form, True)
    with lab.host.open_disks({"GOLD-1B1": "ro"}) as opened:
        top = Path(opened["GOLD-1B1"].path)
        file = top / "file"
        found = file.stat()
        assert file.read_bytes() == b"x" * 100_000
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (70000, 2_000_000_000, 0o6755)
        assert os.getxattr(file, "trusted.a") == b"1"
        assert found.st_mtime_ns == 1_234_567_890 * 10**9
        assert (found.st_nlink, found.st_ino) == (2, (top / "other").stat().st_ino)
        assert stat.S_ISFIFO((top / "pipe").stat().st_mode)
        assert os.readlink(top / "link") == "/nowhere"
        with pytest.raises(OSError, match="Read-only"):
            (top / "new").touch()


def test_the_file_of_a_sealed_disk_is_not_writable_for_a_qemu_that_is_not_root(lab: Lab) -> None:
    for id, form in (("GOLD-1B1", "erofs"), ("GOLD-1B5", "ext4")):
        before = lab.host.seal_disk(id, form)
        assert stat.S_IMODE(file_of(lab, id).stat().st_mode) == 0o440
        assert lab.again().seal_disk(id, form).evidence == before.evidence, "again: nothing"
        lab.host.empty_disk(id)
        assert stat.S_IMODE(file_of(lab, id).stat().st_mode) == 0o600


def test_a_sealed_disk_is_smaller_than_what_it_was(lab: Lab) -> None:
    with written(lab) as top:
        (top / "file").write_bytes(b"much the same " * 100_000)
    before = file_of(lab, "GOLD-1B1")
    sealed = lab.host.seal_disk("GOLD-1B1", "erofs")
    assert sealed.used < MIB
    assert not before.exists()


# -- broken and dirty ones


def test_a_dirty_or_broken_file_system_is_damaged_and_is_not_touched(lab: Lab) -> None:
    path = file_of(lab, "GOLD-1B1")
    whole = path.read_bytes()
    offsets = {
        "not unmounted": (1024 + 0x3A, b"\0"),
        "errors": (1024 + 0x3A, b"\3"),
        "no file system": (1024 + 0x38, b"xx"),
    }
    for words, (offset, value) in offsets.items():
        broken = bytearray(whole)
        broken[offset : offset + len(value)] = value
        path.write_bytes(broken)
        for attempt in (
            lambda: lab.host.open_disks({"GOLD-1B1": "ro"}).__enter__(),
            lambda: written(lab).__enter__(),
            lambda: lab.host.seal_disk("GOLD-1B1", "erofs"),
            lambda: lab.host.create_disk(NewDisk("copy", "GOLD", "1B6", 8 * MIB, "ext4", "GOLD-1B1")),
        ):
            with pytest.raises(Damaged, match=words):
                attempt()
        assert path.read_bytes() == bytes(broken)
        lab.host.delete_disk("copy")
    assert lab.halves() == []


def test_an_image_does_not_say_that_this_machine_panics(lab: Lab) -> None:
    """A server's root writes into its superblock what the kernel does where it finds an error (s_errors, tune2fs -e)."""
    need_programs("tune2fs")
    path = file_of(lab, "GOLD-1B1")
    subprocess.run(["tune2fs", "-e", "panic", path], check=True, capture_output=True)
    for access in ("ro", "rw"):
        with lab.host.hold("GOLD"), lab.host.open_disks({"GOLD-1B1": access}):
            assert "errors=remount-ro" in ext4_options(path)
    copy = Images(str(lab.root / "store")).open_copy(label_of("GOLD-1B1"), str(path), "files")
    try:
        assert "errors=remount-ro" in ext4_options(path)
    finally:
        copy.close()
    lab.host.seal_disk("GOLD-1B1", "ext4")
    with lab.host.open_disks({"GOLD-1B1": "ro"}):
        assert "errors=remount-ro" in ext4_options(path)


def ext4_options(image: Path) -> list[str]:
    """Those by which an image is mounted."""
    for device in Path("/sys/block").glob("loop*/loop/backing_file"):
        if device.read_text().rstrip("\n") == str(image):
            return Path("/proc/fs/ext4", device.parent.parent.name, "options").read_text().split("\n")
    raise AssertionError(f"{image} is not mounted")


def test_an_image_leads_to_no_device_of_this_machine(lab: Lab) -> None:
    """Whose journal is elsewhere: the kernel would open the device of that number."""
    path = file_of(lab, "GOLD-1B1")
    broken = bytearray(path.read_bytes())
    broken[1024 + 0xE4 : 1024 + 0xE8] = b"\0\7\0\0"
    path.write_bytes(broken)
    for attempt in (
        lambda: lab.host.open_disks({"GOLD-1B1": "ro"}).__enter__(),
        lambda: written(lab).__enter__(),
        lambda: lab.host.seal_disk("GOLD-1B1", "erofs"),
        lambda: Images(str(lab.root / "store")).open_copy(label_of("GOLD-1B1"), str(path), "files"),
    ):
        with pytest.raises(Damaged, match="has its journal on another device"):
            attempt()
    assert path.read_bytes() == bytes(broken)


def label_of(id: str) -> Label:
    return Label(id, "GOLD", 8 * MIB, "ext4")


def test_a_mounted_ext4_that_was_cut_off_is_dirty(lab: Lab) -> None:
    """What a machine leaves whose power was cut: a copy of the image while it is mounted."""
    path = file_of(lab, "GOLD-1B1")
    with written(lab) as top:
        (top / "new").touch()
        synced(top)
        cut_off = path.read_bytes()
    path.write_bytes(cut_off)
    with pytest.raises(Damaged, match="not unmounted"):
        written(lab).__enter__()


def test_a_disk_that_was_cut_off_is_damaged(lab: Lab) -> None:
    path = file_of(lab, "GOLD-1B1")
    os.truncate(path, 5 * MIB)
    for attempt in (
        lambda: lab.host.open_disks({"GOLD-1B1": "ro"}).__enter__(),
        lambda: written(lab).__enter__(),
        lambda: lab.host.seal_disk("GOLD-1B1", "erofs"),
        lambda: lab.host.create_disk(NewDisk("copy", "GOLD", "1B6", 8 * MIB, "ext4", "GOLD-1B1")),
    ):
        with pytest.raises(Damaged, match="cut off"):
            attempt()
    assert path.stat().st_size == 5 * MIB
    lab.host.empty_disk("GOLD-1B1")
    assert content(lab.host, "GOLD-1B1") == {}


def test_a_cut_off_sealed_image_is_damaged(lab: Lab) -> None:
    lab.host.seal_disk("GOLD-1B1", "erofs")
    path = file_of(lab, "GOLD-1B1")
    path.chmod(0o600)
    path.write_bytes(b"\0" * 4096)
    with pytest.raises(Damaged, match="cannot be mounted as erofs"):
        lab.host.open_disks({"GOLD-1B1": "ro"}).__enter__()


# -- what is left


def test_a_killed_process_leaves_no_mount_and_no_loop_device(lab: Lab) -> None:
    path = str(file_of(lab, "GOLD-1B1"))
    before = Path("/proc/self/mountinfo").read_text()

    def open_and_die() -> None:
        with written(lab):
            assert loop_of([path], writing=True)
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(open_and_die) == -signal.SIGKILL
    images = Images(str(lab.root / "store"))
    assert images.users([Label("GOLD-1B1", "GOLD", 8 * MIB, "ext4")], writing=False) is None
    assert loop_of([path], writing=False) is None
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_loop_device_of_others_is_seen(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldroot.hosts.images.disks.LOOKS", (0.0,))
    path = str(file_of(lab, "GOLD-1B1"))
    device = subprocess.run(
        ["losetup", "--find", "--show", path], capture_output=True, text=True, check=True
    ).stdout.strip()
    try:
        with pytest.raises(Refused, match="in use"):
            lab.host.delete_disk("GOLD-1B1")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    monkeypatch.undo()
    lab.host.delete_disk("GOLD-1B1")


# -- room


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Lab]:
    """A lab on a file system of 24 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=True)
    try:
        yield qemu_lab(place)
    finally:
        subprocess.run(["umount", place], check=True)


def test_what_does_not_fit_is_not_begun(small: Lab) -> None:
    make_slot(small, "GOLD")
    with pytest.raises(NoSpace, match=f"needs {64 * MIB} bytes"):
        small.host.create_disk(NewDisk("large", "GOLD", "1B6", 64 * MIB, "ext4"))
    assert small.halves() == []
    small.host.delete_disk("large")


def test_sealing_on_a_full_store_says_so_and_leaves_the_disk_as_it_was(small: Lab) -> None:
    make_slot(small, "GOLD")
    with written(small) as top:
        (top / "file").write_bytes(os.urandom(4 * MIB))
    filling = small.root / "filling"
    with filling.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * MIB)
            file.flush()
    os.truncate(filling, filling.stat().st_size - MIB)
    with pytest.raises(NoSpace):
        small.host.seal_disk("GOLD-1B1", "erofs")
    assert small.halves() == []
    assert content(small.host, "GOLD-1B1").keys() == {"version", "file"}


# -- trees of hashes


def test_a_tree_of_hashes_tells_what_was_written_since(tmp_path: Path) -> None:
    need_programs("veritysetup")
    lab = qemu_lab(tmp_path, verity=True)
    assert isinstance(lab.host, QemuHost)
    make_slot(lab, "GOLD")
    assert lab.host.hashes(["GOLD-1B1", "GOLD-1B5"]) == {}
    with pytest.raises(Damaged, match="no tree of hashes"):
        lab.host.check_hash("GOLD-1B1", "0" * 64)
    for id, form in (("GOLD-1B1", "erofs"), ("GOLD-1B5", "ext4")):
        lab.host.seal_disk(id, form)
        path = str(file_of(lab, id))
        found = verity.of(path)
        assert found is not None
        assert lab.host.hashes([id]) == {id: found.root}
        lab.host.check_hash(id, found.root)
        with pytest.raises(Damaged, match="not what was sealed"):
            lab.host.check_hash(id, "0" * 64)
        Path(path).chmod(0o600)
        with Path(path).open("r+b") as file:
            file.seek(100)
            file.write(b"somebody was here")
        with pytest.raises(Damaged, match="not what was sealed"):
            lab.host.check_hash(id, found.root)
        lab.host.empty_disk(id)
        assert verity.of(str(file_of(lab, id))) is None
    assert sorted(path.suffix for path in (tmp_path / "store" / "disks").iterdir()) == [".ext4", ".ext4"]
    Path(f"{path}.roothash").write_text("nonsense")
    with pytest.raises(Damaged):
        verity.of(path)


# -- xfs


@pytest.mark.slow
def test_xfs_disks_are_made_copied_grown_sealed_and_looked_at(tmp_path: Path) -> None:
    need_programs("mkfs.xfs", "xfs_admin", "xfs_logprint", "xfs_growfs")
    need_mounts("xfs", "erofs")
    lab = qemu_lab(tmp_path)
    make_slot(lab, "GOLD")
    made = lab.host.create_disk(NewDisk("x", "GOLD", "1B6", MIB, "xfs"))
    assert (made.form, made.size) == ("xfs", 300 * MIB), "there is no smaller one"
    fill(lab.host, "x", {"file": b"1"}, owner="GOLD")
    lab.host.create_disk(NewDisk("y", "GOLD", "1B7", 400 * MIB, "xfs", "x"))
    assert uuid_of(file_of(lab, "x")) != uuid_of(file_of(lab, "y"))
    with lab.host.hold("GOLD"), lab.host.open_disks({"x": "ro", "y": "rw"}) as opened:
        one, other = (Path(opened[id].path, "file").stat() for id in ("x", "y"))
        assert (one.st_ino, one.st_ctime_ns) == (other.st_ino, other.st_ctime_ns)
        room = os.statvfs(opened["y"].handle)
        assert room.f_blocks * room.f_frsize > 320 * MIB
        (Path(opened["y"].path) / "new").touch()
        synced(Path(opened["y"].path))
        cut_off = file_of(lab, "y").read_bytes()
    file_of(lab, "y").write_bytes(cut_off)
    for access in ("ro", "rw"):
        with lab.host.hold("GOLD"), pytest.raises(Damaged, match="not unmounted"):
            lab.host.open_disks({"y": access}).__enter__()
    lab.host.seal_disk("x", "erofs")
    assert content(lab.host, "x") == {"file": b"1"}
    file_of(lab, "y").write_bytes(b"\0" * 400 * MIB)
    with pytest.raises(Damaged, match="no file system"):
        lab.host.open_disks({"y": "ro"}).__enter__()


@pytest.mark.slow
def test_where_the_store_has_reflinks_a_copy_of_blocks_takes_no_room(tmp_path: Path) -> None:
    need_programs("mkfs.xfs", "mount")
    need_mounts("xfs")
    image, place = tmp_path / "store.xfs", tmp_path / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(512 * MIB)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        lab = qemu_lab(place)
        make_slot(lab, "GOLD")
        lab.host.create_disk(NewDisk("large", "GOLD", "1B6", 64 * MIB, "ext4"))
        with written(lab, "large") as top:
            (top / "file").write_bytes(os.urandom(40 * MIB))
        os.sync()
        before = os.statvfs(place)
        lab.host.create_disk(NewDisk("copy", "GOLD", "1B7", 64 * MIB, "ext4", "large"))
        os.sync()
        after = os.statvfs(place)
        assert (before.f_bfree - after.f_bfree) * after.f_frsize < 8 * MIB
        assert content(lab.host, "copy") == content(lab.host, "large")
    finally:
        subprocess.run(["umount", place], check=True)
