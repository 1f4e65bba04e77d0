"""A system of one program: enough to boot, to say who it is, and to be asked to stop."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = (
    "sh",
    "mount",
    "sleep",
    "touch",
    "cat",
    "id",
    "ls",
    "kill",
    "poweroff",
    "stat",
    "mkdir",
    "env",
    "test",
    "umount",
)

#: Process 1 of a container: says what it is given, and ends when it is asked to (SIGRTMIN+3, as systemd does).
INIT = """#!/bin/sh
trap 'echo shutting down; exit 0' 37
echo "up as $(id -u)"
touch /usr/written 2>/dev/null && echo "the root was written"
touch /etc/written && echo "etc was written"
ls /sys/class/net > /etc/links
echo $(cat /proc/self/uid_map)
echo ready
while :; do sleep 1 & wait $!; done
"""


def busybox() -> str:
    """A static busybox; skips the test where there is none."""
    path = shutil.which("busybox")
    if path is None or subprocess.run(["ldd", path], capture_output=True, check=False).returncode == 0:
        pytest.skip("busybox-static is not installed")
    return path


def make_root(root: Path, init: str = INIT) -> None:
    """Fill a disk with the system; ``etc`` and what the kernel fills are empty directories."""
    for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "run", "tmp", "usr/lib", "usr/local", "var", "root"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox(), root / "bin" / "busybox")
    for name in PROGRAMS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "usr/lib/os-release").write_text('NAME="busybox"\nID=busybox\n')
    start = root / "sbin" / "init"
    start.write_text(init)
    os.chmod(start, 0o755)
