"""Package lists from a system's own database, and that no link in it leads elsewhere."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest

from goldroot.site import layout
from goldroot.system import Package, compare_packages, os_facts, read_packages
from goldroot.system.os_release import parse
from goldroot.system.own_disks import open_below, read_below
from goldroot.system.packages import parse_dpkg, parse_rpm_header
from support.trees import File, Link, Table, make_tree

PAPER = layout.load_layout("readonly-root")


def rpm_header(name: str, version: str, release: str, arch: str, epoch: int | None = None) -> bytes:
    """A header by rpm's format description: counts, index (tag, type, offset, count), store."""
    store, index = b"", []
    if epoch is not None:
        index.append((1003, 4, 0, 1))
        store += struct.pack(">I", epoch)
    for tag, text in ((1000, name), (1001, version), (1002, release), (1022, arch)):
        index.append((tag, 6, len(store), 1))
        store += text.encode() + b"\0"
    entries = b"".join(struct.pack(">IIiI", *entry) for entry in index)
    return struct.pack(">II", len(index), len(store)) + entries + store


def rpm_database(file: Path, *headers: bytes) -> None:
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.close()


def system(tmp_path: Path, table: Table) -> dict[str, str]:
    """All disks of the paper's layout in one directory: each looks only for its own paths."""
    root = str(make_tree(tmp_path / "root", {"usr/lib/x": "", "var/lib/x": "", **table}))
    return {disk.address: root for disk in PAPER.disks}


def test_dpkg() -> None:
    status = (
        "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:1.0-3\n"
        "Description: words\n Package: not-this\n\n"
        "Package: a\nStatus: hold ok installed\nVersion: 1\n\n"
        "Package: going\nStatus: install ok half-configured\nVersion: 1\n\n"
        "nonsense without a colon\n\n\n"
    )
    assert sorted(parse_dpkg(status)) == [Package("a", "1", ""), Package("b", "2:1.0-3", "amd64")]


def test_rpm_headers() -> None:
    assert parse_rpm_header(rpm_header("a", "1", "2", "s390x")) == Package("a", "1-2", "s390x")
    assert parse_rpm_header(rpm_header("a", "1", "2", "noarch", 3)) == Package("a", "3:1-2", "noarch")


@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "var/lib/rpm"])
def test_an_rpm_database_is_read_without_being_touched(tmp_path: Path, place: str) -> None:
    where = system(tmp_path, {})
    file = tmp_path / "root" / place / "rpmdb.sqlite"
    rpm_database(file, rpm_header("b", "2", "1", "x86_64"), rpm_header("a", "1", "1", "noarch"))
    before = file.read_bytes(), file.stat().st_mtime_ns
    found = read_packages(PAPER, where)
    assert (found.kind, [package.name for package in found.installed], found.notes) == ("rpm", ["a", "b"], ())
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


SPEC = """\
Name: {name}
Version: 1.2
Release: 3
{epoch}BuildArch: {architecture}
Summary: words
License: none
%description
words
%install
mkdir -p %{{buildroot}}/opt/{name}
%files
/opt/{name}
"""


def rpm_says(*words: str) -> str:
    done = subprocess.run(["rpm", *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("rpmbuild"), reason="rpm is not installed")
def test_a_database_that_rpm_wrote(tmp_path: Path) -> None:
    """rpm makes two packages, installs them, and says what we must say."""
    for name, epoch in (("alpha", "Epoch: 2\n"), ("beta", "")):
        spec = tmp_path / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, epoch=epoch, architecture="noarch" if epoch else os.uname().machine))
        build = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {tmp_path}/top", str(spec)]
        subprocess.run(build, check=True, capture_output=True, timeout=60)
    where = system(tmp_path, {})
    root = ("--root", str(tmp_path / "root"), "--define", "_dbpath /usr/lib/sysimage/rpm")
    rpm_says(*root, "--install", "--nodeps", *map(str, (tmp_path / "top/RPMS").rglob("*.rpm")))
    said = rpm_says(*root, "-qa", "--qf", "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\n").splitlines()
    found = read_packages(PAPER, where)
    assert [f"{package.name} {package.version} {package.architecture}" for package in found.installed] == sorted(said)
    assert (len(said), found.kind, found.notes) == (2, "rpm", ())


@pytest.mark.parametrize("content", [b"", b"no database", rpm_header("a", "1", "1", "x")[:20]])
def test_an_unreadable_rpm_database_is_noted(tmp_path: Path, content: bytes) -> None:
    found = read_packages(PAPER, system(tmp_path, {"var/lib/rpm/rpmdb.sqlite": content}))
    assert (found.installed, [note.kind for note in found.notes]) == ((), ["packages-unknown"])


def test_a_damaged_rpm_header_is_noted(tmp_path: Path) -> None:
    where = system(tmp_path, {})
    rpm_database(tmp_path / "root/var/lib/rpm/rpmdb.sqlite", rpm_header("a", "1", "1", "x")[:20])
    assert [note.kind for note in read_packages(PAPER, where).notes] == ["packages-unknown"]


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE VIEW Packages AS {ENDLESS.format('x AS blob')}",
        f"CREATE VIEW packages AS {ENDLESS.format('zeroblob(8) AS blob')}",
        "CREATE VIRTUAL TABLE Packages USING fts5(blob)",
        "CREATE TABLE Packages (blob); INSERT INTO Packages VALUES (5)",
        "CREATE TABLE Packages (blob); INSERT INTO Packages VALUES (NULL)",
        "CREATE TABLE Packages (blob); INSERT INTO Packages VALUES ('text')",
        "CREATE TABLE Other (blob)",
    ],
)
def test_an_rpm_database_that_a_server_has_thought_up_is_noted(tmp_path: Path, schema: str) -> None:
    where = system(tmp_path, {})
    file = tmp_path / "root/var/lib/rpm/rpmdb.sqlite"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        try:
            connection.executescript(schema)
        except sqlite3.OperationalError as error:
            pytest.skip(f"SQLite here: {error}")
    connection.close()
    assert [note.kind for note in read_packages(PAPER, where).notes] == ["packages-unknown"]


def test_no_database(tmp_path: Path) -> None:
    assert read_packages(PAPER, system(tmp_path, {})).kind == "none"


def test_links_are_not_followed(tmp_path: Path) -> None:
    make_tree(tmp_path / "host", {"dpkg/status": "Package: host\nStatus: install ok installed\nVersion: 1\n"})
    outside = str(tmp_path / "host")
    assert read_packages(PAPER, system(tmp_path, {"var/lib/dpkg": Link(outside + "/dpkg")})).kind == "none"
    root = str(make_tree(tmp_path / "other", {"etc/f": File("x"), "etc/l": Link("f"), "d": Link("etc"), "p/q": "x"}))
    assert read_below(root, "etc/f") == b"x"
    for path in ("etc/l", "d/f", "etc", "none", "etc/f/g"):
        assert read_below(root, path) is None, path
    assert open_below(root, "d", directory=True) is None


def test_what_changed() -> None:
    old = (Package("a", "1", "amd64"), Package("b", "1", "amd64"), Package("c", "1", "i386"))
    new = (Package("a", "1", "amd64"), Package("b", "2", "amd64"), Package("d", "1", "all"))
    found = [(change.name, change.old, change.new) for change in compare_packages(old, new)]
    assert found == [("b", "1", "2"), ("c", "1", ""), ("d", "", "1")]


def test_os_release(tmp_path: Path) -> None:
    assert parse("ID=a\nVERSION_ID='1.2'\n# x\nPRETTY_NAME=\"A B\"\nBROKEN\nID_LIKE=z\n") == {
        "id": "a",
        "version_id": "1.2",
        "pretty_name": "A B",
    }
    assert parse('PRETTY_NAME="open\n') == {}
    root = make_tree(tmp_path / "r", {"usr/lib/os-release": "ID=inside\n", "etc/os-release": Link("/etc/os-release")})
    assert os_facts(str(root)) == {"id": "inside"}
