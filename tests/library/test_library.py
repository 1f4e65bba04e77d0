"""``import goldroot``: the names, what they do, and the page that shows their use."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import goldroot
from goldroot import errors
from support.trees import File, Node, dump_tree, make_tree

PAGE = Path(__file__).parents[2] / "docs/reference/python.md"

NAMES = [
    "AnyPath", "BadInput", "BadPolicy", "BadSignature", "Busy", "ChecksFailed", "Conflict", "Damaged", "DatabaseDamaged", "Decision",
    "Decisions", "Failed", "GoldrootError", "HealthFailed", "HostError", "LimitReached", "MergePlan",
    "MissingPackage", "MissingProgram", "NewerVersion", "NoFreeSlot", "NoPermission", "NoSpace", "NotFound", "NotTested", "Note",
    "Options", "Policy", "ProgramFailed", "Progress", "Record", "Refused", "StillRunning", "TreeChanged", "Trees",
    "Unreachable", "UsageError", "__version__", "apply_plan", "load_decisions", "merge_trees", "plan_trees",
]  # fmt: skip

BASE: dict[str, Node] = {"hosts": "a\nb\nc\n", "issue": "1\n", "motd": "1\n", "passwd": "root:x:0:0::/root:/bin/sh\n"}
GOLD: dict[str, Node] = {**BASE, "hosts": "A\nb\nc\n", "issue": "2\n", "motd": "2\n", "new": File("n", mode=0o640)}
CLONE: dict[str, Node] = {**BASE, "hosts": "a\nb\nC\n", "issue": "3\n", "motd": "3\n", "own": "o"}


@pytest.fixture
def trees(tmp_path: Path) -> goldroot.Trees:
    roots = (make_tree(tmp_path / word, table) for word, table in (("base", BASE), ("gold", GOLD), ("clone", CLONE)))
    return goldroot.Trees(*roots, at="/etc")


def questions(conflicts: typing.Iterable[goldroot.Conflict]) -> list[tuple[bytes, str]]:
    return [(conflict.path, conflict.axis) for conflict in conflicts]


# -- the names ---------------------------------------------------------------------------------------------------------


def test_the_names_are_these() -> None:
    assert goldroot.__all__ == NAMES


def test_every_error_for_people_is_there() -> None:
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert known <= set(goldroot.__all__)


def classes_of(hint: object) -> typing.Iterator[type]:
    """The classes that an annotation is made of."""
    if isinstance(hint, type):
        yield hint
    for part in (*typing.get_args(hint), *(hint if isinstance(hint, list) else ())):
        yield from classes_of(part)


@pytest.mark.parametrize(
    "of",
    [
        goldroot.merge_trees, goldroot.plan_trees, goldroot.apply_plan, goldroot.load_decisions, goldroot.Trees.__init__,
        goldroot.Options.__init__, goldroot.Policy.parse, goldroot.Policy.load, goldroot.Record.write,
    ],
)  # fmt: skip
def test_what_a_signature_names_is_there_and_no_signature_is_long(of: typing.Callable[..., object]) -> None:
    ours = {
        one for hint in typing.get_type_hints(of).values() for one in classes_of(hint) if "goldroot" in one.__module__
    }
    assert {one.__name__ for one in ours} <= set(goldroot.__all__)
    assert len([name for name in inspect.signature(of).parameters if name != "self"]) <= 6


def test_importing_goldroot_loads_nothing() -> None:
    program = "import sys; import goldroot; print(*sorted(name for name in sys.modules if name.startswith('goldroot')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["goldroot", "goldroot.faces", "goldroot.version"]


def test_a_merge_loads_no_database_and_no_command_line(trees: goldroot.Trees, tmp_path: Path) -> None:
    program = (
        "import sys, goldroot\n"
        "goldroot.merge_trees(goldroot.Trees(*sys.argv[1:4], at='/etc'), sys.argv[4])\n"
        "print(*{name.split('.')[0] for name in sys.modules} & {'sqlalchemy', 'dbos', 'click', 'rich', 'pydantic'})\n"
    )
    places = [str(place) for place in (trees.base, trees.gold, trees.clone, tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", program, *places], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert (tmp_path / "out/hosts").read_text() == "A\nb\nC\n"


# -- what they do ------------------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_says_what_would_be(trees: goldroot.Trees, tmp_path: Path) -> None:
    before = dump_tree(tmp_path)
    plan = goldroot.plan_trees(trees)
    assert questions(plan.conflicts) == [(b"/etc/issue", "content"), (b"/etc/motd", "content")]
    outcomes = {entry["path"]: entry["outcome"] for entry in plan.record.entries}
    assert outcomes == {
        "/etc/hosts": "merged", "/etc/issue": "conflict", "/etc/motd": "conflict", "/etc/new": "gold", "/etc/own": "clone",
    }  # fmt: skip
    assert plan.record.counts["conflicts"] == 2
    assert dump_tree(tmp_path) == before


def test_a_plan_is_applied(trees: goldroot.Trees, tmp_path: Path) -> None:
    plan = goldroot.plan_trees(trees)
    record = goldroot.apply_plan(plan, tmp_path / "out")
    out = dump_tree(tmp_path / "out")
    assert (out["hosts"].content, out["new"].content, out["new"].mode) == (b"A\nb\nC\n", b"n", 0o640)
    assert (out["issue"].content, out["own"].content) == (b"3\n", b"o")
    assert record.conflicts == plan.conflicts
    assert goldroot.merge_trees(trees, tmp_path / "again").data == record.data


def test_decisions_are_by_key(trees: goldroot.Trees, tmp_path: Path) -> None:
    issue, motd = goldroot.plan_trees(trees).conflicts
    answers = {issue.key: goldroot.Decision("gold"), motd.key: goldroot.Decision("content", b"mine\n")}
    record = goldroot.apply_plan(goldroot.plan_trees(trees, decisions=answers), tmp_path / "out")
    assert record.conflicts == ()
    assert (tmp_path / "out/issue").read_bytes() == b"2\n"
    assert (tmp_path / "out/motd").read_bytes() == b"mine\n"


@pytest.mark.parametrize("word", ["server", "clone"])
def test_the_servers_side_is_an_answer_by_either_word(trees: goldroot.Trees, word: str) -> None:
    issue, motd = goldroot.plan_trees(trees).conflicts
    plan = goldroot.plan_trees(trees, decisions={issue.key: goldroot.Decision(word)})
    assert [one.path for one in plan.conflicts] == [motd.path]


def test_a_policy_decides(trees: goldroot.Trees, tmp_path: Path) -> None:
    policy = goldroot.Policy.parse(b"[[rule]]\npath = '/etc/motd'\nclass = 'gold'\n", "mine")
    record = goldroot.merge_trees(trees, tmp_path / "out", policy)
    assert questions(record.conflicts) == [(b"/etc/issue", "content")]
    assert (tmp_path / "out/motd").read_bytes() == b"2\n"
    (entry,) = (entry for entry in record.entries if entry["path"] == "/etc/motd")
    assert entry["rule"]["where"] == "mine, line 2"


def test_the_command_writes_the_same(trees: goldroot.Trees, tmp_path: Path) -> None:
    words = ["merge", "--base", trees.base, "--gold", trees.gold, "--clone", trees.clone, "--at", "/etc"]
    report = tmp_path / "record.json"
    words += ["--into", tmp_path / "one", "--report", report]
    program = "from goldroot.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 1
    record = goldroot.merge_trees(trees, tmp_path / "two")
    assert report.read_bytes() == record.to_bytes()
    assert dump_tree(tmp_path / "one") == dump_tree(tmp_path / "two")


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_a_path_may_be_of_any_kind(
    trees: goldroot.Trees, tmp_path: Path, kind: typing.Callable[[object], goldroot.AnyPath]
) -> None:
    base, gold, clone = (kind(place) for place in (trees.base, trees.gold, trees.clone))
    record = goldroot.merge_trees(goldroot.Trees(base, gold, clone, at=b"/etc/"), kind(tmp_path / "out"))
    assert record.data == goldroot.plan_trees(trees).record.data


def test_accounts_can_be_given(tmp_path: Path) -> None:
    """The owner's number changes from 7 to 9 in gold: the server's file follows its name."""
    etcs = []
    for word, number in (("b", 7), ("g", 9), ("c", 7)):
        table = {"passwd": f"web:x:{number}:{number}::/:/bin/sh\n", "group": f"web:x:{number}:\n"}
        etcs.append(make_tree(tmp_path / word / "etc", table))
        make_tree(tmp_path / word / "srv", {"f": File("x", uid=number, gid=number) if os.geteuid() == 0 else "x"})
    srv = [etc.parent / "srv" for etc in etcs]
    (srv[2] / "own").write_text("mine")
    if os.geteuid() == 0:
        os.chown(srv[2] / "own", 7, 7)
    trees = goldroot.Trees(*srv, at="/srv", accounts=(etcs[0], etcs[1], etcs[2]))
    record = goldroot.merge_trees(trees, tmp_path / "out")
    assert "numbers-as-numbers" not in {note.kind for note in record.notes}
    if os.geteuid() == 0:
        assert (tmp_path / "out/own").stat().st_uid == 9


def test_progress_is_told_by_stage(trees: goldroot.Trees, tmp_path: Path) -> None:
    told: dict[str, int] = {}

    def stage(name: str) -> goldroot.Progress:
        def add(count: int) -> None:
            told[name] = told.get(name, 0) + count

        return add

    goldroot.merge_trees(trees, tmp_path / "out", options=goldroot.Options(jobs=1, progress=stage))
    assert told == {"reading": told["reading"], "writing": 7}
    assert told["reading"] >= 5 + 6 + 6


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_tree_that_changed_since_the_plan_is_found(trees: goldroot.Trees, tmp_path: Path) -> None:
    plan = goldroot.plan_trees(trees)
    (tmp_path / "clone/own").write_text("other")
    with pytest.raises(goldroot.TreeChanged):
        goldroot.apply_plan(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_result_has_its_record_or_is_not_there(trees: goldroot.Trees, tmp_path: Path) -> None:
    kept: list[goldroot.Record] = []

    def keep(record: goldroot.Record) -> None:
        assert not (tmp_path / "out").exists()
        kept.append(record)
        raise goldroot.NoSpace("no space for the record")

    plan = goldroot.plan_trees(trees)
    with pytest.raises(goldroot.NoSpace):
        goldroot.apply_plan(plan, tmp_path / "out", keep=keep)
    assert sorted(os.listdir(tmp_path)) == ["base", "clone", "gold"]
    assert kept[0].data == plan.record.data


@pytest.mark.parametrize("inside", ["base", "gold/x", "clone/x/y"])
def test_nothing_is_written_into_a_tree(trees: goldroot.Trees, tmp_path: Path, inside: str) -> None:
    before = dump_tree(tmp_path)
    for write in (goldroot.merge_trees, lambda trees, out: goldroot.apply_plan(goldroot.plan_trees(trees), out)):
        with pytest.raises(goldroot.BadInput):
            write(trees, tmp_path / inside)
    assert dump_tree(tmp_path) == before


def test_what_is_there_is_not_written_over(trees: goldroot.Trees, tmp_path: Path) -> None:
    full = make_tree(tmp_path / "full", {"f": "precious"})
    with pytest.raises(goldroot.BadInput, match="not empty"):
        goldroot.apply_plan(goldroot.plan_trees(trees), full)
    assert (full / "f").read_text() == "precious"


def test_trees_that_cannot_be_merged(trees: goldroot.Trees, tmp_path: Path) -> None:
    for wrong, said in (
        (goldroot.Trees(trees.base, trees.gold, trees.gold, at="/etc"), "the same directory"),
        (goldroot.Trees(trees.base, trees.gold, tmp_path / "none", at="/etc"), "there is no"),
        (goldroot.Trees(trees.base, trees.gold, trees.clone, at="etc"), "absolute"),
    ):
        with pytest.raises(goldroot.BadInput, match=said):
            goldroot.plan_trees(wrong)


# -- the page ----------------------------------------------------------------------------------------------------------


def example() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(block)


def test_the_page_shows_a_use_that_works(tmp_path: Path) -> None:
    base: dict[str, Node] = {"hosts": "1\n", "issue": "1\n", "motd": "1\n", "fstab": "a\nb\nc\n"}
    make_tree(tmp_path / "gold-1/etc", base)
    make_tree(tmp_path / "gold-2/etc", {**base, "hosts": "2\n", "issue": "2\n", "motd": "2\n", "fstab": "A\nb\nc\n"})
    make_tree(tmp_path / "server/etc", {**base, "hosts": "3\n", "issue": "3\n", "motd": "3\n", "fstab": "a\nb\nC\n"})
    done = subprocess.run([sys.executable, "-c", example()], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "b'/etc/issue' content stands: clone answers: ('clone', 'gold')" in done.stdout
    assert "/etc/motd gold by our policy, line 3" in done.stdout
    assert "left to decide: 0" in done.stdout
    out = {path: seen.content for path, seen in dump_tree(tmp_path / "merged").items() if path}
    assert out == {"hosts": b"127.0.0.1 localhost\n", "issue": b"2\n", "motd": b"2\n", "fstab": b"A\nb\nC\n"}
    assert json.loads((tmp_path / "record.json").read_bytes())["conflicts"] == []


def test_the_page_names_all() -> None:
    """Errors aside, which have a section of their own."""
    named = set(re.findall(r"goldroot\.(\w+)$", PAGE.read_text(), re.MULTILINE))
    assert set(NAMES) - {"__version__", *vars(errors)} <= named
