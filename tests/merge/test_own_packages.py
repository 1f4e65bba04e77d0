"""Packages that a read-write server installed itself do not vanish from its package database without a word."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decision
from goldroot.merge.compare.parts import Part, Tree
from goldroot.merge.plan import Plan, plan_merge
from goldroot.merge.surroundings import Surroundings
from goldroot.policy import Policy
from goldroot.tree import scan_tree
from support.merging import Table, merge_tables
from support.trees import make_tree

STATUS = "var/lib/dpkg/status"


def status(**versions: str) -> dict[str, str]:
    """A status file of dpkg with these packages."""
    texts = (
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n" for name, version in versions.items()
    )
    return {STATUS: "\n".join(texts)}


def test_own_packages_are_one_question_with_a_key_of_their_names(tmp_path: Path) -> None:
    gold = status(base="2", new="1")
    done = merge_tables(tmp_path, status(base="1"), gold, status(base="1", htop="3", zsh="5"))
    assert done.conflicts == [("/var/lib/dpkg/status", "packages")]
    [conflict] = done.record["conflicts"]
    assert (conflict["answers"], conflict["stands"]) == (["gold"], "gold")
    assert "htop, zsh" in conflict["detail"]
    assert done.text(STATUS) == gold[STATUS]
    (tmp_path / "other").mkdir()
    other = merge_tables(tmp_path / "other", status(base="1"), status(base="3"), status(base="1", zsh="6", htop="1"))
    assert other.record["conflicts"][0]["key"] == conflict["key"]
    decided = merge_tables(tmp_path, {}, {}, {}, out="decided", decisions={conflict["key"]: Decision("gold")})
    assert decided.conflicts == []
    assert [n["data"]["packages"] for n in decided.record["notes"] if n["kind"] == "decided"] == [["htop", "zsh"]]


@pytest.mark.parametrize(
    ("gold", "clone"),
    [
        (status(base="2"), status(base="1")),
        (status(base="2", htop="4"), status(base="1", htop="3")),
        (status(base="1"), status(base="1", htop="3")),
        (status(base="2"), status()),
    ],
    ids=["none", "gold has it too", "gold unchanged", "removed"],
)
def test_nothing_else_is_asked(tmp_path: Path, gold: dict[str, str], clone: dict[str, str]) -> None:
    done = merge_tables(tmp_path, status(base="1"), gold, clone)
    lost = "htop" in clone[STATUS] and "htop" not in done.text(STATUS)
    assert bool(done.conflicts) == lost
    assert lost == (gold == status(base="1"))


def test_a_package_that_is_only_configured_is_not_one(tmp_path: Path) -> None:
    clone = {STATUS: status(base="1")[STATUS] + "\nPackage: old\nStatus: deinstall ok config-files\nVersion: 1\n"}
    assert merge_tables(tmp_path, status(base="1"), status(base="2"), clone).conflicts == []


def test_newer_versions_than_golds_are_a_note(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, status(a="1.9", b="1"), status(a="1.10~rc1", b="2"), status(a="1.10", b="1"))
    assert done.conflicts == []
    [note] = [note for note in done.record["notes"] if note["kind"] == "newer-packages"]
    assert note["data"]["packages"] == ["a 1.10 (gold: 1.10~rc1)"]


def test_a_database_that_the_policy_leaves_to_the_server_is_not_asked_about(tmp_path: Path) -> None:
    policy = '[[rule]]\npath = "/var/lib/dpkg"\nclass = "clone"\n'
    clone = status(base="1", htop="3")
    done = merge_tables(tmp_path, status(base="1"), status(base="2"), clone, policy=policy)
    assert (done.conflicts, done.text(STATUS)) == ([], clone[STATUS])


def header(name: str, version: str) -> bytes:
    store, index = b"", []
    for tag, text in ((1000, name), (1001, version), (1002, "1"), (1022, "noarch")):
        index.append((tag, 6, len(store), 1))
        store += text.encode() + b"\0"
    return struct.pack(">II", len(index), len(store)) + b"".join(struct.pack(">IIiI", *one) for one in index) + store


def rpm(room: Path, **versions: str) -> bytes:
    file = room / "made.sqlite"
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        rows = [(header(name, version),) for name, version in versions.items()]
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", rows)
    connection.close()
    return file.read_bytes()


def test_one_answer_serves_servers_whose_database_has_other_files(tmp_path: Path) -> None:
    """Locks and journals of SQLite come and go: the question is about the packages."""
    data = [rpm(tmp_path, base="1"), rpm(tmp_path, base="2"), rpm(tmp_path, base="1", htop="3")]
    keys = set()
    for number, more in enumerate([{}, {"var/lib/rpm/.rpm.lock": ""}, {"var/lib/rpm/rpmdb.sqlite-wal": ""}]):
        sides: list[Table] = [{"var/lib/rpm/rpmdb.sqlite": one} for one in data]
        done = merge_tables(tmp_path / str(number), *sides[:2], {**sides[2], **more})
        keys |= {one["key"] for one in done.record["conflicts"]}
    assert len(keys) == 1


@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "var/lib/rpm"])
def test_an_rpm_database(tmp_path: Path, place: str) -> None:
    sides = (rpm(tmp_path, base="1"), rpm(tmp_path, base="2"), rpm(tmp_path, base="1", htop="3", nano="9"))
    done = merge_tables(tmp_path, *({f"{place}/rpmdb.sqlite": data} for data in sides))
    assert done.conflicts == [(f"/{place}", "packages")]
    assert "htop, nano" in done.record["conflicts"][0]["detail"]
    assert done.tree[f"{place}/rpmdb.sqlite"].content == sides[1]


def test_a_database_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    sides = ({"var/lib/rpm/rpmdb.sqlite": text} for text in ("one", "two", "three"))
    done = merge_tables(tmp_path, *sides)
    assert done.conflicts == []
    assert "packages-unknown" in {note["kind"] for note in done.record["notes"]}


def plan(room: Path, *, going_back: bool) -> Plan:
    tables = (status(base="1"), status(base="2"), status(base="1", htop="3"))
    roots = [make_tree(room / word, table) for word, table in zip(("b", "g", "c"), tables, strict=True)]
    base, gold, clone = (Tree(str(root).encode(), scan_tree(root).manifest) for root in roots)
    none = AccountTables.of({})
    return plan_merge(
        [Part("tree", b"/", (base, gold, clone))],
        Policy.default(),
        (none, none, none),
        around=Surroundings(going_back=going_back),
    )


def test_a_rollback_that_carries_is_not_held_up(tmp_path: Path) -> None:
    assert [conflict.axis for conflict in plan(tmp_path, going_back=False).conflicts] == ["packages"]
    back = plan(tmp_path, going_back=True)
    assert back.conflicts == []
    assert "own-packages" in {note.kind for note in back.notes}
