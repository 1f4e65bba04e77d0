"""Trees that hold some of the account files: each that is there is merged by record, with numbers only by passwd or group."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import merge_tables
from support.trees import File

SHADOW = "root:*:20000:0:99999:7:::\nanna:$y$old:20000:0:99999:7:::\n"


def test_shadow_without_passwd_is_merged_by_record(tmp_path: Path) -> None:
    """As text, two changes of neighbouring lines would be a conflict, and one of them lost."""
    gold = SHADOW.replace("root:*:20000:0:99999", "root:*:20000:0:90")
    clone = SHADOW.replace("$y$old:20000", "$y$new:20300") + "bert:$y$b:20300::::::\n"
    done = merge_tables(tmp_path, {"etc/shadow": SHADOW}, {"etc/shadow": gold}, {"etc/shadow": clone})
    assert done.conflicts == []
    assert done.text("etc/shadow") == (
        "root:*:20000:0:90:7:::\nanna:$y$new:20300:0:99999:7:::\nbert:$y$b:20300::::::\n"
    )
    assert "numbers-as-numbers" in {note["kind"] for note in done.record["notes"]}


@pytest.mark.parametrize("file", ["subuid", "subgid"])
def test_ranges_without_passwd_are_kept_apart(tmp_path: Path, file: str) -> None:
    done = merge_tables(
        tmp_path, {f"etc/{file}": ""}, {f"etc/{file}": "gold:100000:65536\n"}, {f"etc/{file}": "1000:100000:65536\n"}
    )
    assert done.conflicts == [(f"/etc/{file}", "accounts:gold:range")]
    assert done.text(f"etc/{file}") == "1000:100000:65536\ngold:165536:65536\n"


def test_gshadow_alone(tmp_path: Path) -> None:
    done = merge_tables(
        tmp_path,
        {"etc/gshadow": "sudo:*::anna\n"},
        {"etc/gshadow": "sudo:*::anna,bert\n"},
        {"etc/gshadow": "sudo:*::\n"},
    )
    assert (done.text("etc/gshadow"), done.conflicts) == ("sudo:*::bert\n", [])


@pytest.mark.root
def test_owners_of_trees_without_passwd_are_numbers(tmp_path: Path) -> None:
    both = {"etc/shadow": SHADOW, "etc/f": File("1", uid=7)}
    done = merge_tables(tmp_path, both, {**both, "etc/f": File("2", uid=7)}, {**both, "etc/f": File("1", uid=8)})
    assert (done.tree["etc/f"].uid, done.text("etc/f")) == (8, "2")
