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
from typing import TypeVar

from goldroot.errors import ProgramFailed
from goldroot.run import run

DPKG_STATUS = "var/lib/dpkg/status"
#: Where rpm keeps its database, newest place first.
RPM_PLACES = ("usr/lib/sysimage/rpm", "var/lib/rpm")

#: Tags of an rpm header: name, version, release, epoch, architecture.
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
#: And of its files: digests, flags; places of their directories, last names, directories; which hash the digests are of.
_DIGESTS, _FLAGS, _DIR_INDEXES, _BASENAMES, _DIRNAMES, _DIGEST_ALGO = 1035, 1037, 1116, 1117, 1118, 5011
_INT32, _STRING, _STRINGS = 4, 6, 8
#: RPMFILE_GHOST: the package names the file and does not bring it.
_GHOST = 64
#: Numbers of hashes (RFC 4880) that rpm writes digests of.
_HASHES = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}


class Unreadable(Exception):
    """A database cannot be read; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package; ``version`` as its system writes it (``2:1.0-3``)."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """What a package brought: a path (no leading slash), and the hash of its content where the database has one."""

    path: bytes
    algorithm: str = ""  #: as :mod:`hashlib` calls it; "": no digest is known
    digest: bytes = b""


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


def dpkg_conffiles(status: str) -> Iterator[tuple[Package, PackagedFile]]:
    """The configuration files of the installed packages of a dpkg status file, with the digest of what each brought."""
    for paragraph in status.split("\n\n"):
        package = next(parse_dpkg(paragraph), None)
        field = re.search(r"^Conffiles:((?:\n .*)+)", paragraph, re.MULTILINE)
        for line in field[1].splitlines() if package is not None and field is not None else ():
            words = re.fullmatch(r" /(.+) ([0-9a-f]{32})(?: obsolete)?(?: remove-on-upgrade)?", line)
            if package is not None and words is not None:
                yield package, PackagedFile(os.fsencode(words[1]), "md5", bytes.fromhex(words[2]))


def dpkg_md5sums(data: bytes) -> Iterator[PackagedFile]:
    """The files of a package's ``md5sums``; lines that are not of its form are left out."""
    for line in data.splitlines():
        digest, path = line[:32], line[34:]
        if re.fullmatch(rb"[0-9a-f]{32}", digest) and path:
            yield PackagedFile(path.removeprefix(b"./").removeprefix(b"/"), "md5", bytes.fromhex(digest.decode()))


def read_rpm(files: Iterable[tuple[str, bytes]]) -> tuple[Package, ...]:
    """The packages of an rpm database, sorted: from its SQLite file itself, else with the ``rpm`` program.

    :param files: names and contents of its directory; they are copied, since opening a database writes to it.
    :raises Unreadable: it is not a database, or nothing here can read it.
    """
    return tuple(sorted(_read(files, _rpm_sqlite, _rpm_program)))


def read_rpm_files(files: Iterable[tuple[str, bytes]]) -> list[tuple[Package, list[PackagedFile]]]:
    """The packages of an rpm database with their files; what a package names without bringing it is left out.

    :raises Unreadable: as of :func:`read_rpm`.
    """
    return _read(files, _rpm_sqlite_files, _rpm_program_files)


T = TypeVar("T")


def _read(
    files: Iterable[tuple[str, bytes]], itself: Callable[[str], Iterator[T]], program: Callable[[str], Iterator[T]]
) -> list[T]:
    """What is read of a copy of an rpm database: of its SQLite file, or by the program."""
    with tempfile.TemporaryDirectory(prefix="goldroot-rpm-") as copy:
        for name, content in files:
            with open(os.path.join(copy, name), "wb") as file:
                file.write(content)
        try:
            if os.path.exists(os.path.join(copy, "rpmdb.sqlite")):
                return list(itself(os.path.join(copy, "rpmdb.sqlite")))
            if shutil.which("rpm"):
                return list(program(copy))
        except (sqlite3.Error, struct.error, ValueError, LookupError, TypeError, MemoryError, ProgramFailed) as error:
            raise Unreadable(str(error)) from error
    raise Unreadable("it is not a SQLite database, and the program rpm is not installed here")


#: Thousands of steps of SQLite's machine; 100,000 packages take under a thousand of them.
_MOST_STEPS = 10_000


def _rpm_sqlite(file: str) -> Iterator[Package]:
    return map(parse_rpm_header, _headers(file))


def _rpm_sqlite_files(file: str) -> Iterator[tuple[Package, list[PackagedFile]]]:
    return ((parse_rpm_header(blob), list(rpm_header_files(blob))) for blob in _headers(file))


def _headers(file: str) -> Iterator[bytes]:
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
            yield blob
    finally:
        connection.close()


def parse_rpm_header(blob: bytes) -> Package:
    """A package from its header (the format of rpm's database: two counts, 16-byte index entries, a store)."""
    found: dict[int, str] = {}
    for tag, kind, offset, _, store in _index(blob):
        if tag in (_NAME, _VERSION, _RELEASE, _ARCH) and kind == _STRING:
            found[tag] = store[offset : store.index(b"\0", offset)].decode("utf-8", "replace")
        elif tag == _EPOCH and kind == _INT32:
            found[tag] = str(struct.unpack_from(">I", store, offset)[0])
    epoch = f"{found[_EPOCH]}:" if _EPOCH in found else ""
    version = f"{epoch}{found.get(_VERSION, '')}-{found.get(_RELEASE, '')}"
    return Package(found.get(_NAME, "?"), version, found.get(_ARCH, "noarch"))


def _index(blob: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Each entry of a header: tag, kind, offset and count of its values in the store, and the store."""
    entries, size = struct.unpack_from(">II", blob)
    store = blob[8 + 16 * entries : 8 + 16 * entries + size]
    for number in range(entries):
        yield (*struct.unpack_from(">IIiI", blob, 8 + 16 * number), store)


def rpm_header_files(blob: bytes) -> Iterator[PackagedFile]:
    """The files that a package's header says it brought."""
    texts: dict[int, list[bytes]] = {}
    numbers: dict[int, tuple[int, ...]] = {}
    for tag, kind, offset, count, store in _index(blob):
        if kind == _STRINGS and tag in (_DIGESTS, _BASENAMES, _DIRNAMES):
            texts[tag] = store[offset:].split(b"\0", count)[:count]
        elif kind == _INT32 and tag in (_FLAGS, _DIR_INDEXES, _DIGEST_ALGO):
            numbers[tag] = struct.unpack_from(f">{count}I", store, offset)
    algorithm = _HASHES.get(numbers.get(_DIGEST_ALGO, (1,))[0], "")
    names, digests, flags = texts.get(_BASENAMES, []), texts.get(_DIGESTS, []), numbers.get(_FLAGS, ())
    for place, name in enumerate(names):
        if not flags[place] & _GHOST:
            path = texts[_DIRNAMES][numbers[_DIR_INDEXES][place]] + name
            yield _packaged(path, algorithm, digests[place] if digests else b"")


def _packaged(path: bytes, algorithm: str, digest: bytes) -> PackagedFile:
    known = bool(algorithm and digest)
    return PackagedFile(
        path.strip(b"/"), algorithm if known else "", bytes.fromhex(digest.decode("ascii")) if known else b""
    )


def _rpm_program_files(directory: str) -> Iterator[tuple[Package, list[PackagedFile]]]:
    head = (
        "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%|FILEDIGESTALGO?{%{FILEDIGESTALGO}}:{1}|\\n"
    )
    query = head + "[%{FILEFLAGS}\\t%{FILEDIGESTS}\\t%{FILENAMES}\\n]\\n"
    said = run(["rpm", "--dbpath", directory, "-qa", "--qf", query], timeout=300).out
    for block in said.split(b"\n\n"):
        first, *lines = block.lstrip(b"\n").split(b"\n")
        if first.count(b"\t") != 3:
            continue
        name, version, architecture, algorithm = first.decode("utf-8", "replace").split("\t")
        rows = [line.split(b"\t", 2) for line in lines if line.count(b"\t") >= 2]
        files = [_packaged(row[2], _HASHES.get(int(algorithm), ""), row[1]) for row in rows if not int(row[0]) & _GHOST]
        yield Package(name, version, architecture), files


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
