"""Programs of another architecture on this machine, and a Debian of it: by qemu-user, and a kernel that was only unpacked."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.guest import extract_kernel
from support.hosts import need_programs
from support.systemd_roots import systemd_root

#: What a system that is booted without an initial file system of its own needs, and what goldroot asks it by.
PACKAGES = "udev,kmod,busybox-static,qemu-guest-agent"


@contextmanager
def running_s390x() -> Iterator[None]:
    """This machine's kernel runs programs of s390x in the block, by qemu-user; the test is skipped where it cannot.

    Where nobody told it how (systemd-binfmt and binfmt-support do, where systemd runs), it is told for the block.
    """
    need_programs("qemu-s390x-static")
    place = Path(tempfile.mkdtemp(prefix="goldroot-binfmt-"))
    mounted = subprocess.run(["mount", "-t", "binfmt_misc", "none", place], capture_output=True, text=True, check=False)
    try:
        if mounted.returncode:
            pytest.skip(f"this machine's kernel runs no programs of others: {mounted.stderr.strip()}")
        known = place / "qemu-s390x"
        if known.exists() and known.read_text().startswith("enabled"):
            yield
            return
        told = Path("/usr/lib/binfmt.d/qemu-s390x.conf")
        if not told.exists():
            pytest.skip("qemu-user-binfmt is not installed")
        # the program is opened now, and need not be in the roots
        how, ours = told.read_text().splitlines()[0].removeprefix(":qemu-s390x:"), place / place.name
        (place / "register").write_text(f":{ours.name}:{how}")
        try:
            yield
        finally:
            ours.write_text("-1")
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", place], check=True)
        place.rmdir()


@functools.cache
def s390x_root(suite: str) -> Path:
    """The root of a release for s390x, to be read only, with a kernel that was unpacked and not installed."""
    # that these programs run here is known, and need not be tried by one more program (arch-test)
    root = systemd_root(suite, PACKAGES, ("--architectures=s390x", "--skip=check/qemu"))
    with tempfile.TemporaryDirectory() as room:
        unpacked = extract_kernel(Path(room, "kernel"), "s390x")
        (modules,) = (unpacked / "lib/modules").iterdir()
        shutil.copy(unpacked / f"boot/vmlinuz-{modules.name}", root / "boot")
        shutil.copytree(modules, root / "usr/lib/modules" / modules.name, symlinks=True)
    subprocess.run(["chroot", root, "depmod", modules.name], check=True)
    return root
