"""What a server removed stays removed over three versions of gold: 1 -> 2 -> 3 is 1 -> 3 (letter B)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldroot.errors import BadInput
from goldroot.merge import Options, Trees, plan_trees
from support.merging import Outcome, Table, merge_directories, merge_tables
from support.trees import Dir, File, Link, make_tree

KEEP: Table = {"etc/keep": "x"}


def three(room: Path, one: Table, two: Table, third: Table, server: Table) -> tuple[Outcome, Outcome]:
    """A server of version 1 goes to 2 and then to 3; and, beside it, from 1 to 3 at once."""
    tables = {"one": one, "two": two, "three": third, "server": server}
    roots = {word: make_tree(room / word, {**KEEP, **table}) for word, table in tables.items()}
    first = merge_directories(room, {"base": roots["one"], "gold": roots["two"], "clone": roots["server"]}, out="first")
    assert first.conflicts == []
    second = merge_directories(
        room, {"base": roots["two"], "gold": roots["three"], "clone": first.out}, out="second", after=first
    )
    direct = merge_directories(
        room, {"base": roots["one"], "gold": roots["three"], "clone": roots["server"]}, out="direct"
    )
    return second, direct


@pytest.mark.parametrize(
    "removed",
    [
        {"etc/motd": "hello"},
        {"etc/d/a": "1", "etc/d/b": Link("a")},
        {"etc/l": Link("/usr/bin/vim")},
        {"etc/ssl/site.crt": "cert"},
        {"var/lib/app/data": "1", "var/lib/app/deep/x": "2"},
        {"srv/site/index.html": "<p>"},
        {"etc/rc2.d/S07cron": Link("../init.d/cron")},
    ],
    ids=lambda removed: next(iter(removed)),
)
def test_removed_on_1_absent_from_2_back_in_3_stays_removed(tmp_path: Path, removed: Table) -> None:
    tops = {"etc": Dir(), "var/lib": Dir(), "srv": Dir(), "etc/rc2.d": Dir(), "etc/ssl": Dir()}
    second, direct = three(tmp_path, {**tops, **removed}, tops, {**tops, **removed}, tops)
    assert not set(removed) & set(second.tree)
    assert second.tree == direct.tree
    assert second.conflicts == direct.conflicts == []
    assert len(second.notes("removed-before")) == 1 or "etc/rc2.d/S07cron" in removed


def test_a_runlevel_link_is_remembered_by_its_script(tmp_path: Path) -> None:
    def rc(*names: str) -> Table:
        return {"etc/rc2.d": Dir(), **{f"etc/rc2.d/{name}": Link("../init.d/cron") for name in names}}

    second, direct = three(tmp_path, rc("S07cron"), rc(), rc("S08cron"), rc())
    assert second.tree == direct.tree
    assert "etc/rc2.d/S08cron" not in second.tree


def test_an_enabled_link_is_remembered_by_its_module(tmp_path: Path) -> None:
    def php(version: str) -> Table:
        name = f"php{version}.load"
        return {f"etc/apache2/mods-enabled/{name}": Link(f"../mods-available/{name}")}

    empty: Table = {"etc/apache2/mods-enabled": Dir()}
    second, direct = three(tmp_path, php("8.2"), empty, php("8.4"), empty)
    assert second.tree == direct.tree
    assert second.conflicts == direct.conflicts == [("/etc/apache2/mods-enabled/php8.4.load", "presence")]


def test_it_comes_back_changed_is_the_question_of_a_direct_update(tmp_path: Path) -> None:
    second, direct = three(tmp_path, {"etc/motd": "1"}, {}, {"etc/motd": "2"}, {})
    assert second.conflicts == direct.conflicts == [("/etc/motd", "presence")]
    assert "etc/motd" not in second.tree


@pytest.mark.parametrize("back", [{"etc/d/a": "1"}, {"etc/d/a": "1", "etc/d/b": "new"}])
def test_of_a_directory_the_whole_counts(tmp_path: Path, back: Table) -> None:
    second, _ = three(tmp_path, {"etc/d/a": "1"}, {}, back, {})
    assert not [path for path in second.tree if path.startswith("etc/d")]
    assert second.conflicts == ([("/etc/d", "presence")] if len(back) > 1 else [])


def test_of_a_directory_what_is_in_it_is_remembered_beside_files_that_move_with_their_directory(tmp_path: Path) -> None:
    """What moves (``etc/app/2.0``) is found after the other paths, and stands before ``etc/site`` in the tree."""
    base: Table = {**KEEP, "etc/app/1.0/x": "x", "etc/site/on": Link("../site.conf")}
    gold: Table = {**KEEP, "etc/app/2.0/x": "x of 2"}
    clone: Table = {**KEEP, "etc/app/1.0/x": "x", **{f"etc/app/1.0/own{number}": f"{number}" for number in range(9)}}
    done = merge_tables(tmp_path, base, gold, clone)
    assert [one["kind"] for one in done.record["conflicts"]] == ["left-behind"]
    moved = merge_tables(tmp_path, {}, {}, {}, out="moved", decisions=done.decide("moved"))
    assert "etc/app/2.0/own0" in moved.tree
    (known,) = [one for one in moved.record["memory"]["after"] if one["path"] == "/etc/site"]
    assert known["below"] == [{"path": "/etc/site/on", "target": "../site.conf"}]


def test_what_only_gold_removed_comes_back(tmp_path: Path) -> None:
    second, _ = three(tmp_path, {"etc/motd": "1"}, {}, {"etc/motd": "1"}, {"etc/motd": "1"})
    assert second.text("etc/motd") == "1"


def test_the_answer_gold_takes_it_and_forgets(tmp_path: Path) -> None:
    one: Table = {**KEEP, "etc/motd": "1"}
    first = merge_tables(tmp_path / "1", one, KEEP, KEEP)
    assert [removed["path"] for removed in first.record["memory"]["after"]] == ["/etc/motd"]
    third: Table = {**KEEP, "etc/motd": "3"}
    asked = merge_tables(tmp_path / "2", KEEP, third, KEEP, after=first)
    taken = merge_tables(tmp_path / "2", {}, {}, {}, out="taken", after=first, decisions=asked.decide("gold"))
    assert taken.text("etc/motd") == "3"
    assert taken.record["memory"]["after"] == []
    kept = merge_tables(tmp_path / "2", {}, {}, {}, out="kept", after=first, decisions=asked.decide("clone"))
    assert "etc/motd" not in kept.tree and kept.conflicts == []


def test_it_is_remembered_over_versions_that_lack_it_and_forgotten_when_the_server_has_it(tmp_path: Path) -> None:
    first = merge_tables(tmp_path / "1", {**KEEP, "etc/motd": "1"}, KEEP, KEEP)
    second = merge_tables(tmp_path / "2", KEEP, {**KEEP, "etc/other": "o"}, KEEP, after=first)
    assert second.record["memory"]["after"] == first.record["memory"]["after"] == second.record["memory"]["before"]
    own = merge_tables(tmp_path / "3", KEEP, KEEP, {**KEEP, "etc/motd": "my own"}, after=second)
    assert own.record["memory"]["after"] == []


def test_a_class_that_is_not_merged_is_not_remembered(tmp_path: Path) -> None:
    plain: Table = {**KEEP, "var/cache": Dir()}
    first = merge_tables(tmp_path / "1", {**plain, "etc/motd": "1", "var/cache/x/y": "c"}, plain, plain)
    assert [removed["path"] for removed in first.record["memory"]["after"]] == ["/etc/motd"]
    rule = '[[rule]]\npath = "/etc/motd"\nclass = "gold"\n'
    second = merge_tables(tmp_path / "2", KEEP, {**KEEP, "etc/other": "o"}, KEEP, after=first, policy=rule)
    assert second.record["memory"]["after"] == []


def test_of_a_secret_no_digest_is_kept_so_it_is_asked_about(tmp_path: Path) -> None:
    secret: Table = {"etc/munge/munge.key": File("s", mode=0o400)}
    second, _ = three(tmp_path, secret, {}, secret, {})
    assert second.conflicts == [("/etc/munge", "presence")]
    first = merge_tables(tmp_path / "again", {**KEEP, **secret}, KEEP, KEEP)
    assert first.record["memory"]["after"] == [{"path": "/etc/munge"}]


def test_without_the_record_a_note_says_that_it_could_have_mattered(tmp_path: Path) -> None:
    third: Table = {**KEEP, "etc/motd": "1", "etc/d/a": "1", "etc/d/b": "1"}
    without = merge_tables(tmp_path, KEEP, third, KEEP)
    assert [note["data"] for note in without.record["notes"] if note["kind"] == "memory-not-given"] == [{"paths": 2}]
    with_it = merge_tables(tmp_path, {}, {}, {}, out="with", after=without)
    assert with_it.notes("memory-not-given") == []
    quiet = merge_tables(tmp_path / "quiet", KEEP, KEEP, KEEP)
    assert quiet.notes("memory-not-given") == []


@pytest.mark.parametrize("content", ["{}", "[]", "not json", json.dumps({"memory": {"after": [{"digest": "zz"}]}})])
def test_what_is_not_a_record_is_refused(tmp_path: Path, content: str) -> None:
    for side in ("b", "g", "c"):
        (tmp_path / side).mkdir()
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(BadInput):
        options = Options(after=tmp_path / "record.json")
        plan_trees(Trees(tmp_path / "b", tmp_path / "g", tmp_path / "c"), options=options)
