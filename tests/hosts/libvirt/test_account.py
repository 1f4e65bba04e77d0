"""The account that runs QEMU: what of a store it can reach, and that closing a site to others leaves it that."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from goldroot import private
from goldroot.errors import BadInput, Refused
from goldroot.hosts.images import Images
from goldroot.hosts.libvirt import LibvirtConfig, LibvirtHost
from goldroot.hosts.libvirt.account import account_of
from goldroot.hosts.storefiles import Label
from support.hosts import MIB, need_programs

pytestmark = pytest.mark.root


def mode(path: Path) -> tuple[int, int]:
    """Mode and group."""
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_gid


def test_the_account_passes_to_the_disks_and_nowhere_else(tmp_path: Path) -> None:
    host = LibvirtHost("here", f"{tmp_path}/store", LibvirtConfig(user="nobody"))
    host.create()
    group = pwd.getpwnam("nobody").pw_gid
    for _ in range(2):
        for name in ("", "disks", "boot", "running", "scratch"):
            assert mode(tmp_path / "store" / name) == (0o710, group)
        for name in ("entries", "links", "labels", "locks", "halfway", "begun"):
            assert mode(tmp_path / "store" / name)[0] == 0o700
        assert private.tighten(host.own_paths, host.trees, os.getuid()) == []
    alone = LibvirtHost("here", f"{tmp_path}/alone", LibvirtConfig())
    alone.create()
    assert all(mode(path)[0] == 0o700 for path in (tmp_path / "alone").iterdir() if path.is_dir())
    (tmp_path / "alone").chmod(0o755)
    (tmp_path / "alone/boot").chmod(0o755)
    assert len(private.tighten(alone.own_paths, alone.trees, os.getuid())) == 2


def test_images_are_the_accounts_group_to_write_and_sealed_ones_to_read(tmp_path: Path) -> None:
    need_programs("mkfs.ext4", "e2fsck")
    for name in ("disks", "halfway"):
        (tmp_path / name).mkdir()
    group = pwd.getpwnam("nobody").pw_gid
    images = Images(str(tmp_path), group=group)
    label = Label("a", "WEB1", 8 * MIB, "ext4")
    images.make(label, None)
    assert mode(tmp_path / "disks/a.ext4") == (0o660, group)
    images.make(Label("b", "WEB1", 8 * MIB, "ext4"), label)
    assert mode(tmp_path / "disks/b.ext4") == (0o660, group)
    sealed = Label("a", "WEB1", 8 * MIB, "ext4", "ext4")
    images.seal(label, "ext4")
    images.settle(sealed)
    assert mode(tmp_path / "disks/a.ext4") == (0o440, group)
    assert (tmp_path / "disks/a.ext4").stat().st_uid == os.getuid()


def test_a_store_that_the_account_cannot_reach_is_told(tmp_path: Path) -> None:
    need_programs("setpriv")
    nobody = account_of("nobody")
    tmp_path.chmod(0o700)
    (tmp_path / "image").touch()
    with pytest.raises(Refused, match="cannot reach") as caught:
        nobody.refuse_unreachable(str(tmp_path / "image"))
    assert "`store` in goldroot.toml" in caught.value.todo
    nobody.refuse_unreachable("/etc/passwd")


def test_an_account_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInput, match="no account 'nobody-at-all'"):
        LibvirtHost("here", "/nowhere", LibvirtConfig(user="nobody-at-all"))
