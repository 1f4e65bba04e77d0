"""Mistakes in a policy file: each says the file, the line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.errors import BadPolicy
from goldroot.policy import Policy
from goldroot.policy.policy_file import parse

GOOD = '[[rule]]\npath = "/a"\nclass = "config"\n'

#: text, line, words of the message, words of the advice
MISTAKES: list[tuple[str, int, str, str]] = [
    ('conflct = "clone"\n', 1, "'conflct' is not a key", "'conflict'"),
    ('[[rules]]\npath = "/a"\n', 1, "'rules' is not a key", "'rule'"),
    (GOOD + "\n[[rule]]\npath = '/b'\n\nclas = 'config'\n", 8, "'clas' is not a key", "'class'"),
    ("[[rule]]\npath = '/b'\nclass = 'Identty'\n", 3, "'class' cannot be 'Identty'", "'identity'"),
    ("# a\n[[rule]]\nclass = 'config'\n", 2, "without a path", "path ="),
    ("[[rule]]\npath = '/a'\n", 1, "decides nothing", "class"),
    ("[[rule]]\npath = 3\nclass = 'gold'\n", 2, "'path' must be a string, not a number", ""),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\nsecret = 'yes'\n", 4, "'secret' must be true or false, not a string", ""),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\nsecret = 1\n", 4, "'secret' must be true or false", ""),
    ("[[rule]]\npaths = '/a'\nclass = 'gold'\n", 2, "'paths' must be a list", ""),
    ("[[rule]]\npaths = []\nclass = 'gold'\n", 2, "empty", ""),
    ("[[rule]]\npaths = ['/a',\n 7]\nclass = 'gold'\n", 3, "must be a string", ""),
    ("[[rule]]\npaths = ['/a',\n # [x]\n '/b[']\nclass = 'gold'\n", 4, "'['", ""),
    ("[[rule]]\npath = '/a'\npaths = ['/b']\nclass = 'gold'\n", 3, "not both", ""),
    ("[[rule]]\npath = 'a/b'\nclass = 'gold'\n", 2, "begins with '/'", ""),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\npath = '/b'\n", 4, "twice", ""),
    ("[[rule]]\npath = '/a\nclass = 'gold'\n", 2, "not TOML", "[[rule]]"),
    ("[[rule]]\npath = '/a'\nclass = gold\n", 3, "not TOML", ""),
    ("[rule]\npath = '/a'\n", 1, "must be a list", "two brackets"),
    ("rule = [1]\n", 1, "must be a table", ""),
    ("conflict = 'both'\n", 1, "cannot be 'both'", "clone, gold"),
    ("extends = 'defalt'\n", 1, "cannot be 'defalt'", "'default'"),
    ("[[rule]]\npath = '/a'\nclass = 'config'\nrebuild = 'x'\n", 4, "only with class = 'generated'", ""),
    ("[[rule]]\npath = '/a'\nclass = 'generated'\n", 1, "needs the command", "rebuild"),
    ("[[rule]]\npath = '/a'\nclass = 'generated'\nrebuild = 'x'\nalways = 'clone'\n", 5, "cannot be 'clone'", "gold"),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\nwhole = true\n", 4, "only with class = 'state'", ""),
    ("[[rule]]\npath = '/a'\nclass = 'state'\nmigrate = 'x'\n", 4, "what it migrates", "whole = true"),
    ("rule = [\n {path = '/a', class = 'gold'},\n {path = '/b', class = 'glod'},\n]\n", 3, "'glod'", "'gold'"),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\n[rule.extra]\nx = 1\n", 4, "'extra' is not a key", ""),
    ("[[rule]]\npath = '/a'\nclass = 'gold'\nreason.why = 'x'\n", 4, "'reason' must be a string, not a table", ""),
    ('[[rule]]\npath = "/a"\nclass = "gold"\nreason = """\n[[rule]]\nx = 1\n"""\nowne = "me"\n', 8, "'owne'", "'owner'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said", "advice"), MISTAKES)
def test_mistakes(text: str, line: int, said: str, advice: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        Policy.parse(text.encode(), "my.toml")
    error = caught.value
    assert (error.file, error.line) == ("my.toml", line), error.brief
    assert error.brief.startswith(f"my.toml:{line}: ")
    assert said in error.brief and advice in error.todo
    assert error.exit_code == 2


def test_no_utf8(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match=r"my.toml:2: byte 0xff") as caught:
        Policy.parse(b"# x\npath = '\xff'\n", "my.toml")
    assert "xNN" in caught.value.todo


@pytest.mark.parametrize("name", ["none.toml", ""])
def test_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadPolicy, match="cannot be read"):
        Policy.load(str(tmp_path / name))


def test_nested_beyond_measure() -> None:
    with pytest.raises(BadPolicy):
        Policy.parse(b"a = " + b"[" * 20000, "my.toml")


def test_load_and_where(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("\n[[rule]]\npaths = [\n  '/a',\n  '/b',\n]\nclass = 'gold'\n")
    rule = Policy.load(str(file)).match(b"/b/c")
    assert (rule.cls, rule.where) == ("gold", f"{file}, line 5")


def test_byte_order_mark_and_crlf() -> None:
    written = parse(b"\xef\xbb\xbf[[rule]]\r\npath = '/a'\r\nclass = 'gold'\r\n", "x")
    assert [(rule.pattern, rule.line) for rule in written.rules] == [("/a", 2)]


@given(st.text(alphabet="[]rule=\"'\n#,{}. path/ac:\\", max_size=60))
def test_no_text_makes_anything_but_rules_or_bad_policy(text: str) -> None:
    try:
        parse(text.encode(), "x")
    except BadPolicy as error:
        assert error.line is not None and 1 <= error.line <= text.count("\n") + 1
