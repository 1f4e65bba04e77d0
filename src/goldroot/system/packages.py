"""Which packages a system has, read from its own package database without running anything of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from goldroot.packagedb import DPKG_STATUS, RPM_PLACES, Package, Unreadable, parse_dpkg, parse_rpm_header, read_rpm
from goldroot.system.own_disks import open_below, read_below
from goldroot.system.placement import Placement
from goldroot.tree import Note

__all__ = [
    "Package", "PackageChange", "Packages", "compare_packages", "parse_dpkg", "parse_rpm_header", "read_packages",
]  # fmt: skip


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


def _rpm(directory: int, path: str) -> Packages:
    names = os.listdir(directory)
    contents = ((name, read_below(f"/proc/self/fd/{directory}", name)) for name in names)
    try:
        return Packages("rpm", read_rpm((name, content) for name, content in contents if content is not None))
    except Unreadable as error:
        note = Note("packages-unknown", os.fsencode(path), f"the rpm database cannot be read: {error}")
        return Packages("rpm", (), (note,))


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
