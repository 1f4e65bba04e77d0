"""Policies of a user's own, as a merge obeys them."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.errors import BadPolicy
from support.merging import Table, merge_tables
from support.trees import File

PASSWD = "root:x:0:0::/root:/bin/sh\nmysql:x:{}:0::/:/bin/sh\n"
BASE = {"var/lib/app/a": "1", "var/lib/app/b": "1"}
GOLD = {"var/lib/app/a": "2", "var/lib/app/b": "2"}


@pytest.mark.parametrize(
    "rule",
    [
        'path = "/var/lib/app"\npin = true',
        'path = "/var/lib/app"\nclass = "state"\nwhole = true\npin = true',
        'path = "/var/lib/app/a"\npin = true',
    ],
)
@pytest.mark.parametrize("clone", [BASE, {}, {"var/lib/app/a": "3"}])
def test_a_pinned_unit_is_the_clones_as_a_whole(tmp_path: Path, rule: str, clone: Table) -> None:
    done = merge_tables(tmp_path, BASE, GOLD, clone, policy=f"[[rule]]\n{rule}\n")
    assert {path: done.text(path) for path in BASE if path in done.tree} == clone
    entry = done.entry("/var/lib/app")
    assert entry["outcome"] == "clone"
    assert entry["notes"] == ["gold's change was not taken: this unit is pinned to the server's"]


def test_a_pinned_unit_that_gold_added_is_not_taken(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {}, GOLD, {}, policy='[[rule]]\npath = "/var/lib/app"\npin = true\n')
    assert "var/lib/app" not in done.tree
    assert done.entry("/var/lib/app")["outcome"] == "clone"


def accounts(number: int, **more: str) -> Table:
    return {
        "etc/passwd": PASSWD.format(number),
        "etc/group": "root:x:0:\n",
        "srv/db/file": File("1", uid=number),
        **more,
    }


@pytest.mark.root
@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ('extends = "none"\n', r"/etc/passwd is of class 'config' \(built in\)"),
        ('[[rule]]\npath = "/etc/group"\nclass = "clone"\n', r"/etc/group is of class 'clone' \(policy.toml, line 2\)"),
        ('[[rule]]\npath = "/etc/passwd"\npin = true\n', r"/etc/passwd is pinned \(policy.toml, line 2\)"),
    ],
)
def test_account_tables_that_would_not_number_the_files_are_refused(tmp_path: Path, policy: str, words: str) -> None:
    with pytest.raises(BadPolicy, match=words):
        merge_tables(tmp_path, accounts(101), accounts(102), accounts(101), policy=policy)
    assert not (tmp_path / "out").exists()


def test_where_the_trees_hold_no_account_tables_any_policy_will_do(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, BASE, GOLD, BASE, policy='extends = "none"\n')
    assert done.text("var/lib/app/a") == "2"
