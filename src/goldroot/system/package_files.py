"""Which files a system has of which package, and what each was when the package brought it.

Read from the system's own package database, without running anything of it.  The database is whatever a server has made
of it: it can only make the server's own files be taken for changed or unchanged ones.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from goldroot.files import NOT_THERE, open_regular, parent_of
from goldroot.packagedb import (
    DPKG_STATUS,
    RPM_PLACES,
    Package,
    PackagedFile,
    Unreadable,
    dpkg_conffiles,
    dpkg_md5sums,
    parse_dpkg,
    read_rpm_files,
)
from goldroot.system.own_disks import names_in, read_path

#: Where dpkg keeps its lists of files; who stands aside for whom; what ucf(1) brought, and of which package.
_INFO, _DIVERSIONS = b"var/lib/dpkg/info", b"var/lib/dpkg/diversions"
_UCF_HASHES, _UCF_OWNERS = b"var/lib/ucf/hashfile", b"var/lib/ucf/registry"

Canon = Callable[[bytes], bytes]  #: a path in the one spelling in which paths are compared


@dataclass(frozen=True)
class PackageFiles:
    """Files of packages; all paths without a leading slash, in one spelling."""

    packages: Mapping[str, Package] = field(default_factory=dict)  #: the installed ones, by name
    owners: Mapping[bytes, str] = field(default_factory=dict)  #: path -> name of the package (one of them)
    brought: Mapping[bytes, PackagedFile] = field(default_factory=dict)  #: files whose content is known
    trouble: str = ""  #: why the database could not be read, where there is one

    def is_as_brought(self, root: str, path: bytes, standing: bytes, digest: bytes = b"") -> bool | None:
        """Whether a file is what its package brought; ``None`` where nobody knows what that was.

        :param root: the system's root; ``standing``: where the file stands in it, whatever the spelling.
        :param digest: the file's SHA-256, where it is known.
        """
        known = self.brought.get(path)
        if known is None:
            return None
        if known.algorithm == "sha256" and digest:
            return known.digest == digest
        return _digest(root, standing, known.algorithm) == known.digest


def read_package_files(root: str, canon: Canon) -> PackageFiles:
    """What the package database of a system says of its files; empty where it has none that can be read."""
    status = read_path(root, DPKG_STATUS.encode())
    if status is not None and not status.startswith(b"-> "):
        return _dpkg(root, status.decode("utf-8", "surrogateescape"), canon)
    for place in map(str.encode, RPM_PLACES):
        if files := [(os.fsdecode(name), read_path(root, place + b"/" + name)) for name in names_in(root, place)]:
            return _rpm([(name, content) for name, content in files if content is not None], canon)
    return PackageFiles()


def _rpm(files: list[tuple[str, bytes]], canon: Canon) -> PackageFiles:
    try:
        found = read_rpm_files(files)
    except Unreadable as error:
        return PackageFiles(trouble=str(error))
    owners: dict[bytes, str] = {}
    brought: dict[bytes, PackagedFile] = {}
    for package, theirs in found:
        for one in theirs:
            owners.setdefault(canon(one.path), package.name)
            if one.algorithm:
                brought.setdefault(canon(one.path), one)
    return PackageFiles({package.name: package for package, _ in found}, owners, brought)


def _dpkg(root: str, status: str, canon: Canon) -> PackageFiles:
    packages = {package.name: package for package in parse_dpkg(status)}
    aside = dict(_diversions(read_path(root, _DIVERSIONS) or b""))
    owners: dict[bytes, str] = {}
    brought: dict[bytes, PackagedFile] = {}

    def place(path: bytes, package: str) -> bytes:
        to, by = aside.get(path, (path, package))
        return canon(path if by == package else to)

    for name in names_in(root, _INFO):
        package, _, kind = os.fsdecode(name).rpartition(".")
        package = package.partition(":")[0]
        if package not in packages or kind not in ("list", "md5sums"):
            continue
        data = read_path(root, _INFO + b"/" + name) or b""
        if kind == "md5sums":
            brought.update((place(one.path, package), one) for one in dpkg_md5sums(data))
        else:
            for line in data.splitlines():
                owners.setdefault(place(line.strip(b"/"), package), package)
    for of, one in dpkg_conffiles(status):
        path = place(one.path, of.name)
        owners[path], brought[path] = of.name, one
    for path, held_by, was in _ucf(root):
        if held_by in packages:
            owners.setdefault(canon(path), held_by)
            if was is not None:
                brought.setdefault(canon(path), was)
    owners.pop(b"", None)
    owners.pop(b".", None)
    return PackageFiles(packages, owners, brought)


def _diversions(data: bytes) -> Iterator[tuple[bytes, tuple[bytes, str]]]:
    """Path -> where the files of other packages go instead, and for which package (``:`` is the administrator)."""
    lines = data.splitlines()
    for frm, to, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        yield frm.strip(b"/"), (to.strip(b"/"), by.decode("utf-8", "replace"))


def _ucf(root: str) -> Iterator[tuple[bytes, str, PackagedFile | None]]:
    """Configuration files that packages manage by ucf(1): path, package, and what it last brought."""
    hashes = {}
    for line in (read_path(root, _UCF_HASHES) or b"").splitlines():
        if words := re.fullmatch(rb"([0-9a-f]{32})\s+/(.+)", line):
            hashes[words[2]] = PackagedFile(words[2], "md5", bytes.fromhex(words[1].decode()))
    for line in (read_path(root, _UCF_OWNERS) or b"").splitlines():
        if words := re.fullmatch(rb"(\S+)\s+/(.+)", line):
            yield words[2], words[1].decode("utf-8", "replace"), hashes.get(words[2])


def _digest(root: str, path: bytes, algorithm: str) -> bytes:
    """The hash of a file's content; empty where no file is."""
    try:
        with parent_of(root, path) as (directory, name):
            handle = open_regular(name, directory)
            if handle is None:
                return b""
            with open(handle, "rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).digest()
    except OSError as error:
        if error.errno in NOT_THERE:
            return b""
        raise
