"""What each side did, in words; texts that are put together from hunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.conflicts import CLONE, GOLD, Conflict, Decision
from goldroot.merge.review.parts import BOTH, marked, parts_of, put_together, split_part
from goldroot.merge.review.question import Question, side_or_content
from goldroot.merge.review.words import conflict_shown, say_sides
from goldroot.policy import Policy
from support.examples import examples

Side = Mapping[str, Any] | None
Contents = tuple[bytes | None, bytes | None, bytes | None]

FILE = {"kind": "file", "mode": "0644", "owner": "root", "group": "root"}
LONG = b"".join(b"line %d\n" % number for number in range(129))
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"


def question(
    axis: str, sides: tuple[Side, Side, Side], contents: Contents = (None, None, None), path: bytes = b"/etc/app.conf",
    kind: str = "both-changed",
) -> Question:  # fmt: skip
    rule = Policy.default().match(path)
    asked = Conflict(path, axis, kind, (b"", b"", b""), secret=rule.secret)
    return Question(asked, dict(zip(("base", "gold", "clone"), sides, strict=True)), contents, rule)


def words(one: Question) -> tuple[str, str]:
    said = say_sides(one)
    return said["gold"].words, said["clone"].words


def test_a_deletion_is_words_and_no_file_of_129_lines() -> None:
    one = question("presence", (FILE, None, FILE), (LONG, None, LONG + b"mine\n"))
    assert words(one) == ("deleted it (a file of 129 lines)", "changed its content")
    said = say_sides(one)
    assert said["gold"].lines == () and "+mine" in said["clone"].lines and len(said["clone"].lines) < 9
    shown = conflict_shown(one, "")
    assert shown["diffs"]["base->gold"] == [] and shown["said"]["gold"].startswith("deleted it")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "an empty file"), (b"one", "a file of 1 line"), (b"a\0b", "a binary file of 3 bytes"), (None, "a file")],
)
def test_what_was_deleted(content: bytes | None, what: str) -> None:
    assert words(question("presence", (FILE, FILE, None), (content, b"new\n", None)))[1] == f"deleted it ({what})"


def test_a_link_says_where_it_leads() -> None:
    def link(to: str) -> Side:
        return {"kind": "link", "mode": "0777", "owner": "root", "group": "root", "target": to}

    one = question("content", (link("/a"), link("/b"), link("/c")), (b"-> /a", b"-> /b", b"-> /c"))
    assert words(one) == ("made it lead to /b instead of /a", "made it lead to /c instead of /a")
    assert not one.is_text and "newline" not in repr(conflict_shown(one, ""))
    one = question("type", (FILE, link("/b"), FILE), (b"x\n", b"-> /b", b"y\n"))
    assert words(one) == ("made it a link to /b (it was a file)", "changed its content")
    one = question("type", (None, link("/b"), {**FILE, "kind": "directory"}), (None, b"-> /b", None))
    assert words(one) == ("added a link to /b", "added a directory")


@pytest.mark.parametrize(
    ("axis", "values", "said"),
    [
        ("mode", ("0644", "0640", "0600"), ("mode 0644 -> 0640", "mode 0644 -> 0600")),
        ("owner", ("root", "www", "#1005"), ("owner root -> www", "owner root -> #1005")),
        ("group", ("root", "adm", "staff"), ("group root -> adm", "group root -> staff")),
    ],
)
def test_a_plain_value_is_told_before_and_after(axis: str, values: tuple[str, ...], said: tuple[str, str]) -> None:
    base, gold, clone = ({**FILE, axis: value} for value in values)
    assert words(question(axis, (base, gold, clone), (b"x", b"x", b"x"))) == said


def test_a_mode_that_changed_beside_a_deletion_is_told() -> None:
    one = question("presence", (FILE, None, {**FILE, "mode": "0600", "owner": "www"}), (b"x\n", None, b"x\n"))
    assert words(one) == ("deleted it (a file of 1 line)", "mode 0644 -> 0600, owner root -> www")


def test_an_attribute() -> None:
    has = {**FILE, "xattrs": ["user.note"]}
    assert words(question("xattr:user.note", (has, FILE, has))) == ("removed the attribute", "gave it another value")
    assert words(question("xattr:user.note", (FILE, has, has))) == ("set it", "set it")


def test_the_number_of_an_account_says_who_has_it() -> None:
    gold, clone = PASSWD + b"chrony:x:102:102::/:/bin/false\n", PASSWD + b"local:x:102:102::/home/local:/bin/sh\n"
    one = question("accounts:local:uid", (FILE, FILE, FILE), (PASSWD, gold, clone), b"/etc/passwd", "number-taken")
    assert words(one) == (
        "gives the uid 102 to chrony",
        "added local: uid 102, gid 102, home /home/local, shell /bin/sh",
    )


def test_a_field_of_an_account_and_no_password() -> None:
    def table(shell: str, password: str = "x") -> bytes:
        return PASSWD + f"anna:{password}:1000:1000::/home/anna:{shell}\n".encode()

    contents = table("/bin/sh"), table("/bin/bash"), table("/bin/zsh", "$6$secret")
    one = question("accounts:anna:shell", (FILE, FILE, FILE), contents, b"/etc/passwd")
    assert words(one) == ("shell /bin/sh -> /bin/bash", "changed the password, shell /bin/sh -> /bin/zsh")
    assert "$6$" not in repr(conflict_shown(one, ""))
    gone = question("accounts:anna:record", (FILE, FILE, FILE), (contents[0], PASSWD, contents[2]), b"/etc/passwd")
    assert words(gone)[0] == "removed anna"


def test_a_secret_is_not_told_by_its_size() -> None:
    one = question("presence", (FILE, None, FILE), (b"key\n", None, b"other\n"), b"/etc/ssh/ssh_host_rsa_key")
    assert one.rule.secret
    assert words(one)[0] == "deleted it (a file)" and "other" not in repr(conflict_shown(one, ""))


def test_what_is_not_a_text() -> None:
    both = question("content", (FILE, FILE, FILE), (b"a\n", b"b\n", b"c\n"))
    assert both.is_text and both.in_both
    assert not question("content", (FILE, FILE, FILE), (b"a\n", b"b\0", b"c\n")).is_text
    assert not question("mode", (FILE, FILE, FILE), (b"a\n", b"b\n", b"c\n")).is_text
    deleted = question("presence", (FILE, None, FILE), (b"a\n", None, b"c\n"))
    assert deleted.is_text and not deleted.in_both
    marked_file = question("content", (FILE, FILE, FILE), (b"-> a\n", b"-> b\n", b"-> c\n"))
    assert marked_file.is_text, "a file may begin like this, too"


def test_an_own_text_that_is_a_sides_is_said_so() -> None:
    one = question("content", (FILE, FILE, FILE), (b"a\n", b"b\n", b"c\n"))
    assert side_or_content(b"b\n", one) == Decision(GOLD) and side_or_content(b"c\n", one) == Decision(CLONE)
    assert side_or_content(b"d\n", one) == Decision("content", b"d\n")
    only = replace(one, asked=Conflict(b"/x", "content", "k", (b"", b"", b""), answers=(CLONE,)))
    assert side_or_content(b"b\n", only).take == "content"


# -- hunks


BASE = b"one\ntwo\nthree\nfour\nfive\n"


def test_a_hunk_is_cut_between_lines_that_changed_apart() -> None:
    gold, clone = BASE.replace(b"one", b"ONE").replace(b"two", b"TWO"), BASE.replace(b"two", b"2").replace(b"one", b"1")
    parts = parts_of(BASE, gold, clone)
    (hunk,) = (part for part in parts if part.asks)
    assert [(part.base, part.gold, part.clone) for part in split_part(hunk)] == [
        (b"one\n", b"ONE\n", b"1\n"), (b"two\n", b"TWO\n", b"2\n"),
    ]  # fmt: skip
    first = split_part(hunk)[0]
    assert split_part(first) == [first], "one line is not cut"


def test_two_texts_that_were_added_are_cut_around_what_both_have() -> None:
    (hunk,) = (part for part in parts_of(b"", b"a\nx\nb\n", b"c\nx\nd\n") if part.asks)
    cut = split_part(hunk)
    assert [part.agreed for part in cut] == [None, b"x\n", None]
    assert put_together(cut, [cut[0].taken(GOLD), cut[2].taken(BOTH)]) == b"a\nx\nd\nb\n"


LINES = st.lists(st.sampled_from(["a", "b", "c", "d\r", "<<<<<<< clone", "=======", "||||||| base", ""]), max_size=7)
TEXTS = st.builds(lambda lines, end: ("\n".join(lines) + end).encode(), LINES, st.sampled_from(["", "\n"]))


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=examples(12))
def test_hunks_taken_from_one_side_make_its_text_and_a_cut_keeps_all_lines(
    base: bytes, gold: bytes, clone: bytes
) -> None:
    whole = parts_of(base, gold, clone)
    small = [one for part in whole for one in split_part(part)]
    for parts in (whole, small):
        asks = [part for part in parts if part.asks]
        for word, side in ((GOLD, gold), (CLONE, clone)):
            text = put_together(parts, [part.taken(word) for part in asks])
            assert text == put_together(whole, [part.taken(word) for part in whole if part.asks])
            if all(part.asks for part in whole):
                assert text == side
        assert all(part.gold != part.clone for part in asks)
    shown = put_together(small, [marked(small, number) for number, part in enumerate(small) if part.asks])
    assert shown.count(b"\n>>>>>>>") >= sum(part.asks for part in small)
