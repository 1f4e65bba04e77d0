"""What package databases say of files."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest

from goldroot.packagedb import Package, PackagedFile, dpkg_conffiles, dpkg_md5sums, rpm_header_files
from goldroot.system.package_files import read_package_files
from support.rpms import RpmRoot, Rpms
from support.trees import File, make_tree


def as_it_is(path: bytes) -> bytes:
    return path


def md5(content: str) -> bytes:
    return hashlib.md5(content.encode(), usedforsecurity=False).digest()


def test_conffiles_of_installed_packages_only() -> None:
    status = (
        "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nConffiles:\n"
        f" /etc/a b {md5('x').hex()}\n /etc/old {md5('y').hex()} obsolete\n /etc/none newconffile\n\n"
        f"Package: b\nStatus: deinstall ok config-files\nConffiles:\n /etc/b {md5('x').hex()}\n"
    )
    assert list(dpkg_conffiles(status)) == [
        (Package("a", "1", "all"), PackagedFile(b"etc/a b", "md5", md5("x"))),
        (Package("a", "1", "all"), PackagedFile(b"etc/old", "md5", md5("y"))),
    ]


def test_md5sums_have_one_form() -> None:
    good = md5("x").hex().encode()
    data = good + b"  usr/bin/a b\n" + b"short  usr/x\n" + good + b"  /usr/c\n" + good + b"\n"
    assert [one.path for one in dpkg_md5sums(data)] == [b"usr/bin/a b", b"usr/c"]


def test_a_diverted_file_is_where_it_was_put(tmp_path: Path) -> None:
    one, two = md5("one").hex(), md5("two").hex()
    root = make_tree(tmp_path / "root", {
        "var/lib/dpkg/status": "".join(
            f"Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n" for name in ("one", "two")
        ),
        "var/lib/dpkg/info/one.list": "/.\n/usr\n/usr/bin\n/usr/bin/tool\n",
        "var/lib/dpkg/info/one.md5sums": f"{one}  usr/bin/tool\n",
        "var/lib/dpkg/info/two:amd64.list": "/.\n/usr/bin/tool\n",
        "var/lib/dpkg/info/two:amd64.md5sums": f"{two}  usr/bin/tool\n",
        "var/lib/dpkg/diversions": "/usr/bin/tool\n/usr/bin/tool.one\ntwo\n",
        "usr/bin/tool": "two", "usr/bin/tool.one": "one",
    })  # fmt: skip
    found = read_package_files(str(root), as_it_is)
    assert (found.owners[b"usr/bin/tool"], found.owners[b"usr/bin/tool.one"]) == ("two", "one")
    for path in (b"usr/bin/tool", b"usr/bin/tool.one"):
        assert found.is_as_brought(str(root), path, path) is True
    assert found.is_as_brought(str(root), b"usr", b"usr") is None


def header(*tags: tuple[int, int, int, bytes]) -> bytes:
    """A header of rpm's: (tag, kind, count, value) each."""
    index, store = b"", b""
    for tag, kind, count, value in tags:
        store += b"\0" * (-len(store) % 4)
        index += struct.pack(">IIiI", tag, kind, len(store), count)
        store += value
    return struct.pack(">II", len(tags), len(store)) + index + store


FILES = header(
    (1000, 6, 1, b"p\0"), (1001, 6, 1, b"1\0"), (1002, 6, 1, b"2\0"), (1022, 6, 1, b"noarch\0"),
    (1117, 8, 3, b"a.conf\0p\0log\0"), (1118, 8, 2, b"/etc/\0/usr/bin/\0"), (1116, 4, 3, struct.pack(">3I", 0, 1, 1)),
    (1035, 8, 3, b"00ff\0\0" + b"11\0"), (1037, 4, 3, struct.pack(">3I", 17, 0, 64)), (5011, 4, 1, struct.pack(">I", 8)),
)  # fmt: skip


def test_files_of_an_rpm_header_without_those_that_it_only_names() -> None:
    assert list(rpm_header_files(FILES)) == [
        PackagedFile(b"etc/a.conf", "sha256", b"\0\xff"), PackagedFile(b"usr/bin/p"),
    ]  # fmt: skip


@pytest.mark.parametrize("cut", range(8, len(FILES), 37))
def test_a_damaged_rpm_database_says_nothing(tmp_path: Path, cut: int) -> None:
    root = make_tree(tmp_path / "root", {"var/lib/rpm/x": ""})
    with sqlite3.connect(root / "var/lib/rpm/rpmdb.sqlite") as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER, blob BLOB)")
        database.execute("INSERT INTO Packages VALUES (1, ?)", (FILES[:cut],))
    database.close()
    found = read_package_files(str(root), as_it_is)
    assert found.trouble or found.owners.keys() <= {b"etc/a.conf", b"usr/bin/p"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpmbuild is not here")
@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "var/lib/rpm"])
def test_a_database_that_rpm_made(tmp_path: Path, place: str) -> None:
    made = Rpms(tmp_path).build("own", "3", {"etc/own.conf": "own\n", "usr/bin/own": File("#!/bin/sh\n", mode=0o755)})
    root = tmp_path / "root"
    RpmRoot(root, f"/{place}").install([made])
    found = read_package_files(str(root), as_it_is)
    assert {path: found.owners[path] for path in (b"etc/own.conf", b"usr/bin/own")} == dict.fromkeys(
        (b"etc/own.conf", b"usr/bin/own"), "own"
    )
    assert found.packages["own"].version == "3-1"
    assert found.is_as_brought(str(root), b"etc/own.conf", b"etc/own.conf") is True
    (root / "etc/own.conf").write_text("changed\n")
    assert found.is_as_brought(str(root), b"etc/own.conf", b"etc/own.conf") is False
