"""Small Debian roots with a whole systemd, made once in each run of the tests."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PACKAGES = "systemd-sysv,dbus"


@functools.cache
def systemd_root(suite: str, more: str = "", options: tuple[str, ...] = ()) -> Path:
    """The root of a release, to be read only; skips the test where it cannot be made.

    :param more: packages besides those that a system needs to run, with commas between.
    :param options: of mmdebstrap.
    """
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap")
    place = Path(tempfile.mkdtemp(prefix=f"goldroot-{suite}-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    wanted = ["--variant=minbase", f"--include={PACKAGES},{more}", *options]
    words = ["mmdebstrap", "--quiet", *wanted, suite, place / "root"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no Debian {suite} root: {done.stderr[-300:]}")
    return place / "root"
