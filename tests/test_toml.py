"""TOML that people write: on which line everything stands, and mistakes with theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.errors import BadPolicy
from goldroot.toml import lines, parse


def test_places_in_odd_toml() -> None:
    text = '''# comment = [
"quoted key" = 1
a.b = "x # no comment" # comment
a.'c d' = """
[[not.a.table]]
""\\""""
date = 2020-01-01T00:00:00Z
[ t . "u" ]
list = [ # one
  1, [2,
  3], { k = "]", l = [4] },
]
[[arr]]
x = \'\'\'
y = 1\'\'\'
[[arr]]
[arr.sub]
z = 1
'''
    found = lines(text)
    expected = {
        ("quoted key",): 2, ("a", "b"): 3, ("a", "c d"): 4, ("date",): 7, ("t", "u"): 8, ("t", "u", "list"): 9,
        ("t", "u", "list", 0): 10, ("t", "u", "list", 1): 10, ("t", "u", "list", 1, 1): 11, ("t", "u", "list", 2): 11,
        ("t", "u", "list", 2, "l", 0): 11, ("arr", 0): 13, ("arr", 0, "x"): 14, ("arr", 1): 16, ("arr", 1, "sub"): 17,
        ("arr", 1, "sub", "z"): 18,
    }  # fmt: skip
    assert {place: found.get(place) for place in expected} == expected


values = st.sampled_from(
    ["1", "'a#b'", '"x\\"]"', "[1, [2], {a = 1}]", "{a = ']', b.c = [\n1]}", '"""\n]\n"""', "true", "[\n]"]
)


@given(st.lists(st.tuples(st.sampled_from(["", "# x\n", "\n\n", "[[t]]\n", "[u{n}]\n"]), values), max_size=8))
def test_every_key_is_found_where_it_was_put(items: list[tuple[str, str]]) -> None:
    text, expected = "", []
    for number, (before, value) in enumerate(items):
        text += before.replace("{n}", str(number))
        expected.append((f"k{number}", text.count("\n") + 1))
        text += f"k{number} = {value}\n"
    found = {place[-1]: line for place, line in lines(text).items() if str(place[-1]).startswith("k")}
    assert found == dict(expected)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a = 1\na = 2\n", 2, "a key stands twice"),
        ("a = 1\nb = \n", 2, "invalid value"),
        ("a = [1,\n\n", 1, "not valid TOML"),
        # Nothing that a text here is handed to takes a NUL: commands, paths, names of groups.
        ('a = 1\nb = "x\\u0000"\n', 2, r"a text with \\u0000 in it: 'b'"),
        ('[images.a]\nchecks = ["x",\n"y\\u0000"]\n', 3, "'images.a.checks.1'"),
        ('[a]\n"b\\u0000" = 1\n', 2, r"a text with \\u0000"),
        ('[[disk]]\nname = "x"\n[[disk]]\nat = {is = "\\u0000"}\n', 4, "'disk.1.at.is'"),
    ],
)
def test_a_mistake_has_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadPolicy, match=said) as failed:
        parse(text, "f.toml")
    assert (failed.value.file, failed.value.line) == ("f.toml", line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# x\n[images.debian]\n[images.s10]\n", 2),  # a table that only its inner ones name
        ("x = 1\nimages.debian.slots = 3\n", 2),
        ('x = """\nimages = 1\n"""\n[images]\n', 4),  # what looks like a key in a text is not one
    ],
)
def test_a_table_stands_where_it_is_first_named(text: str, line: int) -> None:
    assert parse(text, "f.toml").table("images").error("wrong").line == line


def test_an_unknown_key_is_told_with_what_was_perhaps_meant() -> None:
    top = parse("[[disk]]\nname = 'a'\n[[disk]]\nnmae = 'b'\n", "f.toml")
    first, second = top.tables("disk")
    assert first.text("name") == "a"
    with pytest.raises(BadPolicy, match=r"f\.toml:3: 'name' is missing") as failed:
        second.text("name")
    assert "'nmae'" in failed.value.todo
    second.text("name", "")
    with pytest.raises(BadPolicy, match=r"f\.toml:4: unknown key 'nmae'") as failed:
        second.done()
    assert "'name'" in failed.value.todo


@given(st.text(alphabet="[]a=\"'\n#,{}. 1\\", max_size=60))
def test_no_text_makes_anything_but_a_table_or_bad_policy(text: str) -> None:
    try:
        parse(text, "x")
    except BadPolicy as error:
        assert error.line is not None and 1 <= error.line <= text.count("\n") + 1
