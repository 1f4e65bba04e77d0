"""``goldroot merge`` as a program: what a person, a script and the file system see."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from support.trees import File, Seen, dump_tree, make_tree

BASE = {"etc/a": "1\n", "etc/b": "1\n2\n3\n4\n5\n6\n", "etc/c": "c\n"}
GOLD = {"etc/a": "1\n", "etc/b": "gold\n2\n3\n4\n5\n6\n", "etc/c": "c\n", "etc/new": "n\n"}
CLONE = {"etc/a": "mine\n", "etc/b": "1\n2\n3\n4\n5\nclone\n", "etc/c": "c\n"}
MERGED = {"etc/a": "mine\n", "etc/b": "gold\n2\n3\n4\n5\nclone\n", "etc/c": "c\n", "etc/new": "n\n"}

Merge = Callable[..., "Said"]


class Said:
    """Exit code and words of one run."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    for word, table in (("base", BASE), ("gold", GOLD), ("clone", CLONE)):
        make_tree(tmp_path / word, table)
    return tmp_path


@pytest.fixture
def merge(room: Path, capsys: pytest.CaptureFixture[str]) -> Merge:
    """Merge the room's three trees with more arguments."""

    def run(*more: str | Path, **trees: Path) -> Said:
        places = {word: trees.get(word, room / word) for word in ("base", "gold", "clone")}
        args = [part for word, path in places.items() for part in (f"--{word}", str(path))]
        code = guarded(cli, ["merge", *args, *map(str, more)])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def texts(tree: Path) -> dict[str, str]:
    return {path: seen.content.decode() for path, seen in dump_tree(tree).items() if seen.kind == "f"}


def all_of(room: Path) -> dict[str, dict[str, Seen]]:
    return {word: dump_tree(room / word) for word in ("base", "gold", "clone")}


def conflicting(room: Path) -> None:
    (room / "gold/etc/a").write_text("gold's\n")


# -- exit codes and words


def test_0_merged_without_a_conflict(merge: Merge, room: Path) -> None:
    before = all_of(room)
    said = merge("--into", room / "out")
    assert (said.code, said.err) == (0, "")
    assert texts(room / "out") == MERGED
    assert all_of(room) == before, "the trees are only read"
    assert sorted(path.name for path in room.iterdir()) == ["base", "clone", "gold", "out"]


def test_1_merged_and_conflicts_left(merge: Merge, room: Path) -> None:
    conflicting(room)
    said = merge("--into", room / "out")
    assert said.code == 1
    assert texts(room / "out") == MERGED
    assert "1 conflict to decide" in said.out
    assert "/etc/a  [content]" in said.out


def test_2_without_a_place_for_the_result(merge: Merge) -> None:
    said = merge()
    assert said.code == 2
    assert "--into" in said.err


def test_2_for_an_option_that_there_is_not(merge: Merge) -> None:
    assert merge("--no-such-thing").code == 2


def test_plan_says_what_would_be_and_writes_nothing(merge: Merge, room: Path) -> None:
    said = merge("--plan", "--into", room / "out")
    assert said.code == 0
    assert "/etc/new" in said.out
    assert not (room / "out").exists()


def test_plan_and_merge_make_the_same_record(merge: Merge, room: Path) -> None:
    conflicting(room)
    plan = merge("--plan", "--json")
    done = merge("--into", room / "out", "--json")
    assert plan.code == done.code == 1
    assert plan.data == done.data


def test_json_has_the_whole_record(merge: Merge, room: Path) -> None:
    data = merge("--into", room / "out", "--json").data
    assert {"schema", "versions", "policy", "counts", "conflicts", "entries", "memory", "notes"} == data.keys()
    assert data["conflicts"] == []
    assert {entry["path"] for entry in data["entries"]} == {"/etc/a", "/etc/b", "/etc/new"}


def test_json_of_an_error(merge: Merge, room: Path) -> None:
    said = merge("--into", room / "clone", "--json")
    assert said.code == 2
    assert said.data["exit_code"] == 2
    assert said.data["error"] == "bad-input"


def test_the_report_is_the_same_from_a_second_run(merge: Merge, room: Path) -> None:
    conflicting(room)
    for name in ("one", "two"):
        assert merge("--into", room / name, "--report", room / f"{name}.json").code == 1
    assert (room / "one.json").read_bytes() == (room / "two.json").read_bytes()
    assert dump_tree(room / "one") == dump_tree(room / "two")


def test_a_report_that_cannot_be_written_is_said_before_the_merge(merge: Merge, room: Path) -> None:
    said = merge("--into", room / "out", "--report", room / "no" / "where.json")
    assert said.code == 2
    assert "where.json" in said.err
    assert not (room / "out").exists()


def test_a_report_goes_into_a_pipe_and_does_not_take_its_place(merge: Merge, room: Path) -> None:
    pipe = room / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    said = merge("--plan", "--json", "--report", pipe)
    got = os.read(reader, 1 << 16)
    os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert json.loads(got) == said.data


def test_a_report_that_is_a_link_is_written_where_it_leads(merge: Merge, room: Path) -> None:
    (room / "records").mkdir()
    (room / "r.json").symlink_to("records/of-today.json")
    assert merge("--plan", "--report", room / "r.json").code == 0
    assert (room / "r.json").is_symlink()
    assert json.loads((room / "records/of-today.json").read_text())["schema"] == 1


def test_a_report_called_dash_is_refused(merge: Merge) -> None:
    said = merge("--plan", "--report", "-")
    assert said.code == 2
    assert "--json" in said.err


def test_a_report_does_not_become_part_of_a_tree(merge: Merge, room: Path) -> None:
    before = all_of(room)
    for name in ("base", "gold", "clone", "out"):
        said = merge("--into", room / "out", "--report", room / name / "record.json")
        assert said.code == 2
    assert all_of(room) == before
    assert not (room / "out").exists()


# -- options


def test_decisions_answer_by_key(merge: Merge, room: Path) -> None:
    conflicting(room)
    (conflict,) = merge("--plan", "--json").data["conflicts"]
    assert (conflict["path"], conflict["stands"], conflict["answers"]) == ("/etc/a", "clone", ["clone", "gold"])
    for name, answer, wanted in (
        ("taken", '"gold"', "gold's\n"),
        ("kept", '{"take": "clone"}', "mine\n"),
        ("server", '{"take": "server"}', "mine\n"),
        ("word", '"server"', "mine\n"),
        ("own", '{"take": "content", "text": "own\\n"}', "own\n"),
    ):
        file = room / f"{name}.json"
        file.write_text(f'{{"schema": 1, "decisions": {{"{conflict["key"]}": {answer}}}}}')
        said = merge("--into", room / name, "--decisions", file)
        assert said.code == 0, said.out
        assert texts(room / name)["etc/a"] == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "decisions"),
        ('{"schema": 99, "decisions": {}}', "schema"),
        ('{"decisions": {"abc": 5}}', "abc"),
        ('{"decisions": {"abc": "gold"}}', "64 hex digits"),
        ('{"decisions": {"abc": {"take": "content"}}}', "abc"),
        ('{"decisions": {"abc": {"take": "content", "base64": "?"}}}', "base64"),
        ('{"decisions": {"abc": {"take": "content", "file": "missing"}}}', "cannot be read"),
    ],
)
def test_decisions_that_cannot_be_used(merge: Merge, room: Path, text: str, words: str) -> None:
    (room / "d.json").write_text(text)
    said = merge("--into", room / "out", "--decisions", room / "d.json")
    assert said.code == 2
    assert words in said.err
    assert not (room / "out").exists()


@pytest.mark.parametrize(
    ("answer", "why"),
    [('"golld"', "'golld' is none of its answers"), ('"proposal"', "'proposal' is none of its answers")],
)
def test_an_answer_that_is_none_is_said(merge: Merge, room: Path, answer: str, why: str) -> None:
    conflicting(room)
    (conflict,) = merge("--plan", "--json").data["conflicts"]
    (room / "d.json").write_text(f'{{"decisions": {{"{conflict["key"]}": {answer}}}}}')
    said = merge("--into", room / "out", "--decisions", room / "d.json")
    assert said.code == 1
    assert f"the remembered answer cannot be used: {why}" in said.out


def test_the_key_that_is_shown_can_be_used(merge: Merge, room: Path) -> None:
    conflicting(room)
    (shown,) = re.findall(r"key ([0-9a-f]+)", merge("--into", room / "first").out)
    (room / "d.json").write_text(f'{{"decisions": {{"{shown}": "gold"}}}}')
    assert merge("--into", room / "out", "--decisions", room / "d.json").code == 0


def test_names_from_the_trees_do_nothing_to_a_terminal(merge: Merge, room: Path) -> None:
    escape = "\x1b[31m\n"
    for word, shell in (("base", "b"), ("gold", "g"), ("clone", "c")):
        (room / word / "etc/passwd").write_text(f"root:x:0:0::/:/x\ne\x1b[31mv:x:9:9::/:/{shell}\n")
        (room / word / "etc/old").write_text("a content\n" if word == "base" else "mine\n")
    (room / "gold/etc/old").rename(room / f"gold/etc/new{escape}")
    (room / f"gold/etc/new{escape}").write_text("a content\n")
    said = merge("--plan")
    assert "accounts:e\\x1b[31mv:shell" in said.out
    assert "gold moved it to /etc/new\\x1b[31m\\x0a;" in said.out


@pytest.mark.parametrize("at", ["//etc", "/./etc", "/etc//.", "/etc/"])
def test_at_may_be_written_in_any_way(merge: Merge, room: Path, at: str) -> None:
    for word in ("base", "gold", "clone"):
        (room / word / "etc/hostname").write_text(f"{word}\n")
        (room / word / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    said = merge(
        "--plan", "--json", "--at", at, base=room / "base/etc", gold=room / "gold/etc", clone=room / "clone/etc"
    )
    assert [entry["rule"]["class"] for entry in said.data["entries"] if entry["path"] == "/etc/hostname"] == [
        "identity"
    ]
    assert "numbers-as-numbers" not in [note["kind"] for note in said.data["notes"]]


def test_at_says_which_rules_match(merge: Merge, room: Path) -> None:
    for word in ("base", "gold", "clone"):
        (room / word / "etc/hostname").write_text(f"{word}\n")
    said = merge(
        "--into", room / "out", "--at", "/etc/", "--json", base=room / "base/etc", gold=room / "gold/etc", clone=room / "clone/etc"
    )  # fmt: skip
    assert said.code == 0
    assert texts(room / "out")["hostname"] == "clone\n"
    assert {entry["path"] for entry in said.data["entries"]} >= {"/etc/hostname", "/etc/new"}


@pytest.mark.parametrize("at", ["etc", "/etc/../var"])
def test_at_must_be_a_place(merge: Merge, room: Path, at: str) -> None:
    said = merge("--into", room / "out", "--at", at)
    assert said.code == 2
    assert "--at" in said.err


@pytest.mark.root
def test_accounts_from_elsewhere(merge: Merge, room: Path) -> None:
    for word, number in (("base", 101), ("gold", 107), ("clone", 101)):
        make_tree(
            room / "accounts" / word, {"passwd": f"root:x:0:0::/:/x\nsvc:x:{number}:0::/:/x\n", "group": "root:x:0:\n"}
        )
        make_tree(room / "disks" / word, {"d/x": File("x", uid=number)})
    disks = {word: room / "disks" / word for word in ("base", "gold", "clone")}
    accounts = [room / "accounts" / word for word in ("base", "gold", "clone")]
    said = merge("--into", room / "out", "--at", "/opt", "--accounts", *accounts, "--json", **disks)
    assert said.code == 0
    assert dump_tree(room / "out")["d/x"].uid == 107
    [note] = [note for note in said.data["notes"] if note["kind"] == "renumbered"]
    assert [one["name"] for one in note["data"]["accounts"]] == ["svc"]


def test_accounts_from_elsewhere_are_none_for_trees_that_hold_others(merge: Merge, room: Path) -> None:
    """The result's passwd would have been the other's, without a word of the accounts that the clone's had."""
    table = "root:x:0:0::/:/x\n"
    for word in ("base", "gold", "clone"):
        own = "own:x:105:0::/:/x\n" if word == "clone" else ""
        make_tree(room / "accounts" / word, {"passwd": table})
        make_tree(room / "disks" / word, {"etc/passwd": table + own})
    disks = {word: room / "disks" / word for word in ("base", "gold", "clone")}
    same = [room / "disks" / word / "etc" for word in ("base", "gold", "clone")]
    refused = merge("--into", room / "out", "--accounts", *same[:2], room / "accounts/clone", **disks)
    assert refused.code == 2
    assert "/etc/passwd of its own" in refused.err
    assert not (room / "out").exists()
    assert merge("--into", room / "out", "--accounts", *same, **disks).code == 0
    assert texts(room / "out")["etc/passwd"] == texts(disks["clone"])["etc/passwd"]


def test_an_accounts_directory_that_is_not_there(merge: Merge, room: Path) -> None:
    said = merge("--into", room / "out", "--accounts", room / "base/etc", room / "gold/etc", room / "missing")
    assert said.code == 2
    assert "missing" in said.err


def test_a_policy_of_ones_own(merge: Merge, room: Path) -> None:
    (room / "p.toml").write_text('[[rule]]\npath = "/etc/b"\nclass = "clone"\nreason = "ours"\n')
    said = merge("--into", room / "out", "--policy", room / "p.toml")
    assert said.code == 0
    assert texts(room / "out")["etc/b"] == CLONE["etc/b"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("conflict = 'gold'\n[[rule]]\npath = '/a'\nclass = 'nosuch'\n", 4, "nosuch"),
        ("[[rule]]\npath = '/a'\nclas = 'gold'\n", 3, "clas"),
        ("conflict = 'both'\n", 1, "both"),
        ("[[rule]]\npath = \n", 2, ""),
    ],
)
def test_a_policy_that_is_wrong_names_the_line(merge: Merge, room: Path, text: str, line: int, words: str) -> None:
    (room / "p.toml").write_text(text)
    said = merge("--into", room / "out", "--policy", room / "p.toml")
    assert said.code == 2
    assert f"p.toml:{line}: " in said.err
    assert words in said.err
    assert not (room / "out").exists()


def test_a_policy_that_is_not_there(merge: Merge, room: Path) -> None:
    said = merge("--into", room / "out", "--policy", room / "missing.toml")
    assert said.code == 2
    assert "missing.toml" in said.err


# -- bad input


def test_a_tree_that_is_not_there_or_no_directory(merge: Merge, room: Path) -> None:
    (room / "file").write_text("")
    for wrong in (room / "missing", room / "file", room / "file/below"):
        said = merge("--into", room / "out", gold=wrong)
        assert said.code == 2
        assert str(wrong) in said.err
        assert "gold" in said.err
        assert not (room / "out").exists()


def test_the_same_directory_twice(merge: Merge, room: Path) -> None:
    (room / "alias").symlink_to("base")
    for same in (room / "base", room / "base/../base", room / "alias"):
        said = merge("--into", room / "out", gold=same)
        assert said.code == 2
        assert "same directory" in said.err


def test_out_that_is_not_empty(merge: Merge, room: Path) -> None:
    make_tree(room / "out", {"precious": "p"})
    before = dump_tree(room / "out")
    said = merge("--into", room / "out")
    assert said.code == 2
    assert "not empty" in said.err
    assert dump_tree(room / "out") == before


def test_out_that_is_a_file_or_a_link(merge: Merge, room: Path) -> None:
    (room / "file").write_text("precious")
    (room / "elsewhere").mkdir()
    (room / "link").symlink_to("elsewhere")
    (room / "dangling").symlink_to("nowhere")
    for name in ("file", "link", "dangling"):
        said = merge("--into", room / name)
        assert said.code == 2, name
        assert "not a directory" in said.err
    assert (room / "file").read_text() == "precious"
    assert (room / "link").is_symlink()


def test_out_that_is_empty_is_taken(merge: Merge, room: Path) -> None:
    (room / "out").mkdir()
    assert merge("--into", room / "out").code == 0
    assert texts(room / "out") == MERGED


@pytest.mark.parametrize("word", ["base", "gold", "clone"])
def test_out_inside_a_tree(merge: Merge, room: Path, word: str) -> None:
    before = all_of(room)
    for place in (room / word, room / word / "out", room / word / "etc/deep"):
        said = merge("--into", place)
        assert said.code == 2
        assert word in said.err
    assert all_of(room) == before


def test_out_inside_a_tree_by_a_link(merge: Merge, room: Path) -> None:
    (room / "way").symlink_to("gold/etc")
    said = merge("--into", room / "way/out")
    assert said.code == 2
    assert "inside the gold tree" in said.err
    assert not (room / "gold/etc/out").exists()


def test_out_in_a_directory_that_is_not_there(merge: Merge, room: Path) -> None:
    said = merge("--into", room / "no/such/out")
    assert said.code == 2
    assert "does not exist" in said.err
    assert not (room / "no").exists()


def test_decisions_that_are_nested_without_end_are_no_bug(merge: Merge, room: Path) -> None:
    (room / "d.json").write_text("[" * 100_000)
    said = merge("--plan", "--decisions", room / "d.json")
    assert (said.code, "d.json: this is not JSON" in said.err) == (2, True)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("out", ["bound/out", "bound/etc/out"])
def test_out_is_in_no_tree_under_another_name_either(room: Path, out: str) -> None:
    (room / "bound").mkdir()
    trees = [part for name in ("base", "gold", "clone") for part in (f"--{name}", str(room / name))]
    merge = [
        sys.executable,
        "-c",
        "from goldroot.cli.main import main; main()",
        "merge",
        *trees,
        "--into",
        str(room / out),
    ]
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1"; shift; exec "$@"', room / "base", room / "bound", *merge],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, "OUT lies inside the base tree" in said.stderr) == (2, True), said.stderr
    assert not (room / "base" / "out").exists()
