"""The rules of a merge are those of the new gold's family; another family than the old gold's is one question."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from goldroot.merge import Options, Trees, plan_trees
from support.merging import Outcome, Table, merge_tables
from support.trees import Link, make_tree

POLICY = """
[[rule]]
path = "/etc/x"
class = "gold"
family = "suse"

[[rule]]
path = "/etc/x"
class = "clone"
family = "debian"
"""


def system(name: str, text: str) -> Table:
    return {"usr/lib/os-release": f"ID={name}\n", "etc/os-release": Link("../usr/lib/os-release"), "etc/x": text}


def merged(room: Path, base: str, gold: str, out: str = "out", **decisions: Decision) -> Outcome:
    sides = system(base, "1"), system(gold, "2"), system(base, "3")
    return merge_tables(room, *sides, policy=POLICY, out=out, decisions=decisions)


@pytest.mark.parametrize(("name", "text"), [("debian", "3"), ("ubuntu", "3"), ("sles", "2"), ("opensuse-leap", "2")])
def test_a_family_has_its_rules(tmp_path: Path, name: str, text: str) -> None:
    done = merged(tmp_path, name, name)
    assert (done.conflicts, done.text("etc/x")) == ([], text)


def test_another_family_is_one_question_and_its_answer_says_whose_rules_hold(tmp_path: Path) -> None:
    done = merged(tmp_path, "debian", "sles")
    assert (done.conflicts, done.text("etc/x")) == ([("/etc/os-release", "family")], "2")
    key = done.record["conflicts"][0]["key"]
    for take, text in (("gold", "2"), ("clone", "3")):
        again = merged(tmp_path, "debian", "sles", out=f"by-{take}", **{key: Decision(take)})
        assert (again.conflicts, again.text("etc/x")) == ([], text)


def test_a_later_gold_of_that_family_asks_no_more_and_an_unknown_one_never(tmp_path: Path) -> None:
    for number, (base, gold) in enumerate((("sles", "sles"), ("arch", "sles"), ("debian", "arch"))):
        room = tmp_path / str(number)
        room.mkdir()
        assert ("/etc/os-release", "family") not in merged(room, base, gold).conflicts


def test_the_family_of_a_root_that_was_named(tmp_path: Path) -> None:
    roots = [
        make_tree(tmp_path / name, {"usr/lib/os-release": f"ID={name}\n", "etc/x": "1"}) for name in ("debian", "sles")
    ]
    clone = make_tree(tmp_path / "clone", {"x": "1"})
    trees = Trees(roots[0] / "etc", roots[1] / "etc", clone, "/etc", system=(roots[0], roots[1]))
    assert [one.axis for one in plan_trees(trees, options=Options(jobs=1)).conflicts] == ["family"]
