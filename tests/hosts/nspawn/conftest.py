"""A host of containers, with a server of one program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import Lab, need_programs, nspawn_host
from support.nspawn_server import add_server


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A slot ``GOLD`` with a root, and a server ``WEB1`` whose own disk is ``/etc``; what runs at the end is killed."""
    need_programs("systemd-nspawn", "setpriv", "nsenter")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    lab = Lab(tmp_path, "directory", "directory", lambda at: nspawn_host(at, B1=["/"], B5=["/etc"]))
    add_server(lab)
    try:
        yield lab
    finally:
        for entry in lab.host.entries():
            if entry.role == "machine":
                lab.host.stop(entry.name, 0)
