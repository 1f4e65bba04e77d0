"""Package databases as data: those of dpkg and rpm, read without running anything of the system that they are of.

A database is whatever a server has made of it: nothing in it is believed, and reading it comes to an end.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from goldroot.errors import ProgramFailed
from goldroot.run import run

DPKG_STATUS = "var/lib/dpkg/status"
#: Where rpm keeps its database, newest place first.
RPM_PLACES = ("usr/lib/sysimage/rpm", "var/lib/rpm")

#: Tags of an rpm header: name, version, release, epoch, architecture.
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6


class Unreadable(Exception):
    """A database cannot be read; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package; ``version`` as its system writes it (``2:1.0-3``)."""

    name: str
    version: str
    architecture: str


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


def read_rpm(files: Iterable[tuple[str, bytes]]) -> tuple[Package, ...]:
    """The packages of an rpm database, sorted: from its SQLite file itself, else with the ``rpm`` program.

    :param files: names and contents of its directory; they are copied, since opening a database writes to it.
    :raises Unreadable: it is not a database, or nothing here can read it.
    """
    with tempfile.TemporaryDirectory(prefix="goldroot-rpm-") as copy:
        for name, content in files:
            with open(os.path.join(copy, name), "wb") as file:
                file.write(content)
        try:
            if os.path.exists(os.path.join(copy, "rpmdb.sqlite")):
                return tuple(sorted(_rpm_sqlite(os.path.join(copy, "rpmdb.sqlite"))))
            if shutil.which("rpm"):
                return tuple(sorted(_rpm_program(copy)))
        except (sqlite3.Error, struct.error, ValueError, IndexError, TypeError, MemoryError, ProgramFailed) as error:
            raise Unreadable(str(error)) from error
    raise Unreadable("it is not a SQLite database, and the program rpm is not installed here")


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


#: A run of digits, or of anything else.
_RUNS = re.compile(r"(\d+)")
#: What rpm compares: runs of digits, runs of letters, and the two signs that have a meaning.
_RPM_RUNS = re.compile(r"\d+|[A-Za-z]+|~|\^")

Order = tuple[object, ...]  #: what sorts as the versions do that it is made from


def dpkg_order(version: str) -> Order:
    """A version of Debian's, to compare with others (deb-version(7))."""
    epoch, colon, rest = version.partition(":")
    upstream, _, revision = (rest if colon else version).rpartition("-")
    head = int(epoch) if colon and epoch.isdigit() else 0
    return (head, *(_dpkg_part(part) for part in ((upstream, revision) if upstream else (revision, "0"))))


def _dpkg_part(text: str) -> Order:
    runs = enumerate(_RUNS.split(text))
    found = (int(run_of) if number % 2 else (*map(_dpkg_letter, run_of), 0) for number, run_of in runs)
    return (*found, 0, (0,))  # what is not there is an empty run and a zero


def _dpkg_letter(sign: str) -> int:
    """A tilde sorts before the end of a part, letters before all other signs."""
    return -1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + 256


def rpm_order(version: str) -> Order:
    """A version of rpm's with its release, to compare with others (rpm-version(7))."""
    epoch, colon, rest = version.partition(":")
    head, _, release = (rest if colon else version).rpartition("-")
    return (int(epoch) if colon and epoch.isdigit() else 0, _rpm_part(head), _rpm_part(release))


def _rpm_part(text: str) -> Order:
    """Each run with its rank: a tilde before the end, a caret after it, letters before numbers."""
    ranks: list[tuple[int, object]] = []
    for run_of in _RPM_RUNS.findall(text):
        if run_of.isdigit():
            ranks.append((3, int(run_of)))
        elif run_of.isalpha():
            ranks.append((2, run_of))
        else:
            ranks.append((-1, "") if run_of == "~" else (1, ""))
    return (*ranks, (0, ""))


#: Kind of a database -> how its versions sort.
ORDERS: dict[str, Callable[[str], Order]] = {"dpkg": dpkg_order, "rpm": rpm_order}
