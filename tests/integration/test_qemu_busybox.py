"""A site whose home is a host of QEMU's machines, by its commands: small systems that boot in seconds, by emulation."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guest import extract_kernel, put_boot
from support.hosts import need_programs
from support.roots import make_root
from support.whole_site import WholeSite

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(1800)]

HOST = """
default_host = "machines"

[hosts.machines]
kind = "qemu"
store = "machines"
accelerator = "tcg"
memory = 256
disk_size = 96
parameters = "quiet panic=-1"
"""
TRIED = 'health_time = 120\ntrial_time = 120\nstop_time = 60\ntests = ["test -e /system/etc/app.conf"]'


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    need_programs("qemu-img", "mkfs.erofs", "mkfs.ext4")
    return extract_kernel(tmp_path_factory.mktemp("kernel") / "unpacked")


@pytest.fixture
def fleet(unpacked: Path) -> Iterator[WholeSite]:
    """With an image, of which there is no gold yet."""
    memory = "/dev/shm"
    room = Path(tempfile.mkdtemp(prefix="goldroot-small-", dir=memory if os.access(memory, os.W_OK) else None))
    fleet = WholeSite(room / "site")
    fleet.root.mkdir()
    (fleet.root / "goldroot.toml").write_text(HOST)
    fleet("init", str(fleet.root))
    fleet.configure(TRIED)
    put_boot(unpacked, make_root(room / "root"))
    fleet("image", "import", "debian", "--from", str(room / "root"))
    try:
        yield fleet
    finally:
        fleet.stop(["web1"])
        shutil.rmtree(room)


def test_both_forms_of_a_test_system_boot_and_its_gold_is_published(fleet: WholeSite) -> None:
    """Its commands run in it while it runs; what they write does not stay."""
    said = fleet("maintain", "test", "debian")
    assert "read-only: passed (2 commands)" in said
    assert "read-write: passed (2 commands)" in said
    assert "untested" not in fleet("gold", "publish", "debian")
