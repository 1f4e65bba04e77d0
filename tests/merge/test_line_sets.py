"""Sets of lines: gold's additions and removals on the clone's lines, order kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.merge.decide.line_sets import merge_lines
from support.merging import merge_tables

CASES = {
    "both add": (b"a\nb\n", b"a\nb\ng\n", b"a\nb\nc\n", b"a\nb\ng\nc\n"),
    "gold removes, clone adds": (b"a\nb\n", b"a\n", b"a\nb\nc\n", b"a\nc\n"),
    "clone removes, gold adds": (b"a\nb\n", b"a\nb\ng\n", b"a\n", b"a\ng\n"),
    "each removes another": (b"a\nb\nc\n", b"a\nb\n", b"b\nc\n", b"b\n"),
    "no base": (b"", b"a\ng\n", b"a\nc\n", b"a\ng\nc\n"),
    "gold adds at the top": (b"b\n", b"a\nb\n", b"x\nb\nc\n", b"x\na\nb\nc\n"),
    "gold adds between": (b"a\nb\n", b"a\ng1\ng2\nb\n", b"a\nx\nb\n", b"a\ng1\ng2\nx\nb\n"),
    "nothing in common": (b"a\n", b"g1\ng2\n", b"c\n", b"c\ng1\ng2\n"),
    "comments travel as lines": (
        b"# one\na\n",
        b"# one\na\n# two\ng\n",
        b"# mine\n# one\na\n",
        b"# mine\n# one\na\n# two\ng\n",
    ),
    "blank lines are the clone's": (b"a\n\nb\n", b"a\nb\ng\n", b"a\n\n\nb\n", b"a\n\n\nb\ng\n"),
    "all duplicates of a removed line go": (b"a\nb\n", b"b\n", b"a\nb\na\n", b"b\n"),
    "an added duplicate arrives once": (b"a\n", b"a\ng\nx\ng\n", b"a\nc\n", b"a\ng\nx\nc\n"),
    "the clone's duplicates stay": (b"a\n", b"a\ng\n", b"a\na\n", b"a\ng\na\n"),
    "already there": (b"a\n", b"a\ng\n", b"g\na\n", b"g\na\n"),
    "gold only reorders": (b"a\nb\n", b"b\na\n", b"a\nb\nc\n", b"a\nb\nc\n"),
    "white space at the end does not count": (b"a\nb\n", b"b\n", b"a \nb\t\r\nc\n", b"b\t\r\nc\n"),
    "the clone's last line has no newline": (b"a\n", b"a\ng\n", b"a\nc", b"a\ng\nc"),
    "gold's last line has no newline": (b"a\n", b"a\ng", b"a\nc\n", b"a\ng\nc"),
    "neither had one": (b"a", b"a\ng", b"a\nc", b"a\ng\nc"),
    "the clone emptied it": (b"a\n", b"a\ng\n", b"", b"g\n"),
    "gold emptied it": (b"a\n", b"", b"a\nc\n", b"c\n"),
    "gold emptied it, and nothing is left": (b"a\nb\n", b"", b"a\n", b""),
    "bytes that are not text": (b"\xff\n", b"\xff\n\xfe\n", b"\xff\n\xfd\n", b"\xff\n\xfe\n\xfd\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_merges(case: str) -> None:
    base, gold, clone, merged = CASES[case]
    assert merge_lines(base, gold, clone) == merged


line = st.sampled_from([b"a", b"b", b"c", b"# d", b"", b" ", b"e\r"])
contents = st.tuples(st.lists(line, max_size=7), st.booleans()).map(
    lambda t: b"\n".join(t[0]) + (b"\n" if t[1] else b"")
)


def elements(content: bytes) -> set[bytes]:
    return {line.rstrip(b" \t\r") for line in content.split(b"\n")} - {b""}


@given(contents, contents)
def test_laws(base: bytes, other: bytes) -> None:
    assert merge_lines(base, base, other) == other
    assert merge_lines(base, other, base) == other
    assert merge_lines(base, other, other) == other


@given(contents, contents, contents)
def test_it_is_the_merge_of_the_sets(base: bytes, gold: bytes, clone: bytes) -> None:
    b, g, c = elements(base), elements(gold), elements(clone)
    assert elements(merge_lines(base, gold, clone)) == (c - (b - g)) | (g - b)


@given(contents, contents, contents)
def test_merging_again_changes_nothing(base: bytes, gold: bytes, clone: bytes) -> None:
    merged = merge_lines(base, gold, clone)
    assert merge_lines(gold, gold, merged) == merged
    assert elements(merge_lines(base, gold, merged)) == elements(merged)


@given(contents, contents, contents)
def test_the_clones_order_is_kept(base: bytes, gold: bytes, clone: bytes) -> None:
    if clone == base:
        return
    merged = merge_lines(base, gold, clone).split(b"\n")
    kept = [line for line in clone.split(b"\n") if line.rstrip(b" \t\r") and line in merged]
    rest = iter(merged)
    assert all(line in rest for line in kept)


@pytest.mark.parametrize(
    "path",
    [
        "root/.k5login", "home/a/.rhosts", "home/a/.shosts", "etc/hosts.equiv", "etc/cron.allow", "etc/at.deny", "etc/ftpusers",
        "etc/vsftpd/user_list", "etc/securetty",
    ],
)  # fmt: skip
def test_who_is_let_in_stands_in_lines(tmp_path: Path, path: str) -> None:
    """Gold takes one out whom the server has moved, and the server's own stays."""
    done = merge_tables(tmp_path, {path: "ann\nbob\nzed\n"}, {path: "ann\nzed\n"}, {path: "own\nbob\nann\nzed\n"})
    assert (done.text(path), done.conflicts) == ("own\nann\nzed\n", [])
