"""Text merges: what git says, and that nobody's settings change it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.errors import MissingProgram, ProgramFailed
from goldroot.merge.decide import text
from goldroot.merge.decide.text import TextMerge, is_text, merge_text
from support.examples import examples
from support.merging import merge_tables

BASE = b"a\nb\nc\nd\ne\nf\ng\n"


def test_is_text() -> None:
    assert is_text(b"") and is_text(b"\xff\xfe a\n") and is_text(b"x" * 8192 + b"\0")
    assert not is_text(b"\0") and not is_text(b"x" * 8191 + b"\0")


def test_both_sides_arrive() -> None:
    merged = merge_text(BASE, BASE.replace(b"b", b"gold"), BASE.replace(b"f", b"clone"))
    assert merged == TextMerge(True, b"a\ngold\nc\nd\ne\nclone\ng\n")


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    gold, clone = BASE.replace(b"b", b"x") + b"gold\n", BASE.replace(b"b", b"x")
    assert merge_text(BASE, gold, clone) == TextMerge(True, gold)


def test_a_conflict_shows_all_three() -> None:
    merged = merge_text(BASE, BASE.replace(b"d", b"gold"), BASE.replace(b"d", b"clone"))
    assert not merged.clean
    assert merged.merged == b"a\nb\nc\n<<<<<<< clone\nclone\n||||||| base\nd\n=======\ngold\n>>>>>>> gold\ne\nf\ng\n"


USERS = b"ann ALL=(ALL) ALL\nbob ALL=(ALL) ALL\nzed ALL=(ALL) ALL\n"
LESS = USERS.replace(b"bob ALL=(ALL) ALL\n", b"")
MOVED = LESS + b"bob ALL=(ALL) ALL\n"


@pytest.mark.parametrize(
    ("base", "gold", "clone", "clean"),
    [
        pytest.param(USERS, LESS, MOVED, False, id="gold removed it, the server moved it"),
        pytest.param(USERS, MOVED, LESS, False, id="the server removed it, gold moved it"),
        pytest.param(USERS, LESS, b"# ours\n" + MOVED, False, id="and has more"),
        pytest.param(USERS, LESS, USERS + b"eve ALL=(ALL) ALL\n", True, id="nobody moved it"),
        pytest.param(USERS, LESS, USERS + b"[more]\nbob ALL=(ALL) ALL\n", True, id="the server has it once more"),
        pytest.param(USERS + USERS, USERS + LESS, USERS + LESS, True, id="both removed one of two"),
        pytest.param(
            b"{\n  a 1111\n}\n{\n  b 2222\n}\nend here\n", b"{\n  a 1111\n}\nend here\n",
            b"{\n  a 1111\n}\n{\n  b 2222\n}\nend here\n{\n}\n", True, id="braces say nothing",
        ),
    ],
)  # fmt: skip
def test_a_line_that_one_side_removed_does_not_come_back_by_the_others_move(
    base: bytes, gold: bytes, clone: bytes, clean: bool
) -> None:
    merged = merge_text(base, gold, clone)
    assert merged.clean is clean
    assert text.is_moved_and_removed(base, gold, clone) is not clean


def test_a_reviewer_is_told_of_the_line_that_was_moved(tmp_path: Path) -> None:
    path = "etc/sudoers.d/ops"
    done = merge_tables(tmp_path, *({path: side.decode()} for side in (USERS, LESS, MOVED)))
    assert done.conflicts == [(f"/{path}", "content")]
    assert "one side moved a line that the other removed" in done.record["conflicts"][0]["detail"]
    assert done.text(path) == MOVED.decode()


def test_many_conflicts_are_no_error() -> None:
    base = b"".join(b"%d\n\n\n\n\n" % n for n in range(300))
    merged = merge_text(base, base.replace(b"\n\n\n\n\n", b"g\n\n\n\n\n"), base.replace(b"\n\n\n\n\n", b"c\n\n\n\n\n"))
    assert not merged.clean and merged.merged.count(b"<<<<<<< clone\n") == 300


def test_both_added_differently() -> None:
    assert not merge_text(b"", b"a\n", b"b\n").clean


def test_line_ends_stay() -> None:
    crlf = BASE.replace(b"\n", b"\r\n")
    merged = merge_text(crlf, crlf.replace(b"b", b"B"), crlf.replace(b"f", b"F"))
    assert merged == TextMerge(True, crlf.replace(b"b", b"B").replace(b"f", b"F"))


def test_no_final_newline() -> None:
    base = BASE[:-1]
    assert merge_text(base, base.replace(b"b", b"B"), base + b"\n") == TextMerge(True, BASE.replace(b"b", b"B"))
    assert merge_text(base, base.replace(b"b", b"B"), base.replace(b"f", b"F")).merged[-1:] == b"g"


def test_very_long_lines_and_bytes_that_are_no_utf8() -> None:
    base = b"x" * 300_000 + b"\n\xff\xfe\nc\nd\ne\n"
    merged = merge_text(base, b"first\n" + base, base.replace(b"e\n", b"\xe9\n"))
    assert merged == TextMerge(True, b"first\n" + base.replace(b"e\n", b"\xe9\n"))


def test_existing_markers_are_text_and_ours_are_longer() -> None:
    base = b"<<<<<<< old\na\n=======\nb\n>>>>>>> old\nc\nd\ne\nf\n"
    assert merge_text(base, b"x\n" + base, base.replace(b"f", b"F")) == TextMerge(
        True, b"x\n" + base.replace(b"f", b"F")
    )
    merged = merge_text(base, base.replace(b"f", b"G"), base.replace(b"f", b"C"))
    assert not merged.clean and b"\n<<<<<<<< clone\n" in merged.merged and merged.merged.startswith(base[:-2])


def test_binary_and_huge_are_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert merge_text(b"a\0", b"b\0", b"c\0") == TextMerge(False, b"")
    assert merge_text(b"a\0", b"b\0", b"a\0") == TextMerge(True, b"b\0")
    monkeypatch.setattr(text, "MAX_TEXT", 3)
    assert merge_text(b"a", b"b", b"long") == TextMerge(False, b"")


def test_a_nul_beyond_the_probe_is_merged() -> None:
    base = b"x\n" * 5000 + b"\0\n" + b"y\n" * 5
    assert merge_text(base, b"g\n" + base, base + b"c\n") == TextMerge(True, b"g\n" + base + b"c\n")


def test_the_users_git_configuration_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "[merge]\n\tconflictStyle = merge\n[core]\n\tautocrlf = true\n[this is broken\n"
    (tmp_path / ".gitconfig").write_text(config)
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "config").write_text(config)
    room = tmp_path / "room"
    (room / ".git").mkdir(parents=True)
    (room / ".git" / "config").write_text(config)
    (room / ".gitattributes").write_text("* merge=union conflict-marker-size=20\n")
    for name, value in {
        "HOME": tmp_path, "XDG_CONFIG_HOME": tmp_path, "TMPDIR": room, "GIT_CONFIG_GLOBAL": tmp_path / ".gitconfig",
        "GIT_DIR": room / ".git", "GIT_CONFIG_COUNT": 1, "GIT_CONFIG_KEY_0": "x", "GIT_CONFIG_VALUE_0": "y",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(room)
    test_a_conflict_shows_all_three()
    assert sorted(os.listdir(room)) == [".git", ".gitattributes"]


def test_git_is_needed_only_where_both_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingProgram("the program 'git' is not installed")

    monkeypatch.setattr(text, "run", missing)
    assert merge_text(b"a", b"b", b"a").merged == b"b"
    assert merge_text(b"a", b"a", b"c").merged == b"c"
    assert merge_text(b"a", b"b", b"b").merged == b"b"
    with pytest.raises(MissingProgram):
        merge_text(b"a", b"b", b"c")


def test_old_git_gets_the_older_style(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text._version("git version 2.34.1\n") == (2, 34)
    assert text._version("git version 2.39.5 (Apple Git-154)") == (2, 39)
    with pytest.raises(ProgramFailed):
        text._version("hello")
    monkeypatch.setattr(text, "_style", lambda: "--diff3")
    test_a_conflict_shows_all_three()


def test_an_error_of_git_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_style", lambda: "--no-such-option")
    with pytest.raises(ProgramFailed, match="git ended with status"):
        merge_text(b"a\n", b"b\n", b"c\n")


def test_no_text_is_written_to_a_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text may be a secret, and a merge that is killed removes nothing: its files are in memory alone."""
    seen: list[str] = []
    real = text.run

    def spy(args: list[str], **kwargs: object) -> object:
        if "merge-file" in args:
            seen.extend(os.readlink(file) for file in args[-3:])
        return real(args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr(text, "run", spy)
    merge_text(b"a\n", b"b\n", b"c\n")
    assert [file.partition(" ")[0] for file in seen] == ["/memfd:clone", "/memfd:base", "/memfd:gold"]


texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"d\r\n", b"e"]), max_size=6).map(b"".join)


@given(texts, texts)
def test_laws_of_one_sided_changes(base: bytes, other: bytes) -> None:
    assert merge_text(base, base, other) == TextMerge(True, other)
    assert merge_text(base, other, base) == TextMerge(True, other)
    assert merge_text(base, other, other) == TextMerge(True, other)


@given(texts, texts, texts)
@settings(max_examples=examples(25), deadline=None)
def test_clean_merges_are_stable(base: bytes, gold: bytes, clone: bytes) -> None:
    merged = merge_text(base, gold, clone)
    assert merged == merge_text(base, gold, clone)
    if merged.clean:
        assert merge_text(gold, gold, merged.merged) == merged
