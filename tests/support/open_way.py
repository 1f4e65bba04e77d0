"""Tests become other users, who must be able to read what Python and goldroot are made of.

Where that lies in somebody's home (``/root``, mode 0700), root's process of tests gets mounts of its own, in which the way
there is open: in the place of each closed directory stands a new one with the same things in it.  Nobody else sees it, and
it ends with the process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NOBODY = 65534

CLONE_NEWNS = 0x20000  # unshare(2)
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19  # mount(2)

#: As another user; the modules that are loaded last, and by nobody before.
PROBE = f"""
import os
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
import goldroot.tree.build, goldroot.cli.main, support.trees
"""


def closed() -> Path | None:
    """The first directory on the way that others may not pass; ``None`` where there is none."""
    for end in (PROJECT, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve()):
        for above in reversed(end.parents):
            if not above.stat().st_mode & 0o001:
                return above
    return None


def open_way() -> None:
    """Open the way for all users, where this process is root's and may; else :func:`need_other_users` says so."""
    if os.geteuid() != 0 or closed() is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None):
        return
    with tempfile.TemporaryDirectory() as stash:
        while (place := closed()) is not None:
            if libc.mount(bytes(place), stash.encode(), None, ctypes.c_ulong(MS_BIND | MS_REC), None):
                return
            if libc.mount(b"none", bytes(place), b"tmpfs", ctypes.c_ulong(0), b"mode=0755"):
                return
            for there in Path(stash).iterdir():
                _show(libc, there, place / there.name)
            libc.umount2(stash.encode(), 2)  # MNT_DETACH: the binds stay
    os.chdir(os.getcwd())


def _show(libc: ctypes.CDLL, there: Path, here: Path) -> None:
    if there.is_symlink():
        here.symlink_to(there.readlink())
        return
    if there.is_dir():
        here.mkdir()
    else:
        here.touch()
    libc.mount(bytes(there), bytes(here), None, ctypes.c_ulong(MS_BIND | MS_REC), None)


@cache
def _others_can() -> bool:
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}/src:{PROJECT}/tests"}
    return subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True).returncode == 0


def need_other_users() -> None:
    """Skip a test that becomes another user where none can read the project, or Python."""
    if os.geteuid() == 0 and not _others_can():
        pytest.skip(f"other users cannot read {PROJECT} or the Python that runs these tests")
