"""Hard links between files that are merged by their content and files of state units, which nobody reads."""

from __future__ import annotations

from pathlib import Path

from support.merging import merge_tables
from support.trees import File, HardLink, Node

BOTH = ("etc/app/data", "var/lib/app/data")


def linked(content: str, **more: Node) -> dict[str, Node]:
    return {"etc/app/data": File(content), "var/lib/app/data": HardLink("etc/app/data"), **more}


def separated(record: dict[str, list[dict[str, str]]]) -> list[str]:
    return [note["path"] for note in record["notes"] if note["kind"] == "hard-link-separated"]


def test_a_link_into_a_unit_stays_where_nothing_about_it_changed(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, linked("1"), linked("1", **{"etc/new": "x"}), linked("1"))
    assert done.tree["etc/app/data"].names == BOTH
    assert separated(done.record) == []


def test_a_link_into_a_unit_stays_where_one_side_wrote_through_it(tmp_path: Path) -> None:
    for number, sides in enumerate([("1", "2"), ("2", "1")]):
        (tmp_path / str(number)).mkdir()
        done = merge_tables(tmp_path / str(number), linked("1"), *(linked(side) for side in sides))
        assert done.tree["etc/app/data"].names == BOTH
        assert done.text("var/lib/app/data") == "2"


def test_a_link_into_a_unit_is_separated_where_the_ends_differ(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, linked("1"), linked("2"), linked("1", **{"var/lib/app/mine": "x"}))
    assert (done.text("etc/app/data"), done.text("var/lib/app/data")) == ("2", "1")
    assert separated(done.record) == ["/etc/app/data", "/var/lib/app/data"]


def test_a_link_between_a_changed_and_an_unchanged_unit_stays(tmp_path: Path) -> None:
    base: dict[str, Node] = {
        "usr/local/bin/git": "program",
        "usr/local/libexec/git": HardLink("usr/local/bin/git"),
    }
    done = merge_tables(tmp_path, base, base, {**base, "usr/local/bin/mine": "x"})
    assert done.tree["usr/local/bin/git"].names == ("usr/local/bin/git", "usr/local/libexec/git")
    assert separated(done.record) == []
