"""The kernel of a root: the newest one that can be booted, as distributions name them, and no link out."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from goldroot.errors import Damaged
from goldroot.guest.kernel import copy_out, pick


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["vmlinuz-6.9.0-1", "initrd.img-6.9.0-1", "vmlinuz-6.10.0-1", "initrd.img-6.10.0-1"], "6.10.0-1"),
        (["vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64", "vmlinuz-6.1.0-10-amd64"], "6.1.0-9-amd64"),
        (["vmlinuz-5.14.0-427.el9.x86_64", "initramfs-5.14.0-427.el9.x86_64.img"], "5.14.0-427.el9.x86_64"),
        (["image-6.4.0-150600.23-default", "initrd-6.4.0-150600.23-default"], "6.4.0-150600.23-default"),
        (["vmlinuz-0-rescue-abc", "initramfs-0-rescue-abc.img", "vmlinuz-5.1", "initramfs-5.1.img"], "5.1"),
        (["vmlinuz-6.1", "initrd.img-6.1.old", "vmlinuz", "initrd.img"], None),
        ([], None),
    ],
)
def test_the_newest_that_has_an_initial_file_system(names: list[str], found: str | None) -> None:
    picked = pick(names)
    assert (picked is None) if found is None else (picked is not None and picked[0].endswith(found))
    if picked:
        assert found is not None
        assert found in picked[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/boot").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    return tmp_path / "root"


def copied(root: Path) -> tuple[str, ...]:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return copy_out(handle, str(root.parent / "out"), "the disk x")
    finally:
        os.close(handle)


def test_both_are_copied_out_in_the_place_of_older_ones(root: Path) -> None:
    for text in ("1", "2"):
        (root / "boot/vmlinuz-1").write_text(f"kernel {text}")
        (root / "boot/initrd.img-1").write_text(f"initial {text}")
        version, kernel, initial = copied(root)
        assert version == "1"
        assert (Path(kernel).read_text(), Path(initial).read_text()) == (f"kernel {text}", f"initial {text}")
    assert sorted(path.name for path in (root.parent / "out").iterdir()) == ["initrd", "kernel"]


def test_what_is_not_a_plain_file_is_not_booted(root: Path) -> None:
    (root / "boot/initrd.img-1").write_text("initial")
    (root / "boot/vmlinuz-1").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        copied(root)
    (root / "boot/vmlinuz-1").unlink()
    os.mkfifo(root / "boot/vmlinuz-1")
    with pytest.raises(Damaged, match="plain file"):
        copied(root)


def test_a_file_that_is_one_large_hole_is_not_copied(root: Path) -> None:
    """It takes no room on the disk of a server, and all that there is here."""
    (root / "boot/vmlinuz-1").write_text("kernel")
    (root / "boot/initrd.img-1").touch()
    os.truncate(root / "boot/initrd.img-1", (1 << 30) + 1)
    with pytest.raises(Damaged, match="is larger than 1024 MiB"):
        copied(root)


def test_a_root_without_a_kernel_is_told(root: Path) -> None:
    with pytest.raises(Damaged, match="the disk x has nothing to boot: no kernel"):
        copied(root)
    (root / "boot").rmdir()
    (root / "boot").symlink_to("/boot")
    with pytest.raises(Damaged, match="there is no directory /boot"):
        copied(root)


def elf(kinds: list[int], order: str = "<") -> bytes:
    """A program of 64 bits with these kinds of program headers (elf(5)); 3 names an interpreter."""
    head = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + bytes(26)
    head += struct.pack(f"{order}QQIHHH", 64, 0, 0, 64, 56, len(kinds)) + bytes(6)
    return head + b"".join(struct.pack(f"{order}I52x", kind) for kind in kinds)


@pytest.mark.parametrize("order", "<>")
def test_where_no_kernel_has_one_it_is_packed_of_the_roots_static_busybox(root: Path, order: str) -> None:
    for version in ("6.9", "6.10"):
        (root / f"boot/vmlinuz-{version}").write_text(version)
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/busybox").write_bytes(elf([1, 2], order))
    version, kernel, initial = copied(root)
    assert (version, Path(kernel).read_text()) == ("6.10", "6.10")
    archive = Path(initial).read_bytes()
    assert elf([1, 2], order) in archive
    assert b"goldroot_root /root" in archive
    (root / "boot/initrd.img-6.9").write_text("its own")
    assert copied(root)[0] == "6.9", "what a distribution made is preferred"


@pytest.mark.parametrize("above", ["lib", "usr/lib"])
def test_a_kernel_that_was_unpacked_and_whose_modules_nobody_listed_is_told(root: Path, above: str) -> None:
    """What is packed would find none of them, and tell that a disk cannot be mounted."""
    (root / "boot/vmlinuz-6.9").write_text("kernel")
    (root / "bin").mkdir()
    (root / "bin/busybox").write_bytes(elf([1, 2]))
    modules = root / above / "modules/6.9"
    modules.mkdir(parents=True)
    copied(root)  # all that it needs may be built in
    (modules / "kernel").mkdir()
    with pytest.raises(Damaged, match=r"/lib/modules/6\.9 has no modules\.dep"):
        copied(root)
    (modules / "modules.dep").touch()
    copied(root)
    (modules / "modules.dep").unlink()
    (root / "boot/initrd.img-6.9").write_text("its own")
    assert copied(root)[0] == "6.9", "it has brought what it needs"


@pytest.mark.parametrize("program", [elf([1, 3]), elf([3], ">"), b"#!/bin/sh\n", elf([1])[:66], b""])
def test_a_busybox_that_needs_more_than_itself_cannot_be_the_first_program(root: Path, program: bytes) -> None:
    (root / "boot/vmlinuz-6.9").write_text("kernel")
    (root / "bin").mkdir()
    (root / "bin/busybox").write_bytes(program)
    with pytest.raises(Damaged, match="no kernel in /boot has an initial file system"):
        copied(root)
