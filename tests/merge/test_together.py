"""Files that are one database, beside other configuration: never halves of two sides (letter E)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.going_back import plan_back
from support.merging import Table, merge_tables
from support.trees import Dir, File

AT = "etc/ipsec.d"
TEXT = "".join(f"{number}\n" for number in range(9))


def nss(cert: str, key: str, modules: str = "m", *, conf: str = TEXT, mode: int = 0o600) -> Table:
    files = {"cert9.db": cert, "key4.db": key, "pkcs11.txt": modules}
    return {f"{AT}/{name}": File(text, mode=mode) for name, text in files.items()} | {f"{AT}/site.conf": conf}


def test_the_servers_database_stays_whole_and_the_rest_of_the_directory_is_merged(tmp_path: Path) -> None:
    gold = nss("2", "1", "2", conf="gold\n" + TEXT[2:], mode=0o640)
    done = merge_tables(tmp_path, nss("1", "1"), gold, nss("1", "3", conf=TEXT[:-2] + "mine\n"))
    assert [done.text(f"{AT}/{name}") for name in ("cert9.db", "key4.db", "pkcs11.txt")] == ["1", "3", "m"]
    assert done.text(f"{AT}/site.conf") == "gold\n" + TEXT[2:-2] + "mine\n"
    assert {done.tree[f"{AT}/{name}"].mode for name in ("cert9.db", "key4.db")} == {0o640}
    assert done.conflicts == []
    (said,) = [note for note in done.record["notes"] if "one database" in note["text"]]
    assert said["path"] == f"/{AT}/cert9.db" and "cert9.db, key4.db, pkcs11.txt" in said["text"]


def test_the_same_file_changed_by_both_is_the_servers(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, nss("1", "1"), nss("2", "1"), nss("3", "1"))
    assert done.text(f"{AT}/cert9.db") == "3" and done.conflicts == []


@pytest.mark.parametrize(
    ("gold", "clone"), [(("2", "2"), ("1", "1")), (("1", "1"), ("2", "2")), (("2", "2"), ("2", "2"))]
)
def test_what_one_side_changed_arrives(tmp_path: Path, gold: tuple[str, str], clone: tuple[str, str]) -> None:
    done = merge_tables(tmp_path, nss("1", "1"), nss(*gold), nss(*clone))
    assert done.text(f"{AT}/cert9.db") == done.text(f"{AT}/key4.db") == "2"
    assert done.conflicts == [] and "one database" not in str(done.record["notes"])


def test_a_database_that_both_made_is_the_servers(tmp_path: Path) -> None:
    top: Table = {AT: Dir()}
    done = merge_tables(tmp_path, top, nss("2", "2"), nss("3", "3"))
    assert done.text(f"{AT}/cert9.db") == done.text(f"{AT}/key4.db") == "3"
    assert done.conflicts == []


@pytest.mark.parametrize("take", ["clone", "gold"])
def test_gold_deleted_what_the_server_changed_and_that_is_one_question(tmp_path: Path, take: str) -> None:
    top: Table = {f"{AT}/site.conf": TEXT}
    done = merge_tables(tmp_path, nss("1", "1"), top, nss("1", "3"))
    assert done.conflicts == [(f"/{AT}/cert9.db", "presence")]
    assert [done.text(f"{AT}/{name}") for name in ("cert9.db", "key4.db", "pkcs11.txt")] == ["1", "3", "m"]
    other = merge_tables(tmp_path / "other", nss("1", "1"), top, nss("4", "1"))
    assert other.decide("clone").keys() == done.decide("clone").keys()
    answered = merge_tables(tmp_path, {}, {}, {}, out="answered", decisions=done.decide(take))
    assert answered.conflicts == []
    assert {f"{AT}/cert9.db", f"{AT}/key4.db"} & answered.tree.keys() == (set() if take == "gold" else {
        f"{AT}/cert9.db", f"{AT}/key4.db"})  # fmt: skip


@pytest.mark.parametrize("take", ["clone", "gold"])
def test_the_server_deleted_what_gold_changed_and_that_is_one_question(tmp_path: Path, take: str) -> None:
    top: Table = {f"{AT}/site.conf": TEXT}
    done = merge_tables(tmp_path, nss("1", "1"), nss("1", "2"), top)
    assert done.conflicts == [(f"/{AT}/cert9.db", "presence")]
    assert not {f"{AT}/cert9.db", f"{AT}/key4.db", f"{AT}/pkcs11.txt"} & done.tree.keys()
    answered = merge_tables(tmp_path, {}, {}, {}, out="answered", decisions=done.decide(take))
    there = {f"{AT}/cert9.db", f"{AT}/key4.db", f"{AT}/pkcs11.txt"}
    assert there & answered.tree.keys() == (there if take == "gold" else set())
    assert answered.conflicts == []


def test_a_way_back_is_not_held_up(tmp_path: Path) -> None:
    top: Table = {f"{AT}/site.conf": TEXT}
    for number, (gold, clone) in enumerate(((top, nss("1", "3")), (nss("1", "3"), top))):
        plan = plan_back(tmp_path / str(number), nss("1", "1"), gold, clone)
        assert plan.conflicts == []
        (note,) = [note for note in plan.notes if note.path == f"/{AT}/cert9.db".encode()]
        assert note.text.endswith("the server's stands")
        kept = plan.parts[0].decided.verdicts[f"{AT}/key4.db".encode()].want
        assert (kept is not None) is (number == 0)


def test_a_pinned_file_holds_the_others(tmp_path: Path) -> None:
    rule = f'[[rule]]\npath = "/{AT}/key4.db"\npin = true\n'
    done = merge_tables(tmp_path, nss("1", "1"), nss("2", "2"), nss("1", "1"), policy=rule)
    assert done.text(f"{AT}/cert9.db") == done.text(f"{AT}/key4.db") == "1"


def test_files_of_another_directory_are_another_database(tmp_path: Path) -> None:
    def two(one: str, other: str) -> Table:
        return {"etc/a/cert9.db": one, "etc/b/key4.db": other, "etc/b/app.db": one, "etc/c/app.db-wal": other}

    done = merge_tables(tmp_path, two("1", "1"), two("2", "1"), two("1", "3"))
    assert {path: done.text(path) for path in two("", "")} == two("2", "3")
