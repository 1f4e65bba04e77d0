"""Bytes in, the same bytes out, whatever they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.zvm.directory import Directory, check, differences, keyword_form, meaning, redact, view, views
from goldroot.zvm.directory.asdata import entry_data
from goldroot.zvm.directory.records import join, layout_of, split
from goldroot.zvm.directory.statement import Statement

WORD_TEXT = """
    USER IDENTITY SUBCONFIG PROFILE INCLUDE LINK MDISK MINIOPT DASDOPT IPL MACHINE OPTION NICDEF COMMAND DEDICATE SPOOL
    CONSOLE SPECIAL BUILD ON USING POOL LOADDEV SCPDATA HEX CPU SHARE LOGONBY APPCPASS m l u c s d * ** *PW= *PW00= 190
    0190 1b5 END T-DISK V-DISK DEVNO AUTOG 3390 FB-512 M01RES RR MR A MAINT LINUX1 , RR, 'a b' PASS=x '
"""
WORDS = WORD_TEXT.split()
#: Text that looks like a directory, with everything that may go wrong in one.
directory_like = st.lists(
    st.tuples(
        st.sampled_from(["", " ", "  "]),
        st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join),
        st.sampled_from(["", ",", " ,", " " * 70, " 00010000", "\x00", "\xf3\xa0\x85"]),
        st.sampled_from(["\n", "\n", "\r\n", ""]),
    ),
    max_size=25,
).map(lambda rows: "".join("".join(row) for row in rows).encode("latin-1"))
anything = st.binary(max_size=400) | directory_like


@given(anything)
def test_parse_and_write_is_the_identity_on_any_bytes(data: bytes) -> None:
    assert join(split(data)) == data
    directory = Directory.parse(data)
    assert directory.to_bytes() == data
    assert (
        b"".join(entry.to_bytes() for entry in directory.entries)
        == data[len(data) - sum(len(entry.to_bytes()) for entry in directory.entries) :]
    )


@given(anything)
def test_nothing_that_looks_at_a_directory_fails_on_any_bytes(data: bytes) -> None:
    directory = Directory.parse(data)
    check(directory)
    redact.text(data)
    layout_of(directory.records())
    for entry in directory.entries:
        list(views(entry))
        entry_data(entry)
        keyword_form(directory, entry, reveal=True)
        meaning(entry)
        assert differences(entry, entry) == []
        assert differences(directory.entries[0], entry) is not None


@given(anything)
def test_each_word_is_found_where_it_stands(data: bytes) -> None:
    for statement in Directory.parse(data).statements():
        if statement.is_code:
            said = [statement.records[at].raw[start:end] for at, start, end in statement.places()]
            assert said == statement.raw_words


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("width", [72, 80])
def test_records_of_each_layout(eol: bytes, width: int) -> None:
    lines = [b"USER A B".ljust(width), b" LINK MAINT 190 190 RR".ljust(width), b"*".ljust(width)] * 7
    records = split(b"".join(line + eol for line in lines))
    assert [record.raw for record in records] == lines
    assert {record.eol for record in records} == {eol}
    assert layout_of(records) == (eol, width)


def test_a_width_that_both_divide_is_told_by_the_statements() -> None:
    data = b"".join(b"USER A B".ljust(80) + b" LINK MAINT 190".ljust(80) + b"*".ljust(80) for _ in range(12))
    assert len(data) % 72 == 0
    assert len(split(data)[0].raw) == 80


def test_layouts_of_an_old_directory(old_bytes: bytes) -> None:
    directory = Directory.parse(old_bytes)
    assert directory.to_bytes() == old_bytes
    assert [(entry.kind, entry.name) for entry in directory.entries] == [
        ("DIRECTORY", "6A1"),
        ("USER", "$ALLOC$"),
        ("USER", "DOSSTART"),
        ("USER", "MAINT"),
    ]
    assert [statement.keyword for statement in directory.entry("MAINT").code()] == [
        *("USER", "IPL", "CONSOLE", "SPOOL", "SPOOL", "LINK", "LINK", "MDISK")
    ]


def test_a_text_of_odd_bytes_stays_one_word() -> None:
    """No-break space and NEL are blanks in Unicode and bytes like others here."""
    (entry,) = Directory.parse(b"USER A\xa0B\x85 PW\n").entries
    assert entry.header.operands == ["A\xa0B\x85", "PW"]


def test_continuation() -> None:
    data = b"USER A B\nCOMMAND MSG OP ONE,\n* remark\n\n   TWO ,\n THREE\nLINK X 190\n"
    entry = Directory.parse(data).entry("A")
    assert [statement.operands for statement in entry.code()] == [
        ["A", "B"],
        ["MSG", "OP", "ONE", "TWO", "THREE"],
        ["X", "190"],
    ]
    assert next(entry.code("COMMAND")).tail == "MSG OP ONE TWO THREE"


def test_a_stray_comma_swallows_no_entry() -> None:
    directory = Directory.parse(b"USER A B\n LINK X 190 190 RR,\nUSER C D\n LINK X 190,")
    assert [entry.name for entry in directory.entries] == ["A", "C"]


def test_every_captured_entry_round_trips(
    captured_bytes: bytes, captured_entries: list[dict[str, Any]], counted: Callable[[str, str], None]
) -> None:
    directory = Directory.parse(captured_bytes)
    assert directory.to_bytes() == captured_bytes
    starts = [directory.preamble, *[()] * (len(directory.entries) - 1)]
    same = 0
    for begin, entry, known in zip(starts, directory.entries, captured_entries, strict=True):
        records = [record.raw.decode("latin-1") for s in (*begin, *entry.statements) for record in s.records]
        assert records == known["records"]
        assert (entry.kind, entry.name) == ({"GLOBAL": "GLOBALDEFS"}.get(known["type"], known["type"]), known["id"])
        alone = "\n".join(known["records"]).encode("latin-1")
        assert Directory.parse(alone).to_bytes() == alone
        same += 1
    counted("captured entries that round trip byte for byte", f"{same} of {len(captured_entries)}")
    assert same == len(captured_entries)


def test_captured_directory_in_every_layout(captured_bytes: bytes) -> None:
    """Numbered, CRLF and fixed: the same statements, and still the same bytes."""
    lines = captured_bytes.rstrip(b"\n").split(b"\n")
    said = [(s.keyword, s.raw_words) for s in Directory.parse(captured_bytes).statements()]
    for eol in (b"\n", b"\r\n", b""):
        data = b"".join(line.ljust(72) + b"%08d" % at + eol for at, line in enumerate(lines))
        directory = Directory.parse(data)
        assert directory.to_bytes() == data
        assert [(s.keyword, s.raw_words) for s in directory.statements()] == said


def test_mutated_captured_directory_never_fails(captured_bytes: bytes) -> None:
    chance = random.Random(1)
    for _ in range(20):
        start = chance.randrange(len(captured_bytes))
        data = bytearray(captured_bytes[start : start + 4000])
        for _ in range(30):
            data[chance.randrange(len(data))] = chance.choice([0, 10, 13, 32, 42, 44, 64, 133, 160, 255])
        directory = Directory.parse(bytes(data))
        assert directory.to_bytes() == data
        check(directory)
        for statement in directory.statements():
            assert isinstance(statement, Statement)
            view(statement)
            redact.lines(statement)
