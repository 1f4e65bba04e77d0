"""What is shown of two long differences: the hunks where they meet."""

from __future__ import annotations

import difflib

import pytest

from goldroot.cli.hunks import LONG, HunkPart, where_they_meet

BASE = [f"line {number}" for number in range(400)]


def differences(gold: dict[int, str], clone: dict[int, str]) -> dict[str, list[str]]:
    """Unified differences of BASE with some of its lines changed."""
    sides = {"base->gold": gold, "base->clone": clone}
    texts = {word: [side.get(number, line) for number, line in enumerate(BASE)] for word, side in sides.items()}
    return {word: list(difflib.unified_diff(BASE, text, lineterm=""))[2:] for word, text in texts.items()}


MANY = dict.fromkeys(range(10, 400, 30), "gold's")


def test_only_hunks_that_meet_are_shown() -> None:
    diffs = differences(MANY, {70: "clone's", 200: "clone's own"})
    shown = where_they_meet(diffs)
    gold, clone = shown["base->gold"], shown["base->clone"]
    assert gold.hidden == len(MANY) - 1 and clone.hidden == 1
    assert [line for line in gold.lines if line[0] in "-+"] == ["-line 70", "+gold's"]
    assert [line for line in clone.lines if line[0] in "-+"] == ["-line 70", "+clone's"]
    assert gold.lines[0].startswith("@@ -68,7 ") and len(gold.lines) == len(clone.lines) == 9


def test_changes_side_by_side_meet_by_their_context() -> None:
    shown = where_they_meet(differences(MANY, {71: "clone's"}))
    assert "+gold's" in shown["base->gold"].lines and shown["base->gold"].hidden == len(MANY) - 1


@pytest.mark.parametrize(
    "diffs",
    [
        pytest.param(differences({5: "gold's", 300: "x"}, {5: "clone's"}), id="short"),
        pytest.param(differences(MANY, {25: "clone's"}), id="they do not meet"),
        pytest.param(
            {"base->gold": ["~root: field 2 changed"] * 99, "base->clone": ["+ops: x"]}, id="an account table"
        ),
        pytest.param({"base->gold": differences(MANY, {})["base->gold"], "base->clone": []}, id="one side alone"),
        pytest.param({}, id="no differences"),
    ],
)
def test_what_is_shown_whole(diffs: dict[str, list[str]]) -> None:
    assert where_they_meet(diffs) == {word: HunkPart(lines, 0) for word, lines in diffs.items()}


def test_two_additions_of_one_file_meet() -> None:
    lines = [f"+{number}" for number in range(LONG)]
    diffs = {"base->gold": ["@@ -0,0 +1,60 @@", *lines], "base->clone": ["@@ -0,0 +1,2 @@", "+a", "+b"]}
    assert where_they_meet(diffs) == {word: HunkPart(each, 0) for word, each in diffs.items()}
