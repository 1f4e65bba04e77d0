"""A libvirt host for the contract tests, on a daemon of the tests' own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from goldroot.hosts.libvirt import LibvirtConfig, LibvirtHost
from support.hosts import Lab, _running, need_mounts, need_programs
from support.libvirtd import need_libvirt


def libvirt_lab(root: Path, *, session: bool = False, **settings: Any) -> LibvirtLab:
    """A host of domains; ``settings`` are of its table."""
    uri = need_libvirt(session=session)
    need_programs("mkfs.ext4", "mkfs.erofs", "e2fsck", "resize2fs", "tune2fs")
    need_mounts("ext4", "erofs")
    return LibvirtLab(root, "ext4", "erofs", lambda at: libvirt_host(at, uri, **settings))


def libvirt_host(at: Path, uri: str, **settings: Any) -> LibvirtHost:
    running = _running(at)["running_command"]
    table = {"accelerator": "tcg", "memory": 64, "prefix": _prefix(at), **settings}
    return LibvirtHost("here", f"{at}/store", LibvirtConfig(uri=uri, running=running, **table))


class LibvirtLab(Lab):
    """What others do, they do with libvirt."""

    def domain(self, name: str) -> Any:
        """A domain, for hands that are not goldroot's; its connection stays open with it."""
        import libvirt

        return libvirt.open(self.uri).lookupByName(_prefix(self.root) + name)

    @property
    def uri(self) -> str:
        """Of the daemon."""
        assert isinstance(self.host, LibvirtHost)
        return str(self.host.config.uri)

    def edit(self, name: str, old: str, new: str) -> None:
        """What ``virsh edit`` does: the first of some words become others."""
        domain = self.domain(name)
        text = self.text(name)
        assert re.search(old, text, re.DOTALL), text
        domain.connect().defineXML(re.sub(old, new, text, count=1, flags=re.DOTALL))

    def text(self, name: str) -> str:
        """A domain as it is defined."""
        import libvirt

        return str(self.domain(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    def put_something_at(self, name: str, address: str) -> None:
        (self.root / "others.img").touch()
        taken = self.text(name).count("<disk ")
        disk = (
            f"<disk type='file' device='disk'><source file='{self.root}/others.img'/>"
            f"<target dev='vd{chr(ord('m') + taken)}' bus='virtio'/><serial>{address}</serial></disk></devices>"
        )
        self.edit(name, "</devices>", disk)

    def damage(self, name: str) -> None:
        self.edit(name, "(<goldroot:entry [^>]*>)[^<]{20}", r"\1")

    @contextmanager
    def started(self, name: str) -> Iterator[None]:
        """Somebody starts the domain; it executes nothing, and is not given a kernel."""
        import libvirt

        domain = self.domain(name)
        text = re.sub("<kernel>.*</cmdline>", "", self.text(name), flags=re.DOTALL)
        domain.connect().createXML(text, libvirt.VIR_DOMAIN_START_PAUSED)
        try:
            yield
        finally:
            domain.destroy()

    @contextmanager
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        from goldroot.hosts.libvirt.entries import DomainEntries

        read: list[str] = []

        def counted(entries: DomainEntries, name: str, find: Any = DomainEntries.find) -> Any:
            read.append(name)
            return find(entries, name)

        with monkeypatch.context() as patch:
            patch.setattr(DomainEntries, "find", counted)
            yield read


def _prefix(at: Path) -> str:
    return f"{hashlib.sha256(str(at).encode()).hexdigest()[:10]}-"
