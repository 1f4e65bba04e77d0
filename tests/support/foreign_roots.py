"""A small Debian root with a whole systemd for s390x: made by emulation of its programs, with a kernel that is not installed."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.hosts import need_programs

PACKAGES = "systemd-sysv,dbus,udev,qemu-guest-agent,busybox-static,kmod,iproute2"
#: Programs of s390x are run by QEMU while this goes on (binfmt_misc of the kernel: Documentation/admin-guide/binfmt-misc.rst);
#: its file system is mounted for that alone.
_MAGIC = (
    r"\x7fELF\x02\x02\x01" + r"\x00" * 10 + r"\x02\x00\x16:" + r"\xff" * 7 + r"\x00" + r"\xff" * 9 + r"\xfe\xff\xff"
)
_SCRIPT = r"""
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
name=/proc/sys/fs/binfmt_misc/goldroot-test-$$
printf '%s' ":goldroot-test-$$:M::$1:$2:F" > /proc/sys/fs/binfmt_misc/register
trap 'echo -1 > $name' EXIT
shift 2
"$@"
"""


@functools.cache
def s390x_root() -> Path:
    """The root, to be read only; it has no initial file system.  Skips the test where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    need_programs("mmdebstrap", "arch-test", "qemu-s390x-static", "qemu-system-s390x")
    place = Path(tempfile.mkdtemp(prefix="goldroot-s390x-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    root, kernel = place / "root", place / "kernel"
    words = ["mmdebstrap", "--quiet", "--architectures=s390x", "--dpkgopt=force-unsafe-io"]
    enter = ["unshare", "--mount", "sh", "-ec", _SCRIPT, "sh", _MAGIC, str(shutil.which("qemu-s390x-static"))]
    whole = [*words, "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
    made = subprocess.run([*enter, *whole], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no Debian root for s390x: {made.stderr[-300:]}")
    subprocess.run([*words, "--variant=extract", "--include=linux-image-s390x", "bookworm", str(kernel)], check=True)
    add_kernel(kernel, root)
    return root


def add_kernel(unpacked: Path, root: Path) -> None:
    """A kernel that was unpacked, and its modules; depmod makes the list of what each needs."""
    (found,) = (unpacked / "boot").glob("vmlinuz-*")
    version = found.name.removeprefix("vmlinuz-")
    shutil.copy(found, root / "boot")
    shutil.copytree(unpacked / "lib/modules" / version, root / "usr/lib/modules" / version, symlinks=True)
    subprocess.run(["depmod", "-b", root, version], check=True)
