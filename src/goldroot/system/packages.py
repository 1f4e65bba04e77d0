"""Which packages a system has, read from its own package database without running anything of it."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from goldroot.errors import ProgramFailed
from goldroot.run import run
from goldroot.system.disk_files import open_below, read_below
from goldroot.system.placement import Placement
from goldroot.tree import Note

DPKG_STATUS = "var/lib/dpkg/status"
#: Where rpm keeps its database, newest place first.
RPM_PLACES = ("usr/lib/sysimage/rpm", "var/lib/rpm")

#: Tags of an rpm header: name, version, release, epoch, architecture.
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package; ``version`` as its system writes it (``2:1.0-3``)."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Packages:
    """The list, sorted; ``kind`` is ``dpkg``, ``rpm`` or ``none``."""

    kind: str
    installed: tuple[Package, ...]
    notes: tuple[Note, ...] = ()


def read_packages(layout: Placement, where: dict[str, str]) -> Packages:
    """The packages of a system whose disks are at ``where`` (address -> directory)."""

    def disk(path: str) -> str:
        return where[layout.disk_of(os.fsencode(path)).address]

    status = read_below(disk(DPKG_STATUS), DPKG_STATUS)
    if status is not None:
        return Packages("dpkg", tuple(sorted(parse_dpkg(status.decode("utf-8", "replace")))))
    for path in RPM_PLACES:
        handle = open_below(disk(path), path, directory=True)
        if handle is None:
            continue
        try:
            if os.listdir(handle):
                return _rpm(handle, path)
        finally:
            os.close(handle)
    return Packages("none", ())


def parse_dpkg(status: str) -> Iterator[Package]:
    """The installed packages of a dpkg status file; one that is only configured, or going, does not count."""
    for paragraph in status.split("\n\n"):
        fields = {
            name.lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in paragraph.splitlines() if line[:1].strip())
            if colon
        }
        if fields.get("status", "").split()[-1:] == ["installed"] and "package" in fields:
            yield Package(fields["package"], fields.get("version", ""), fields.get("architecture", ""))


def _rpm(directory: int, path: str) -> Packages:
    """From the SQLite database itself, else with the ``rpm`` program; on a copy, since opening one writes to it."""
    with tempfile.TemporaryDirectory(prefix="goldroot-rpm-") as copy:
        for name in os.listdir(directory):
            if (content := read_below(f"/proc/self/fd/{directory}", name)) is not None:
                with open(os.path.join(copy, name), "wb") as file:
                    file.write(content)
        try:
            if os.path.exists(os.path.join(copy, "rpmdb.sqlite")):
                return Packages("rpm", tuple(sorted(_rpm_sqlite(os.path.join(copy, "rpmdb.sqlite")))))
            if shutil.which("rpm"):
                return Packages("rpm", tuple(sorted(_rpm_program(copy))))
            why = "it is no SQLite database, and the program rpm is not installed here"
        except (sqlite3.Error, struct.error, ValueError, IndexError, TypeError, MemoryError, ProgramFailed) as error:
            why = str(error)
    note = Note("packages-unknown", os.fsencode(path), f"the rpm database cannot be read: {why}")
    return Packages("rpm", (), (note,))


#: Thousands of steps of SQLite's machine; 100,000 packages take under a thousand of them.
_MOST_STEPS = 10_000


def _rpm_sqlite(file: str) -> Iterator[Package]:
    """The database is whatever a server has made of it: only a plain table is asked, and only for so long."""
    connection = sqlite3.connect(file)
    try:
        left = itertools.count(_MOST_STEPS, -1)
        connection.set_progress_handler(lambda: next(left) <= 0, 1000)
        connection.execute("PRAGMA trusted_schema = OFF")
        made = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = 'Packages'").fetchone()
        if made is None or made[0] != "table" or "virtual" in str(made[1]).lower():
            raise ValueError("it has no table of packages")
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            yield parse_rpm_header(blob)
    finally:
        connection.close()


def parse_rpm_header(blob: bytes) -> Package:
    """A package from its header (the format of rpm's database: two counts, 16-byte index entries, a store)."""
    entries, size = struct.unpack_from(">II", blob)
    store = blob[8 + 16 * entries : 8 + 16 * entries + size]
    found: dict[int, str] = {}
    for number in range(entries):
        tag, kind, offset, _ = struct.unpack_from(">IIiI", blob, 8 + 16 * number)
        if tag in (_NAME, _VERSION, _RELEASE, _ARCH) and kind == _STRING:
            found[tag] = store[offset : store.index(b"\0", offset)].decode("utf-8", "replace")
        elif tag == _EPOCH and kind == _INT32:
            found[tag] = str(struct.unpack_from(">I", store, offset)[0])
    epoch = f"{found[_EPOCH]}:" if _EPOCH in found else ""
    version = f"{epoch}{found.get(_VERSION, '')}-{found.get(_RELEASE, '')}"
    return Package(found.get(_NAME, "?"), version, found.get(_ARCH, "noarch"))


def _rpm_program(directory: str) -> Iterator[Package]:
    query = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
    for line in run(["rpm", "--dbpath", directory, "-qa", "--qf", query], timeout=120).text().splitlines():
        name, version, architecture = line.split("\t")
        yield Package(name, version, architecture)


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that differs; ``old`` or ``new`` is "" where it is not installed."""

    name: str
    old: str
    new: str


def compare_packages(old: tuple[Package, ...], new: tuple[Package, ...]) -> list[PackageChange]:
    """What differs between two lists, by name; a package of several architectures is compared in each."""
    before = {(package.name, package.architecture): package.version for package in old}
    after = {(package.name, package.architecture): package.version for package in new}
    return [
        PackageChange(key[0], before.get(key, ""), after.get(key, ""))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
