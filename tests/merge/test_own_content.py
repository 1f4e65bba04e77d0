"""Which questions take a file of a person's own: the record says it, and the merge uses exactly these answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import CONTENT, Decision
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link

KEEP: Table = {"etc/keep": "x"}
OWN = Decision(CONTENT, b"my own\n")

#: What differs between the three trees at /etc/p -> whether a file of one's own is an answer.
CASES: list[tuple[Table, Table, Table, bool]] = [
    ({"etc/p": "a"}, {"etc/p": "b"}, {"etc/p": "c"}, True),  # a text that both changed
    ({}, {"etc/p": "b"}, {"etc/p": "c"}, True),  # that both added
    ({"etc/p": "a"}, {}, {"etc/p": "c"}, True),  # that one side deleted
    ({"etc/p": "a"}, {"etc/p": "c"}, {}, True),
    ({"etc/p": "a"}, {"etc/p": Link(target="/b")}, {"etc/p": "c"}, True),  # a link for gold, a file for the server
    ({}, {"etc/p": "b"}, {"etc/p": Dir()}, True),
    ({"etc/p": Link(target="/a")}, {"etc/p": Link(target="/b")}, {"etc/p": Link(target="/c")}, False),
    ({}, {"etc/p": Link(target="/b")}, {"etc/p": Link(target="/c")}, False),
    ({"etc/p": Link(target="/a")}, {}, {"etc/p": Link(target="/c")}, False),
    ({"etc/p": Link(target="/a")}, {"etc/p": Link(target="/b")}, {}, False),
    ({}, {"etc/p": Link(target="/b")}, {"etc/p": Dir()}, False),
    ({"etc/p": File("a", mode=0o644)}, {"etc/p": File("a", mode=0o640)}, {"etc/p": File("a", mode=0o600)}, False),
]


@pytest.mark.parametrize(("base", "gold", "clone", "takes"), CASES)
def test_what_takes_a_file_of_ones_own(tmp_path: Path, base: Table, gold: Table, clone: Table, takes: bool) -> None:
    done = merge_tables(tmp_path, KEEP | base, KEEP | gold, KEEP | clone)
    (asked,) = done.record["conflicts"]
    assert (asked["path"], asked["takes_content"]) == ("/etc/p", takes)
    again = answered(tmp_path, asked["key"])
    if takes:
        assert again.conflicts == [] and again.text("etc/p") == "my own\n"
    else:
        (left,) = again.record["conflicts"]
        assert left["key"] == asked["key"] and "it takes no value of one's own" in left["detail"]
        assert again.tree == done.tree, "what stood stands"


def test_a_directory_that_must_stay_takes_no_file(tmp_path: Path) -> None:
    """What gold added below a directory that the server deleted is asked about as a whole."""
    base: Table = KEEP | {"etc/d/old": "x"}
    done = merge_tables(tmp_path, base, base | {"etc/d/new/one": "1"}, KEEP)
    (asked,) = done.record["conflicts"]
    assert not asked["takes_content"]
    assert [one["key"] for one in answered(tmp_path, asked["key"]).record["conflicts"]] == [asked["key"]]


def answered(room: Path, key: str) -> Outcome:
    """The same merge with a file of one's own as the answer."""
    return merge_tables(room, {}, {}, {}, out="answered", decisions={key: OWN})
